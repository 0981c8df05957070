package subscribecmd

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/logstest"
)

// A take-over moves every filter of Sumo's function, whatever its name, pattern and
// options, and touches nothing else.
func TestTakeOver(t *testing.T) {
	server, forwarder := clitest.Region(t)
	old := server.AddFunction("SumoCWLogsLambda-51af3dc0", "")
	other := logstest.Filter{Name: "audit", Destination: logstest.FunctionARN("audit")}
	errorsOnly := logstest.Filter{Name: "SumoLGLBDFilter", Destination: old, Pattern: "?ERROR ?WARN"}
	quoted := logstest.Filter{Name: "by-hand", Destination: old + ":live", Pattern: `-"it's"`, SystemFields: "@aws.account,@aws.region",
		Selection: `@aws.region = "eu-west-1"`, Transformed: true}
	server.Add(
		logstest.Group{Name: "/ecs/api", Filters: []logstest.Filter{errorsOnly, other}},
		logstest.Group{Name: "/ecs/web", Filters: []logstest.Filter{errorsOnly, quoted}},
		logstest.Group{Name: "/ecs/new"},
		logstest.Group{Name: "/logs/of-the-forwarder", Filters: []logstest.Filter{errorsOnly}},
		logstest.Group{Name: "/other", Filters: []logstest.Filter{other}},
	)
	args := []string{"subscribe", "--take-over", old, "--destination", forwarder}
	back := `aws logs put-subscription-filter --region='us-east-1' --log-group-name='/ecs/web' --filter-name='by-hand' --filter-pattern='-"it'\''s"' ` +
		`--destination-arn='` + old + `:live' --field-selection-criteria='@aws.region = "eu-west-1"' --emit-system-fields '@aws.account' '@aws.region' --apply-on-transformed-logs`
	want := `ACTION  LOG GROUP  WHY
put     /ecs/api   taken over: SumoLGLBDFilter, pattern "?ERROR ?WARN"
put     /ecs/web   taken over: SumoLGLBDFilter, pattern "?ERROR ?WARN"
put     /ecs/web   taken over: by-hand, pattern "-\"it's\"", system fields @aws.account,@aws.region, field selection "@aws.region = \"eu-west-1\"", transformed logs
Way back:
  aws logs put-subscription-filter --region='us-east-1' --log-group-name='/ecs/api' --filter-name='SumoLGLBDFilter' --filter-pattern='?ERROR ?WARN' --destination-arn='` + old + `'
  aws logs put-subscription-filter --region='us-east-1' --log-group-name='/ecs/web' --filter-name='SumoLGLBDFilter' --filter-pattern='?ERROR ?WARN' --destination-arn='` + old + `'
  ` + back + `
5 log groups: 3 to be taken over, 2 not subscribed, 1 our own.
Permission of CloudWatch Logs to call the function: to be added.
Nothing was changed.
`
	before := server.Groups()
	status, out, errs := command(t, nil, append(args, "--dry-run")...)
	clitest.Equal(t, want, out)
	if status != cli.ExitOK || errs != "" {
		t.Errorf("status %d: %s", status, errs)
	}
	clitest.Equal(t, before, server.Groups())

	// Half of it is refused. What was done stays, and a second run does the rest.
	server.OnRequest(func(c logstest.Call) logstest.Fault {
		if c.Op == "PutSubscriptionFilter" && c.Name == "/ecs/web" {
			return logstest.Fault{Code: "AccessDeniedException"}
		}
		return logstest.Fault{}
	})
	status, out, errs = command(t, nil, append(args, "--yes")...)
	if status != cli.ExitAWS || !strings.Contains(out, "1 taken over, 2 failed") || !strings.Contains(errs, "run it again") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	server.OnRequest(nil)
	status, out, errs = command(t, nil, append(args, "--yes", "--json")...)
	var result struct {
		WayBack []string
		Report  struct{ Seen, Subscribed int }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || status != cli.ExitOK || result.Report.Subscribed != 2 || result.Report.Seen != 5 || len(result.WayBack) != 2 || result.WayBack[1] != back {
		t.Errorf("status %d, %v\n%s%s", status, err, out, errs)
	}
	for i, g := range before {
		for j, f := range g.Filters {
			if strings.HasPrefix(f.Destination, old) && strings.HasPrefix(g.Name, "/ecs/") {
				f.Destination = forwarder
			}
			before[i].Filters[j] = f
		}
	}
	clitest.Equal(t, before, server.Groups())
	if status, out, errs = command(t, nil, args...); status != cli.ExitOK || !strings.Contains(out, "4 not subscribed") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}

	// The way back is for a shell: it reads the words as they are.
	words, err := exec.Command("sh", "-c", `aws() { printf '%s\n' "$@"; }; `+back).Output()
	if err != nil || !strings.Contains(string(words), "\n--filter-pattern=-\"it's\"\n--destination-arn="+old+":live\n") {
		t.Errorf("%v\n%s", err, words)
	}
}

func TestTakeOverLeavesWhatWouldArriveTwice(t *testing.T) {
	server, forwarder := clitest.Region(t)
	old := server.AddFunction("old", "")
	server.Add(logstest.Group{Name: "/both", Filters: []logstest.Filter{{Name: "a", Destination: old}, {Name: "sumoship", Destination: forwarder}}})
	args := []string{"subscribe", "--take-over", old, "--destination", forwarder, "--yes"}
	status, out, errs := command(t, nil, args...)
	if status != cli.ExitFound || !strings.Contains(out, "skip    /both      delivered to both: a delivers to "+old+", sumoship to the new destination: delete one") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}

	// A policy of the account is not a filter.
	server.AddPolicy(logstest.Policy{Name: "all", Document: `{"DestinationArn":"` + old + `"}`})
	if status, out, errs = command(t, nil, args...); status != cli.ExitFound || !strings.Contains(errs, `the policy "all" of the account delivers to `+old+` too, and stays as it is`) {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	server.AddPolicy(logstest.Policy{Name: "all", Document: `{"DestinationArn":"` + forwarder + `"}`})
	if status, out, errs = command(t, nil, args...); status != cli.ExitFound || out != "" || !strings.Contains(errs, "each log event would arrive twice") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	server.OnRequest(func(c logstest.Call) logstest.Fault {
		if c.Op == "DescribeAccountPolicies" {
			return logstest.Fault{Code: "UnknownOperationException"}
		}
		return logstest.Fault{}
	})
	if status, out, errs = command(t, nil, args...); status != cli.ExitFound || !strings.Contains(errs, "cannot look up the policies of the account") || !strings.Contains(out, "delivered to both") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestSubscribeOptions(t *testing.T) {
	server, forwarder := clitest.Region(t)
	server.Add(logstest.Group{Name: "/a"})
	run := func(want logstest.Filter, more ...string) {
		t.Helper()
		status, out, errs := command(t, nil, append([]string{"subscribe", "--destination", forwarder, "--yes"}, more...)...)
		if status != cli.ExitOK || !strings.Contains(out, "1 subscribed") {
			t.Errorf("status %d\n%s%s", status, out, errs)
		}
		want.Name, want.Destination = "sumoship", forwarder
		clitest.Equal(t, []logstest.Filter{want}, server.Groups()[0].Filters)
	}
	all := logstest.Filter{SystemFields: "@aws.account,@source.log", Selection: `@aws.account = "1"`, Transformed: true}
	run(all, "--emit-system-fields", "@source.log,@aws.account", "--field-selection-criteria", `@aws.account = "1"`, "--apply-on-transformed-logs")
	all.Pattern = "ERROR"
	run(all, "--filter-pattern", "ERROR")
	run(logstest.Filter{}, "--emit-system-fields", "none", "--field-selection-criteria", "none", "--no-apply-on-transformed-logs")

	stream := "arn:aws:kinesis:us-east-1:123456789012:stream/x"
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--destination", forwarder, "--emit-system-fields", "account", "--field-selection-criteria", strings.Repeat("x", 2001)}, []string{
			`--emit-system-fields: "account" is not a system field; want some of @aws.account, @aws.region, @source.log, or none alone`, "--field-selection-criteria: "}},
		{[]string{"--destination", forwarder, "--account", "--emit-system-fields", "@aws.account"}, []string{"--account: the policy of an account has no member for system fields"}},
		{[]string{"--destination", forwarder, "--take-over", "x"}, []string{`--take-over: "x" is not an ARN`}},
		{[]string{"--destination", forwarder, "--take-over", forwarder + ":live"}, []string{"--take-over: this is the --destination"}},
		{[]string{"--destination", forwarder, "--take-over", "arn:aws:lambda:eu-west-1:123456789012:function:x"}, []string{"in eu-west-1 cannot deliver to one in us-east-1"}},
		{[]string{"--destination", stream, "--take-over", forwarder, "--filter-pattern", "x", "--prune", "--account", "--no-apply-on-transformed-logs"},
			[]string{"--role: CloudWatch Logs needs one", "leave out --filter-pattern", "leave out --prune", "leave out --account", "leave out --apply-on-transformed-logs"}},
	} {
		status, out, errs := command(t, nil, append([]string{"subscribe", "--yes"}, c.args...)...)
		if status != cli.ExitUsage || out != "" {
			t.Errorf("%v: status %d\n%s", c.args, status, out)
		}
		clitest.Mentions(t, errs, c.want...)
	}
}
