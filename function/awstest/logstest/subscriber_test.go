package logstest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/deploy/subscription"
	"sumoship/function"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/awstest/logstest"
	"sumoship/function/awstest/moto"
	"sumoship/function/subscribe"
	"sumoship/function/subscribe/awsapi"
)

// The subscriber itself on moto: two pages of log groups, tags, a foreign
// filter, an event, and then the reverse.
func TestSubscriberOnMoto(t *testing.T) {
	endpoint := moto.Start(t)
	createRole(t, endpoint)
	logs, functions := clients(endpoint)
	s := service{t, logs, functions, func(name string) { createFunction(t, functions, name) }, nil}
	subscribeAll(s, logs, functions)
}

// The same on the fake, over a network: the two behave alike.
func TestSubscriberOnTheFake(t *testing.T) {
	server := logstest.New()
	srv := httptest.NewServer(server)
	t.Cleanup(srv.Close)
	logs, functions := clients(srv.URL)
	subscribeAll(service{t, logs, functions, func(name string) { server.AddFunction(name, "") }, nil}, logs, functions)
}

func subscribeAll(s service, logs *cloudwatchlogs.Client, functions *lambda.Client) {
	t := s.t
	forwarder, other := s.function("forwarder"), s.function("other")
	for i := range 55 {
		s.group(fmt.Sprint("-", i), nil)
	}
	tagged := s.group("-tagged", map[string]string{"ship": "yes"})
	shared := s.group("-7-shared", nil)
	s.ok(s.put(shared, "theirs", "", other))
	variables := map[string]string{"DESTINATION_ARN": forwarder, "AWS_LAMBDA_FUNCTION_NAME": "subscriber", "AWS_REGION": logstest.Region,
		"LOG_GROUP_PATTERN": "-[0-6]$|-7", "LOG_GROUP_TAGS": "ship=yes"}
	run := func(event string) subscribe.Report {
		t.Helper()
		var out bytes.Buffer
		f, err := subscribe.NewSubscriber(subscribe.Options{Env: function.Env{Getenv: func(name string) string { return variables[name] }, Out: &out}, LogGroups: awsapi.NewLogGroups(logs), Functions: awsapi.NewFunctions(functions)})
		s.ok(err)
		b, err := f.Invoke(t.Context(), []byte(event))
		s.ok(err)
		var r subscribe.Report
		s.ok(json.Unmarshal(b, &r))
		r.Millis = 0
		return r
	}
	want := subscribe.Report{Trigger: "hand", Seen: 57, Matched: 10, Subscribed: 10, Skipped: map[string]int{"not chosen": 47}, Pages: 2, Left: -1}
	s.equal(want, run(`{}`))
	want.Subscribed, want.Already = 0, 10
	s.equal(want, run(`{}`))
	s.equal([]string{`sumoship "" ` + forwarder, `theirs "" ` + other}, s.filters(shared))

	late := s.group("-late", map[string]string{"ship": "yes"})
	r := run(`{"detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"CreateLogGroup","requestParameters":{"logGroupName":"` + late + `","tags":{"ship":"yes"}}}}`)
	s.equal(subscribe.Report{Trigger: "group", LogGroup: late, Seen: 1, Matched: 1, Subscribed: 1, Left: -1}, r)

	// A filter that delivers elsewhere is taken over, under its name and with its
	// pattern.
	rule := &subscription.Rule{Include: []*regexp.Regexp{regexp.MustCompile("-1$|-patterned$")}}
	var err error
	rule.Destination, err = subscription.ParseDestination(forwarder)
	s.ok(err)
	rule.Replaces, err = subscription.ParseDestination(other)
	s.ok(err)
	patterned := s.group("-patterned", nil)
	s.ok(s.put(patterned, "SumoLGLBDFilter", "?ERROR ?WARN", other))
	for range 2 { // the second time nothing is left to do
		take := &subscribe.Subscriptions{Rule: rule, Groups: awsapi.NewLogGroups(logs)}
		plan, err := take.Plan(t.Context())
		s.ok(err)
		for _, o := range take.Apply(t.Context(), plan) {
			s.ok(o.Err)
		}
		s.equal([]string{`SumoLGLBDFilter "?ERROR ?WARN" ` + forwarder}, s.filters(patterned))
	}

	rule.Replaces, rule.Include, rule.Unsubscribe = subscription.Destination{}, nil, true
	reverse := &subscribe.Subscriptions{Rule: rule, Groups: awsapi.NewLogGroups(logs)}
	plan, err := reverse.Plan(t.Context())
	s.ok(err)
	for _, o := range reverse.Apply(t.Context(), plan) {
		s.ok(o.Err)
	}
	s.equal([]string(nil), s.filters(tagged))
	s.equal([]string{`theirs "" ` + other}, s.filters(shared))
}

// The shipped binary, run as Lambda runs it.
func TestBootstrapSubscribes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	server := logstest.New()
	srv := httptest.NewServer(server)
	t.Cleanup(srv.Close)
	forwarder := server.AddFunction("forwarder", "")
	d, err := subscription.ParseDestination(forwarder)
	if err != nil {
		t.Fatal(err)
	}
	if err := awsapi.NewFunctions(server.Lambda()).Permit(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	server.Add(logstest.Group{Name: "/ecs/web"}, logstest.Group{Name: "/aws/lambda/sumoship-test"}) // the latter is its own
	bootstrap := lambdatest.Build(t, "sumoship/function/subscriber")
	f := lambdatest.Deploy(t, bootstrap, map[string]string{"DESTINATION_ARN": forwarder, "AWS_ENDPOINT_URL": srv.URL})
	r := f.Invoke([]byte(`{"detail-type":"Scheduled Event"}`), 20*time.Second)
	var report subscribe.Report
	if err := json.Unmarshal(r.Payload, &report); err != nil || report.Subscribed != 1 || report.Skipped["our own"] != 1 {
		t.Errorf("%v: %s %s %s\n%s", err, r.Payload, r.ErrorType, r.Error, f.Output())
	}
	if r := f.Invoke([]byte(`{"awslogs":{"data":"x"}}`), 20*time.Second); !r.Failed() {
		t.Errorf("%s", r.Payload)
	}
	if r := lambdatest.Deploy(t, bootstrap, nil).Invoke([]byte(`{}`), 5*time.Second); r.ErrorType != "Runtime.ExitError" {
		t.Errorf("without variables: %+v", r)
	}
}
