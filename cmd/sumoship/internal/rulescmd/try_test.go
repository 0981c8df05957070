package rulescmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

type tree struct {
	Rules Cmd `cmd:"" name:"rules"`
}

// A whole try on moto: pages are read, counted and priced, and the limit is kept.
func TestTryOnMoto(t *testing.T) {
	clitest.StartMoto(t)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, group, stream := cloudwatchlogs.NewFromConfig(cfg), "/ecs/shop", "shop/web/1"
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))
	must(client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}))
	var events []types.InputLogEvent
	for i := range 200 {
		message := fmt.Sprintf("line %d of ann@example.com", i)
		if i%4 == 0 {
			message = "GET /healthz"
		}
		events = append(events, types.InputLogEvent{Message: &message, Timestamp: aws.Int64(time.Now().Add(-time.Minute).UnixMilli() + int64(i))})
	}
	must(client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events}))

	dir := t.TempDir()
	rules, prices := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "prices.json")
	for name, text := range map[string]string{
		rules:  "version: 1\nrules:\n  - rule: shop\n    match: {logGroup: shop}\n    exclude: [healthz]\n    mask: [email]\n    sample: {rate: 0.5, keep: [line 1]}\n",
		prices: `{"Sumo Logic": 1000000}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (tried, string) {
		t.Helper()
		status, out, errs := clitest.Run(t, new(tree), nil, append([]string{"rules", "try", rules, "--log-group", group}, args...)...)
		if status != cli.ExitOK {
			t.Fatalf("exit %d: %s", status, errs)
		}
		var r tried
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			return r, out
		}
		return r, out
	}
	r, _ := run("--yes", "--json", "--prices", prices)
	if r.Events != 200 || r.Dropped["shop:exclude"] != 50 || r.Shipped+r.Dropped["shop:sample"] != 150 || r.Changed != r.Shipped || r.Masked["email"] != r.Shipped || !r.All {
		t.Errorf("%+v", r)
	}
	if r.Sampled == 0 || r.Sampled >= r.Shipped || r.After >= r.Before || r.Month == nil || r.Month.Dollars["Sumo Logic"].After >= r.Month.Dollars["Sumo Logic"].Before {
		t.Errorf("%+v", r)
	}
	if again, _ := run("--yes", "--json"); cmp.Diff(r.Dropped, again.Dropped) != "" {
		t.Errorf("another sample: %v, then %v", r.Dropped, again.Dropped)
	}
	if r, _ := run("--yes", "--json", "--limit", "30"); r.Events != 30 || r.All {
		t.Errorf("with a limit: %+v", r)
	}
	_, out := run("--yes", "--prices", prices)
	clitest.Mentions(t, out, "dropped, shop:exclude", "with something masked", "bytes of records after", "30 days like these", "Sumo Logic: $")
	clitest.Look{Args: "rules try " + rules + " --yes --log-group " + group, Colour: "\x1b[33mdropped, shop:exclude\x1b[0m"}.Check(t, new(tree), nil)
	if shown := clitest.OnTerminal(t, new(tree), 200, nil, "rules", "try", rules, "--yes", "--log-group", group); !strings.Contains(shown, "reading log events") {
		t.Errorf("no progress:\n%q", shown)
	}

	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{cli.ExitUsage, "no terminal to ask on", []string{"--log-group", group}},
		{cli.ExitAWS, "no log group /nowhere, or you may not see it", []string{"--log-group", "/nowhere", "--yes"}},
		{cli.ExitUsage, "not prices", []string{"--log-group", group, "--yes", "--prices", rules}},
	} {
		status, _, errs := clitest.Run(t, new(tree), nil, append([]string{"rules", "try", rules}, c.args...)...)
		if status != c.status {
			t.Errorf("%v: exit %d: %s", c.args, status, errs)
		}
		clitest.Mentions(t, errs, c.want)
	}
}
