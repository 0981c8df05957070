package service

import (
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

var registryMany = finding.Rule{ID: "service-registries", Severity: finding.Error, Action: finding.Refuse, Source: apiService,
	Summary: "ECS accepts one service registry.", Help: finding.Advice{"Remove the others."}, Allow: "the first is kept."}

var registrySRV = finding.Rule{ID: "service-registry", Severity: finding.Warning, Action: finding.Keep, Source: guideDiscovery,
	Summary: "A registry with a container and port has SRV records. Fargate tasks have their own addresses, so A records would do.",
	Help:    finding.Advice{"Check that the clients read SRV records, or create a new registry with A records. Let the clients' security groups in with --client-sg."}}

var registryAddress = finding.Rule{ID: "service-registry-address", Severity: finding.Info, Action: finding.Keep, Source: guideDiscovery,
	Summary: "The records of this registry will hold the addresses of the tasks.",
	Help:    finding.Advice{"Let the security groups of its clients in with --client-sg."}}

var connectKept = finding.Rule{ID: "service-connect", Severity: finding.Info, Action: finding.Keep, Source: `Amazon ECS Developer Guide, "Use Service Connect to connect Amazon ECS services with short names"`,
	Summary: "Both versions offer the same names in Service Connect, and clients use both while both run.",
	Help:    finding.Advice{"Let the security groups of its clients in with --client-sg."}}

// noteConnect reports that the service offers names in Service Connect.
func (s *Service) noteConnect() {
	if s.taken.connect.Field("services").Len() > 0 {
		s.serviceFindings.Note(connectKept, s.taken.connect, "")
	}
}

func (s *Service) takeRegistries(list *tree.Node) {
	for i, r := range list.Elements() {
		if i == 0 {
			s.takeRegistry(r)
		} else if s.serviceFindings.Refuse(registryMany, r, "") {
			s.serviceFindings.Dropped(registryMany, r, "")
		}
	}
}

func (s *Service) takeRegistry(r *tree.Node) {
	if name := r.Get("containerName"); name == nil {
		s.serviceFindings.Note(registryAddress, r, "")
	} else if port := r.Field("containerPort"); s.listens(name.Str(), intOr0(port)) {
		s.serviceFindings.Note(registrySRV, r, "")
	} else {
		s.serviceFindings.Refuse(referenceUnknown, r, "container %s of the task definition has no port %s", name.Str(), port.Source())
		return
	}
	s.keep("serviceRegistries", tree.NewArray(taskdef.Recase(r, tree.Camel)))
}
