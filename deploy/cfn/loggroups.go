package cfn

import (
	"slices"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// LogGroup is a log group that containers log to with awslogs.
type LogGroup struct {
	Name       string
	Region     string   // "" for that of the task
	Containers []string // by name
}

// LogGroups returns the log groups of a Fargate definition, in its order. region
// and account are where it runs, "" if that is not known.
//
// Errors: *[taskdef.InputError] of each name that is invalid or known only after
// deployment, joined.
func LogGroups(d *taskdef.Document, region, account string) ([]LogGroup, error) {
	r := NewReader(d)
	known := map[string]string{"AWS::Region": region, "AWS::AccountId": account}
	var groups []LogGroup
	for _, container := range r.Each(d.Definition().Get("containerDefinitions")) {
		name := container.Get("name").Identity()
		for _, configuration := range r.LogConfigurations(container) {
			if configuration.Get("logDriver").Str() != "awslogs" {
				continue
			}
			for _, options := range r.Each(configuration.Get("options")) {
				groups = r.groups(groups, name, options, known)
			}
		}
	}
	return groups, r.Err()
}

// groups adds the log groups of the options of one container.
func (r *Reader) groups(groups []LogGroup, container string, options *tree.Node, known map[string]string) []LogGroup {
	in := ""
	for _, e := range r.Read(options.Key("awslogs-region")) {
		if e = e.Fill(known); len(e.Parts()) == 0 {
			in = e.Text
		}
	}
	for _, e := range r.Read(options.Key("awslogs-group")) {
		e = e.Fill(known)
		if p := e.Only(); p != nil { // a log group of the template
			name := r.Resource(RefName(p.Node)).Key("Properties").Key("LogGroupName")
			if s, ok := name.Text(); ok && taskdef.GroupName.MatchString(s) {
				e = Literal(s)
			}
		}
		n := options.Key("awslogs-group")
		switch {
		case len(e.Parts()) > 0:
			r.AddError(r.Errorf(n, "deploy it first, then subscribe the log group", "the log group at %s is known only when it is deployed", n.Pointer()))
			continue
		case !taskdef.GroupName.MatchString(e.Text):
			r.AddError(r.Errorf(n, "use letters, digits and _ - / . #", "invalid log group name %q", e.Text))
			continue
		}
		i := slices.IndexFunc(groups, func(g LogGroup) bool { return g.Name == e.Text && g.Region == in })
		if i < 0 {
			i = len(groups)
			groups = append(groups, LogGroup{Name: e.Text, Region: in})
		}
		if !slices.Contains(groups[i].Containers, container) {
			groups[i].Containers = append(groups[i].Containers, container)
		}
	}
	return groups
}
