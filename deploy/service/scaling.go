package service

import (
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Logical IDs of scaling.
const (
	idScalable      = "ScalableTarget"
	idScalingPolicy = "ScalingPolicy"
)

const apiScaling = "Application Auto Scaling API Reference"

var scalingTaken = finding.Rule{ID: "service-scaling", Severity: finding.Info, Action: finding.Keep, Source: apiScaling,
	Summary: "Application Auto Scaling scales this service; the template has the same bounds, policies and schedules for the new one, and leaves the number of tasks to them.",
	Help:    finding.Advice{"Check targets on CPU and memory: each Fargate task has its own, where those on instances shared them."}}

var scalingAlarms = finding.Rule{ID: "service-scaling-alarms", Severity: finding.Warning, Action: finding.Keep, Source: apiScaling,
	Summary: "Alarms start this step scaling policy, and they call the policy of the old service.",
	Help:    finding.Advice{"Create alarms on the new service that call its policy; output ScalingPolicy is its ARN."}}

const desiredCount = "ecs:service:DesiredCount"

// scaling returns the items of a list around the service that scale its tasks.
func (e *Existing) scaling(list string) (all []*tree.Node) {
	if e == nil {
		return nil
	}
	for _, item := range e.around.Field(list).Elements() {
		if item.Field("scalableDimension").Str() == desiredCount && strings.HasSuffix(item.Field("resourceId").Str(), "/"+e.Name()) {
			all = append(all, item)
		}
	}
	return all
}

// scaled returns the scalable targets of the existing service: one, if it is scaled.
func (s *Service) scaled() []*tree.Node { return s.existing.scaling("scalableTargets") }

// takeScaling reports the scaling of the existing service.
func (s *Service) takeScaling() {
	for _, target := range s.scaled() {
		s.serviceFindings.Note(scalingTaken, target, "")
	}
	for _, p := range s.existing.scaling("scalingPolicies") {
		if p.Field("policyType").Str() == "StepScaling" && p.Field("alarms").Len() > 0 {
			s.serviceFindings.Note(scalingAlarms, p,
				"alarms start the step scaling policy %s, and they call that of the old service", p.Field("policyName").Str())
		}
	}
}

// scaling adds what scales the service: a service has one scalable target.
func (t *template) scaling() {
	targets := t.service.scaled()
	if len(targets) == 0 {
		return
	}
	number := func(member string) *tree.Node {
		i, _ := targets[0].Field(member).Int()
		return tree.NewInt(i)
	}
	t.add(idScalable, cfn.Resource("AWS::ApplicationAutoScaling::ScalableTarget",
		cfn.Prop("ServiceNamespace", tree.NewString("ecs")),
		cfn.Prop("ScalableDimension", tree.NewString(desiredCount)),
		cfn.Prop("ResourceId", serviceResource()),
		cfn.Prop("MinCapacity", number("minCapacity")),
		cfn.Prop("MaxCapacity", number("maxCapacity")),
		cfn.Prop("RoleARN",
			cfn.Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService")),
		cfn.Prop("ScheduledActions", t.service.schedules()),
	))
	for i, p := range t.service.existing.scaling("scalingPolicies") {
		t.policy(p, idScalingPolicy+ordinal(i))
	}
}

// serviceResource is service/CLUSTER/NAME, the end of the ARN of the service.
func serviceResource() *tree.Node {
	split := cfn.Object(cfn.Prop("Fn::Split", tree.NewArray(tree.NewString(":"), cfn.Ref(idService))))
	return cfn.Object(cfn.Prop("Fn::Select", tree.NewArray(tree.NewInt(5), split)))
}

// schedules are the scheduled actions of the existing service.
func (s *Service) schedules() *tree.Node {
	var all []*tree.Node
	for _, a := range s.existing.scaling("scheduledActions") {
		all = append(all, cfn.Object(
			cfn.Prop("ScheduledActionName", optional(a.Field("scheduledActionName").Str())),
			cfn.Prop("Schedule", optional(a.Field("schedule").Str())),
			cfn.Prop("Timezone", optional(a.Field("timezone").Str())),
			cfn.Prop("StartTime", optional(a.Field("startTime").Str())),
			cfn.Prop("EndTime", optional(a.Field("endTime").Str())),
			cfn.Prop("ScalableTargetAction", taskdef.Recase(a.Field("scalableTargetAction"), tree.Pascal)),
		))
	}
	return cfn.Array(all...)
}

// policy adds a scaling policy, bound to the new service.
func (t *template) policy(p *tree.Node, id string) {
	tracking, step := p.Get("targetTrackingScalingPolicyConfiguration"), p.Get("stepScalingPolicyConfiguration")
	properties := []tree.Member{
		cfn.Prop("PolicyName", optional(p.Field("policyName").Str())),
		cfn.Prop("PolicyType", optional(p.Field("policyType").Str())),
		cfn.Prop("ScalingTargetId", cfn.Ref(idScalable)),
	}
	if tracking != nil {
		v := taskdef.Recase(tracking, tree.Pascal)
		t.rebind(v)
		properties = append(properties, cfn.Prop("TargetTrackingScalingPolicyConfiguration", v))
	}
	if step != nil {
		properties = append(properties, cfn.Prop("StepScalingPolicyConfiguration", taskdef.Recase(step, tree.Pascal)))
		t.output(id, "ARN of a scaling policy, for its alarms.", cfn.Ref(id))
	}
	t.add(id, cfn.Resource("AWS::ApplicationAutoScaling::ScalingPolicy", properties...))
}

// rebind replaces the old service and its target groups in what a policy tracks.
func (t *template) rebind(n *tree.Node) {
	if label := n.Key("ResourceLabel"); label != nil {
		for i, b := range t.service.balances {
			// app/NAME/ID/targetgroup/NAME/ID
			name := b.old[strings.LastIndex(b.old, ":")+1:]
			if balancer, ok := strings.CutSuffix(label.Str(), "/"+name); ok && name != "" {
				label.Replace(cfn.Sub(balancer + "/${" + idTarget + ordinal(i) + ".TargetGroupFullName}"))
			}
		}
	}
	if n.Key("Name").Str() == "ServiceName" && n.Key("Value").Str() == t.service.existing.Name() {
		n.SetKey("Value", cfn.GetAtt(idService, "Name"))
	}
	for _, v := range n.Members() {
		t.rebind(v)
	}
	for _, v := range n.Elements() {
		t.rebind(v)
	}
}
