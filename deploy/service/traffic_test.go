package service_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/service"
	"sumoship/deploy/tree"
)

// Beside a running service, no rule sends a request to the new, empty target group
// but one that asks for its header: the old group has weight 100 and the new one 0.
func TestRunningServiceKeepsItsRequests(t *testing.T) {
	for _, name := range []string{"traffic", "existing"} {
		t.Run(name, func(t *testing.T) {
			template, err := parseJSON(shape(t, name).mustNew(t).CloudFormation(true))
			if err != nil {
				t.Fatal(err)
			}
			value := func(n *tree.Node) int64 { // of a weight, with the parameters' defaults
				if yes := n.Key("Fn::If").Items(); len(yes) == 3 {
					n = yes[1]
				}
				i, _ := template.Key("Parameters").Key(n.Key("Ref").Str()).Key("Default").Int()
				return i
			}
			weighted := 0
			for id, r := range template.Key("Resources").Members() {
				p := r.Key("Properties")
				if r.Key("Type").Str() != "AWS::ElasticLoadBalancingV2::ListenerRule" {
					continue
				}
				if strings.HasPrefix(id, "TestRule") {
					header := p.Key("Conditions").Items()
					if got := header[len(header)-1].Key("HttpHeaderConfig").Key("HttpHeaderName").Str(); got != service.TestHeader {
						t.Errorf("%s has no condition on the header, but %q", id, got)
					}
					continue
				}
				weighted++
				actions := p.Key("Actions").Items()
				groups := actions[len(actions)-1].Key("ForwardConfig").Key("TargetGroups").Items()
				if len(groups) != 2 || value(groups[0].Key("Fn::If").Items()[1].Key("Weight")) != 100 || value(groups[1].Key("Weight")) != 0 {
					t.Errorf("%s forwards to %s", id, p.Key("Actions").Source())
				}
			}
			if weighted == 0 {
				t.Error("no rule")
			}
		})
	}
}

// A rule gets the priority right before the old one, so that no other rule comes
// between them; the default action gets the last.
func TestPriorities(t *testing.T) {
	template, err := parseJSON(shape(t, "traffic").mustNew(t).CloudFormation(true))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for name, p := range template.Key("Parameters").Members() {
		if strings.Contains(name, "Priority") || strings.Contains(name, "Port") {
			got[name], _ = p.Key("Default").Int()
		}
	}
	want := map[string]int64{ // the old rules have 10, 20 and the default
		"ListenerRulePriority": 22, "TestRulePriority": 21, "ListenerRulePriority2": 9, "TestRulePriority2": 8, "TestListenerPort3": 8514,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

// Two listeners of a load balancer reach the same port through one pair of rules:
// AWS refuses a second one.
func TestPortsAreOpenedOnce(t *testing.T) {
	in := shape(t, "traffic")
	var doc map[string][]map[string]any
	if err := json.Unmarshal([]byte(in.existing), &doc); err != nil {
		t.Fatal(err)
	}
	plain := maps.Clone(doc["listeners"][0])
	plain["ListenerArn"] = strings.Replace(plain["ListenerArn"].(string), "aa", "ab", 1)
	doc["listeners"] = append(doc["listeners"], plain)
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	in.existing = string(b)
	template, err := parseJSON(in.mustNew(t).CloudFormation(true))
	if err != nil {
		t.Fatal(err)
	}
	checkTemplate(t, template)
	var rules []string
	for _, r := range template.Key("Resources").Members() {
		if r.Key("Type").Str() == "AWS::EC2::SecurityGroupIngress" {
			p := r.Key("Properties")
			rules = append(rules, p.Key("IpProtocol").Str()+" "+p.Key("FromPort").Source())
		}
	}
	want := []string{"tcp 8080", "tcp 9090", "udp 5140", "tcp 8080"} // the last for the health check of the network's clients
	if slices.Sort(rules); !slices.Equal(rules, slices.Sorted(slices.Values(want))) {
		t.Errorf("ingress %q, want %q", rules, want)
	}
}
