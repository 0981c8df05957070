package fargate

import (
	"slices"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// converter converts one definition. Only its methods in edit.go edit the definition,
// and each reports what it does, so that there is no edit without a finding. (A test
// reads the source to check this.)
type converter struct {
	Options
	*finding.Recorder
	def      *tree.Node // the task definition
	shape    taskdef.Shape
	judging  bool // for Check: what only a conversion would add is not an error
	template bool // def is in a CloudFormation template
	list     bool // input and output hold only the containers of def

	claim             bool                  // def claimed FARGATE before anything was edited
	was               string                // network mode before anything was edited
	fargate           bool                  // def already claims FARGATE, so nothing in it is about an instance
	windows           bool                  // the containers run Windows; platform sets it
	mode              string                // network mode before the conversion, "" for none
	containers        []*tree.Node          // those that can be read
	names             map[*tree.Node]string // of containers
	byName            map[string]*tree.Node // containers
	containersUnknown bool                  // some containers are known only at deployment
	reported          map[*tree.Node]bool   // as unknown
	collisions        []collision           // of ports
	rewritten         map[*tree.Node]bool   // texts with 127.0.0.1 in the place of an alias
}

// convert runs the rules over a definition: over each outcome of its conditions, if it
// has any.
func convert(def *tree.Node, shape taskdef.Shape, o Options) []finding.Finding {
	return newConverter(def, shape, o).convert()
}

func (first *converter) convert() []finding.Finding {
	all := outcomes(first.def)
	if len(all) == 0 {
		first.run()
		return first.wayOut(first.Findings())
	}
	first.beforeBranches()
	for _, outcome := range all {
		restore := first.def.Choose(func(condition string) bool { return outcome[condition] })
		c := newConverter(first.def, first.shape, first.Options)
		c.Recorder, c.claim, c.was, c.judging = first.Recorder, first.claim, first.was, first.judging
		c.run()
		restore()
	}
	return first.wayOut(first.Findings())
}

func newConverter(def *tree.Node, shape taskdef.Shape, o Options) *converter {
	c := &converter{
		Options:  o,
		Recorder: finding.NewRecorder(o.Allow),
		def:      def,
		shape:    shape,
		template: shape == taskdef.Template,
		list:     shape == taskdef.List,
		names:    map[*tree.Node]string{},
		byName:   map[string]*tree.Node{},
		reported: map[*tree.Node]bool{}, rewritten: map[*tree.Node]bool{},
	}
	c.claim = c.claims(c.compatibility())
	if n := def.Get("networkMode"); !n.Opaque() {
		c.was, _ = n.Text()
	}
	return c
}

// beforeBranches sets what must not differ between branches.
func (c *converter) beforeBranches() {
	c.fargate, c.mode = c.claim, c.was
	if c.def.Get("requiresCompatibilities").Opaque() {
		c.compatibilities()
	}
	if c.def.Get("networkMode").Opaque() {
		c.network()
		c.was = c.mode
	}
}

func (c *converter) run() {
	c.read()
	c.Recorder.Strict = c.Options.Strict && c.fargate
	c.validate(c.def, taskdef.Definition())
	c.family()
	c.compatibilities()
	c.platform()
	c.network()
	c.namespaces()
	c.volumes()
	c.eachContainer()
	c.ports()
	c.links()
	c.logs()
	c.roles()
	c.size()
	c.listSettings()
	c.scan()
}

// read sets what the checks share: claims, network mode, containers.
func (c *converter) read() {
	c.fargate, c.mode = c.claim, c.was
	containers := c.def.Get("containerDefinitions")
	c.containersUnknown = containers.Opaque()
	for _, n := range containers.Elements() {
		switch {
		case n.Opaque():
			c.containersUnknown = true
		case n.Kind() == tree.Object:
			c.containers = append(c.containers, n)
			if name := n.Get("name").Identity(); name != "" {
				c.names[n] = name
				if c.byName[name] == nil {
					c.byName[name] = n
				}
			}
		}
	}
}

// claims reports whether requiresCompatibilities has a value, whatever the conditions
// and parameters in it.
func (c *converter) claims(value string) bool {
	lists := choices(c.def.Get("requiresCompatibilities"))
	for _, list := range lists {
		have := list.Kind() == tree.String && list.Str() == value // of a parameter
		for _, n := range list.Elements() {
			all := choices(n)
			have = have || len(all) > 0 && !slices.ContainsFunc(all, func(v *tree.Node) bool { return v.Str() != value })
		}
		if !have {
			return false
		}
	}
	return len(lists) > 0
}
