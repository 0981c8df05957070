package subscription_test

import (
	"fmt"

	"sumoship/deploy/subscription"
)

// Two log groups of a task definition are planned. One is still to be created,
// the other one has no room for another filter.
func Example() {
	forwarder, err := subscription.ParseDestination("arn:aws:lambda:eu-west-1:111122223333:function:sumoship-forwarder")
	if err != nil {
		fmt.Println(err)
		return
	}
	rule := &subscription.Rule{Names: []string{"/ecs/shop", "/ecs/side"}, Retention: 30, Destination: forwarder}
	for _, g := range []subscription.Group{
		{Name: "/ecs/shop", Missing: true},
		{Name: "/ecs/side", Retention: 30, Filters: []subscription.Filter{{Name: "audit"}, {Name: "search"}}},
	} {
		for _, s := range rule.Steps(g) {
			fmt.Printf("%s %s: %s %q\n", s.Action, s.Group, s.Reason, s.Detail)
		}
	}
	fmt.Println("permit", forwarder.Permission().SourceARN)
	// Output:
	// create /ecs/shop: missing ""
	// retain /ecs/shop: missing "30 days, not for ever"
	// put /ecs/shop: new ""
	// skip /ecs/side: two other filters "audit, search"
	// permit arn:aws:logs:eu-west-1:111122223333:log-group:*
}
