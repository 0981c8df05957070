package fargate

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
