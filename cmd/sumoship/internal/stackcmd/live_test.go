package stackcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/creack/pty"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/transform"
)

type sqsAttribute = sqstypes.QueueAttributeName

const reported = `"level":"WARN","msg":"dead-lettered","version":"v1.2.3","logGroup":"/ecs/shop","events":3,"confirmed":1,"deadLettered":2,"ms":45,"class":"unavailable","error":"503"}`

// onTerminal runs a verb on a terminal until that has shown each of some texts, one
// after the other, and returns all that it showed. act is called after each.
func onTerminal(t *testing.T, texts []string, act func(n int), args ...string) string {
	t.Helper()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 50, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() {
		status <- cli.Run(ctx, new(tree), args, cli.Streams{In: strings.NewReader(""), Out: terminal, Err: terminal, Getenv: func(string) string { return "" }})
		terminal.Close()
	}()
	var shown bytes.Buffer
	b, from, n := make([]byte, 4096), 0, 0
	watchdog := time.AfterFunc(60*time.Second, cancel)
	defer watchdog.Stop()
	for {
		read, err := master.Read(b)
		shown.Write(b[:read])
		for n < len(texts) {
			i := strings.Index(shown.String()[from:], texts[n])
			if i < 0 {
				break
			}
			from += i + len(texts[n])
			act(n)
			n++
		}
		if n == len(texts) {
			cancel()
		}
		if err != nil { // the other end is closed
			break
		}
	}
	if s := <-status; n < len(texts) || s != 130 {
		t.Errorf("%v: status %d after %d of %q:\n%s", args, s, n, texts, &shown)
	}
	return strings.ReplaceAll(shown.String(), "\r\n", "\n")
}

// Lines are shown as they come, until Ctrl-C.
func (w *world) tail(t *testing.T) {
	w.t = t
	report := fmt.Sprintf(`{"time":%q,`, time.Now().UTC().Format(time.RFC3339Nano)) + reported
	w.line(output("ForwarderLogGroup"), report)
	w.line(output("ForwarderLogGroup"), `{"level":"INFO","_aws":{"Timestamp":1}}`)
	status, out, errs := clitest.Run(t, new(tree), nil, "tail", "--no-follow")
	const want = "  forwarder   dead-lettered  /ecs/shop  1 of 3 log events confirmed, 2 dead-lettered  45 ms  unavailable 503\n"
	if status != 0 || !strings.HasSuffix(out, want) || strings.Count(out, "\n") != 1 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if status, out, errs := clitest.Run(t, new(tree), nil, "tail", "--no-follow", "--jsonl", "--function", "forwarder"); out != report+"\n" {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	clitest.Look{Args: "tail --no-follow", Colour: "\x1b[33mdead-lettered\x1b[0m"}.Check(t, new(tree), nil)
	undo := func() {}
	shown := onTerminal(t, []string{"45 ms", "cannot be read now", "replayed  3 of 3"}, func(n int) {
		switch n {
		case 0: // a failure of AWS does not end it
			undo = w.front.refuse("FilterLogEvents", "ThrottlingException", "Rate exceeded")
		case 1:
			undo()
			w.line(output("ReplayLogGroup"), `{"level":"INFO","msg":"replayed","events":3,"confirmed":3,"ms":7}`)
		}
	}, "tail")
	if strings.Count(shown, "45 ms") != 1 {
		t.Errorf("a line is shown again:\n%s", shown)
	}
}

// The screen is drawn anew each time, until Ctrl-C.
func (w *world) watch(t *testing.T) {
	w.t = t
	undo := w.figures(1000, "Events", 1000, "Confirmed")
	defer undo()
	shown := onTerminal(t, []string{"alarms             none is on", "try again", "alarms             \x1b[31m" + lost}, func(n int) {
		switch n {
		case 0:
			undo = w.front.refuse("DescribeAlarms", "ThrottlingException", "Rate exceeded")
		case 1:
			undo()
			w.state("ALARM")
		}
	}, "status", "--watch", "--every", "1s")
	clitest.Look{Args: "status", Colour: "\x1b[31m" + lost + "\x1b[0m"}.Check(t, new(tree), nil)
	w.state("OK")
	clitest.Mentions(t, shown, "\x1b[H\x1b[2J", "versions           forwarder v1.2.3", "dead-letter queue  0 messages", "breaker            closed")
	if status, out, errs := clitest.Run(t, new(tree), nil, "status", "--json"); status != 0 || !strings.Contains(out, `"breaker":"`) { // and as its schema says
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	status, out, errs := clitest.Run(t, new(tree), nil, "status", "--stack", "nowhere")
	if status != cli.ExitUsage || out != "" || !strings.Contains(errs, "no stack nowhere, or you may not see it (looked in us-east-1 of account 123456789012)") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// A marked log event goes the whole way: a log group on moto, the built forwarder, a
// source, and a search.
func (w *world) canary(t *testing.T) {
	w.t = t
	forwarder := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/forwarder"), map[string]string{"SUMO_ENDPOINT": w.address, "COMPRESS_DATA": "false",
		"TASK_QUEUE_URL": output("DeadLetterQueueUrl"), "AWS_ENDPOINT_URL": os.Getenv("AWS_ENDPOINT_URL"), "HEARTBEAT_LOG_GROUP": output("HeartbeatLogGroup"), "AWS_MAX_ATTEMPTS": "1"})
	written := 0
	w.front.mu.Lock()
	w.front.put = func(group, message string) { // what the subscription does
		if group != output("HeartbeatLogGroup") {
			return
		}
		event, err := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": group, "logStream": "sumoship-canary",
			"subscriptionFilters": []string{"sumoship-heartbeat"}, "logEvents": []any{map[string]any{"id": "1", "timestamp": time.Now().UnixMilli(), "message": message}}})
		if err != nil {
			t.Error(err)
			return
		}
		if r := forwarder.Invoke(transform.Pack(event), 20*time.Second); r.Failed() {
			t.Errorf("%+v", r)
		}
		logged := ""
		for end := time.Now().Add(10 * time.Second); !strings.Contains(logged, `"logGroup":`) && time.Now().Before(end); time.Sleep(time.Millisecond) {
			logged = forwarder.Output()[written:] // it may arrive after the answer
			logged = logged[:strings.LastIndexByte(logged, '\n')+1]
		}
		written += len(logged)
		for line := range strings.Lines(logged) {
			w.line(output("ForwarderLogGroup"), line)
		}
	}
	w.front.mu.Unlock()
	searchable := true
	search := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if id, key, _ := r.BasicAuth(); id != "id" || key != "KEY" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		switch r.Method {
		case http.MethodPost:
			var in struct{ Query string }
			sent := ""
			select {
			case sent = <-w.took:
			default:
			}
			word := regexp.MustCompile(`canary[A-Z0-9]+`).FindString(sent)
			if err := json.Unmarshal(body, &in); err != nil || sent != "" && in.Query != fmt.Sprintf("%q", word) {
				t.Errorf("search for %s of %s", body, sent)
			}
			rw.WriteHeader(http.StatusAccepted)
			fmt.Fprint(rw, `{"id":"J1"}`)
		case http.MethodGet:
			n := 0
			if searchable {
				n = 1
			}
			fmt.Fprintf(rw, `{"state":"DONE GATHERING RESULTS","messageCount":%d}`, n)
		}
	}))
	defer search.Close()
	keys := map[string]string{"SUMOLOGIC_ACCESSID": "id", "SUMOLOGIC_ACCESSKEY": "KEY"}
	run := func(want int, args ...string) string {
		t.Helper()
		status, out, errs := clitest.Run(t, new(tree), keys, append([]string{"doctor", "--canary"}, args...)...)
		if status != want || strings.Contains(out+errs, "KEY") || strings.Contains(out+errs, "SECRET") {
			t.Errorf("status %d\n%s%s", status, out, errs)
		}
		return regexp.MustCompile(` +\d+ ms +`).ReplaceAllString(out, " N ms  ")
	}
	group, api := output("HeartbeatLogGroup"), []string{"--sumo-api", search.URL}
	if got, want := run(0, api...), "✔  log group N ms  "+group+"\n✔  forwarder N ms  invoked with 1 log event\n✔  Sumo Logic N ms  confirmed\n✔  search N ms  found 1 time\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	searchable = false
	clitest.Mentions(t, run(cli.ExitFound, append(api, "--wait", "10s")...), "✔  Sumo Logic N ms  confirmed", "✘  search N ms  not found, though Sumo Logic answered 200")
	w.status.Store(http.StatusForbidden)
	var canary struct {
		Hops []struct{ Hop, Status, Seen string }
	}
	if err := json.Unmarshal([]byte(run(cli.ExitFound, "--json")), &canary); err != nil || len(canary.Hops) != 3 || canary.Hops[2].Status != "broken" || !strings.Contains(canary.Hops[2].Seen, "dead-lettered: ") {
		t.Errorf("%v: %+v", err, canary)
	}
	w.status.Store(http.StatusOK)
	// What was dead-lettered, unless moto has given it to replay.
	_, err := w.queues.PurgeQueue(w.ctx, &sqs.PurgeQueueInput{QueueUrl: aws.String(output("DeadLetterQueueUrl"))})
	w.must(err)
	w.front.mu.Lock()
	w.front.put = nil
	w.front.mu.Unlock()
	clitest.Mentions(t, run(cli.ExitFound, "--wait", "1s"), "✘  forwarder N ms  no invocation for this log group")
}
