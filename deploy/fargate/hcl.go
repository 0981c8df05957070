package fargate

import (
	"fmt"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

var listSettings = finding.Rule{
	ID: "list-settings", Severity: finding.Warning, Action: finding.Keep, Source: apiTask,
	Summary: "The task definition around the list needs settings for Fargate that a list of containers has no place for.",
	Help:    finding.Advice{"Copy them into the resource, such as Terraform's aws_ecs_task_definition."},
}

// listSettings reports what the resource around a list of containers must say.
func (c *converter) listSettings() {
	if !c.list {
		return
	}
	var all []string
	for _, s := range settings(c.def, c.Options) {
		all = append(all, s.line())
	}
	c.Note(listSettings, c.def, "the resource around the list needs %s", strings.Join(all, "; "))
}

// HCL returns the settings of Terraform's aws_ecs_task_definition that a converted
// list of containers needs around it, "" for a document of another shape.
//
// Source: Terraform AWS provider, "Resource: aws_ecs_task_definition".
func HCL(d *taskdef.Document, o Options) string {
	if d.Shape() != taskdef.List {
		return ""
	}
	all := settings(d.Definition(), o)
	width := 0
	for _, s := range all {
		if s.value != "" {
			width = max(width, len(s.name))
		}
	}
	var b strings.Builder
	for _, s := range all {
		if s.value != "" {
			fmt.Fprintf(&b, "%-*s = %s\n", width, s.name, s.value)
			continue
		}
		fmt.Fprintf(&b, "%s {\n", s.name)
		for _, in := range s.block {
			fmt.Fprintf(&b, "  %s = %s\n", in.name, in.value)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// setting is an argument of a resource, or a block.
type setting struct {
	name, value string
	block       []setting
}

func (s setting) line() string {
	if s.value != "" {
		return s.name + " = " + s.value
	}
	var in []string
	for _, b := range s.block {
		in = append(in, b.line())
	}
	return s.name + " { " + strings.Join(in, ", ") + " }"
}

// settings returns what the conversion of a list set around it, and the roles.
func settings(def *tree.Node, o Options) (all []setting) {
	for _, v := range []struct{ name, member string }{
		{"requires_compatibilities", "requiresCompatibilities"}, {"network_mode", "networkMode"}, {"cpu", "cpu"}, {"memory", "memory"},
	} {
		if n := def.Get(v.member); n != nil {
			all = append(all, setting{name: v.name, value: n.Source()})
		}
	}
	role := o.ExecutionRole
	if role == "" {
		role = "the ARN of the execution role"
	}
	all = append(all, setting{name: "execution_role_arn", value: finding.Quoted(role)})
	if o.TaskRole != "" {
		all = append(all, setting{name: "task_role_arn", value: finding.Quoted(o.TaskRole)})
	}
	platform := setting{name: "runtime_platform"}
	for _, v := range []struct{ name, member string }{{"operating_system_family", "operatingSystemFamily"}, {"cpu_architecture", "cpuArchitecture"}} {
		if n := def.Get("runtimePlatform").Get(v.member); n != nil {
			platform.block = append(platform.block, setting{name: v.name, value: n.Source()})
		}
	}
	if len(platform.block) > 0 {
		all = append(all, platform)
	}
	return all
}
