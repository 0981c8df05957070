package fargatecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/logstest"
)

// twoGroups is a Fargate definition with two log groups, in a Region.
func twoGroups(region string) string {
	return strings.ReplaceAll(`{
  "family": "shop", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512",
  "executionRoleArn": "exec", "taskRoleArn": "task",
  "containerDefinitions": [
    {"name": "web", "image": "web", "essential": true,
     "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop", "awslogs-region": "REGION", "awslogs-stream-prefix": "ecs"}}},
    {"name": "side", "image": "side",
     "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/side", "awslogs-region": "REGION", "awslogs-stream-prefix": "ecs"}}}
  ]
}
`, "REGION", region)
}

// logsRegion is a Region as the command finds it, with a forwarder, in pages of
// one.
type logsRegion struct {
	*logstest.Server
	arn string // of the forwarder
	doc string // path of twoGroups

	mu      sync.Mutex
	changes []string // calls that change something: OPERATION NAME
}

// newLogsRegion returns a Region. fault, if not nil, is asked about each call.
func newLogsRegion(t *testing.T, fault func(logstest.Call) logstest.Fault) *logsRegion {
	t.Helper()
	server, arn := clitest.Region(t)
	server.Page = 1
	server.AddFunction("forwarder", "")
	r := &logsRegion{Server: server, arn: arn, doc: file(t, "shop.json", twoGroups(logstest.Region))}
	server.OnRequest(func(c logstest.Call) (f logstest.Fault) {
		if fault != nil {
			f = fault(c)
		}
		for _, verb := range []string{"Create", "Put", "Delete", "Add", "Remove"} {
			if strings.HasPrefix(c.Op, verb) && f.Code == "" {
				r.mu.Lock()
				r.changes = append(r.changes, c.Op+" "+c.Name)
				r.mu.Unlock()
			}
		}
		return f
	})
	return r
}

// logs calls the verb.
func (r *logsRegion) logs(t *testing.T, more ...string) (status int, out, errs string) {
	t.Helper()
	return command(t, nil, append([]string{"fargate", "logs", r.doc, "--subscribe", r.arn}, more...)...)
}

// group returns a log group.
func (r *logsRegion) group(name string) logstest.Group {
	all := r.Groups()
	if i := slices.IndexFunc(all, func(g logstest.Group) bool { return g.Name == name }); i >= 0 {
		return all[i]
	}
	return logstest.Group{}
}

// theirs is a filter that delivers to another function.
func theirs(name string) logstest.Filter {
	return logstest.Filter{Name: name, Destination: logstest.FunctionARN(name)}
}

func TestLogsCreatesWhatIsMissingAndNothingElse(t *testing.T) {
	region := newLogsRegion(t, nil)
	region.Add(logstest.Group{Name: "/ecs/shop-old"}, logstest.Group{Name: "/ecs/sid"},
		logstest.Group{Name: "/ecs/side", Days: 7, Filters: []logstest.Filter{theirs("theirs")}})
	args := []string{"--retention", "30"}

	// Without a terminal nothing is done unless it is asked for.
	status, out, errs := region.logs(t, args...)
	if status != cli.ExitUsage || !strings.Contains(errs, "give --yes to go ahead, or --dry-run") || len(region.changes) > 0 {
		t.Errorf("status %d, %q\n%s%s", status, region.changes, out, errs)
	}
	status, out, errs = region.logs(t, append(args, "--dry-run")...)
	plan := `ACTION     OF                                                       WHAT
create     /ecs/shop                                                for web
retain     /ecs/shop                                                30 days, not for ever
retain     /ecs/side                                                30 days, not 7
permit     arn:aws:lambda:us-east-1:123456789012:function:forwarder CloudWatch Logs calls it, for the log groups of account 123456789012
subscribe  /ecs/shop                                                by filter sumoship, all to arn:aws:lambda:us-east-1:123456789012:function:forwarder
subscribe  /ecs/side                                                by filter sumoship, all to arn:aws:lambda:us-east-1:123456789012:function:forwarder
`
	clitest.Equal(t, squeezed(plan+"Nothing was changed.\n"), squeezed(out))
	if status != cli.ExitOK || errs != "" || len(region.changes) > 0 {
		t.Errorf("status %d, %q\n%s", status, region.changes, errs)
	}

	clitest.Look{Args: "fargate logs " + region.doc + " --dry-run --retention 30 --subscribe " + region.arn, Colour: "\x1b[32m"}.Check(t, new(tree), nil)

	// CloudWatch Logs does not know of the permission at once.
	region.PermissionDelay = 500 * time.Millisecond
	status, out, errs = region.logs(t, append(args, "--yes")...)
	clitest.Equal(t, squeezed(plan+"2 log groups: 6 changes done, 0 failed.\n"), squeezed(out))
	if status != cli.ExitOK || errs != "" {
		t.Errorf("status %d\n%s", status, errs)
	}
	want := []string{"CreateLogGroup /ecs/shop", "PutRetentionPolicy /ecs/shop", "PutRetentionPolicy /ecs/side",
		"AddPermission forwarder", "PutSubscriptionFilter /ecs/shop", "PutSubscriptionFilter /ecs/side"}
	clitest.Equal(t, want, slices.Compact(region.changes))
	if len(region.changes) == len(want) {
		t.Error("no filter was refused for lack of permission")
	}
	clitest.Equal(t, []string{"sumoship-all-log-groups"}, region.Permissions("forwarder"))
	clitest.Equal(t, []string{"/ecs/shop sumoship", "/ecs/side sumoship", "/ecs/side theirs"}, clitest.FiltersOf(region.Server))
	for name, days := range map[string]int{"/ecs/shop": 30, "/ecs/side": 30, "/ecs/shop-old": 0} {
		if got := region.group(name).Days; got != days {
			t.Errorf("%s is kept for %d days", name, got)
		}
	}

	// A second run has nothing to do and nothing to ask.
	region.changes = nil
	status, out, errs = region.logs(t, args...)
	if status != cli.ExitOK || errs != "" || len(region.changes) > 0 || strings.Count(out, "subscribed already") != 2 {
		t.Errorf("status %d, %q\n%s%s", status, region.changes, out, errs)
	}
	status, out, errs = region.logs(t, append(args, "--json")...)
	var result struct {
		DryRun bool
		Steps  []struct {
			LogGroup, Region, Action, Why string
			Done                          bool
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || status != cli.ExitOK || len(result.Steps) != 2 ||
		result.Steps[0].Action != "keep" || result.Steps[0].Region != logstest.Region {
		t.Errorf("status %d: %v\n%s%s", status, err, out, errs)
	}

	// A group that is already delivered needs the permission too, whatever else it
	// needs.
	region.AddFunction("forwarder", "")
	status, out, errs = region.logs(t, "--retention", "60", "--dry-run")
	if status != cli.ExitOK || !strings.Contains(out, "permit ") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// squeezed leaves one space of each gap between columns.
func squeezed(s string) string {
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// Each outcome of the plan says why, and what would help.
func TestLogsSaysWhy(t *testing.T) {
	to := "arn:aws:lambda:us-east-1:123456789012:function:forwarder"
	ours := logstest.Filter{Name: "sumoship", Destination: to}
	for name, c := range map[string]struct {
		have   logstest.Group // /ecs/side
		more   []string       // arguments
		want   string
		status int
	}{
		"shorter": {logstest.Group{Days: 30, Filters: []logstest.Filter{ours}}, []string{"--retention", "7"},
			"retain /ecs/side 7 days, not 30: what is older is deleted", cli.ExitOK},
		"no longer forever": {logstest.Group{Filters: []logstest.Filter{ours}}, []string{"--retention", "7"},
			"retain /ecs/side 7 days, not for ever: what is older is deleted", cli.ExitOK},
		"another pattern": {logstest.Group{Filters: []logstest.Filter{ours, theirs("x")}}, []string{"--filter-pattern", "ERROR"},
			"subscribe /ecs/side by filter sumoship, which delivers all to " + to + " now", cli.ExitOK},
		"a pattern": {logstest.Group{}, []string{"--filter-pattern", "ERROR"}, `subscribe /ecs/side by filter sumoship, "ERROR" to ` + to, cli.ExitOK},
		"another alias": {logstest.Group{Filters: []logstest.Filter{{Name: "sumoship", Destination: to + ":live"}}}, nil,
			"subscribe /ecs/side by filter sumoship, which delivers all to " + to + ":live now", cli.ExitOK},
		"already": {logstest.Group{Filters: []logstest.Filter{ours}}, nil, "keep /ecs/side subscribed already", cli.ExitOK},
		"by another filter": {logstest.Group{Filters: []logstest.Filter{{Name: "theirs", Destination: to + ":1"}}}, nil,
			"keep /ecs/side filter theirs delivers it there", cli.ExitOK},
		"full": {logstest.Group{Filters: []logstest.Filter{theirs("x"), theirs("y")}}, nil,
			"refuse /ecs/side it has the filters x and y already, and a log group can have 2: delete one", cli.ExitFound},
		"name taken": {logstest.Group{Filters: []logstest.Filter{{Name: "sumoship", Destination: logstest.FunctionARN("x")}}},
			nil, "refuse /ecs/side its filter sumoship delivers to " + logstest.FunctionARN("x") + ", and is not ours: rename or delete it", cli.ExitFound},
		"class": {logstest.Group{Class: "INFREQUENT_ACCESS"}, nil,
			"refuse /ecs/side log groups of class INFREQUENT_ACCESS have no subscriptions: use one of class STANDARD", cli.ExitFound},
	} {
		t.Run(name, func(t *testing.T) {
			region := newLogsRegion(t, nil)
			c.have.Name = "/ecs/side"
			region.Add(c.have)
			status, out, errs := region.logs(t, append(c.more, "--dry-run")...)
			if status != c.status || !strings.Contains(squeezed(out), "\n"+c.want+"\n") {
				t.Errorf("status %d, want %d and %s\n%s%s", status, c.status, c.want, out, errs)
			}
		})
	}
}

// A group that cannot be subscribed is an error, and the others are done.
func TestLogsDoesTheOthersWhenOneIsFull(t *testing.T) {
	region := newLogsRegion(t, nil)
	region.Add(logstest.Group{Name: "/ecs/shop", Filters: []logstest.Filter{theirs("a"), theirs("b")}})
	status, out, errs := region.logs(t, "--yes")
	if status != cli.ExitFound || errs != "sumoship: 1 log group cannot be subscribed, as the plan says\n" ||
		!strings.Contains(out, "it has the filters a and b already, and a log group can have 2: delete one") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	clitest.Equal(t, []string{"/ecs/shop a", "/ecs/shop b", "/ecs/side sumoship"}, clitest.FiltersOf(region.Server))
}

// What AWS refuses for one group does not keep others from being done; what needs
// it is not tried.
func TestLogsReportsWhatAWSRefuses(t *testing.T) {
	permit := func(t *testing.T, r *logsRegion, source string) {
		t.Helper()
		clitest.PermitLogs(t, r.Server, source)
		r.changes = nil
	}
	for name, c := range map[string]struct {
		refuse, code string // an operation
		prep         func(*testing.T, *logsRegion)
		status       int
		want         []string // on standard output and error
		changes      int
	}{
		"no right to look": {"DescribeLogGroups", "AccessDeniedException", nil, cli.ExitAWS,
			[]string{"log group /ecs/shop: list log groups: access denied: logs:DescribeLogGroups"}, 0},
		"no function": {"", "", func(_ *testing.T, r *logsRegion) { r.arn = logstest.FunctionARN("none") }, cli.ExitAWS,
			[]string{"no function " + logstest.FunctionARN("none") + ", or you may not see it"}, 0},
		"no right to create": {"CreateLogGroup", "AccessDeniedException", nil, cli.ExitAWS,
			[]string{"create /ecs/shop: create log group: access denied: logs:CreateLogGroup", "subscribe /ecs/shop: not tried: an earlier step failed"}, 1},
		"no permission": {"AddPermission", "AccessDeniedException", nil, cli.ExitAWS,
			[]string{"permit arn:aws:lambda:us-east-1:123456789012:function:forwarder: ", "access denied: lambda:AddPermission", "subscribe /ecs/side: not tried"}, 2},
		"another statement": {"", "", func(t *testing.T, r *logsRegion) { permit(t, r, "/ecs/other:*") }, cli.ExitAWS,
			[]string{"its policy has a statement sumoship-all-log-groups that permits something else: remove it with aws lambda remove-permission"}, 0},
		"policy unknown": {"GetPolicy", "AccessDeniedException", func(t *testing.T, r *logsRegion) { permit(t, r, "*") }, cli.ExitOK,
			[]string{"cannot look up whether CloudWatch Logs may call the function"}, 4},
		"another statement, policy unknown": {"GetPolicy", "AccessDeniedException", func(t *testing.T, r *logsRegion) { permit(t, r, "/ecs/other:*") }, cli.ExitAWS,
			[]string{"subscribe /ecs/shop: put subscription filter: InvalidParameterException: Could not execute the lambda function"}, 4},
		"account policy unknown": {"DescribeAccountPolicies", "AccessDeniedException", nil, cli.ExitOK,
			[]string{"cannot look up whether a policy of the account also delivers there: describe account policies: access denied: logs:DescribeAccountPolicies"}, 5},
		"delivered by a policy": {"", "", func(_ *testing.T, r *logsRegion) {
			r.AddPolicy(logstest.Policy{Name: "everything", Document: `{"DestinationArn":"` + r.arn + `"}`, Criteria: `LogGroupName NOT IN ["/ecs/side"]`})
			r.Add(logstest.Group{Name: "/ecs/shop"})
		}, cli.ExitOK, []string{"the policy everything of the account delivers it there", "subscribe /ecs/side"}, 3},
		"a loop": {"", "", func(_ *testing.T, r *logsRegion) { r.AddFunction("forwarder", "/ecs/side") }, cli.ExitFound,
			[]string{"refuse /ecs/side the forwarder writes to it itself, so subscribing it would make a loop"}, 4},
		"in a loop already": {"", "", func(t *testing.T, r *logsRegion) {
			r.AddFunction("forwarder", "/ecs/side")
			r.Add(logstest.Group{Name: "/ecs/side", Filters: []logstest.Filter{{Name: "sumoship", Destination: r.arn}}})
		}, cli.ExitFound, []string{"unsubscribe /ecs/side the forwarder writes to it itself"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			region := newLogsRegion(t, func(call logstest.Call) logstest.Fault {
				if call.Op == c.refuse {
					return logstest.Fault{Code: c.code}
				}
				return logstest.Fault{}
			})
			if c.prep != nil {
				c.prep(t, region)
			}
			status, out, errs := region.logs(t, "--yes")
			if status != c.status || len(region.changes) != c.changes {
				t.Errorf("status %d, %q\n%s%s", status, region.changes, out, errs)
			}
			for _, want := range c.want {
				if !strings.Contains(squeezed(out+errs), want) {
					t.Errorf("no step says %q in\n%s%s", want, out, errs)
				}
			}
		})
	}
}

// What others do meanwhile, as this command would, is done.
func TestLogsMeetsOthers(t *testing.T) {
	var region *logsRegion
	met := false
	region = newLogsRegion(t, func(c logstest.Call) logstest.Fault {
		switch {
		case c.Op == "CreateLogGroup":
			region.Add(logstest.Group{Name: c.Name})
		case c.Op == "AddPermission" && !met:
			met = true
			if status, out, errs := command(t, nil, "subscribe", "--destination", region.arn, "--include", "^/ecs/shop$", "--yes"); status != cli.ExitOK {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
		}
		return logstest.Fault{}
	})
	status, out, errs := region.logs(t, "--yes")
	if status != cli.ExitOK || !strings.Contains(out, "5 changes done, 0 failed") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	clitest.Equal(t, []string{"/ecs/shop sumoship", "/ecs/side sumoship"}, clitest.FiltersOf(region.Server))
}

// A log group is looked up in its own Region, and cannot deliver to another.
func TestLogsInAnotherRegion(t *testing.T) {
	region := newLogsRegion(t, nil)
	var mu sync.Mutex
	asked := map[string]bool{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, op, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
			scope := strings.Split(r.Header.Get("Authorization"), "/") // …/DATE/REGION/logs/aws4_request
			mu.Lock()
			asked[op+" in "+scope[2]] = true
			mu.Unlock()
		}
		region.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	region.doc = file(t, "shop.json", strings.Replace(twoGroups("us-east-1"), "us-east-1", "eu-central-1", 1))
	status, out, errs := region.logs(t, "--yes")
	why := "refuse /ecs/shop it is in eu-central-1, and log groups deliver within their Region: deploy a forwarder there\n"
	if status != cli.ExitFound || !strings.Contains(squeezed(out), why) {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	clitest.Equal(t, map[string]bool{"DescribeAccountPolicies in us-east-1": true, "DescribeLogGroups in us-east-1": true, "DescribeLogGroups in eu-central-1": true,
		"CreateLogGroup in us-east-1": true, "CreateLogGroup in eu-central-1": true, "PutSubscriptionFilter in us-east-1": true}, asked)
	clitest.Equal(t, []string{"/ecs/side sumoship"}, clitest.FiltersOf(region.Server))
}

// Ctrl-C leaves the rest for the next run.
func TestLogsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	region := newLogsRegion(t, func(c logstest.Call) logstest.Fault {
		if c.Op == "PutSubscriptionFilter" && c.Name == "/ecs/shop" {
			cancel()
			return logstest.Fault{DropAfter: true} // or the answer may be faster
		}
		return logstest.Fault{}
	})
	var out, errs bytes.Buffer
	status := run(ctx, []string{"fargate", "logs", region.doc, "--subscribe", region.arn, "--yes"}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: os.Getenv})
	why := "interrupted; 3 changes done, not confirmed: subscribe /ecs/shop, subscribe /ecs/side; the next run continues there"
	if status != 130 || !strings.Contains(errs.String(), why) || len(region.group("/ecs/side").Filters) != 0 {
		t.Errorf("status %d, %q\n%s%s", status, region.changes, out.String(), errs.String())
	}
	if status, out, errs := region.logs(t, "--yes"); status != cli.ExitOK || len(clitest.FiltersOf(region.Server)) != 2 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// On a terminal the command shows its plan and asks.
func TestLogsAsks(t *testing.T) {
	region := newLogsRegion(t, nil)
	testscript.Run(t, testscript.Params{Dir: "testdata/logs", RequireExplicitExec: true, Setup: func(e *testscript.Env) error {
		for _, name := range []string{
			"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
		} {
			e.Setenv(name, os.Getenv(name))
		}
		e.Setenv("FORWARDER", region.arn)
		return nil
	}})
}
