package service

import (
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// The capacity providers of Fargate.
const (
	onDemand = "FARGATE"
	spot     = "FARGATE_SPOT"
)

var capacityProvider = finding.Rule{ID: "service-capacity-provider", Severity: finding.Warning, Action: finding.Drop, Source: guideSpot,
	Summary: "A capacity provider with EC2 instances cannot run Fargate tasks.",
	Help:    finding.Advice{"Use --spot for spare capacity, with --on-demand for the tasks that must not be interrupted."}}

// takeCapacity takes over the capacity providers of Fargate.
func (s *Service) takeCapacity(strategy *tree.Node) {
	var kept []*tree.Node
	for _, item := range strategy.Elements() {
		if provider := item.Field("capacityProvider").Str(); provider == onDemand || provider == spot {
			kept = append(kept, taskdef.Recase(item, tree.Camel))
		} else {
			s.serviceFindings.Dropped(capacityProvider, item, "capacity provider %s is neither FARGATE nor FARGATE_SPOT", provider)
		}
	}
	s.taken.strategy = cfn.Array(kept...)
}

// launch is what the service runs on.
func (s *Service) launch() *tree.Node {
	if s.o.Spot {
		return tree.NewString(spot)
	}
	return tree.NewString(onDemand)
}

// strategy is the capacity provider strategy, nil for the launch type FARGATE.
func (s *Service) strategy() *tree.Node {
	if !s.o.Spot {
		return s.taken.strategy
	}
	providers := []*tree.Node{cfn.Object(cfn.Prop("capacityProvider", tree.NewString(spot)), cfn.Prop("weight", tree.NewInt(1)))}
	if n := s.o.OnDemand; n > 0 {
		base := cfn.Object(cfn.Prop("capacityProvider", tree.NewString(onDemand)), cfn.Prop("base", tree.NewInt(int64(n))), cfn.Prop("weight", tree.NewInt(0)))
		providers = slices.Insert(providers, 0, base)
	}
	return cfn.Array(providers...)
}

var spotWindows = finding.Rule{ID: "service-spot-windows", Severity: finding.Error, Action: finding.Refuse, Source: guideSpot,
	Summary: "Fargate Spot does not run Windows containers.", Help: finding.Advice{"Leave out --spot."}}

var spotUsed = finding.Rule{ID: "service-spot", Severity: finding.Info, Action: finding.Keep, Source: guideSpot,
	Summary: "The cluster needs the capacity providers FARGATE and FARGATE_SPOT, and AWS stops Fargate Spot tasks with a two-minute warning.",
	Help:    finding.Advice{"Add both to the cluster with aws ecs put-cluster-capacity-providers, and check that the containers stop on SIGTERM."}}

// checkSpot reports what Fargate Spot needs, if the service uses it.
func (s *Service) checkSpot() {
	used := slices.ContainsFunc(s.strategy().Items(), func(item *tree.Node) bool { return item.Field("capacityProvider").Str() == spot })
	family := s.definition.Get("runtimePlatform").Get("operatingSystemFamily").Str()
	switch {
	case !used:
	case strings.HasPrefix(family, "WINDOWS"):
		s.taskFindings.Fail(spotWindows, s.definition, "")
	default:
		s.taskFindings.Note(spotUsed, s.definition, "")
	}
}
