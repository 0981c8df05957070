package doctor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/subscription"
	"sumoship/dlq"
	"sumoship/sumo"
)

var update = flag.Bool("update", false, "write docs/troubleshooting.md")

// world is AWS and Sumo Logic in memory.
type world struct {
	stack              Stack
	missing            bool // the stack
	forwarder, replay  *Function
	mappings           []Mapping
	unpermitted        bool
	groups             map[string]*subscription.Group
	policies           []subscription.AccountPolicy
	queues             map[string]*dlq.Status
	versions           map[string]string // by log group
	alarms             []Alarm
	topics             map[string]SNSTopic
	values             map[string]float64 // by the name of the metric
	endpoint           string
	endpointErr, probe error
	denied             string // a method that AWS refuses
}

const (
	arn   = "arn:aws:lambda:eu-west-1:123456789012:function:"
	queue = "arn:aws:sqs:eu-west-1:123456789012:"
	topic = "arn:aws:sns:eu-west-1:123456789012:ops"
	group = "/ecs/shop"
)

// sound is a stack with which nothing is wrong.
func sound() *world {
	function := func(name string) *Function {
		return &Function{State: "Active", Update: "Successful", DeadLetters: queue + "dead", Timeout: time.Minute, Concurrency: -1,
			LogGroup: "/sumoship/shop/" + name, Variables: map[string]string{"TASK_QUEUE_URL": "dead", "SUMO_ENDPOINT": "arn:…"}}
	}
	w := &world{
		stack: Stack{Status: "UPDATE_COMPLETE", Outputs: map[string]string{
			"ForwarderArn": arn + "forwarder", "ForwarderName": "forwarder", "ReplayArn": arn + "replay", "ReplayName": "replay",
			"DeadLetterQueueUrl": "dead", "DeadLetterQueueArn": queue + "dead", "QuarantineQueueUrl": "quarantine", "EndpointArn": "arn:…",
			"HeartbeatLogGroup": "/sumoship/shop/heartbeat", "SubscriberName": "subscriber", "SubscriberArn": arn + "subscriber", "Version": "v1.2.3",
			"ForwarderLogGroup": "/sumoship/shop/forwarder",
		}, Resources: []Resource{{"Forwarder", "forwarder", "AWS::Lambda::Function"}, {"LostAlarm", "shop-LostAlarm", "AWS::CloudWatch::Alarm"}, {"DeliveryAlarm", "shop-DeliveryAlarm", "AWS::CloudWatch::CompositeAlarm"}}},
		forwarder: function("forwarder"), replay: function("replay"),
		mappings: []Mapping{{Source: queue + "dead", State: "Enabled", Result: "OK", Partial: true}},
		groups: map[string]*subscription.Group{
			group:                      {Name: group, Class: "STANDARD", Filters: []subscription.Filter{{Name: "sumoship", Destination: arn + "forwarder"}}},
			"/sumoship/shop/forwarder": {Name: "/sumoship/shop/forwarder"}, "/sumoship/shop/replay": {Name: "/sumoship/shop/replay"},
		},
		queues: map[string]*dlq.Status{
			"dead":       {Name: "dead", ARN: queue + "dead", Retention: 14 * 24 * time.Hour, Timeout: 6 * time.Minute, MaxReceives: 100, Quarantine: queue + "quarantine"},
			"quarantine": {Name: "quarantine", ARN: queue + "quarantine", Retention: 14 * 24 * time.Hour},
		},
		alarms:   []Alarm{{Name: "shop-LostAlarm", State: "OK", Actions: []string{topic}, Enabled: true}, {Name: "shop-DeliveryAlarm", State: "OK", Actions: []string{topic}, Enabled: true, Composite: true}},
		topics:   map[string]SNSTopic{topic: {Confirmed: 1}},
		values:   map[string]float64{"Invocations": 60, "Events": 600, "Confirmed": 590, "Filtered": 10, "Heartbeat": 12, "subscriber Invocations": 4},
		versions: map[string]string{"/sumoship/shop/forwarder": "v1.2.3", "/sumoship/shop/heartbeat": ""},
		endpoint: "https://endpoint1.collection.eu.sumologic.com/receiver/v1/http/SECRET",
	}
	return w
}

func (w *world) refused(method string) error {
	if w.denied == method {
		return fmt.Errorf("AccessDenied: %s", method)
	}
	return nil
}

func (w *world) Account(context.Context) (string, error) { return "123456789012", w.refused("Account") }

func (w *world) Stack(context.Context, string) (Stack, error) {
	if w.missing {
		return Stack{}, ErrNotFound
	}
	return w.stack, w.refused("Stack")
}

func (w *world) Function(_ context.Context, name string) (Function, error) {
	f := w.forwarder
	switch name {
	case arn + "subscriber":
		return Function{}, nil
	case arn + "replay":
		f = w.replay
	}
	if f == nil {
		return Function{}, ErrNotFound
	}
	return *f, w.refused("Function")
}

func (w *world) Mappings(context.Context, string) ([]Mapping, error) {
	return w.mappings, w.refused("Mappings")
}

func (w *world) Permitted(context.Context, subscription.Destination) (bool, error) {
	return !w.unpermitted, w.refused("Permitted")
}

func (w *world) Find(_ context.Context, name string) (subscription.Group, error) {
	if g := w.groups[name]; g != nil {
		return *g, w.refused("Find")
	}
	return subscription.Group{Name: name, Missing: true}, nil
}

func (w *world) Filters(_ context.Context, name string) ([]subscription.Filter, error) {
	return w.groups[name].Filters, w.refused("Filters")
}

func (w *world) Policies(context.Context) ([]subscription.AccountPolicy, error) {
	return w.policies, w.refused("Policies")
}

func (w *world) Queue(_ context.Context, url string) (dlq.Status, error) {
	if q := w.queues[url]; q != nil {
		return *q, w.refused("Queue")
	}
	return dlq.Status{}, ErrNotFound
}

func (w *world) Version(_ context.Context, group string, _ time.Time) (string, error) {
	v, ok := w.versions[group]
	if !ok {
		return "", ErrNotFound
	}
	return v, w.refused("Version")
}

func (w *world) Alarms(context.Context, []string) ([]Alarm, error) {
	return w.alarms, w.refused("Alarms")
}

func (w *world) Topic(_ context.Context, arn string) (SNSTopic, error) {
	t, ok := w.topics[arn]
	if !ok {
		return t, ErrNotFound
	}
	return t, w.refused("Topic")
}

func (w *world) Values(_ context.Context, metrics []Metric, _ time.Time) (values []float64, err error) {
	for _, m := range metrics {
		name := m.Name
		if m.Value == "subscriber" {
			name = "subscriber " + name
		}
		values = append(values, w.values[name])
	}
	return values, w.refused("Values")
}

func (w *world) Endpoint(context.Context, map[string]string) (sumo.Endpoint, error) {
	if w.endpointErr != nil {
		return sumo.Endpoint{}, w.endpointErr
	}
	return sumo.ParseEndpoint(w.endpoint, "")
}

func (w *world) Probe(context.Context, sumo.Endpoint) error { return w.probe }

func examine(t *testing.T, w *world) *Report {
	t.Helper()
	r, err := Examine(t.Context(), Clients{w, w, w, w, w, w, w}, Options{Stack: "shop", Region: "eu-west-1", LogGroup: group, Command: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSoundStackHasNoFindings(t *testing.T) {
	for name, change := range map[string]func(*world){
		"with all":             func(*world) {},
		"without a heartbeat":  func(w *world) { delete(w.stack.Outputs, "HeartbeatLogGroup") },
		"without a subscriber": func(w *world) { delete(w.stack.Outputs, "SubscriberName") },
		"rolled back whole":    func(w *world) { w.stack.Status = "UPDATE_ROLLBACK_COMPLETE" },
		"idle forwarder":       func(w *world) { w.forwarder.State = "Inactive" },
		"reserved concurrency": func(w *world) { w.forwarder.Concurrency = 10 },
		"by a policy":          func(w *world) { w.groups[group].Filters, w.policies = nil, []subscription.AccountPolicy{covering(t)} },
		"another destination": func(w *world) {
			w.groups[group].Filters = append(w.groups[group].Filters, subscription.Filter{Name: "theirs", Destination: arn + "theirs"})
		},
		"built without versions": func(w *world) {
			w.stack.Outputs["Version"] = "devel"
			w.versions = map[string]string{"/sumoship/shop/forwarder": "devel"}
		},
		"dead letters, a few":   func(w *world) { w.queues["dead"].Visible, w.values["ApproximateAgeOfOldestMessage"] = 5, 60 },
		"alarm with a function": func(w *world) { w.alarms[0].Actions = append(w.alarms[0].Actions, arn+"pager") },
		"no logs yet": func(w *world) {
			delete(w.groups, "/sumoship/shop/forwarder")
			delete(w.groups, "/sumoship/shop/replay")
		},
	} {
		w := sound()
		change(w)
		r := examine(t, w)
		if n := len(r.Findings); r.Count(Sound) != n || n < 10 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// covering is a policy of the account that delivers all log groups but the stack's.
func covering(t *testing.T) subscription.AccountPolicy {
	t.Helper()
	to, err := subscription.ParseDestination(arn + "forwarder")
	if err != nil {
		t.Fatal(err)
	}
	rule := subscription.Rule{Destination: to, Name: "sumoship", Own: []string{"/sumoship/shop/forwarder", "/sumoship/shop/replay"}}
	step, err := rule.PlanAccount(nil)
	if err != nil {
		t.Fatal(err)
	}
	return step.Policy
}

// injected are faults, each with a way in which it comes about. docs/troubleshooting.md
// shows what doctor says of them.
var injected = []struct {
	fault  Fault
	inject func(*testing.T, *world)
}{
	{stackUnknown, func(_ *testing.T, w *world) { w.missing = true }},
	{stackFailed, func(_ *testing.T, w *world) {
		w.stack.Status, w.stack.Reason = "UPDATE_ROLLBACK_FAILED", "Resource Replay failed"
	}},
	{stackForeign, func(_ *testing.T, w *world) { w.stack.Outputs = nil }},
	{functionMissing, func(_ *testing.T, w *world) { w.replay = nil }},
	{functionFailed, func(_ *testing.T, w *world) {
		w.forwarder.State, w.forwarder.Reason = "Failed", "The subnet was deleted"
	}},
	{functionFailed, func(_ *testing.T, w *world) { w.replay.Update, w.replay.Why = "Failed", "KMS key is disabled" }},
	{forwarderPaused, func(_ *testing.T, w *world) { w.forwarder.Concurrency = 0 }},
	{replayPaused, func(_ *testing.T, w *world) { w.replay.Concurrency = 0 }},
	{forwarderWithoutQueue, func(_ *testing.T, w *world) { w.forwarder.DeadLetters = "" }},
	{queueUnset, func(_ *testing.T, w *world) { delete(w.forwarder.Variables, "TASK_QUEUE_URL") }},
	{versionsDiffer, func(_ *testing.T, w *world) { w.versions["/sumoship/shop/forwarder"] = "v1.2.2" }},
	{versionsDiffer, func(_ *testing.T, w *world) { w.stack.Outputs["Version"] = "v1.3.0" }},
	{endpointMissing, func(_ *testing.T, w *world) {
		w.endpointErr = errors.New("endpoint: reading secretsmanager arn:…: InvalidRequestException")
	}},
	{endpointMissing, func(_ *testing.T, w *world) {
		w.endpointErr = errors.New("endpoint: reading secretsmanager arn:…: ResourceNotFoundException")
	}},
	{endpointInvalid, func(_ *testing.T, w *world) { w.endpoint = "http://collectors.sumologic.com/receiver/v1/http/SECRET" }},
	{endpointRefused, func(_ *testing.T, w *world) {
		w.probe = &sumo.SendError{Class: sumo.Misconfigured, Status: 401, Err: errors.New("the source answered 401 Unauthorized")}
	}},
	{endpointUnavailable, func(_ *testing.T, w *world) {
		w.probe = &sumo.SendError{Class: sumo.Unavailable, Err: errors.New("no answer within 10s")}
	}},
	{permissionMissing, func(_ *testing.T, w *world) { w.unpermitted = true }},
	{groupMissing, func(_ *testing.T, w *world) { delete(w.groups, group) }},
	{groupClass, func(_ *testing.T, w *world) { w.groups[group].Class = "INFREQUENT_ACCESS" }},
	{groupUnsubscribed, func(_ *testing.T, w *world) { w.groups[group].Filters = nil }},
	{groupFull, func(_ *testing.T, w *world) {
		w.groups[group].Filters = []subscription.Filter{{Name: "a", Destination: arn + "a"}, {Name: "b", Destination: arn + "b"}}
	}},
	{groupFiltered, func(_ *testing.T, w *world) { w.groups[group].Filters[0].Pattern = "ERROR" }},
	{groupTwice, func(t *testing.T, w *world) { w.policies = []subscription.AccountPolicy{covering(t)} }},
	{streamsFiltered, func(_ *testing.T, w *world) { w.forwarder.Variables["LOG_STREAM_PREFIX"] = "web/" }},
	{logLoop, func(_ *testing.T, w *world) {
		w.groups["/sumoship/shop/forwarder"].Filters = []subscription.Filter{{Name: "all", Destination: arn + "forwarder"}}
	}},
	{mappingMissing, func(_ *testing.T, w *world) { w.mappings = nil }},
	{mappingOff, func(_ *testing.T, w *world) { w.mappings[0].State = "Disabled" }},
	{mappingFails, func(_ *testing.T, w *world) {
		w.mappings[0].Result = "PROBLEM: The function execution role does not have permissions to call ReceiveMessage on SQS"
	}},
	{mappingWhole, func(_ *testing.T, w *world) { w.mappings[0].Partial = false }},
	{queueMissing, func(_ *testing.T, w *world) { delete(w.queues, "dead") }},
	{queueExpires, func(_ *testing.T, w *world) {
		w.queues["dead"].Visible, w.values["ApproximateAgeOfOldestMessage"] = 5, 11*86400
	}},
	{queueWaits, func(_ *testing.T, w *world) {
		w.queues["dead"].Visible, w.values["ApproximateAgeOfOldestMessage"] = 5, 7200
	}},
	{queueVisible, func(_ *testing.T, w *world) { w.queues["dead"].Timeout = 30 * time.Second }},
	{queueKeeps, func(_ *testing.T, w *world) { w.queues["dead"].MaxReceives = 0 }},
	{queueForgets, func(_ *testing.T, w *world) { w.queues["quarantine"].Retention = 4 * 24 * time.Hour }},
	{quarantineHolds, func(_ *testing.T, w *world) { w.queues["quarantine"].Visible = 3 }},
	{alarmsNone, func(_ *testing.T, w *world) { w.stack.Resources = nil }},
	{alarmsOn, func(_ *testing.T, w *world) {
		w.alarms[0].State, w.alarms[0].Reason = "ALARM", "Threshold crossed: 1 datapoint [12.0] was greater than the threshold (0.0)"
	}},
	{alarmsOff, func(_ *testing.T, w *world) { w.alarms[1].Enabled = false }},
	{alarmsSilent, func(_ *testing.T, w *world) { w.alarms[0].Actions, w.alarms[1].Actions = nil, nil }},
	{alarmsUnheard, func(_ *testing.T, w *world) { w.topics[topic] = SNSTopic{} }},
	{alarmsUnconfirmed, func(_ *testing.T, w *world) { w.topics[topic] = SNSTopic{Pending: 1} }},
	{eventsLost, func(_ *testing.T, w *world) { w.values["Lost"] = 7 }},
	{invocationsFail, func(_ *testing.T, w *world) { w.values["Errors"] = 3 }},
	{throttled, func(_ *testing.T, w *world) { w.values["Throttles"] = 9 }},
	{deadLettered, func(_ *testing.T, w *world) { w.values["DeadLettered"] = 20 }},
	{sourceRefuses, func(_ *testing.T, w *world) { w.values["DeadLettered"], w.values["Misconfigured"] = 20, 20 }},
	{allFiltered, func(_ *testing.T, w *world) { w.values["Filtered"], w.values["Confirmed"] = 600, 0 }},
	{nothingArrives, func(_ *testing.T, w *world) {
		w.values["Events"], w.values["Confirmed"], w.values["Filtered"] = 12, 12, 0
	}},
	{heartbeatSilent, func(_ *testing.T, w *world) { w.values["Heartbeat"] = 0 }},
	{subscriberFails, func(_ *testing.T, w *world) { w.values["subscriber Errors"] = 2 }},
	{subscriberFails, func(_ *testing.T, w *world) { w.values["subscriber GroupsFailed"] = 2 }},
	{subscriberIdle, func(_ *testing.T, w *world) { w.values["subscriber Invocations"] = 0 }},
	{unseen, func(_ *testing.T, w *world) { w.denied = "Alarms" }},
}

// Each fault is found and named, and nothing else is.
func TestInjectedFaultsAreFound(t *testing.T) {
	seen := map[string]string{} // by ID
	for _, c := range injected {
		w := sound()
		c.inject(t, w)
		r := examine(t, w)
		var found []string
		for _, f := range r.Findings {
			if f.Status == Sound {
				continue
			}
			found = append(found, f.Fault)
			if f.Seen == "" || f.Why == "" || f.Mend == "" || strings.Contains(f.Mend, "{") && !strings.Contains(f.Mend, `{"endpoint"`) {
				t.Errorf("%s: %+v", c.fault.ID, f)
			}
			if strings.Contains(fmt.Sprint(f), "SECRET") {
				t.Errorf("%s: the secret is in %+v", c.fault.ID, f)
			}
			if seen[f.Fault] == "" {
				seen[f.Fault] = fmt.Sprintf("%s %s: %s", f.Status.Mark(), f.Check, f.Seen)
			}
		}
		if diff := cmp.Diff([]string{c.fault.ID}, found); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%+v", c.fault.ID, diff, r.Findings)
		}
	}
	var ids []string
	for _, topic := range Topics() {
		for _, f := range topic.Faults {
			ids = append(ids, f.ID)
		}
	}
	slices.Sort(ids)
	if diff := cmp.Diff(ids, slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("faults and injections (-want +got):\n%s", diff)
	}
	if t.Failed() {
		return
	}
	documented(t, seen)
}

// What AWS refuses to show is a finding, and the other checks go on.
func TestCheckThatCannotLook(t *testing.T) {
	whole := len(examine(t, sound()).Findings)
	for _, method := range []string{"Function", "Mappings", "Permitted", "Find", "Filters", "Policies", "Queue", "Version", "Alarms", "Topic", "Values"} {
		w := sound()
		w.denied = method
		r := examine(t, w)
		if r.Count(Doubt) == 0 || r.Count(Broken) > 0 || len(r.Findings) < whole-3 {
			t.Errorf("%s: %+v", method, r.Findings)
		}
	}
	w := sound()
	w.denied = "Stack"
	if r, err := Examine(t.Context(), Clients{w, w, w, w, w, w, w}, Options{Stack: "shop"}); err == nil || len(r.Findings) > 0 {
		t.Errorf("%v: %+v", err, r.Findings)
	}
}

// An overview has the figures of the forwarder, and the versions in the logs.
func TestLook(t *testing.T) {
	w := sound()
	w.queues["dead"].Visible, w.queues["quarantine"].Visible, w.values["ApproximateAgeOfOldestMessage"] = 5, 2, 90
	w.values["Unavailable"], w.values["BreakerOpen"], w.values["SentBytes"], w.values["subscriber GroupsAlready"] = 7, 1, 4096, 12
	w.alarms[0].State, w.alarms[1].State = "ALARM", "ALARM"
	got, err := Look(t.Context(), Clients{w, w, w, w, w, w, w}, "shop", "eu-west-1")
	n := 12
	want := &Overview{Stack: "shop", Region: "eu-west-1", Account: "123456789012", State: "UPDATE_COMPLETE", Versions: map[string]string{"forwarder": "v1.2.3"}, Minutes: 5,
		Events: 600, Confirmed: 590, Bytes: 4096, Failures: map[string]int{"unavailable": 7}, Breaker: "open", Queue: 5, Oldest: 90, Quarantine: 2, Subscribed: &n,
		Alarms: []string{"shop-LostAlarm"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	w.missing = true
	if _, err := Look(t.Context(), Clients{w, w, w, w, w, w, w}, "shop", "eu-west-1"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// documented holds docs/troubleshooting.md to the faults.
func documented(t *testing.T, seen map[string]string) {
	t.Helper()
	const page, begin, end = "../../../../docs/troubleshooting.md", "<!-- faults: go test ./cmd/sumoship/internal/doctor -update writes this -->\n", "<!-- end of faults -->\n"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	cell := strings.NewReplacer("|", `\|`, "{region}", "", "{stack}", "STACK", "{group}", "GROUP", "{forwarder}", "FORWARDER", "{forwarder-arn}", "FORWARDER-ARN",
		"{replay}", "REPLAY", "{queue}", "QUEUE", "{quarantine}", "QUARANTINE-QUEUE", "{filter}", "FILTER", "{looping}", "GROUP", "{alarms}", "NAMES", "{endpoint}", "ENDPOINT-ARN", "<", "&lt;")
	for _, topic := range Topics() {
		fmt.Fprintf(&table, "\n## %s\n\n| Symptom | What doctor says | Why it matters | What to do |\n|---|---|---|---|\n", topic.Name)
		for _, f := range topic.Faults {
			fmt.Fprintf(&table, "| %s | <a id=\"%s\"></a>%s (`%s`) | %s | %s |\n", f.Symptom, f.ID, cell.Replace(seen[f.ID]), f.ID, cell.Replace(f.Why), cell.Replace(f.Mend))
		}
	}
	before, rest, ok := strings.Cut(string(b), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has nothing between %s and %s", page, begin, end)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), got); diff != "" {
		t.Errorf("%s is not up to date (-want +got):\n%s", page, diff)
	}
}
