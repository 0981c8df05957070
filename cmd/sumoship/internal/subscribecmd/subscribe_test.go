package subscribecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/logstest"
)

func TestSubscribeAndUnsubscribe(t *testing.T) {
	server, forwarder := clitest.Region(t)
	other := logstest.Filter{Name: "other", Destination: logstest.FunctionARN("other")}
	server.Add(
		logstest.Group{Name: "/ecs/api"}, logstest.Group{Name: "/ecs/web", Filters: []logstest.Filter{other}},
		logstest.Group{Name: "/ecs/debug"}, logstest.Group{Name: "/ecs/a_b"}, logstest.Group{Name: "/aws/lambda/forwarder"},
		logstest.Group{Name: "/sumoship/shop/forwarder"}, logstest.Group{Name: "/mine"},
		logstest.Group{Name: "cheap", Class: "INFREQUENT_ACCESS", Tags: map[string]string{"ship": "yes"}},
		logstest.Group{Name: "tagged", Tags: map[string]string{"ship": "yes"}},
		logstest.Group{Name: "plain"}, logstest.Group{Name: "/logs/of-the-forwarder"},
	)
	args := []string{"subscribe", "--destination", forwarder, "--include", "^/ECS/.{1,9}$", "--include", "mine|forwarder",
		"--exclude", "debug", "--tag", "ship=yes", "--own", "/mine"}

	// Without a terminal nothing is done unless it is asked for.
	status, out, errs := command(t, nil, args...)
	if status != cli.ExitUsage || !strings.Contains(errs, "give --yes to go ahead, or --dry-run") || len(clitest.FiltersOf(server)) != 1 ||
		len(server.Permissions("forwarder")) != 0 {
		t.Errorf("status %d, %v\n%s%s", status, clitest.FiltersOf(server), out, errs)
	}
	status, out, errs = command(t, nil, append(args, "--dry-run")...)
	want := `ACTION  LOG GROUP  WHY
put     /ecs/a_b   new
put     /ecs/api   new
put     /ecs/web   new
put     tagged     new
11 log groups: 4 to be subscribed, 1 excluded, 1 not chosen, 1 not of the Standard class, 4 our own.
Permission of CloudWatch Logs to call the function: to be added.
Nothing was changed.
`
	clitest.Equal(t, want, out)
	if status != cli.ExitOK || errs != "" || len(clitest.FiltersOf(server)) != 1 {
		t.Errorf("status %d, %v\n%s", status, clitest.FiltersOf(server), errs)
	}

	status, out, errs = command(t, nil, append(args, "--yes")...)
	if status != cli.ExitOK || !strings.Contains(out, "11 log groups: 4 subscribed, 1 excluded") || !strings.Contains(out, "call the function: added.") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	subscribed := []string{"/ecs/a_b sumoship", "/ecs/api sumoship", "/ecs/web other", "/ecs/web sumoship", "tagged sumoship"}
	clitest.Equal(t, subscribed, clitest.FiltersOf(server))
	clitest.Equal(t, []string{"sumoship-all-log-groups"}, server.Permissions("forwarder"))

	// A second run has nothing to do and nothing to ask.
	status, out, errs = command(t, nil, args...)
	if status != cli.ExitOK || !strings.Contains(out, "11 log groups: 4 already subscribed,") || !strings.Contains(out, "call the function: there already.") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	// A pattern that matches nothing is told, and with --require is the end.
	status, _, errs = command(t, nil, "subscribe", "--destination", forwarder, "--include", "web", "--include", "nosuchgroup", "--exclude", "nor[0-9]", "--dry-run")
	if status != cli.ExitOK || !strings.Contains(errs, "sumoship: --include nosuchgroup, --exclude nor[0-9]: no log group matches\n") {
		t.Errorf("status %d\n%s", status, errs)
	}
	status, out, errs = command(t, nil, "subscribe", "--destination", forwarder, "--tag", "team=nobody", "--require", "--yes")
	if status != cli.ExitFound || out != "" || !strings.Contains(errs, "--tag team=nobody: no log group matches; nothing was changed") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	// What is excluded goes; what is just not chosen stays, but for --prune.
	status, out, errs = command(t, nil, "subscribe", "--destination", forwarder, "--include", "web", "--exclude", "api", "--yes")
	if status != cli.ExitOK || !strings.Contains(out, "delete  /ecs/api   excluded") || !strings.Contains(out, "1 unsubscribed, 1 already subscribed") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	status, out, errs = command(t, nil, "subscribe", "--destination", forwarder, "--include", "web|tagged", "--prune", "-y", "--json")
	var result struct {
		Steps  []struct{ LogGroup, Action, Reason string }
		Report struct{ Seen, Removed, Already int }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || status != cli.ExitOK || len(result.Steps) != 1 || result.Steps[0].LogGroup != "/ecs/a_b" ||
		result.Steps[0].Reason != "not chosen" || result.Report.Seen != 11 || result.Report.Removed != 1 || result.Report.Already != 2 {
		t.Errorf("status %d, %v\n%s%s", status, err, out, errs)
	}

	// Part of the reverse leaves the permission, all of it takes it along.
	status, out, errs = command(t, nil, "unsubscribe", "--destination", forwarder, "--include", "web", "--yes")
	if status != cli.ExitOK || len(server.Permissions("forwarder")) != 1 || !strings.Contains(out, "1 unsubscribed") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	status, out, errs = command(t, nil, "unsubscribe", "--destination", forwarder, "--yes")
	if status != cli.ExitOK || len(server.Permissions("forwarder")) != 0 || !strings.Contains(out, "call the function: removed.") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	clitest.Equal(t, []string{"/ecs/web other"}, clitest.FiltersOf(server))
	if status, out, errs = command(t, nil, "unsubscribe", "--destination", forwarder); status != cli.ExitOK || !strings.Contains(out, "10 not subscribed") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// The permission stays while others deliver to the function.
func TestUnsubscribeLeavesOthersThePermission(t *testing.T) {
	for name, theirs := range map[string]logstest.Group{
		"alone": {Name: "/b", Filters: []logstest.Filter{{Name: "theirs", Destination: logstest.FunctionARN("forwarder")}}},
		"beside ours": {Name: "/b", Filters: []logstest.Filter{{Name: "sumoship", Destination: logstest.FunctionARN("forwarder")},
			{Name: "theirs", Destination: logstest.FunctionARN("forwarder")}}},
	} {
		t.Run(name, func(t *testing.T) {
			server, forwarder := clitest.Region(t)
			server.Add(logstest.Group{Name: "/a"})
			if status, out, errs := command(t, nil, "subscribe", "--destination", forwarder, "--yes"); status != cli.ExitOK {
				t.Fatalf("status %d\n%s%s", status, out, errs)
			}
			server.Add(theirs)
			status, out, errs := command(t, nil, "unsubscribe", "--destination", forwarder, "--yes")
			if status != cli.ExitOK || len(server.Permissions("forwarder")) != 1 || !strings.Contains(out, "theirs") {
				t.Errorf("status %d, %v\n%s%s", status, server.Permissions("forwarder"), out, errs)
			}
			clitest.Equal(t, []string{"/b theirs"}, clitest.FiltersOf(server))
		})
	}
}

func TestSubscribeReportsWhatItCannot(t *testing.T) {
	server, forwarder := clitest.Region(t)
	server.Add(
		logstest.Group{Name: "/full", Filters: []logstest.Filter{{Name: "a", Destination: logstest.FunctionARN("a")},
			{Name: "b", Destination: logstest.FunctionARN("b")}}},
		logstest.Group{Name: "/taken", Filters: []logstest.Filter{{Name: "sumoship", Destination: logstest.FunctionARN("old")}}},
		logstest.Group{Name: "/twice", Filters: []logstest.Filter{{Name: "SumoLGLBDFilter", Destination: forwarder}}},
		logstest.Group{Name: "/web"},
	)
	before := clitest.FiltersOf(server)
	status, out, errs := command(t, nil, "subscribe", "--destination", forwarder, "--yes")
	for _, want := range []string{
		"skip    /full      two other filters: a, b",
		"skip    /taken     our name, another destination: sumoship delivers to " + logstest.FunctionARN("old"),
		"skip    /twice     delivered by another filter: SumoLGLBDFilter", "put     /web       new",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if status != cli.ExitFound || !strings.Contains(errs, "2 log groups cannot be subscribed") {
		t.Errorf("status %d\n%s", status, errs)
	}
	clitest.Equal(t, append(before, "/web sumoship"), clitest.FiltersOf(server))
}

// Access that is denied halfway is an error, and a second run does the rest.
func TestSubscribeWithAccessDeniedHalfWay(t *testing.T) {
	server, forwarder := clitest.Region(t)
	for i := range 60 {
		server.Add(logstest.Group{Name: fmt.Sprintf("/ecs/%02d", i)})
	}
	server.OnRequest(func(c logstest.Call) logstest.Fault {
		if c.Op == "PutSubscriptionFilter" && c.Name >= "/ecs/20" {
			return logstest.Fault{Code: "AccessDeniedException", Message: "you shall not"}
		}
		return logstest.Fault{}
	})
	status, out, errs := command(t, nil, "subscribe", "--destination", forwarder, "--yes")
	if status != cli.ExitAWS || !strings.Contains(out, "20 subscribed, 40 failed") ||
		!strings.Contains(errs, "40 log groups failed, the first: /ecs/20: put subscription filter: access denied: logs:PutSubscriptionFilter (you shall not)") ||
		!strings.Contains(errs, "run it again to do the rest") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	server.OnRequest(nil)
	status, out, errs = command(t, nil, "subscribe", "--destination", forwarder, "--yes")
	if status != cli.ExitOK || !strings.Contains(out, "40 subscribed, 20 already subscribed") || len(clitest.FiltersOf(server)) != 60 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	for op, want := range map[string]string{
		"DescribeLogGroups":        "list log groups: access denied: logs:DescribeLogGroups",
		"GetFunctionConfiguration": "cannot look up the log group of the destination, which must not be subscribed",
		"AddPermission":            "add a permission for CloudWatch Logs: access denied: lambda:AddPermission",
	} {
		server.AddFunction("forwarder", "") // without its permission
		server.Add(logstest.Group{Name: "/new"})
		server.OnRequest(func(c logstest.Call) logstest.Fault {
			if c.Op == op {
				return logstest.Fault{Code: "AccessDeniedException"}
			}
			return logstest.Fault{}
		})
		status, out, errs := command(t, nil, "subscribe", "--destination", forwarder, "--yes")
		if status != cli.ExitAWS || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d\n%s%s", op, status, out, errs)
		}
	}
	// A caller that may not read policies continues.
	server.OnRequest(func(c logstest.Call) logstest.Fault {
		if c.Op == "GetPolicy" || c.Op == "DescribeAccountPolicies" {
			return logstest.Fault{Code: "AccessDeniedException"}
		}
		return logstest.Fault{}
	})
	status, out, errs = command(t, nil, "subscribe", "--destination", forwarder, "--yes")
	if status != cli.ExitAWS || strings.Count(errs, "cannot look up") != 2 ||
		!strings.Contains(errs, "/new: put subscription filter: InvalidParameterException: Could not execute the lambda function") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// The permission that the command gives takes a moment until CloudWatch Logs knows
// of it.
func TestSubscribeWaitsForItsPermission(t *testing.T) {
	for name, more := range map[string][]string{"filters": nil, "account": {"--account"}} {
		t.Run(name, func(t *testing.T) {
			server, forwarder := clitest.Region(t)
			server.Add(logstest.Group{Name: "/ecs/web"}, logstest.Group{Name: "/ecs/api"})
			server.PermissionDelay = 500 * time.Millisecond
			status, out, errs := command(t, nil, append([]string{"subscribe", "--destination", forwarder, "--yes"}, more...)...)
			if status != cli.ExitOK || errs != "" || len(clitest.FiltersOf(server))+2*len(server.Policies()) != 2 {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
		})
	}
}

// A statement with our ID that permits something else is reported, and nothing is
// changed.
func TestSubscribeExplainsAClash(t *testing.T) {
	const want = "its policy has a statement sumoship-all-log-groups that permits something else: remove it with " +
		"aws lambda remove-permission --function-name arn:aws:lambda:us-east-1:123456789012:function:forwarder --statement-id sumoship-all-log-groups"
	for name, before := range map[string]bool{"found": true, "made meanwhile": false} {
		t.Run(name, func(t *testing.T) {
			server, forwarder := clitest.Region(t)
			server.Add(logstest.Group{Name: "/ecs/web"})
			if before {
				clitest.PermitLogs(t, server, "/ecs/other:*")
			}
			made := before
			server.OnRequest(func(c logstest.Call) logstest.Fault {
				if c.Op == "AddPermission" && !made {
					made = true
					clitest.PermitLogs(t, server, "/ecs/other:*")
				}
				return logstest.Fault{}
			})
			status, out, errs := command(t, nil, "subscribe", "--destination", forwarder, "--yes")
			if status != cli.ExitAWS || !strings.Contains(errs, want) || len(clitest.FiltersOf(server)) != 0 {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
		})
	}
}

func TestSubscribeInterrupted(t *testing.T) {
	server, forwarder := clitest.Region(t)
	for i := range 60 {
		server.Add(logstest.Group{Name: fmt.Sprintf("/ecs/%02d", i)})
	}
	for op, want := range map[string]string{
		"DescribeSubscriptionFilters": "interrupted; nothing was changed",
		"PutSubscriptionFilter":       "not confirmed; the next run continues with them",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		server.OnRequest(func(c logstest.Call) logstest.Fault {
			switch {
			case c.Op == op && c.Name == "/ecs/30":
				cancel()
			case c.Op == op && c.Name > "/ecs/30": // never before it, however slow that is
				<-ctx.Done()
			}
			if ctx.Err() != nil {
				return logstest.Fault{Code: "AccessDeniedException"}
			}
			return logstest.Fault{}
		})
		var out, errs bytes.Buffer
		status := run(ctx, []string{"subscribe", "--destination", forwarder, "--yes"},
			cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
		cancel()
		if status != 130 || !strings.Contains(errs.String(), want) {
			t.Errorf("status %d\n%s%s", status, out.String(), errs.String())
		}
	}
	server.OnRequest(nil)
	if n := len(clitest.FiltersOf(server)); n == 0 || n == 60 {
		t.Errorf("%d filters", n)
	}
	if status, out, errs := command(t, nil, "subscribe", "--destination", forwarder, "--yes"); status != cli.ExitOK || len(clitest.FiltersOf(server)) != 60 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestSubscribeAccount(t *testing.T) {
	server, forwarder := clitest.Region(t)
	server.Add(logstest.Group{Name: "/sumoship/shop/forwarder"}, logstest.Group{Name: "/sumoship/other/replay"}, logstest.Group{Name: "/ecs/web"})
	args := []string{"subscribe", "--account", "--destination", forwarder, "--own", "/aws/lambda/replay", "--filter-pattern", `?"ERROR" ?WARN`}
	status, out, errs := command(t, nil, append(args, "--dry-run")...)
	if status != cli.ExitOK || !strings.HasPrefix(out, "put  the policy of the account: new\n") ||
		!strings.HasSuffix(out, "to be added.\nNothing was changed.\n") || len(server.Policies()) != 0 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if status, _, errs = command(t, nil, args...); status != cli.ExitUsage || !strings.Contains(errs, "--yes") {
		t.Errorf("status %d: %s", status, errs)
	}
	status, out, errs = command(t, nil, append(args, "--yes")...)
	want := []logstest.Policy{{Name: "sumoship", Document: `{"DestinationArn":"` + forwarder + `","FilterPattern":"?\"ERROR\" ?WARN"}`,
		Criteria: `LogGroupName NOT IN ["/aws/lambda/forwarder","/aws/lambda/replay","/logs/of-the-forwarder","/sumoship/other/replay","/sumoship/shop/forwarder"]`}}
	clitest.Equal(t, want, server.Policies())
	if status != cli.ExitOK || !strings.Contains(out, "call the function: added.\nDone.") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	status, out, errs = command(t, nil, append(args, "--json")...)
	var result struct {
		Steps []struct{ Policy, Action, Reason string }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || status != cli.ExitOK || result.Steps[0].Reason != "already subscribed" {
		t.Errorf("status %d, %v\n%s%s", status, err, out, errs)
	}
	// Filters beside it would deliver each event twice.
	status, out, errs = command(t, nil, "subscribe", "--destination", forwarder, "--yes")
	twice := `the policy "sumoship" of the account already delivers all log groups there`
	if status != cli.ExitFound || !strings.Contains(errs, twice) || len(clitest.FiltersOf(server)) != 0 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	status, out, errs = command(t, nil, "unsubscribe", "--account", "--destination", forwarder, "--yes")
	if status != cli.ExitOK || len(server.Policies()) != 0 || !strings.HasPrefix(out, "delete  the policy of the account: unsubscribed\n") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	theirs := logstest.Policy{Name: "theirs", Document: `{"DestinationArn":"` + logstest.FunctionARN("theirs") + `"}`}
	server.AddPolicy(theirs)
	for _, verb := range []string{"subscribe", "unsubscribe"} {
		status, out, errs = command(t, nil, verb, "--account", "--destination", forwarder, "--yes")
		if verb == "subscribe" && (status != cli.ExitFound ||
			!strings.Contains(errs, "the account has one policy already, which is not ours: theirs")) || verb == "unsubscribe" && status != cli.ExitOK {
			t.Errorf("%s: status %d\n%s%s", verb, status, out, errs)
		}
	}
	clitest.Equal(t, []logstest.Policy{theirs}, server.Policies())
}

func TestSubscribeWrongCalls(t *testing.T) {
	server, forwarder := clitest.Region(t)
	server.Add(logstest.Group{Name: "/a"})
	for _, c := range []struct {
		status int
		args   []string
		want   []string
	}{
		{cli.ExitUsage, nil, []string{"--destination"}},
		{cli.ExitUsage, []string{"--destination", "forwarder", "--include", "(", "--exclude", "^(?!a)", "--tag", "x",
			"--filter-name", "a:b", "--own", "a b", "--role", "r", "--filter-pattern", strings.Repeat("x", 1025)},
			[]string{`--destination: "forwarder" is not an ARN`, "--include: ", "--exclude: ", "no look-around", "--tag: ",
				"--filter-name: ", "--own: ", "--role: ", "--filter-pattern: "}},
		{cli.ExitUsage, []string{"--destination", forwarder, "--account", "--include", "x", "--prune"},
			[]string{"--account: the policy of an account cannot choose", "--prune: "}},
		{cli.ExitUsage, []string{"--destination", forwarder, "--region", "eu-west-1"},
			[]string{"--region: log groups in eu-west-1 cannot deliver to a destination in us-east-1"}},
		{cli.ExitUsage, []string{"--destination", "arn:aws:kinesis:us-east-1:123456789012:stream/x"}, []string{"--role: CloudWatch Logs needs one"}},
		{cli.ExitAWS, []string{"--destination", logstest.FunctionARN("none"), "--yes"}, []string{"no function " + logstest.FunctionARN("none") + ", or you may not see it"}},
	} {
		status, out, errs := command(t, nil, append([]string{"subscribe"}, c.args...)...)
		if status != c.status || out != "" {
			t.Errorf("%v: status %d, want %d\n%s%s", c.args, status, c.status, out, errs)
		}
		for _, want := range c.want {
			if !strings.Contains(errs, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, errs)
			}
		}
	}
	if n := len(clitest.FiltersOf(server)); n != 0 {
		t.Errorf("%d filters", n)
	}
	// A stream whose role is given has no permission of Lambda's.
	status, out, errs := command(t, nil, "subscribe", "--destination", "arn:aws:kinesis:us-east-1:123456789012:stream/x",
		"--role", "arn:aws:iam::123456789012:role/r", "--yes")
	if status != cli.ExitOK || strings.Contains(out, "Permission") || !slices.Equal(clitest.FiltersOf(server), []string{"/a sumoship"}) {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestSubscribeScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/subscribe", UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			server := logstest.New()
			server.Add(logstest.Group{Name: "/ecs/web"}, logstest.Group{Name: "/ecs/api"}, logstest.Group{Name: "/rds"})
			api := httptest.NewServer(server)
			e.Defer(api.Close)
			e.Vars = append(e.Vars, "FORWARDER="+server.AddFunction("forwarder", ""),
				"AWS_ENDPOINT_URL="+api.URL, "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret",
				"AWS_CONFIG_FILE=/nowhere", "AWS_SHARED_CREDENTIALS_FILE=/nowhere")
			return nil
		},
	})
}
