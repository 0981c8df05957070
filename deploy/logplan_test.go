package deploy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy"
	"sumoship/deploy/cfn"
	"sumoship/deploy/service"
	"sumoship/deploy/subscription"
)

const (
	forwarderARN = "arn:aws:lambda:eu-west-1:123456789012:function:sumoship-forwarder"
	otherARN     = "arn:aws:lambda:eu-west-1:123456789012:function:other"
)

func logFunction(t testing.TB, arn string) *subscription.Destination {
	t.Helper()
	f, err := subscription.ParseDestination(arn)
	if err != nil {
		t.Fatal(err)
	}
	return &f
}

func TestLogRulePlan(t *testing.T) {
	own := deploy.LogFilter{Name: "sumoship", Destination: forwarderARN}
	for name, c := range map[string]struct {
		rule  deploy.LogRule
		group cfn.LogGroup
		have  deploy.LogState
		want  []deploy.LogStep
	}{
		"all new": {rule: deploy.LogRule{Retention: 30}, want: []deploy.LogStep{
			{deploy.CreateGroup, "for web, redis"}, {deploy.SetRetention, "30 days, not for ever"}, {deploy.SubscribeGroup, "by filter sumoship, all to " + forwarderARN}}},
		"all done":            {rule: deploy.LogRule{Retention: 30}, have: deploy.LogState{Exists: true, Retention: 30, Filters: []deploy.LogFilter{own}}, want: []deploy.LogStep{{deploy.KeepGroup, "subscribed already"}}},
		"no retention wanted": {have: deploy.LogState{Exists: true, Retention: 7, Filters: []deploy.LogFilter{own}}, want: []deploy.LogStep{{deploy.KeepGroup, "subscribed already"}}},
		"longer":              {rule: deploy.LogRule{Retention: 30}, have: deploy.LogState{Exists: true, Retention: 7, Filters: []deploy.LogFilter{own}}, want: []deploy.LogStep{{deploy.SetRetention, "30 days, not 7"}}},
		"shorter deletes":     {rule: deploy.LogRule{Retention: 7}, have: deploy.LogState{Exists: true, Retention: 30, Filters: []deploy.LogFilter{own}}, want: []deploy.LogStep{{deploy.SetRetention, "7 days, not 30: what is older is deleted"}}},
		"no longer for ever":  {rule: deploy.LogRule{Retention: 7}, have: deploy.LogState{Exists: true, Filters: []deploy.LogFilter{own}}, want: []deploy.LogStep{{deploy.SetRetention, "7 days, not for ever: what is older is deleted"}}},
		"another pattern": {rule: deploy.LogRule{Pattern: "ERROR"}, have: deploy.LogState{Exists: true, Filters: []deploy.LogFilter{own, {"x", otherARN, ""}}},
			want: []deploy.LogStep{{deploy.SubscribeGroup, "by filter sumoship, which delivers all to " + forwarderARN + " now"}}},
		"another alias": {have: deploy.LogState{Exists: true, Filters: []deploy.LogFilter{{"sumoship", forwarderARN + ":live", ""}}},
			want: []deploy.LogStep{{deploy.SubscribeGroup, "by filter sumoship, which delivers all to " + forwarderARN + ":live now"}}},
		"beside one": {have: deploy.LogState{Exists: true, Filters: []deploy.LogFilter{{"x", otherARN, ""}}}, want: []deploy.LogStep{{deploy.SubscribeGroup, "by filter sumoship, all to " + forwarderARN}}},
		"full": {rule: deploy.LogRule{Retention: 7}, have: deploy.LogState{Exists: true, Filters: []deploy.LogFilter{{"x", otherARN, ""}, {"y", otherARN, ""}}}, want: []deploy.LogStep{
			{deploy.SetRetention, "7 days, not for ever: what is older is deleted"},
			{deploy.RefuseGroup, "it has the filters x and y already, and a log group can have 2: delete one"}}},
		"name taken": {have: deploy.LogState{Exists: true, Filters: []deploy.LogFilter{{"sumoship", otherARN, ""}}},
			want: []deploy.LogStep{{deploy.RefuseGroup, "its filter sumoship delivers to " + otherARN + ", and is not ours: rename or delete it"}}},
		"delivered by another filter": {have: deploy.LogState{Exists: true, Filters: []deploy.LogFilter{{"theirs", forwarderARN + ":1", ""}}}, want: []deploy.LogStep{{deploy.KeepGroup, "filter theirs delivers it there"}}},
		"delivered by a policy":       {have: deploy.LogState{Exists: true, Policy: "all"}, want: []deploy.LogStep{{deploy.KeepGroup, "the policy all of the account delivers it there"}}},
		"infrequent access":           {have: deploy.LogState{Exists: true, Class: "INFREQUENT_ACCESS"}, want: []deploy.LogStep{{deploy.RefuseGroup, "log groups of class INFREQUENT_ACCESS have no subscriptions: use one of class STANDARD"}}},
		"standard":                    {have: deploy.LogState{Exists: true, Class: "STANDARD", Filters: []deploy.LogFilter{own}}, want: []deploy.LogStep{{deploy.KeepGroup, "subscribed already"}}},
		"another Region": {group: cfn.LogGroup{Name: "/ecs/shop", Region: "us-east-1"}, have: deploy.LogState{Exists: true},
			want: []deploy.LogStep{{deploy.RefuseGroup, "it is in us-east-1, and log groups deliver within their Region: deploy a forwarder there"}}},
		"the forwarder's own": {group: cfn.LogGroup{Name: "/aws/lambda/sumoship-forwarder"}, have: deploy.LogState{Exists: true}, want: []deploy.LogStep{{deploy.RefuseGroup, "the forwarder writes to it itself, so subscribing it would make a loop"}}},
		"the stack's own":     {group: cfn.LogGroup{Name: "/sumoship/shop/forwarder"}, have: deploy.LogState{Exists: true}, want: []deploy.LogStep{{deploy.RefuseGroup, "the forwarder writes to it itself, so subscribing it would make a loop"}}},
		"its own by settings": {rule: deploy.LogRule{Own: []string{"/ecs/shop"}}, have: deploy.LogState{Exists: true}, want: []deploy.LogStep{{deploy.RefuseGroup, "the forwarder writes to it itself, so subscribing it would make a loop"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Function = logFunction(t, forwarderARN)
			if c.group.Name == "" {
				c.group = cfn.LogGroup{Name: "/ecs/shop", Region: "eu-west-1", Containers: []string{"web", "redis"}}
			}
			if diff := cmp.Diff(c.want, c.rule.Plan(c.group, c.have)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("without a function filters are left alone", func(t *testing.T) {
		got := deploy.LogRule{}.Plan(cfn.LogGroup{Name: "/a"}, deploy.LogState{Exists: true, Filters: []deploy.LogFilter{{"sumoship", otherARN, ""}}})
		if diff := cmp.Diff([]deploy.LogStep{{deploy.KeepGroup, "as it is to be"}}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCheckRetention(t *testing.T) {
	for days, ok := range map[int]bool{0: true, 1: true, 30: true, 3653: true, 2: false, -1: false, 31: false, 3654: false} {
		if err := service.CheckRetention(days); (err == nil) != ok {
			t.Errorf("%d: %v", days, err)
		}
	}
}
