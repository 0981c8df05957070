// Package fargate turns task definitions made for EC2 into versions for Fargate
// whose logs go through awslogs: Convert edits, Check only reports, and each
// rule is a value beside its check.
package fargate

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Options are what a conversion cannot know from the definition. The zero value
// asks for nothing: what a definition lacks is then an error finding.
type Options struct {
	Region        string            // of log groups, such as "us-east-1", where the definition names none
	ExecutionRole string            // name or ARN, for a definition without one
	TaskRole      string            // name or ARN, for a definition without one
	LogGroup      string            // of containers without one; "" is /ecs/ and the family
	Arch          string            // CPU of images where the definition does not say: "", "x86_64" or "arm64"
	FamilySuffix  string            // appended to the family, such as "-fargate"
	KeepEC2       bool              // the definition stays valid for EC2 as well
	MemoryBasis   string            // what is added up for the size: "" or "limit", or "reservation"
	RewriteLinks  string            // where aliases of links become 127.0.0.1: "" or "env", "all" (commands too) or "none"
	Volumes       map[string]string // by name of a volume of the instance: "ephemeral", "efs:fs-ID", "efs:fs-ID:/DIR" or "efs:fs-ID:fsap-ID"
	Fluentd       string            // where logs of the fluentd driver go: "" or "awslogs", or "firelens"
	Shm           string            // what becomes of sharedMemorySize: "" (refused) or "tmpfs"
	Strict        bool              // in a definition that claims FARGATE, what ECS refuses is an error also where Convert mends it
	Allow         []string          // IDs of refusals that are lifted; see [Rule.Allow]
}

// Convert edits d into its Fargate version and returns what it found, by place.
// All findings come at once. While one of them is of severity error, d is not
// to be used: what it should be, a person has to say.
//
// Converting a converted definition edits nothing.
//
// Errors: *[finding.OptionError].
//
// Source: Amazon ECS Developer Guide, "Task definition differences for Fargate";
// Rules names the source of each finding.
func Convert(d *taskdef.Document, o Options) ([]finding.Finding, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return convert(d.Definition(), d.Shape(), o), nil
}

// Check returns what Convert would find, and edits nothing. In a definition that
// claims to be for Fargate, what ECS refuses is of severity error, also where
// Convert mends it.
//
// Errors: *[finding.OptionError].
func Check(d *taskdef.Document, o Options) ([]finding.Finding, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Strict = true
	return convert(d.Definition().Clone(), d.Shape(), o), nil
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
		said:     map[*tree.Node]bool{},
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

// read finds the containers and what the definition claims.
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

var (
	roleName   = regexp.MustCompile(`^(arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+|[\w+=,.@-]{1,64})$`)
	suffixName = regexp.MustCompile(`^[\w-]{1,200}$`)
	efsVolume  = regexp.MustCompile(`^efs:(fs-[0-9a-f]{8,40})(?::(/.*|fsap-[0-9a-f]{8,40}))?$`)
)

// validate returns the first option that cannot be meant.
func (o Options) Validate() error {
	for _, v := range []struct {
		option, value string
		pattern       *regexp.Regexp
		want          string
	}{
		{"Region", o.Region, taskdef.Region, "a region, such as us-east-1"},
		{"ExecutionRole", o.ExecutionRole, roleName, "the name or ARN of a role"},
		{"TaskRole", o.TaskRole, roleName, "the name or ARN of a role"},
		{"LogGroup", o.LogGroup, taskdef.GroupName, "the name of a log group: letters, digits and _ - / . #"},
		{"FamilySuffix", o.FamilySuffix, suffixName, "letters, digits, _ and -"},
	} {
		if v.value != "" && !v.pattern.MatchString(v.value) && !placeholder(v.value) {
			return &finding.OptionError{Option: v.option, Value: v.value, Want: v.want}
		}
	}
	for _, v := range []struct {
		option, value string
		choice        []string
	}{
		{"Arch", o.Arch, []string{"x86_64", "arm64"}},
		{"MemoryBasis", o.MemoryBasis, []string{"limit", "reservation"}},
		{"RewriteLinks", o.RewriteLinks, []string{"env", "all", "none"}},
		{"Fluentd", o.Fluentd, []string{"awslogs", "firelens"}},
		{"Shm", o.Shm, []string{"tmpfs"}},
	} {
		if v.value != "" && !slices.Contains(v.choice, v.value) {
			return &finding.OptionError{Option: v.option, Value: v.value, Want: strings.Join(v.choice, " or ")}
		}
	}
	for name, v := range o.Volumes {
		if v != "ephemeral" && !efsVolume.MatchString(v) {
			return &finding.OptionError{Option: "Volumes", Value: name + "=" + v, Want: "ephemeral, efs:fs-ID, efs:fs-ID:/DIR or efs:fs-ID:fsap-ID"}
		}
	}
	for _, id := range o.Allow {
		rule, ok := lookup(id)
		if !ok {
			return &finding.OptionError{Option: "Allow", Value: id, Want: "the ID of a finding"}
		}
		if rule.Allow == "" {
			return &finding.OptionError{Option: "Allow", Value: id, Want: "the ID of a refusal that can be lifted; this finding has to be mended"}
		}
	}
	return nil
}

func placeholder(s string) bool { return tree.NewString(s).Opaque() }
