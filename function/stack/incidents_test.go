package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/function/awstest/lambdatest"
)

// incident is what goes wrong at a moment, for all that follows.
type incident struct {
	name      string
	source    http.HandlerFunc // nil answers 200
	refused   string           // service of AWS that denies access
	variables map[string]string
	noEvents  bool // but heartbeats
	noBeats   bool
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

func hang(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

var incidents = []incident{
	{name: "Nothing arrives: the permission, the policy or all filters are gone", noEvents: true, noBeats: true},
	{name: "Only heartbeats arrive: your log groups are not subscribed (`QuietHours` 1)", noEvents: true},
	{name: "Sumo Logic answers 200 and drops: a warning in the body", source: status(200, `{"code":"ingest.budget","message":"dropped"}`)},
	{name: "A rule drops everything: `LogStreamPrefix` in the wrong case", variables: map[string]string{"LOG_STREAM_PREFIX": "WEB/"}},
	{name: "A rule of the document drops everything", variables: map[string]string{"RULES": `{"version":1,"rules":[{"rule":"noise","drop":true}]}`}},
	{name: "The rules cannot be read: nothing leaves unmasked", variables: map[string]string{"RULES": "arn:aws:ssm:us-east-1:123456789012:parameter/rules"}, refused: "AmazonSSM"},
	{name: "Sumo Logic answers 401", source: status(401, "")},
	{name: "The secret cannot be read", refused: "secretsmanager"},
	{name: "Sumo Logic answers 429", source: status(429, "")},
	{name: "Sumo Logic answers 503", source: status(503, "")},
	{name: "Sumo Logic does not answer", source: hang},
	{name: "Sumo Logic answers 503, and SQS refuses", source: status(503, ""), refused: "AmazonSQS"},
	{name: "A variable is wrong: the forwarder does not start", variables: map[string]string{"REQUEST_TIMEOUT": "soon"}},
}

const (
	healthy  = 90  // minutes before the incident
	watching = 120 // minutes after it began
)

// invocation is what an invocation of a function wrote and did.
type invocation struct {
	metrics []written
	failed  bool
}

type written struct {
	metric
	value float64
}

// value returns that of a metric of the invocation, by name.
func (i invocation) value(name string) (v float64) {
	for _, w := range i.metrics {
		if w.name == name {
			v += w.value
		}
	}
	return v
}

// readEMF returns the metrics in what a function has written.
func readEMF(t *testing.T, output string) (all []written) {
	t.Helper()
	for line := range strings.Lines(output) {
		var values map[string]any
		var emf struct {
			Function string
			AWS      struct {
				CloudWatchMetrics []struct {
					Namespace string
					Metrics   []struct{ Name string }
				}
			} `json:"_aws"`
		}
		if json.Unmarshal([]byte(line), &emf) != nil || json.Unmarshal([]byte(line), &values) != nil {
			continue // the error of a function that does not start is text
		}
		for _, m := range emf.AWS.CloudWatchMetrics {
			for _, name := range m.Metrics {
				all = append(all, written{metric{m.Namespace, name.Name, map[string]string{"function": emf.Function}}, values[name.Name].(float64)})
			}
		}
	}
	return all
}

// scene is a stack in an incident: its built functions, and what they call.
type scene struct {
	*stack
	aws        *fakeAWS
	url        string
	bootstraps map[string]string
}

func newScene(t *testing.T, s *stack, i incident, bootstraps map[string]string) *scene {
	aws := newFakeAWS(t, s)
	if i.source != nil {
		source := httptest.NewServer(i.source)
		t.Cleanup(source.Close)
		aws.endpoint = source.URL
	}
	aws.calls = map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); i.refused != "" && target == i.refused {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"AccessDeniedException","message":"denied by a policy"}`)
			return
		}
		aws.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return &scene{s, aws, srv.URL, bootstraps}
}

func (w *scene) deploy(t *testing.T, name string, more map[string]string) *lambdatest.Function {
	variables := w.variables(name)
	variables["AWS_ENDPOINT_URL"] = w.url
	variables["AWS_LAMBDA_FUNCTION_NAME"] = w.ref(name).(string)
	for k, v := range more {
		variables[k] = v
	}
	return lambdatest.Deploy(t, w.bootstraps[name], variables)
}

func invocationOf(t *testing.T, f *lambdatest.Function, event []byte, timeout time.Duration) invocation {
	before := len(f.Output())
	r := f.Invoke(event, timeout)
	// The metrics are the last that it writes, and may arrive after its answer.
	for deadline := time.Now().Add(5 * time.Second); r.ErrorType != "Runtime.ExitError"; time.Sleep(time.Millisecond) {
		if out := f.Output()[before:]; strings.Contains(out, `"_aws"`) && strings.HasSuffix(out, "\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no metrics: %+v\n%s", r, f.Output()[before:])
		}
	}
	return invocation{readEMF(t, f.Output()[before:]), r.Failed()}
}

// history is what the forwarder does with events and with heartbeats from a moment
// on, the first, the second and so on; the last stands for all that follow. In
// between the breaker opens, for as long as the next minute.
func (w *scene) history(t *testing.T, i incident, beat []byte) (events, beats []invocation) {
	f := w.deploy(t, "Forwarder", i.variables)
	for range 3 {
		if !i.noEvents {
			events = append(events, invocationOf(t, f, logEvents(t, "m"), time.Minute))
		}
		if !i.noBeats {
			beats = append(beats, invocationOf(t, f, beat, time.Minute))
		}
	}
	return events, beats
}

// replayed returns what replay does with a message of an age.
func (w *scene) replayed(t *testing.T, f *lambdatest.Function, age time.Duration) invocation {
	body := string(logEvents(t, "m"))
	client, ctx := w.aws.sqs.Client(), context.Background()
	if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &w.aws.dead, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &w.aws.dead, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("%d messages, %v", len(out.Messages), err)
	}
	m := out.Messages[0]
	m.Attributes["SentTimestamp"] = strconv.FormatInt(time.Now().Add(-age).UnixMilli(), 10)
	event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"messageId": m.MessageId, "receiptHandle": m.ReceiptHandle, "body": body, "attributes": m.Attributes,
		"eventSource": "aws:sqs", "eventSourceARN": w.attribute("DeadLetterQueue", "Arn"), "awsRegion": "us-east-1",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return invocationOf(t, f, event, 20*time.Second)
}

// record writes an invocation of a function to metrics, and those that Lambda writes
// about it.
func (w *scene) record(c cloudWatch, function string, at int, i invocation) {
	for _, m := range i.metrics {
		c.put(m.metric, at, m.value)
	}
	c.put(w.lambda(function, "Invocations"), at, 1)
	c.put(w.lambda(function, "Errors"), at, map[bool]float64{true: 1}[i.failed])
	c.put(w.lambda(function, "ConcurrentExecutions"), at, 1)
}

// invoked records an asynchronous invocation: Lambda tries an event that failed again
// after a minute and after two more, and then sends it to the dead-letter queue.
func (w *scene) invoked(c cloudWatch, at int, i invocation, noQueue bool) (deadLettered bool) {
	for n, after := range []int{0, 1, 3} {
		w.record(c, "Forwarder", at+after, i)
		c.put(w.lambda("Forwarder", "AsyncEventAge"), at+after, float64(after)*60*1000)
		if !i.failed {
			return i.value("DeadLettered") > 0
		}
		if n == 2 {
			c.put(w.lambda("Forwarder", "AsyncEventsDropped"), at+after, 1)
		}
	}
	c.put(w.lambda("Forwarder", "DeadLetterErrors"), at+3, map[bool]float64{true: 1}[noQueue])
	return !noQueue
}

// nth returns the invocation with that index, or the last one, if there is any.
func nth(all []invocation, n int) []invocation {
	if len(all) == 0 {
		return nil
	}
	return slices.Clone(all[min(n, len(all)-1):][:1])
}

// play runs the built functions through an incident, and returns the metrics by
// minute: one log event a minute, and a heartbeat every five, the last one right
// before the incident.
func play(t *testing.T, s *stack, i incident, bootstraps map[string]string, beat []byte) cloudWatch {
	c := cloudWatch{}
	before, after := newScene(t, s, incident{}, bootstraps), newScene(t, s, i, bootstraps)
	events, beats := before.history(t, incident{}, beat)
	laterEvents, laterBeats := after.history(t, i, beat)
	depth, oldest := 0.0, -1
	for at := range healthy + watching {
		history, since := [2][]invocation{events, beats}, at
		if at >= healthy {
			history, since = [2][]invocation{laterEvents, laterBeats}, at-healthy
		}
		now := nth(history[0], since)
		if at%5 == 4 {
			now = append(now, nth(history[1], since/5)...)
		}
		for _, invocation := range now {
			if after.invoked(c, at, invocation, i.refused == "AmazonSQS") {
				depth++
				if oldest < 0 {
					oldest = at
				}
			}
		}
		// SQS leaves out of its age a message that was received more than three times.
		c.put(s.queue("DeadLetterQueue", "ApproximateNumberOfMessagesVisible"), at, 0)
		c.put(s.queue("DeadLetterQueue", "ApproximateNumberOfMessagesNotVisible"), at, depth)
		c.put(s.queue("DeadLetterQueue", "ApproximateNumberOfMessagesDelayed"), at, 0)
		if oldest >= 0 && at < oldest+5 {
			c.put(s.queue("DeadLetterQueue", "ApproximateAgeOfOldestMessage"), at, float64(60*(at-oldest)))
		}
	}
	if oldest >= 0 {
		replay := after.deploy(t, "Replay", i.variables)
		var last invocation
		for at := oldest + 1; at < healthy+watching; at++ {
			if (at-oldest)%15 == 1 {
				if last = after.replayed(t, replay, time.Duration(at-oldest)*time.Minute); last.value("MessagesDone") > 0 {
					t.Errorf("replay delivers: %+v", last)
				}
			}
			after.record(c, "Replay", at, last)
		}
	}
	return c
}

// The incidents of docs/operations.md raise the alarms of its table, after so many
// minutes, on the metrics that the built functions write. Health raises none.
func TestIncidentsRaiseAlarms(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	s := readTemplate(t).create(t, with(made, "QuietHours=1"))
	bootstraps := map[string]string{}
	for _, name := range []string{"Forwarder", "Replay", "Heartbeat"} {
		bootstraps[name] = lambdatest.Build(t, "sumoship/function/"+strings.ToLower(name))
	}
	beat := s.beat(t, bootstraps["Heartbeat"])
	rows := make([]string, len(incidents))
	t.Run("incident", func(t *testing.T) {
		for n, i := range incidents {
			t.Run(i.name, func(t *testing.T) {
				t.Parallel()
				metrics := play(t, s, i, bootstraps, beat)
				for minute := 30; minute <= healthy; minute++ {
					if firing := s.firing(t, metrics, minute); len(firing) > 0 {
						t.Fatalf("%v in health", firing)
					}
				}
				rows[n] = fmt.Sprintf("| %s | %s |", i.name, s.raised(t, metrics))
			})
		}
	})
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if table := strings.Join(rows, "\n"); !strings.Contains(string(operations), "|---|---|\n"+table+"\n\n") {
		t.Errorf("docs/operations.md has another table; want\n%s", table)
	}
}

// raised returns the alarms that go off in an incident, in order, with the minutes
// until then.
func (s *stack) raised(t *testing.T, metrics cloudWatch) string {
	var raised []string
	seen := map[string]bool{}
	for minute := 1; minute <= watching; minute++ {
		for _, name := range s.firing(t, metrics, healthy+minute) {
			if seen[name] {
				continue
			}
			seen[name] = true
			if s.severity(t, name) == "critical" {
				raised = append(raised, fmt.Sprintf("**%s** %d", name, minute))
			} else {
				raised = append(raised, fmt.Sprintf("%s %d", name, minute))
			}
		}
	}
	if len(raised) == 0 {
		t.Error("no alarm goes off")
	}
	return strings.Join(raised, ", ")
}
