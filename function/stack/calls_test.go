package stack_test

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/deploy/subscription"
	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/awstest/logstest"
	"sumoship/function/subscribe/awsapi"
	"sumoship/transform"
)

// actionOf holds the IAM actions of SDK calls whose name differs.
var actionOf = map[string]string{
	"sqs:SendMessageBatch":             "sqs:SendMessage",
	"sqs:DeleteMessageBatch":           "sqs:DeleteMessage",
	"sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
	"lambda:Invoke":                    "lambda:InvokeFunction",
}

// serviceOf holds IAM's names of services whose SDK package is called differently.
var serviceOf = map[string]string{"cloudwatchlogs": "logs"}

// action returns the IAM action that an SDK call needs.
func action(service, call string) string {
	if s, ok := serviceOf[service]; ok {
		service = s
	}
	name := service + ":" + call
	if a, ok := actionOf[name]; ok {
		return a
	}
	return name
}

// credentialServices are those from which the SDK's configuration can get credentials.
// A function gets its credentials from Lambda.
var credentialServices = []string{"sts", "sso", "ssooidc", "signin"}

var clientMethod = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/(\w+)\.\(\*Client\)\.([A-Z]\w*)$`)

// calls returns the actions that a binary can call: the linker removes SDK calls that
// cannot be reached.
func calls(t *testing.T, f *elf.File) []string {
	t.Helper()
	section := f.Section(".gopclntab")
	if section == nil {
		t.Fatal("not a Go binary")
	}
	data, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, f.Section(".text").Addr))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, fn := range table.Funcs {
		if m := clientMethod.FindStringSubmatch(fn.Name); m != nil && m[2] != "Options" && !slices.Contains(credentialServices, m[1]) {
			found[action(m[1], m[2])] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// fakeAWS is the part of AWS that the functions call. It records each call as
// "action ARN".
type fakeAWS struct {
	s        *stack
	sqs      *sqstest.Server
	dead     string           // URL of the dead-letter queue
	logs     *logstest.Server // and functions
	endpoint string           // in the stores

	mu    sync.Mutex
	calls map[string]bool
}

func (c *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in struct{ QueueUrl, Name, SecretId, LogGroupName, LogGroupIdentifier, ResourceArn string }
	json.Unmarshal(body, &in) // a missing field stays empty
	target, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	record := func(service, arn string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls[action(service, call)+" "+arn] = true
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch target {
	case "AmazonSQS":
		record("sqs", c.s.arn("sqs", in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:]))
		c.sqs.ServeHTTP(w, r)
	case "AmazonSSM":
		record("ssm", in.Name)
		json.NewEncoder(w).Encode(map[string]any{"Parameter": map[string]string{"Value": c.endpoint}})
	case "Logs_20140328":
		name := in.LogGroupName + in.LogGroupIdentifier
		if in.ResourceArn != "" {
			_, name, _ = strings.Cut(in.ResourceArn, ":log-group:")
		}
		record("logs", c.s.arn("logs", "log-group:"+name+":log-stream:")) // the form that its errors use
		c.logs.ServeHTTP(w, r)
	case "": // REST, of Lambda
		path := strings.Split(r.URL.Path, "/") // /2015-03-31/functions/ARN/configuration
		call = map[string]string{"configuration": "GetFunctionConfiguration", "invocations": "Invoke"}[path[len(path)-1]]
		record("lambda", path[len(path)-2])
		c.logs.ServeHTTP(w, r)
	case "secretsmanager":
		record("secretsmanager", in.SecretId)
		json.NewEncoder(w).Encode(map[string]string{"SecretString": c.endpoint})
	default:
		record(target, "?")
		http.Error(w, "unknown service "+target, http.StatusNotImplemented)
	}
}

// newFakeAWS returns what the functions of a stack call, with its queues, and an
// endpoint that refuses the category "refused".
func newFakeAWS(t *testing.T, s *stack) *fakeAWS {
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Sumo-Category") == "refused" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(source.Close)
	c := &fakeAWS{s: s, sqs: sqstest.New(), logs: logstest.New(), endpoint: source.URL}
	c.dead = c.sqs.Add(sqstest.Config{Name: s.name("DeadLetterQueue", "QueueName")})
	c.sqs.Add(sqstest.Config{Name: s.name("QuarantineQueue", "QueueName")})
	return c
}

// run deploys the functions of a stack and makes them do everything that they do
// with AWS. It returns their calls.
func run(t *testing.T, s *stack, bootstraps map[string]string) map[string][]string {
	t.Helper()
	c := newFakeAWS(t, s)
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	all := map[string][]string{}
	for name := range s.of("AWS::Serverless::Function") {
		c.calls = map[string]bool{}
		variables := s.variables(name)
		variables["AWS_ENDPOINT_URL"] = srv.URL
		variables["AWS_LAMBDA_FUNCTION_NAME"] = s.ref(name).(string)
		f := lambdatest.Deploy(t, bootstraps[name], variables)
		switch name {
		case "Forwarder":
			c.forward(t, f)
		case "Replay":
			c.replay(t, f)
		case "Heartbeat":
			invoke(t, f, []byte("{}"), 30*time.Second)
		case "Stream":
			invoke(t, f, batchOf(logEvents(t, "delivered"), logEvents(t, refused)), 30*time.Second)
		case "Subscriber":
			c.subscribe(t, f, variables["FILTER_NAME"])
		default:
			t.Fatalf("unknown function %s", name)
		}
		all[name] = slices.Sorted(maps.Keys(c.calls))
	}
	return all
}

func invoke(t *testing.T, f *lambdatest.Function, event []byte, timeout time.Duration) {
	t.Helper()
	if r := f.Invoke(event, timeout); r.Failed() {
		t.Fatalf("%s: %s\n%s", r.ErrorType, r.Error, f.Output())
	}
}

const refused = `{"m":1,"_sumo_metadata":{"category":"refused"}}`

// logEvents returns an event of CloudWatch Logs with these messages.
func logEvents(t *testing.T, messages ...string) []byte {
	t.Helper()
	var events []map[string]any
	for i, m := range messages {
		events = append(events, map[string]any{"id": fmt.Sprint(i), "timestamp": i, "message": m})
	}
	b, err := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": events})
	if err != nil {
		t.Fatal(err)
	}
	return transform.Pack(b)
}

func (c *fakeAWS) forward(t *testing.T, f *lambdatest.Function) {
	invoke(t, f, logEvents(t, "delivered"), 30*time.Second)
	invoke(t, f, logEvents(t, refused), 30*time.Second)
}

// replay drains a queue with one message to deliver, one to put back in part, one
// that stays, and one to quarantine.
func (c *fakeAWS) replay(t *testing.T, f *lambdatest.Function) {
	for _, body := range [][]byte{logEvents(t, "delivered"), logEvents(t, "delivered", refused), logEvents(t, refused), []byte("unreadable")} {
		text := string(body)
		if _, err := c.sqs.Client().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &c.dead, MessageBody: &text}); err != nil {
			t.Fatal(err)
		}
	}
	invoke(t, f, []byte("{}"), 30*time.Second)
}

// subscribe runs the subscriber over log groups with every outcome, and then without
// the time to finish.
func (c *fakeAWS) subscribe(t *testing.T, f *lambdatest.Function, filter string) {
	forwarder, subscriber := c.s.ref("Forwarder").(string), c.s.ref("Subscriber").(string)
	destination, err := subscription.ParseDestination(c.logs.AddFunction(forwarder, c.s.ref("ForwarderLogs").(string)))
	if err != nil {
		t.Fatal(err)
	}
	if err := awsapi.NewFunctions(c.logs.Lambda()).Permit(t.Context(), destination); err != nil {
		t.Fatal(err)
	}
	c.logs.AddFunction(subscriber, c.s.ref("SubscriberLogs").(string))
	c.logs.Add(
		logstest.Group{Name: "/ecs/web"}, // by its name
		logstest.Group{Name: "tagged", Tags: map[string]string{"ship": "yes"}},
		logstest.Group{Name: "/ecs/debug", Filters: []logstest.Filter{{Name: filter, Destination: destination.ARN}}}, // loses our filter
		logstest.Group{Name: c.s.ref("ForwarderLogs").(string)},                                                      // our own
	)
	c.logs.IgnoreTagFilters = true // so that it asks for the tags of each log group too
	invoke(t, f, []byte("{}"), 30*time.Second)

	c.logs.OnRequest(func(call logstest.Call) (fault logstest.Fault) {
		if call.Op == "DescribeLogGroups" {
			fault.Code = "ThrottlingException"
		}
		return fault
	})
	invoke(t, f, []byte("{}"), 3*time.Second)
	if n := len(c.logs.Invocations(subscriber)); n != 1 {
		t.Fatalf("%d invocations to continue, want 1\n%s", n, f.Output())
	}
}
