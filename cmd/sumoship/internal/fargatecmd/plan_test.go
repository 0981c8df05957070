package fargatecmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// estateOf is an Amazon ECS with a cluster of many services, and nothing else that
// AWS has: other services of AWS refuse.
func estateOf(t *testing.T, services int) (url string) {
	cluster := "arn:aws:ecs:eu-west-1:111122223333:cluster/prod"
	arn := func(i int) string { return fmt.Sprintf("arn:aws:ecs:eu-west-1:111122223333:service/prod/s%03d", i) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, call, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "Route53AutoNaming_v20170314."); ok {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			_, _ = w.Write([]byte(map[string]string{
				"GetService": `{"Service":{"Name":"cart","NamespaceId":"ns-1"}}`, "GetNamespace": `{"Namespace":{"Name":"shop.local"}}`,
			}[call]))
			return
		}
		_, call, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "AmazonEC2ContainerServiceV20141113.")
		if !ok {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var in struct {
			NextToken, TaskDefinition string
			Services                  []string
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		var out any
		switch call {
		case "ListClusters":
			out = map[string]any{"clusterArns": []string{cluster}}
		case "ListServices": // in two pages
			from, token := 0, "more"
			if in.NextToken != "" {
				from, token = services/2, ""
			}
			var arns []string
			for i := from; i < from+services/2; i++ {
				arns = append(arns, arn(i))
			}
			page := map[string]any{"serviceArns": arns}
			if token != "" {
				page["nextToken"] = token
			}
			out = page
		case "DescribeServices":
			var all []any
			for _, a := range in.Services {
				name := a[strings.LastIndex(a, "/")+1:]
				s := map[string]any{"serviceArn": a, "serviceName": name, "status": "ACTIVE", "desiredCount": 2,
					"launchType": "EC2", "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/" + name + ":1",
					"schedulingStrategy": "REPLICA"}
				if name == "s005" {
					s["serviceRegistries"] = []any{map[string]any{"registryArn": "arn:aws:servicediscovery:eu-west-1:111122223333:service/srv-1"}}
				}
				if name == "s001" {
					s["schedulingStrategy"], s["runningCount"] = "DAEMON", 2
				}
				all = append(all, s)
			}
			out = map[string]any{"services": all}
		case "DescribeTaskDefinition":
			family := strings.TrimSuffix(in.TaskDefinition[strings.LastIndex(in.TaskDefinition, "/")+1:], ":1")
			container := map[string]any{"name": "app", "image": "app", "cpu": 128, "memory": 256}
			switch family {
			case "s004":
				container["environment"] = []any{map[string]any{"name": "CART", "value": "http://cart.shop.local:8080"}}
			case "s002":
				container["privileged"] = true
			case "s003":
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"__type":"ClientException","message":"Unable to describe task definition."}`))
				return
			}
			out = map[string]any{"taskDefinition": map[string]any{"taskDefinitionArn": in.TaskDefinition, "family": family,
				"revision": 1, "containerDefinitions": []any{container}}}
		case "ListContainerInstances":
			out = map[string]any{"containerInstanceArns": []string{"i"}}
		case "DescribeContainerInstances":
			out = map[string]any{"containerInstances": []any{map[string]any{
				"attributes":          []any{map[string]any{"name": "ecs.instance-type", "value": "m5.4xlarge"}},
				"registeredResources": []any{map[string]any{"name": "CPU", "integerValue": 16384}, map[string]any{"name": "MEMORY", "integerValue": 63000}},
			}}}
		default:
			t.Errorf("unexpected call %s", call)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// 200 services are read and planned in seconds. What AWS does not let the command read
// is named, and the plan does without it.
func TestPlanOf200Services(t *testing.T) {
	clitest.SetAWS(t, estateOf(t, 200))
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	page := filepath.Join(t.TempDir(), "plan.html")
	start := time.Now()
	status, _, errs := command(t, nil, "fargate", "plan", "--all", "--as", "html", "-o", page)
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s", status, errs)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %s", took)
	}
	clitest.Mentions(t, errs, "does without usage", "does without scheduled tasks", "does without names of load balancers")
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	clitest.Mentions(t, string(b), "<svg", "s199", "Account 111122223333", "a way out")

	status, out, errs := command(t, nil, "fargate", "plan", "--cluster", "prod", "--no-usage", "--json")
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s", status, errs)
	}
	var plan struct {
		Workloads []struct {
			Name, Verdict string
			Needs         []string
			Wave          int
			Costs         struct{ Now, Fargate *float64 }
		}
		Counts map[string]int
	}
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatal(err)
	}
	if len(plan.Workloads) != 200 || plan.Counts["can move"] != 197 || plan.Counts["must stay"] != 2 || plan.Counts["needs a choice"] != 1 {
		t.Errorf("%d workloads, %v", len(plan.Workloads), plan.Counts)
	}
	if w := plan.Workloads[len(plan.Workloads)-1]; w.Costs.Now == nil || w.Costs.Fargate == nil {
		t.Errorf("%+v", w)
	}
	for _, w := range plan.Workloads { // s004 calls s005 by its name in Cloud Map
		if w.Name == "s004" && (w.Wave != 1 || len(w.Needs) != 1 || w.Needs[0] != "s005") || w.Name == "s005" && w.Wave != 2 {
			t.Errorf("%+v", w)
		}
	}
	status, out, _ = command(t, nil, "fargate", "plan", "--all", "--no-usage")
	if status != cli.ExitOK || !strings.Contains(out, "0.25 vCPU, 0.5 GB") {
		t.Errorf("status %d\n%s", status, out)
	}
}

func TestPlanOnTerminals(t *testing.T) {
	clitest.SetAWS(t, estateOf(t, 6))
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	clitest.Look{Args: "fargate plan --all --no-usage", Colour: "\x1b[32mcan move\x1b[0m"}.Check(t, new(tree), nil)
}

func TestPlanFlags(t *testing.T) {
	clitest.SetAWS(t, "http://127.0.0.1:1")
	bad := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(bad, []byte(`{"date":"yesterday"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--all", "--cluster", "a"}, {"--all", "--headroom", "0.5"}, {"--all", "--prices", bad}, {"--all", "--size", "guess"}} {
		if status, _, errs := command(t, nil, append([]string{"fargate", "plan"}, args...)...); status != cli.ExitUsage || errs == "" {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
	}
}
