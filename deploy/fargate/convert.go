package fargate

import (
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
	template bool       // def is in a CloudFormation template
	list     bool       // input and output hold only the containers of def

	fargate           bool                  // def already claims FARGATE, so nothing in it is about an instance
	windows           bool                  // the containers run Windows; platform sets it
	mode              string                // network mode before the conversion, "" for none
	containers        []*tree.Node          // those that can be read
	names             map[*tree.Node]string // of containers
	byName            map[string]*tree.Node // containers
	containersUnknown bool                  // some containers are known only at deployment
	reported          map[*tree.Node]bool   // as unknown
}

func convert(def *tree.Node, shape taskdef.Shape, o Options) []finding.Finding {
	c := &converter{
		Options:  o,
		Recorder: finding.NewRecorder(o.Allow),
		def:      def,
		template: shape == taskdef.Template,
		list:     shape == taskdef.List,
		names:    map[*tree.Node]string{},
		byName:   map[string]*tree.Node{},
		reported: map[*tree.Node]bool{},
	}
	c.read()
	c.Recorder.Strict = o.Strict && c.fargate
	c.validate(def, taskdef.Definition())
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
	c.scan()
	return c.Findings()
}

// read sets what the checks share: claims, network mode, containers.
func (c *converter) read() {
	c.fargate = c.claims("FARGATE")
	if n := c.def.Get("networkMode"); !n.Opaque() {
		c.mode, _ = n.Text()
	}
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

// claims reports whether requiresCompatibilities has a value.
func (c *converter) claims(value string) bool {
	for _, n := range c.def.Get("requiresCompatibilities").Elements() {
		if s, _ := n.Text(); s == value {
			return true
		}
	}
	return false
}
