package main

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/logstest"
	"sumoship/sumo/sumotest"
)

// Every verb has colours by meaning where they are wanted, or a reason for none, and
// whole words on lines that fit a terminal of any width.
func TestLooksOfEveryVerb(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rules.yaml": "version: 1\nrules:\n  - rule: shop\n    match: {logGroup: shop}\n    exclude: ['GET /healthz']\n    mask: [email]\n",
		"wrong.yaml": "version: 1\nrules:\n  - rule: shop\n    matches: nothing that anybody has heard of, in a line that is too long for a narrow terminal\n",
		"events.json": `{"messageType":"DATA_MESSAGE","logGroup":"/ecs/shop","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"GET /healthz"},` +
			`{"id":"2","timestamp":1,"message":"ann@example.com has put a thing into a cart, and then another, and went away without paying for any"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := sumotest.New()
	endpoint, stop, err := source.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()

	queues := clitest.Queues(t)
	clitest.SetAWS(t, impatient(t, queues))
	account := os.Getenv("AWS_ENDPOINT_URL")
	queue := func() { // with a dead letter
		t.Setenv("AWS_ENDPOINT_URL", account)
		queues.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 100})
		clitest.Send(t, queues, "dead", clitest.Message("/ecs/a-log-group-with-a-name-of-some-length", "a"), map[string]string{"ErrorClass": "unavailable"})
	}
	var name string
	region := func() {
		logs, forwarder := clitest.Region(t)
		logs.Add(logstest.Group{Name: "/ecs/a-log-group-with-a-name-of-some-length"}, logstest.Group{Name: "/ecs/web", Filters: []logstest.Filter{{Name: "sumoship", Destination: forwarder}}})
		name = forwarder
	}
	region()
	fresh := func(name string) string { return filepath.Join(dir, name) }
	in := strings.NewReplacer("DIR", dir, "FORWARDER", name, "SOURCE", endpoint, "shop.json", "../../testdata/taskdefs/shop.json")
	looks := []clitest.Look{
		{Args: "local", Colour: "\x1b[32m200 OK\x1b[0m"},
		{Args: "local --fail 400x50", Colour: "\x1b[33mDEAD-LETTERED\x1b[0m"},
		{Args: "local --endpoint https://example.com/receiver", Plain: "it is an error"},
		{Args: "dlq status --queue dead", Before: queue, Colour: "\x1b[33mdepth\x1b[0m"},
		{Args: "dlq stats --queue dead", Before: queue, Colour: "\x1b[33m"},
		{Args: "dlq peek --queue dead", Before: queue, Colour: "\x1b[33m"},
		{Args: "dlq replay --queue dead --dry-run --endpoint SOURCE", Before: queue, Plain: "counts of what was not sent yet"},
		{Args: "dlq replay --queue dead --endpoint SOURCE", Before: queue, Colour: "\x1b[32m  confirmed\x1b[0m"},
		{Args: "dlq export DIR/saved --queue dead", Before: func() { queue(); os.RemoveAll(fresh("saved")) }, Plain: "a count of what is saved"},
		{Args: "dlq import DIR/saved --queue dead", Before: queue, Plain: "a count of what is put"},
		{Args: "dlq redrive --queue dead", Before: queue, Plain: "a count of what is moved"},
		{Args: "dlq purge --queue dead --undecodable --save DIR/purged", Before: func() { queue(); os.RemoveAll(fresh("purged")) }, Plain: "a count of what is deleted"},
		{Args: "backfill DIR/events.json --endpoint SOURCE --yes", Colour: "\x1b[32m"},
		{Args: "rules validate DIR/rules.yaml", Colour: "\x1b[32mno mistakes\x1b[0m"},
		{Args: "rules validate DIR/wrong.yaml", Colour: "\x1b[31m"},
		{Args: "rules test DIR/rules.yaml DIR/events.json", Colour: "\x1b[33mshop:exclude"},
		{Args: "rules schema", Plain: "a JSON Schema", Data: true},
		{Args: "subscribe --dry-run --destination FORWARDER --include ecs", Before: region, Colour: "\x1b["},
		{Args: "unsubscribe --dry-run --destination FORWARDER", Before: region, Colour: "\x1b["},
		{Args: "fargate check shop.json", Colour: "\x1b[33mwarning\x1b[0m"},
		{Args: "fargate convert shop.json", Colour: "\x1b[33mwarning\x1b[0m", Data: true},
		{Args: "fargate convert shop.json --findings json --report DIR/report.json", Plain: "a task definition", Data: true},
		{Args: "fargate diff shop.json", Colour: "\x1b[32m+", Data: true, Everything: true},
		{Args: "fargate explain", Plain: "an explanation"},
		{Args: "fargate explain network-mode-host", Colour: "\x1b[33mwarning\x1b[0m"},
		{Args: "fargate explain shop.json", Colour: "\x1b[33mwarning\x1b[0m"},
		{Args: "fargate iam shop.json", Plain: "a policy", Data: true},
		{Args: "fargate register --dry-run testdata/fargate.json", Plain: "a request", Data: true},
		{Args: "fargate rules", Colour: "\x1b[33mwarning\x1b[0m", Everything: true},
		{Args: "fargate service shop.json --service shop", Colour: "\x1b[33mwarning\x1b[0m", Data: true},
		{Args: "fargate eni --instance-type c5.large,t3.large,c6in.metal,c5n.large --tasks 3 --trunking", Plain: "figures"},
		{Args: "version", Plain: "a version"},
		{Args: "schema", Plain: "names"},
		{Args: "schema dlq status", Plain: "a JSON Schema", Data: true},
		{Args: "completion bash", Plain: "a script", Data: true},
		{Args: "man", Plain: "a page", Data: true},
		{Args: "help", Plain: "help"},
		{Args: "sim --days 0.1 --rate 0.02 --fail 503@1h..2h", Process: true, Colour: "\x1b[32mdelivered by the forwarder\x1b[0m"},
	}
	rows := map[string]bool{}
	for _, l := range looks {
		if verb := clitest.VerbOf(new(verbs), strings.Fields(l.Args)); verb != nil {
			rows[verb.Path()] = true
		}
	}
	rows["help"] = true // it is turned into the help of a verb
	for _, verb := range cli.Verbs(new(verbs)) {
		path := verb.Path()
		if here, there := rows[path], lookedAt(t, path); here == there {
			t.Errorf("%s: has a row here %v, and a clitest.Look in its package %v", path, here, there)
		}
	}
	for _, l := range looks {
		t.Run(l.Args, func(t *testing.T) {
			l.Args = in.Replace(l.Args)
			l.Check(t, new(verbs), map[string]string{"MAX_IN_FLIGHT": "1"})
		})
	}
}

// impatient is an account of queues in which no receive waits for messages that are not
// there.
func impatient(t *testing.T, queues *sqstest.Server) (url string) {
	t.Helper()
	wait := regexp.MustCompile(`"WaitTimeSeconds": *\d+`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body = wait.ReplaceAll(body, []byte(`"WaitTimeSeconds":0`))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		queues.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// lookedAt reports whether the tests of the packages look at a verb.
func lookedAt(t *testing.T, path string) (there bool) {
	t.Helper()
	err := filepath.WalkDir("internal", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(name)
		for _, end := range []string{" ", `"`} {
			there = there || strings.Contains(string(b), `clitest.Look{Args: "`+path+end)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
