package fargate

import (
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// onManaged is the target ECS Managed Instances.
const onManaged = "managed-instances"

// managed is what ECS Managed Instances make of what Fargate refuses, by the ID of the
// rule: the third column beside EC2 and Fargate. What is not in it stays impossible
// there, or AWS's pages do not say.
//
// Source: Amazon ECS Developer Guide, "Task definition parameters for Amazon ECS
// Managed Instances" and "Amazon ECS Managed Instances"; AWS containers roadmap, issue
// 1000 (privileged).
var managed = map[string]string{
	"privileged":            "they run privileged containers",
	"capability":            "they grant Linux capabilities",
	"network-mode-host":     "they have network mode host",
	"network-mode-none":     "they have network mode none",
	"resource-requirements": "they have instance types with GPUs",
	"accelerator":           "they have instance types with accelerators",
	"shared-memory":         "they have sharedMemorySize",
	"task-size-none":        "they have instance types larger than any Fargate task",
	"service-daemon":        "they run daemons, one on each instance",
}

// OnManagedInstances returns what ECS Managed Instances make of what a rule refuses on
// Fargate. It reports whether they support it.
func OnManagedInstances(id string) (how string, ok bool) {
	how, ok = managed[id]
	return how, ok
}

// compatibility is what the definition must claim.
func (c *converter) compatibility() string {
	if c.Target == onManaged {
		return "MANAGED_INSTANCES"
	}
	return "FARGATE"
}

// supported reports whether the target supports what a rule is about, and notes it.
func (c *converter) supported(rule finding.Rule, n *tree.Node) bool {
	how, ok := managed[rule.ID]
	if !ok || c.Target != onManaged {
		return false
	}
	f := c.Note(rule, n, "it stays: this is for ECS Managed Instances, and %s", how)
	f.Severity, f.Help = finding.Info, nil
	return true
}

// Refuse is [finding.Recorder.Refuse], except for what the target supports, which
// stays.
func (c *converter) Refuse(rule finding.Rule, n *tree.Node, why string, args ...any) (allowed bool) {
	return !c.supported(rule, n) && c.Recorder.Refuse(rule, n, why, args...)
}

// wayOut adds to refusals that ECS Managed Instances would support it.
func (c *converter) wayOut(findings []finding.Finding) []finding.Finding {
	for i, f := range findings {
		how, ok := managed[f.ID]
		if ok && f.Action == finding.Refuse && !strings.Contains(f.Help.String(), "Managed Instances") {
			findings[i].Help = append(slices.Clip(f.Help), "Or use ECS Managed Instances with --target managed-instances: "+how+".")
		}
	}
	return findings
}
