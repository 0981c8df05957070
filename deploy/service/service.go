// Package service writes the ECS service around a Fargate task definition: its
// roles, log groups, subscriptions, network, load balancer and DNS record, as a
// CloudFormation template or for ecspresso. It takes over what it can of the
// service that runs the definition on EC2, and reports what Fargate changes.
package service

import (
	"cmp"
	"slices"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Service is an ECS service on Fargate: its task definition and the resources
// around it, ready to be written for CloudFormation or ecspresso.
type Service struct {
	// Findings are about the task definition, ServiceFindings about the existing
	// service. If one is of severity error, the service is refused; see
	// [Service.Refused].
	Findings, ServiceFindings []finding.Finding

	// Notes are what to know about the roles and the output, a sentence or two
	// each.
	Notes []string

	o          Options
	d          *taskdef.Document
	definition *tree.Node // converted
	existing   *Existing  // nil if there is none

	taskFindings, serviceFindings *finding.Recorder

	// What the steps of New decide, each for those after it.
	taken    taken
	balances []*balance // one for each target group
	groups   []*logGroup
	logs     []*logGroup // of each container, nil where the template has none for it

	// Of the template.
	taskDefinition *tree.Node // properties of the resource
	roles          []tree.Member
	newRole        map[string]bool // by logical ID
	refs           *references
	listParameters []tree.Member // of the placeholders of a list
}

// New returns the service that runs a task definition on Fargate. It converts, in
// d, a definition that was written for EC2. existing is the service that runs the
// definition today, nil if there is none; the new one takes over what Fargate
// allows. All findings are reported at once.
//
// Errors: *[finding.OptionError], and those of [iam.New] for the roles.
//
// Source: Amazon ECS Developer Guide, "Task definition differences for Fargate";
// Amazon ECS API Reference, CreateService; [Rules] names the source of each
// finding.
func New(d *taskdef.Document, existing *Existing, o Options) (*Service, error) {
	allow := o.Conversion.Allow
	o.Conversion.Allow = slices.DeleteFunc(slices.Clone(allow), func(id string) bool {
		return slices.ContainsFunc(rules, func(r finding.Rule) bool { return r.ID == id })
	})
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Service{o: o, d: d, taskFindings: finding.NewRecorder(allow), serviceFindings: finding.NewRecorder(allow)}
	before := d.Definition().Clone()
	var err error
	if s.Findings, err = fargate.Convert(d.Whole(), s.conversion()); err != nil {
		return nil, err
	}
	if s.Refused() {
		return s, nil
	}
	s.definition = d.Definition()
	s.fillIn(s.definition, true)
	s.fillIn(before, false)
	if existing != nil {
		s.takeOver(existing)
	}
	if s.o.Name == "" {
		return nil, &finding.OptionError{Option: "Name", Value: "", Want: "the name of the service"}
	}
	if err := s.choosePorts(); err != nil {
		return nil, err
	}
	if len(s.taken.balances) > 0 && len(s.balances) == 0 && !s.o.balanced() && !s.serviceFindings.Refused() && !s.taskFindings.Refused() {
		return nil, &finding.OptionError{Option: "Paths", Value: "", Want: wantPath + ", or a host, because the service is behind a load balancer"}
	}
	s.checkPlaceholders()
	s.checkSpot()
	s.hostPorts(before)
	s.checkVolumes()
	s.findLogGroups(before)
	if !s.taskFindings.Refused() && !s.serviceFindings.Refused() {
		if err := s.task(); err != nil {
			return nil, err
		}
	}
	s.Findings = append(s.unsettled(s.Findings), s.taskFindings.Findings()...)
	s.ServiceFindings = s.serviceFindings.Findings()
	return s, nil
}

// Refused reports whether a finding is of severity error. Then the service cannot
// be written.
func (s *Service) Refused() bool {
	return slices.ContainsFunc(slices.Concat(s.Findings, s.ServiceFindings), func(f finding.Finding) bool { return f.Severity == finding.Error })
}

// conversion returns the options of the conversion, with what the output provides
// where the definition names nothing.
func (s *Service) conversion() fargate.Options {
	o := s.o.Conversion
	o.Strict = true
	role, region := templateExecutionRole, templateRegion
	if s.o.Ecspresso {
		role, region = mustEnv("EXECUTION_ROLE_ARN"), mustEnv("AWS_REGION")
	}
	o.ExecutionRole, o.Region = cmp.Or(o.ExecutionRole, role), cmp.Or(o.Region, region)
	if len(s.o.Roles.Allow) > 0 && !s.o.Ecspresso {
		o.TaskRole = cmp.Or(o.TaskRole, templateTaskRole)
	}
	return o
}

// unsettled returns the findings without those that the template settles, and
// without advice that it follows.
func (s *Service) unsettled(findings []finding.Finding) (rest []finding.Finding) {
	for _, f := range findings {
		switch f.ID {
		case fargate.ExecutionRoleSet.ID, fargate.ExecutionRoleRights.ID:
			if s.newRole[iam.ExecutionRoleID] {
				continue
			}
		case fargate.TaskRoleSet.ID:
			if s.newRole[iam.TaskRoleID] {
				continue
			}
		case fargate.TaskRoleMissing.ID:
			if s.newRole[iam.TaskRoleID] {
				f.Help = finding.Advice{"If they call AWS, say what with --task-allow."}
			}
		}
		if len(s.groups) > 0 && !s.o.ExistingLogGroups {
			f.Help = f.Help.Without(finding.CreateLogGroup)
		}
		rest = append(rest, f)
	}
	return rest
}

var volumeMissing = finding.Rule{ID: "service-volume-missing", Severity: finding.Error, Action: finding.Refuse, Source: guideEBS,
	Summary: "The task definition has a volume that is configured at launch, and no existing service says how.",
	Help:    finding.Advice{"Pass a service with volumeConfigurations by --from-service."}}

// checkVolumes refuses launch volumes that no existing service configures.
func (s *Service) checkVolumes() {
	for _, name := range s.launchVolumes() {
		if !slices.ContainsFunc(s.taken.volumes.Items(), func(v *tree.Node) bool { return v.Field("name").Str() == name }) {
			s.taskFindings.Fail(volumeMissing, s.definition, "volume %s is configured at launch, and no existing service says how", name)
		}
	}
}

// launchVolumes are the names of the volumes that a service configures.
func (s *Service) launchVolumes() (names []string) {
	for _, v := range s.definition.Get("volumes").Elements() {
		if at, _ := v.Get("configuredAtLaunch").Bool(); at {
			names = append(names, v.Field("name").Str())
		}
	}
	return names
}
