package subscribe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/subscription"
	"sumoship/function"
	"sumoship/function/awstest/logstest"
	"sumoship/function/subscribe"
	"sumoship/function/subscribe/awsapi"
)

// fixture is an account with log groups and a subscriber.
type fixture struct {
	*logstest.Server
	t         testing.TB
	arn       string
	variables map[string]string
	out       bytes.Buffer
}

// newFixture returns an account whose forwarder CloudWatch Logs may call.
func newFixture(t testing.TB) *fixture {
	w := &fixture{Server: logstest.New(), t: t}
	w.arn = w.AddFunction("forwarder", "")
	w.AddFunction("subscriber", "")
	if err := awsapi.NewFunctions(w.Lambda()).Permit(t.Context(), destination(t, w.arn)); err != nil {
		t.Fatal(err)
	}
	w.variables = map[string]string{"DESTINATION_ARN": w.arn, "AWS_LAMBDA_FUNCTION_NAME": "subscriber", "AWS_REGION": logstest.Region}
	return w
}

func (w *fixture) subscriber() *subscribe.Subscriber {
	w.t.Helper()
	s, err := subscribe.NewSubscriber(subscribe.Options{Env: function.Env{Getenv: func(name string) string { return w.variables[name] }, Out: &w.out},
		LogGroups: awsapi.NewLogGroups(w.Logs()), Functions: awsapi.NewFunctions(w.Lambda())})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// run is an invocation of a new execution environment.
func (w *fixture) run(event string) (subscribe.Report, error) {
	w.t.Helper()
	return w.invoke(w.t.Context(), event)
}

func (w *fixture) invoke(ctx context.Context, event string) (subscribe.Report, error) {
	w.t.Helper()
	out, err := w.subscriber().Invoke(ctx, []byte(event))
	var r subscribe.Report
	if err == nil {
		if err := json.Unmarshal(out, &r); err != nil {
			w.t.Fatal(err)
		}
		if r.Seen != r.Subscribed+r.Already+r.Removed+r.SkippedTotal()+r.Failed {
			w.t.Errorf("does not add up: %+v", r)
		}
	}
	return r, err
}

// subscribed are the groups that have a filter of ours.
func (w *fixture) subscribed() (all []string) {
	for _, g := range w.Groups() {
		if slices.ContainsFunc(g.Filters, func(f logstest.Filter) bool { return f.Name == "sumoship" && f.Destination == w.arn }) {
			all = append(all, g.Name)
		}
	}
	return all
}

// many returns enough log groups for several pages.
func (w *fixture) many(n int) {
	for i := range n {
		w.Add(logstest.Group{Name: fmt.Sprintf("/ecs/service-%04d", i)})
	}
}

// counts leaves out of a report what differs from run to run.
func counts(r subscribe.Report) subscribe.Report {
	r.Millis, r.Left, r.Pages, r.Throttled = 0, 0, 0, 0
	return r
}

func check(t testing.TB, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("differs (-want +got):\n%s", d)
	}
}

func TestSubscriberBringsAllLogGroupsInLine(t *testing.T) {
	w := newFixture(t)
	w.Page = 4
	w.many(9)
	foreign := logstest.Filter{Name: "theirs", Destination: logstest.FunctionARN("other")}
	ours := logstest.Filter{Name: "sumoship", Destination: w.arn}
	w.Add(
		logstest.Group{Name: "/aws/lambda/forwarder"}, logstest.Group{Name: "/aws/lambda/subscriber"},
		logstest.Group{Name: "/aws/lambda/replay", Filters: []logstest.Filter{ours}}, // a loop that somebody made
		logstest.Group{Name: "/ecs/full", Filters: []logstest.Filter{foreign, {Name: "x", Destination: logstest.FunctionARN("x")}}},
		logstest.Group{Name: "/ecs/noisy", Filters: []logstest.Filter{ours, foreign}},
		logstest.Group{Name: "/ecs/rare", Class: "INFREQUENT_ACCESS"},
		logstest.Group{Name: "/ecs/old", Filters: []logstest.Filter{{Name: "sumoship", Destination: w.arn, Pattern: "WARN"}, foreign}},
		logstest.Group{Name: "tagged", Tags: map[string]string{"ship": "yes"}},
		logstest.Group{Name: "untagged"},
	)
	w.variables["LOG_GROUP_PATTERN"], w.variables["LOG_GROUP_TAGS"], w.variables["LOG_GROUP_EXCLUDE"] = "^/ECS/|/aws/lambda", "team=a, ship = yes", "noisy$"
	w.variables["OWN_LOG_GROUPS"], w.variables["FILTER_PATTERN"] = "/aws/lambda/forwarder, /aws/lambda/replay", "ERROR"

	full := "/ecs/full: two other filters: theirs, x"
	want := subscribe.Report{Trigger: "schedule", Seen: 18, Matched: 12, Subscribed: 11, Removed: 2, Problems: []string{full},
		Skipped: map[string]int{"our own": 2, "not of the Standard class": 1, "two other filters": 1, "not chosen": 1}}
	r, err := w.run(`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","account":"123456789012","region":"us-east-1","detail":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	check(t, counts(r), want)
	if r.Pages != 5 {
		t.Errorf("%d pages of 18 groups", r.Pages)
	}
	for _, g := range w.Groups() {
		for _, f := range g.Filters {
			if f.Name == "sumoship" && (f.Pattern != "ERROR" || strings.HasPrefix(g.Name, "/aws/lambda/")) {
				t.Errorf("%s: %+v", g.Name, f)
			}
		}
		if n := slices.Index([]string{"/ecs/full", "/ecs/noisy", "/ecs/old"}, g.Name); n >= 0 && !slices.Contains(g.Filters, foreign) {
			t.Errorf("%s lost a filter that is not ours: %+v", g.Name, g.Filters)
		}
	}

	// A second time there is nothing to do.
	want = subscribe.Report{Trigger: "hand", Seen: 18, Matched: 12, Already: 11, Problems: []string{full},
		Skipped: map[string]int{"our own": 3, "not of the Standard class": 1, "two other filters": 1, "not chosen": 1, "excluded": 1}}
	if r, err = w.run(`{}`); err != nil {
		t.Fatal(err)
	}
	check(t, counts(r), want)

	// One line for people, one for metrics, for each run.
	lines := strings.Split(strings.TrimSpace(w.out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4:\n%s", len(lines), w.out.String())
	}
	var line struct {
		Level, Msg               string
		Seen, Already            int
		Skipped                  map[string]int
		Problems                 []string
		GroupsSeen, GroupsFailed *int
		Function                 string
		AWS                      struct {
			CloudWatchMetrics []struct {
				Namespace string
				Metrics   []struct{ Name, Unit string }
			}
		} `json:"_aws"`
	}
	for _, l := range lines[2:] {
		if err := json.Unmarshal([]byte(l), &line); err != nil {
			t.Fatal(err)
		}
	}
	if line.Level != "WARN" || line.Msg != "subscriptions" || line.Already != 11 || line.Skipped["not of the Standard class"] != 1 || len(line.Problems) != 1 ||
		*line.GroupsSeen != 18 || *line.GroupsFailed != 0 || line.Function != "subscriber" || line.AWS.CloudWatchMetrics[0].Namespace != "sumoship" || len(line.AWS.CloudWatchMetrics[0].Metrics) < 9 {
		t.Errorf("%s\n%s", lines[2], lines[3])
	}
}

// created is the event of a new log group.
func created(name, more string) string {
	return `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.logs","account":"123456789012","region":"us-east-1",
	"detail":{"eventVersion":"1.11","eventSource":"logs.amazonaws.com","eventName":"CreateLogGroup","awsRegion":"us-east-1",
	"requestParameters":{"logGroupName":"` + name + `"` + more + `,"responseElements":null}}`
}

func TestSubscriberOnEvents(t *testing.T) {
	for name, c := range map[string]struct {
		event   string
		reason  string // "": it is subscribed
		matched bool
	}{
		"by its name":         {event: created("/ecs/new", `}`)},
		"by its tags":         {event: created("new", `,"tags":{"ship":"yes"}}`)},
		"without its tags":    {event: created("new", `,"tags":{"ship":"no"}}`), reason: "not chosen"},
		"no tags":             {event: created("new", `}`), reason: "not chosen"},
		"its creation failed": {event: created("/ecs/new", `},"errorCode":"ResourceAlreadyExistsException","errorMessage":"exists"`), reason: "its creation failed"},
		"another Region":      {event: strings.Replace(created("/ecs/new", `}`), `"region":"us-east-1"`, `"region":"eu-west-1"`, 1), reason: "another account or Region"},
		"another account":     {event: strings.Replace(created("/ecs/new", `}`), "123456789012", "999999999999", 1), reason: "another account or Region"},
		"another event":       {event: strings.Replace(created("/ecs/new", `}`), `"CreateLogGroup"`, `"DeleteLogGroup"`, 1), reason: "another event"},
		"of another kind":     {event: `{"detail-type":"EC2 Instance State-change Notification","detail":["x"]}`, reason: "another event"},
		"a class":             {event: created("/ecs/new", `,"logGroupClass":"DELIVERY"}`), reason: "not of the Standard class"},
		"our own":             {event: created("/aws/lambda/forwarder", `}`), reason: "our own"},
		"our own by tag":      {event: created("/aws/lambda/subscriber", `,"tags":{"ship":"yes"}}`), reason: "our own"},
		"gone already":        {event: created("/ecs/gone", `}`), reason: "gone", matched: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			w.Add(logstest.Group{Name: "/ecs/new"}, logstest.Group{Name: "new"}, logstest.Group{Name: "/aws/lambda/forwarder"}, logstest.Group{Name: "/aws/lambda/subscriber"})
			w.variables["LOG_GROUP_PATTERN"], w.variables["LOG_GROUP_TAGS"] = "ecs|lambda", "ship=yes"
			ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: logstest.FunctionARN("subscriber")})
			r, err := w.invoke(ctx, c.event)
			if err != nil {
				t.Fatal(err)
			}
			want := subscribe.Report{Trigger: "group", LogGroup: r.LogGroup, Seen: 1}
			if c.reason == "" {
				want.Matched, want.Subscribed = 1, 1
			} else {
				want.Skipped = map[string]int{c.reason: 1}
			}
			if c.matched {
				want.Matched = 1
			}
			check(t, counts(r), want)
			if n := len(w.subscribed()); n != want.Subscribed {
				t.Errorf("%d groups are subscribed", n)
			}
		})
	}
}

// Lambda tries the event of a group again that could not be subscribed.
func TestSubscriberFailsTheEventOfAGroup(t *testing.T) {
	w := newFixture(t)
	w.Add(logstest.Group{Name: "/ecs/new"})
	w.OnRequest(func(c logstest.Call) logstest.Fault {
		if c.Op == "PutSubscriptionFilter" {
			return logstest.Fault{Code: "AccessDeniedException", Message: "not authorized to perform: logs:PutSubscriptionFilter"}
		}
		return logstest.Fault{}
	})
	_, err := w.run(created("/ecs/new", `}`))
	if _, ok := errors.AsType[*subscribe.UnfinishedError](err); !ok || !strings.Contains(err.Error(), "log group /ecs/new: put subscription filter: AccessDeniedException: not authorized") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(w.out.String(), `"failed":1`) || !strings.Contains(w.out.String(), `"level":"ERROR"`) {
		t.Errorf("reported %s", w.out.String())
	}
	w.OnRequest(nil)
	if _, err := w.run(created("/ecs/new", `}`)); err != nil || len(w.subscribed()) != 1 {
		t.Errorf("%v; subscribed: %v", err, w.subscribed())
	}
}

func TestSubscriberRefusesOtherEvents(t *testing.T) {
	w := newFixture(t)
	for event, want := range map[string]string{
		`{"awslogs":{"data":"H4sI"}}`: "a log group is subscribed to the subscriber",
		`{"Records":[{}]}`:            "neither one of EventBridge nor {}",
		`{"Records":[{"eventSource":"aws:kinesis","kinesis":{}}]}`: "this is an event of Amazon Kinesis: it belongs to the stream function;",
		`[{"eventSource":"aws:sqs"}]`:                              "this is an event of Amazon SQS, by a pipe of Amazon EventBridge: it belongs to replay;",
		`[]`:                                                       "not a JSON object",
		`{`:                                                        "not a JSON object",
		created("", `}`):                                           "not the name of a log group",
		created("/x", `,"tags":"x"}`):                              "the CreateLogGroup event cannot be read",
		`{"existingLogs":true}`:                                    "neither one of EventBridge nor {}",
		`{"detail-type":1}`:                                        "cannot be read",
		`{"existingLogs":"true","tokn":"x"}`:                       "tokn",
	} {
		if _, err := w.run(event); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", event, err, want)
		}
	}
	for _, event := range []string{``, `null`, `{}`, ` {"existingLogs":"true"}`} {
		if r, err := w.run(event); err != nil || r.Trigger != "hand" {
			t.Errorf("%q: %+v, %v", event, r, err)
		}
	}
}

// However CloudWatch Logs throttles, a run waits and forgets no group.
func TestSubscriberOutwaitsThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		w.many(130)
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(1, 2))
		throttled := 0
		w.OnRequest(func(c logstest.Call) logstest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if c.Op != "GetFunctionConfiguration" && random.IntN(2) == 0 {
				throttled++
				return logstest.Fault{Code: []string{"ThrottlingException", "OperationAbortedException"}[random.IntN(2)]}
			}
			return logstest.Fault{}
		})
		r, err := w.run(`{}`)
		if err != nil {
			t.Fatal(err)
		}
		if r.Subscribed != 130 || r.Failed != 0 || r.Throttled != throttled || len(w.subscribed()) != 130 {
			t.Errorf("%+v; throttled %d times, %d subscribed", r, throttled, len(w.subscribed()))
		}
	})
}

// A permission takes some seconds until CloudWatch Logs knows of it. The run waits
// for that once, not for each group.
func TestSubscriberWaitsForAFreshPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		w.many(120)
		w.PermissionDelay = 6 * time.Second
		start := time.Now()
		r, err := w.run(`{}`)
		if err != nil || r.Subscribed != 120 || r.Failed != 0 || len(w.subscribed()) != 120 {
			t.Errorf("%+v, %v", r, err)
		}
		if took := time.Since(start); took < w.PermissionDelay || took > 2*subscribe.PermissionDelay {
			t.Errorf("took %v", took)
		}
	})
	t.Run("of an event", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newFixture(t)
			w.Add(logstest.Group{Name: "/ecs/new"})
			w.PermissionDelay = 6 * time.Second
			if r, err := w.run(created("/ecs/new", `}`)); err != nil || r.Subscribed != 1 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	})
}

// A permission that never comes costs a run no more than one wait.
func TestSubscriberDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		w.many(120)
		w.AddFunction("forwarder", "") // without its permission
		start := time.Now()
		r, err := w.run(`{}`)
		if err != nil || r.Failed != 120 || !strings.Contains(r.Problems[0], "Could not execute the lambda function") {
			t.Errorf("%+v, %v", r, err)
		}
		if took := time.Since(start); took < subscribe.PermissionDelay || took > 2*subscribe.PermissionDelay {
			t.Errorf("took %v", took)
		}
	})
}

// lambda calls the subscriber as Lambda does, with an hour or a minute of time,
// and then with the events that it sends to itself, until there are none.
func (w *fixture) lambda(timeout time.Duration, event string) (runs int, reports subscribe.Report, errs []error) {
	for events := [][]byte{[]byte(event)}; len(events) > 0; runs++ {
		if runs > 1000 {
			w.t.Fatal("the chain of runs does not end")
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(w.t.Context(), timeout)
		ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{InvokedFunctionArn: logstest.FunctionARN("subscriber")})
		r, err := w.invoke(ctx, string(events[0]))
		cancel()
		if took := time.Since(start); took >= timeout {
			w.t.Errorf("run %d took %v of %v", runs, took, timeout)
		}
		if err != nil {
			errs = append(errs, err)
		}
		reports.Subscribed += r.Subscribed
		reports.Failed += r.Failed
		events = append(events[1:], w.Invocations("subscriber")...)
		if len(events) > 1 {
			w.t.Errorf("%d runs at once", len(events))
		}
	}
	return runs, reports, errs
}

// A run whose time is up hands the rest over; the last leaves no group behind.
func TestSubscriberHandsOverWhatItHasNoTimeFor(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			w := newFixture(t)
			w.many(700)
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 0))
			w.OnRequest(func(c logstest.Call) logstest.Fault {
				mu.Lock()
				pause, fault := time.Duration(random.IntN(200))*time.Millisecond, logstest.Fault{}
				if random.IntN(10) == 0 && c.Op != "GetFunctionConfiguration" && c.Op != "Invoke" {
					fault.Code = "ThrottlingException"
				}
				mu.Unlock()
				time.Sleep(pause)
				return fault
			})
			runs, total, errs := w.lambda(20*time.Second, `{}`)
			if len(errs) > 0 || len(w.subscribed()) != 700 || runs < 3 || total.Subscribed > 700 {
				t.Errorf("seed %d: %d runs, %d subscribed (%+v), errors %v", seed, runs, len(w.subscribed()), total, errs)
			}
			t.Logf("%d runs", runs)
		})
	}
}

// While CloudWatch Logs grants nothing, a chain of runs ends by itself, and a
// later run does it all.
func TestSubscriberGivesUpAChainThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		w.many(120)
		w.OnRequest(func(c logstest.Call) logstest.Fault {
			if c.Op == "PutSubscriptionFilter" && c.Name >= "/ecs/service-0060" {
				return logstest.Fault{Code: "ThrottlingException"}
			}
			return logstest.Fault{}
		})
		runs, _, errs := w.lambda(time.Minute, `{}`)
		if runs != 4 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "the time is up") || len(w.subscribed()) != 60 {
			t.Errorf("%d runs, errors %v, %d subscribed", runs, errs, len(w.subscribed()))
		}
		if _, ok := errors.AsType[*subscribe.UnfinishedError](errs[0]); !ok {
			t.Errorf("%T", errs[0])
		}
		w.OnRequest(nil)
		if _, _, errs := w.lambda(time.Minute, `{}`); len(errs) > 0 || len(w.subscribed()) != 120 {
			t.Errorf("errors %v, %d subscribed", errs, len(w.subscribed()))
		}
	})
}

// If the rest cannot be handed over, the run fails, and Lambda tries it again.
func TestSubscriberFailsIfItCannotHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		w.many(120)
		w.OnRequest(func(c logstest.Call) logstest.Fault {
			time.Sleep(300 * time.Millisecond)
			if c.Op == "Invoke" {
				return logstest.Fault{Code: "AccessDeniedException"}
			}
			return logstest.Fault{}
		})
		_, _, errs := w.lambda(20*time.Second, `{}`)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "could not be handed over: function "+logstest.FunctionARN("subscriber")+": invoke it: AccessDeniedException") {
			t.Errorf("errors %v", errs)
		}
	})
}

// Access that is denied halfway stops no other group, is reported, and a
// second run completes it.
func TestSubscriberWithAccessDeniedHalfWay(t *testing.T) {
	w := newFixture(t)
	w.many(100)
	denied := logstest.Fault{Code: "AccessDeniedException", Message: "with an explicit deny"}
	w.OnRequest(func(c logstest.Call) logstest.Fault {
		switch {
		case c.Op == "PutSubscriptionFilter" && c.Name >= "/ecs/service-0030" && c.Name < "/ecs/service-0060":
			return denied
		case c.Op == "DescribeSubscriptionFilters" && c.Name == "/ecs/service-0070":
			return denied
		case c.Op == "DescribeSubscriptionFilters" && c.Name == "/ecs/service-0080":
			return logstest.Fault{DropBefore: true}
		case c.Op == "PutSubscriptionFilter" && c.Name == "/ecs/service-0090":
			return logstest.Fault{DropAfter: true}
		}
		return logstest.Fault{}
	})
	r, err := w.run(`{}`)
	if err != nil {
		t.Fatal(err)
	}
	if r.Seen != 100 || r.Matched != 100 || r.Subscribed != 67 || r.Failed != 33 || len(r.Problems) != 20 ||
		r.Problems[0] != "/ecs/service-0030: put subscription filter: AccessDeniedException: with an explicit deny" {
		t.Errorf("%+v", r)
	}
	w.OnRequest(nil)
	if r, err = w.run(`{}`); err != nil || r.Subscribed != 32 || r.Already != 68 || len(w.subscribed()) != 100 {
		t.Errorf("%+v %v", r, err)
	}

	w.OnRequest(func(c logstest.Call) logstest.Fault { return denied })
	if _, err := w.run(`{}`); err == nil || !strings.Contains(err.Error(), "list log groups: AccessDeniedException: with an explicit deny") {
		t.Errorf("got %v", err)
	}
}

// What others do meanwhile is seen and not undone.
func TestSubscriberMeetsOthers(t *testing.T) {
	w := newFixture(t)
	w.many(3)
	theirs := []logstest.Filter{{Name: "a", Destination: logstest.FunctionARN("a")}, {Name: "b", Destination: logstest.FunctionARN("b")}}
	w.OnRequest(func(c logstest.Call) logstest.Fault {
		if c.Op == "PutSubscriptionFilter" && c.Name == "/ecs/service-0001" {
			w.Remove(c.Name)
		}
		if c.Op == "PutSubscriptionFilter" && c.Name == "/ecs/service-0002" {
			w.Add(logstest.Group{Name: c.Name, Filters: theirs})
		}
		return logstest.Fault{}
	})
	r, err := w.run(`{}`)
	if err != nil {
		t.Fatal(err)
	}
	check(t, counts(r), subscribe.Report{Trigger: "hand", Seen: 3, Matched: 3, Subscribed: 1, Skipped: map[string]int{"gone": 1, "two other filters": 1},
		Problems: []string{"/ecs/service-0002: two other filters: they were put a moment ago"}})
	check(t, w.Groups()[1].Filters, theirs)
}

// The log group that the destination really writes to cannot be chosen either.
func TestSubscriberLearnsWhereItsDestinationWrites(t *testing.T) {
	w := newFixture(t)
	w.AddFunction("forwarder", "/ecs/of-the-forwarder")
	if err := awsapi.NewFunctions(w.Lambda()).Permit(t.Context(), destination(t, w.arn)); err != nil {
		t.Fatal(err)
	}
	w.Add(logstest.Group{Name: "/ecs/of-the-forwarder"}, logstest.Group{Name: "/ecs/web"}, logstest.Group{Name: "/aws/lambda/forwarder"}, logstest.Group{Name: "/mine"})
	w.variables["LOG_GROUP_PATTERN"] = "^/ecs/of-the-forwarder$|^/ecs/web|forwarder|mine"
	w.variables["AWS_LAMBDA_LOG_GROUP_NAME"] = "/mine"
	r, err := w.run(`{}`)
	if err != nil || r.Skipped["our own"] != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	check(t, w.subscribed(), []string{"/ecs/web"})

	// Without permission to look, it continues with what it knows and says so.
	w.OnRequest(func(c logstest.Call) logstest.Fault {
		if c.Op == "GetFunctionConfiguration" {
			return logstest.Fault{Code: "AccessDeniedException"}
		}
		return logstest.Fault{}
	})
	w.variables["OWN_LOG_GROUPS"] = "/ecs/of-the-forwarder"
	if r, err = w.run(`{}`); err != nil || r.Skipped["our own"] != 3 || r.Already != 1 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "AccessDenied") {
		t.Errorf("%+v, %v", r, err)
	}

	w.variables["DESTINATION_ARN"] = logstest.FunctionARN("none")
	w.OnRequest(nil)
	if _, err = w.run(`{}`); err == nil || !strings.Contains(err.Error(), "DESTINATION_ARN: there is no such function: function "+logstest.FunctionARN("none")) {
		t.Errorf("got %v", err)
	}
}

func TestSubscriberDeliversToStreams(t *testing.T) {
	w := newFixture(t)
	w.many(2)
	w.variables["DESTINATION_ARN"], w.variables["ROLE_ARN"] = "arn:aws:kinesis:us-east-1:123456789012:stream/logs", "arn:aws:iam::123456789012:role/logs"
	if r, err := w.run(`{}`); err != nil || r.Subscribed != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	check(t, w.Groups()[0].Filters, []logstest.Filter{{Name: "sumoship", Destination: w.variables["DESTINATION_ARN"], Role: w.variables["ROLE_ARN"]}})
	if r, err := w.run(`{}`); err != nil || r.Already != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A change of the pattern keeps what somebody else has set on our filter, and what
// the variables ask for is set.
func TestSubscriberKeepsOptions(t *testing.T) {
	w := newFixture(t)
	ours := logstest.Filter{Name: "sumoship", Destination: w.arn, SystemFields: "@aws.account,@aws.region", Selection: `@aws.region = "eu-west-1"`, Transformed: true}
	w.Add(logstest.Group{Name: "/ecs/web", Filters: []logstest.Filter{ours}})
	for _, step := range []struct {
		name, value string
		change      func(*logstest.Filter)
	}{
		{"FILTER_PATTERN", "ERROR", func(f *logstest.Filter) { f.Pattern = "ERROR" }},
		{"EMIT_SYSTEM_FIELDS", "@source.log", func(f *logstest.Filter) { f.SystemFields = "@source.log" }},
		{"FIELD_SELECTION_CRITERIA", "none", func(f *logstest.Filter) { f.Selection = "" }},
		{"APPLY_ON_TRANSFORMED_LOGS", "false", func(f *logstest.Filter) { f.Transformed = false }},
		{"EMIT_SYSTEM_FIELDS", "none", func(f *logstest.Filter) { f.SystemFields = "" }},
	} {
		w.variables[step.name] = step.value
		step.change(&ours)
		if r, err := w.run(`{}`); err != nil || r.Subscribed != 1 {
			t.Fatalf("%s: %+v, %v", step.name, r, err)
		}
		check(t, w.Groups()[0].Filters, []logstest.Filter{ours})
		if r, err := w.run(`{}`); err != nil || r.Already != 1 {
			t.Errorf("%s again: %+v, %v", step.name, r, err)
		}
	}
}

// Whether a class that is newer than this code has subscriptions is for CloudWatch
// Logs to say. That it refuses is a warning, not a failure, which would raise the
// alarm with each run.
func TestSubscriberTriesUnknownClasses(t *testing.T) {
	w := newFixture(t)
	w.Add(logstest.Group{Name: "/ecs/new", Class: "ESSENTIALS"})
	r, err := w.run(`{}`)
	if err != nil {
		t.Fatal(err)
	}
	check(t, counts(r), subscribe.Report{Trigger: "hand", Seen: 1, Matched: 1, Skipped: map[string]int{"refused": 1}, Problems: []string{
		"/ecs/new: refused: class ESSENTIALS: put subscription filter: InvalidParameterException: Subscription filters are not supported for log groups of the class ESSENTIALS."}})
}

// Tags are asked for once, not for each log group, wherever CloudWatch Logs knows
// how; elsewhere the outcome is the same.
func TestSubscriberListsByTag(t *testing.T) {
	for name, c := range map[string]struct {
		tags  string
		fault logstest.Fault
		old   bool // the Region ignores what it does not know
		calls map[string]int
	}{
		"by tag":          {tags: "ship=yes,team=a", calls: map[string]int{"ListLogGroups": 3}},
		"not known":       {tags: "ship=yes,team=a", fault: logstest.Fault{Code: "UnknownOperationException"}, calls: map[string]int{"ListLogGroups": 1, "ListTagsForResource": 22}},
		"not permitted":   {tags: "ship=yes,team=a", fault: logstest.Fault{Code: "AccessDeniedException"}, calls: map[string]int{"ListLogGroups": 1, "ListTagsForResource": 22}},
		"ignored":         {tags: "ship=yes,team=a", old: true, calls: map[string]int{"ListLogGroups": 1, "ListTagsForResource": 22}},
		"not expressible": {tags: "ship=yes,team=a,none=", calls: map[string]int{"ListLogGroups": 3, "ListTagsForResource": 22}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			w.many(20)
			w.Add(logstest.Group{Name: "a", Tags: map[string]string{"ship": "yes"}}, logstest.Group{Name: "b", Tags: map[string]string{"ship": "no", "team": "a"}})
			w.IgnoreTagFilters = c.old
			w.variables["LOG_GROUP_TAGS"] = c.tags
			var mu sync.Mutex
			calls := map[string]int{}
			w.OnRequest(func(call logstest.Call) logstest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if call.Op == "ListTagsForResource" || call.Op == "ListLogGroups" {
					calls[call.Op]++
				}
				if call.Op == "ListLogGroups" {
					return c.fault
				}
				return logstest.Fault{}
			})
			if r, err := w.run(`{}`); err != nil || r.Subscribed != 2 || r.Skipped["not chosen"] != 20 {
				t.Errorf("%+v, %v", r, err)
			}
			check(t, w.subscribed(), []string{"a", "b"})
			check(t, calls, c.calls)
		})
	}
}

func TestSubscriberConfiguration(t *testing.T) {
	lines := func(variables map[string]string) string {
		_, err := subscribe.NewSubscriber(subscribe.Options{Env: function.Env{Getenv: func(name string) string { return variables[name] }, Out: &bytes.Buffer{}}})
		if err == nil {
			return ""
		}
		return err.Error()
	}
	good := logstest.FunctionARN("f")
	for name, c := range map[string]struct {
		variables map[string]string
		want      []string
	}{
		"none":                        {map[string]string{}, []string{"DESTINATION_ARN: is not set"}},
		"everything":                  {map[string]string{"DESTINATION_ARN": "f", "LOG_GROUP_PATTERN": "(", "LOG_GROUP_EXCLUDE": "^(?!x)", "LOG_GROUP_TAGS": "a=b,c", "FILTER_NAME": "a:b", "FILTER_PATTERN": strings.Repeat("x", 1025), "OWN_LOG_GROUPS": "a b", "PRUNE": "yes", "NUM_OF_WORKERS": "0", "EMIT_SYSTEM_FIELDS": "@aws.account,account", "FIELD_SELECTION_CRITERIA": strings.Repeat("x", 2001), "APPLY_ON_TRANSFORMED_LOGS": "1"}, []string{`EMIT_SYSTEM_FIELDS: "account" is not a system field`, "FIELD_SELECTION_CRITERIA: ", "APPLY_ON_TRANSFORMED_LOGS: ", `DESTINATION_ARN: "f" is not an ARN`, "LOG_GROUP_PATTERN: ", "LOG_GROUP_EXCLUDE: ", "no look-around", `LOG_GROUP_TAGS: "c" is not of the form key=value`, "FILTER_NAME: ", "FILTER_PATTERN: ", `OWN_LOG_GROUPS: "a b"`, "PRUNE: ", "NUM_OF_WORKERS: "}},
		"a stream":                    {map[string]string{"DESTINATION_ARN": "arn:aws:kinesis:us-east-1:123456789012:stream/x"}, []string{"ROLE_ARN: is not set"}},
		"no role":                     {map[string]string{"DESTINATION_ARN": "arn:aws:firehose:us-east-1:123456789012:deliverystream/x", "ROLE_ARN": "x"}, []string{`ROLE_ARN: "x" is not the ARN of a role`}},
		"elsewhere":                   {map[string]string{"DESTINATION_ARN": good, "AWS_REGION": "eu-west-1"}, []string{"is not in eu-west-1"}},
		"a role that does not matter": {map[string]string{"DESTINATION_ARN": good, "ROLE_ARN": "x", "LOG_GROUP_TAGS": ""}, nil},
	} {
		got := lines(c.variables)
		if c.want == nil && got != "" {
			t.Errorf("%s: %s", name, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", name, got, want)
			}
		}
	}
}

func destination(t testing.TB, arn string) subscription.Destination {
	t.Helper()
	d, err := subscription.ParseDestination(arn)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whatever comes as an event, the subscriber answers with a report that adds up
// or with an error, and never subscribes a group that its delivery writes to.
func FuzzSubscriberEvent(f *testing.F) {
	for _, event := range []string{`{}`, `null`, `{"existingLogs":"true","token":"L2E=","stalled":1}`, `{"awslogs":{}}`, `{"detail-type":"Scheduled Event"}`, created("/ecs/new", `}`),
		created("/aws/lambda/forwarder", `,"tags":{"a":"b"}}`), created("/sumoship/x/replay", `,"logGroupClass":"STANDARD"}`), created("/ecs/new", `},"errorCode":"x"`)} {
		f.Add([]byte(event))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		w := newFixture(t)
		w.many(3)
		w.Add(logstest.Group{Name: "/aws/lambda/forwarder"}, logstest.Group{Name: "/aws/lambda/subscriber"}, logstest.Group{Name: "/sumoship/x/replay"})
		w.invoke(t.Context(), string(event))
		for _, name := range w.subscribed() {
			if !strings.HasPrefix(name, "/ecs/") {
				t.Errorf("%s was subscribed", name)
			}
		}
	})
}
