package service

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// logGroup is a log group that the template creates or subscribes.
type logGroup struct {
	id   string     // end of the logical IDs, after LogGroup, Subscription and so on
	name *tree.Node // a string, or an intrinsic function
}

var logRegion = finding.Rule{ID: "service-log-region", Severity: finding.Info, Action: finding.Rewrite, Source: guideAwslogs,
	Summary: "The log group is in the region of the stack."}

var logRegionOther = finding.Rule{ID: "service-log-region-other", Severity: finding.Warning, Action: finding.Keep, Source: guideAwslogs,
	Summary: "These logs go to a different region from those of the first container, so the template creates neither their group nor its subscription.",
	Help:    finding.Advice{"Create them there with sumoship fargate logs."}}

var logGroupCreate = finding.Rule{ID: "service-log-group-create", Severity: finding.Info, Action: finding.Drop, Source: guideAwslogs,
	Summary: "The template creates the log group, with its retention and subscription, so the tasks need not."}

var logGroupExists = finding.Rule{ID: "service-log-group-exists", Severity: finding.Warning, Action: finding.Keep, Source: guideAwslogs,
	Summary: "The definition already logged to this group, so it may exist, and CloudFormation cannot create a group that exists.",
	Help:    finding.Advice{"If it does, use --existing-log-groups."}}

var logNone = finding.Rule{ID: "service-log-none", Severity: finding.Info, Action: finding.Keep, Source: guideAwslogs,
	Summary: "No container logs to CloudWatch Logs with awslogs, so there is no log group to subscribe."}

// findLogGroups finds the log groups of the definition, and reports those that may
// exist: before is the definition before its conversion.
func (s *Service) findLogGroups(before *tree.Node) {
	if s.o.Ecspresso {
		return
	}
	region, any := "", false
	for _, c := range s.definition.Get("containerDefinitions").Items() {
		options := c.Get("logConfiguration").Get("options")
		name := options.Key("awslogs-group")
		var group *logGroup
		if c.Get("logConfiguration").Get("logDriver").Str() == "awslogs" && name.Kind() != tree.Absent {
			any = true
			s.checkGroupName(name)
			if s.inStackRegion(options.Key("awslogs-region"), &region) {
				group = s.logGroup(options, c.Get("name").Str(), before)
			}
		}
		s.logs = append(s.logs, group)
	}
	if !any {
		s.taskFindings.Note(logNone, s.definition, "")
	}
}

// checkGroupName refuses a name that CloudFormation would take literally.
func (s *Service) checkGroupName(n *tree.Node) {
	if name, ok := n.Text(); ok && n.Opaque() && s.d.Shape() != taskdef.Template {
		s.taskFindings.Fail(placeholder, n, "CloudFormation does not fill in the name of the log group, %s", name)
	}
}

// inStackRegion reports whether logs go to the region of the stack: the first one
// that is named, which region holds from then on.
func (s *Service) inStackRegion(n *tree.Node, region *string) bool {
	name, ok := n.Text()
	if !ok || n.Opaque() {
		return true
	}
	if *region == "" {
		*region = name
		s.taskFindings.Rewritten(logRegion, n, cfn.Ref("AWS::Region"), "the log group is in the region of the stack, not always in %s", name)
	}
	if name != *region {
		s.taskFindings.Note(logRegionOther, n, "")
		return false
	}
	return true
}

// logGroup returns the log group of a container, which it adds if it is new.
func (s *Service) logGroup(options *tree.Node, container string, before *tree.Node) *logGroup {
	name := options.Key("awslogs-group")
	if create := options.Key("awslogs-create-group"); create != nil && !s.o.ExistingLogGroups {
		s.taskFindings.Dropped(logGroupCreate, create, "")
	}
	if i := slices.IndexFunc(s.groups, func(g *logGroup) bool { return tree.Equal(g.name, name) }); i >= 0 {
		return s.groups[i]
	}
	if !s.o.ExistingLogGroups && slices.ContainsFunc(groupsBefore(before), func(n *tree.Node) bool { return tree.Equal(n, name) }) {
		s.taskFindings.Note(logGroupExists, name, "")
	}
	g := &logGroup{s.groupID(name, container), name}
	s.groups = append(s.groups, g)
	return g
}

// groupsBefore returns the log groups that a definition names.
func groupsBefore(definition *tree.Node) (groups []*tree.Node) {
	for _, c := range definition.Get("containerDefinitions").Elements() {
		if n := c.Get("logConfiguration").Get("options").Key("awslogs-group"); n != nil {
			groups = append(groups, n)
		}
	}
	return groups
}

// groupID derives a logical ID from the name of a log group, so that it stays the
// same when containers are added or removed: CloudFormation cannot move a group.
func (s *Service) groupID(group *tree.Node, container string) string {
	name, ok := group.Text()
	if !ok {
		name = container
	}
	base := pascalCase(strings.TrimPrefix(name, "/ecs/"))
	id := base
	for i := 2; slices.ContainsFunc(s.groups, func(g *logGroup) bool { return g.id == id }); i++ {
		id = fmt.Sprint(base, i)
	}
	return id
}

// pascalCase returns s as a logical ID, of letters and digits: web-app becomes
// WebApp.
func pascalCase(s string) string {
	var b strings.Builder
	upper := true
	for _, r := range s {
		if r >= 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			upper = true
			continue
		}
		if upper {
			r = unicode.ToUpper(r)
		}
		upper = false
		b.WriteRune(r)
	}
	if b.Len() > 180 { // with a prefix and a number, a logical ID has at most 255
		return b.String()[:180]
	}
	return b.String()
}

// retention is how long log groups keep logs, in days.
func (s *Service) retention() int { return cmp.Or(s.o.Retention, defaultRetention) }
