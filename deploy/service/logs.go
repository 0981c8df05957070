package service

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// logGroup is a log group that the template makes or subscribes.
type logGroup struct {
	id   string     // of its resources, after LogGroup, Subscription and so on
	name *tree.Node // a string, or an intrinsic function
}

// containerLogs is what becomes of the log options of a container.
type containerLogs struct {
	group  *logGroup // nil where the template has none for it
	region bool      // that of the stack
}

var servicePlaceholder = finding.Rule{ID: "service-placeholder", Severity: finding.Error, Action: finding.Refuse, Source: guideIntrinsics,
	Summary: "CloudFormation does not fill in this placeholder.", Help: finding.Advice{"Put the value there, or use --as ecspresso."}}

var serviceLogRegion = finding.Rule{ID: "service-log-region", Severity: finding.Info, Action: finding.Rewrite, Source: guideAwslogs,
	Summary: "The log group is in the region of the stack."}

var serviceLogRegionOther = finding.Rule{ID: "service-log-region-other", Severity: finding.Warning, Action: finding.Keep, Source: guideAwslogs,
	Summary: "These logs go to another region than those of the first container, so the template makes neither their group nor its subscription.", Help: finding.Advice{"Make them there: sumoship fargate logs."}}

var serviceLogGroupCreate = finding.Rule{ID: "service-log-group-create", Severity: finding.Info, Action: finding.Drop, Source: guideAwslogs,
	Summary: "The template makes the log group, with its retention and subscription, so the tasks need not."}

var serviceLogGroupExists = finding.Rule{ID: "service-log-group-exists", Severity: finding.Warning, Action: finding.Keep, Source: guideAwslogs,
	Summary: "The definition logged to this group already, so it may exist; CloudFormation makes no group that exists.", Help: finding.Advice{"If it does, give --existing-log-groups."}}

var serviceLogNone = finding.Rule{ID: "service-log-none", Severity: finding.Info, Action: finding.Keep, Source: guideAwslogs,
	Summary: "No container logs to CloudWatch Logs by awslogs, so there is no log group to subscribe."}

// logGroups finds the log groups of the definition, and tells of those that may
// exist: before is the definition before its conversion.
func (s *Service) logGroups(before *tree.Node) {
	if s.o.Ecspresso {
		return
	}
	region, any := "", false
	old := groupsBefore(before)
	var found []*logGroup
	for _, c := range s.definition.Get("containerDefinitions").Items() {
		options := c.Get("logConfiguration").Get("options")
		group := options.Key("awslogs-group")
		if c.Get("logConfiguration").Get("logDriver").Str() != "awslogs" || group.Kind() == tree.Absent {
			s.logs = append(s.logs, containerLogs{})
			continue
		}
		any = true
		if name, ok := group.Text(); ok && group.Opaque() && s.d.Shape() != taskdef.Template {
			s.on.Fail(servicePlaceholder, group, "CloudFormation does not fill in the name of the log group, %s", name)
		}
		name, ok := options.Key("awslogs-region").Text()
		if ok && !options.Key("awslogs-region").Opaque() {
			if region == "" {
				region = name
				s.on.Rewritten(serviceLogRegion, options.Key("awslogs-region"), cfn.Ref("AWS::Region"), "the log group is in the region of the stack, and not only in %s", name)
			}
			if name != region {
				s.on.Note(serviceLogRegionOther, options.Key("awslogs-region"), "")
				s.logs = append(s.logs, containerLogs{})
				continue
			}
		}
		if create := options.Key("awslogs-create-group"); create != nil && !s.o.ExistingLogGroups {
			s.on.Dropped(serviceLogGroupCreate, create, "")
		}
		i := slices.IndexFunc(found, func(g *logGroup) bool { return tree.Equal(g.name, group) })
		if i < 0 {
			i = len(found)
			found = append(found, &logGroup{s.groupID(found, group, c.Get("name").Str()), group})
			if slices.ContainsFunc(old, func(n *tree.Node) bool { return tree.Equal(n, group) }) && !s.o.ExistingLogGroups {
				s.on.Note(serviceLogGroupExists, group, "")
			}
		}
		s.logs = append(s.logs, containerLogs{found[i], true})
	}
	for _, g := range found {
		s.groups = append(s.groups, *g)
	}
	if !any {
		s.on.Note(serviceLogNone, s.definition, "")
	}
}

// groupsBefore are the log groups that a definition names.
func groupsBefore(definition *tree.Node) (groups []*tree.Node) {
	for _, c := range definition.Get("containerDefinitions").Elements() {
		if n := c.Get("logConfiguration").Get("options").Key("awslogs-group"); n != nil {
			groups = append(groups, n)
		}
	}
	return groups
}

// groupID makes a logical ID of the name of a log group, so that it stays the
// same when containers come and go: CloudFormation cannot move a group.
func (s *Service) groupID(have []*logGroup, group *tree.Node, container string) string {
	name, ok := group.Text()
	if !ok {
		name = container
	}
	base := pascalCase(strings.TrimPrefix(name, "/ecs/"))
	id := base
	for i := 2; slices.ContainsFunc(have, func(g *logGroup) bool { return g.id == id }); i++ {
		id = fmt.Sprint(base, i)
	}
	return id
}

// pascalCase makes a logical ID of letters and digits: web-app becomes WebApp.
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
	if b.Len() > 180 { // IDs have 255
		return b.String()[:180]
	}
	return b.String()
}
