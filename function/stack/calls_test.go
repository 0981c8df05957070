package stack_test

import (
	"bytes"
	"context"
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
	"sumoship/function/lambdatest"
	"sumoship/function/logstest"
	"sumoship/function/subscribe/awsapi"
	"sumoship/transform"
)

// actionOf is the action of IAM that a call of the SDK needs, where its name is
// another.
var actionOf = map[string]string{
	"sqs:SendMessageBatch":             "sqs:SendMessage",
	"sqs:DeleteMessageBatch":           "sqs:DeleteMessage",
	"sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
	"lambda:Invoke":                    "lambda:InvokeFunction",
}

// serviceOf is IAM's name of a service, where that of the SDK's package is
// another.
var serviceOf = map[string]string{"cloudwatchlogs": "logs"}

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

// ways are services that the SDK's configuration knows how to get credentials
// from. Lambda hands a function its credentials.
var ways = []string{"sts", "sso", "ssooidc", "signin"}

var clientMethod = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/(\w+)\.\(\*Client\)\.([A-Z]\w*)$`)

// calls are the actions that the binary can call: the linker leaves out the
// calls of the SDK that are not reached.
func calls(t *testing.T, f *elf.File) []string {
	t.Helper()
	section := f.Section(".gopclntab")
	if section == nil {
		t.Fatal("no Go binary")
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
		if m := clientMethod.FindStringSubmatch(fn.Name); m != nil && m[2] != "Options" && !slices.Contains(ways, m[1]) {
			found[action(m[1], m[2])] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// cloud is the part of AWS that the functions call. It notes each call as
// "action ARN".
type cloud struct {
	s        *stack
	sqs      *sqstest.Server
	logs     *logstest.Server // and functions
	endpoint string           // what the stores hold

	mu    sync.Mutex
	calls map[string]bool
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in struct{ QueueUrl, Name, SecretId, LogGroupName, LogGroupIdentifier, ResourceArn string }
	json.Unmarshal(body, &in) // what is not there stays empty
	target, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	note := func(service, arn string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls[action(service, call)+" "+arn] = true
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch target {
	case "AmazonSQS":
		note("sqs", c.s.arn("sqs", in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:]))
		c.sqs.ServeHTTP(w, r)
	case "AmazonSSM":
		note("ssm", in.Name)
		json.NewEncoder(w).Encode(map[string]any{"Parameter": map[string]string{"Value": c.endpoint}})
	case "Logs_20140328":
		name := in.LogGroupName + in.LogGroupIdentifier
		if in.ResourceArn != "" {
			_, name, _ = strings.Cut(in.ResourceArn, ":log-group:")
		}
		note("logs", c.s.arn("logs", "log-group:"+name+":log-stream:")) // as errors of this service name it
		c.logs.ServeHTTP(w, r)
	case "": // REST, of Lambda
		path := strings.Split(r.URL.Path, "/") // /2015-03-31/functions/ARN/configuration
		call = map[string]string{"configuration": "GetFunctionConfiguration", "invocations": "Invoke"}[path[len(path)-1]]
		note("lambda", path[len(path)-2])
		c.logs.ServeHTTP(w, r)
	case "secretsmanager":
		note("secretsmanager", in.SecretId)
		json.NewEncoder(w).Encode(map[string]string{"SecretString": c.endpoint})
	default:
		note(target, "?")
		http.Error(w, "this cloud has no "+target, http.StatusNotImplemented)
	}
}

// run deploys the functions of a stack and makes them do all that they do with
// AWS. It returns their calls.
func run(t *testing.T, s *stack, bootstraps map[string]string) map[string][]string {
	t.Helper()
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Sumo-Category") == "refused" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(source.Close)
	c := &cloud{s: s, sqs: sqstest.New(), endpoint: source.URL}
	dead := c.sqs.Add(sqstest.Config{Name: s.name("DeadLetterQueue", "QueueName")})
	c.sqs.Add(sqstest.Config{Name: s.name("QuarantineQueue", "QueueName")})
	c.logs = logstest.New()
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)

	event := func(messages ...string) []byte {
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
	refused := `{"m":1,"_sumo_metadata":{"category":"refused"}}`
	all := map[string][]string{}
	for name := range s.of("AWS::Serverless::Function") {
		c.calls = map[string]bool{}
		variables := s.variables(name)
		variables["AWS_ENDPOINT_URL"] = srv.URL
		variables["AWS_LAMBDA_FUNCTION_NAME"] = s.ref(name).(string)
		f := lambdatest.Deploy(t, bootstraps[name], variables)
		var events [][]byte
		switch name {
		case "Forwarder":
			events = [][]byte{event("delivered"), event(refused)}
		case "Replay":
			// One to deliver, one to put back in part, one that stays, one to quarantine.
			for _, body := range [][]byte{event("delivered"), event("delivered", refused), event(refused), []byte("unreadable")} {
				text := string(body)
				if _, err := c.sqs.Client().SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &dead, MessageBody: &text}); err != nil {
					t.Fatal(err)
				}
			}
			events = [][]byte{[]byte("{}")}
		case "Subscriber":
			forwarder := s.ref("Forwarder").(string)
			destination, err := subscription.ParseDestination(c.logs.AddFunction(forwarder, s.ref("ForwarderLogs").(string)))
			if err != nil {
				t.Fatal(err)
			}
			if err := awsapi.NewFunctions(c.logs.Lambda()).Permit(t.Context(), destination); err != nil {
				t.Fatal(err)
			}
			c.logs.AddFunction(s.ref(name).(string), s.ref("SubscriberLogs").(string))
			// One by its name, one by its tag, one that loses our filter, and our own.
			ours := logstest.Filter{Name: variables["FILTER_NAME"], Destination: destination.ARN}
			c.logs.Add(logstest.Group{Name: "/ecs/web"}, logstest.Group{Name: "tagged", Tags: map[string]string{"ship": "yes"}},
				logstest.Group{Name: "/ecs/debug", Filters: []logstest.Filter{ours}}, logstest.Group{Name: s.ref("ForwarderLogs").(string)})
			events = [][]byte{[]byte("{}")}
		default:
			t.Fatalf("this test does not know what %s does", name)
		}
		for _, e := range events {
			if r := f.Invoke(e, 30*time.Second); r.Failed() {
				t.Fatalf("%s: %s: %s\n%s", name, r.ErrorType, r.Error, f.Output())
			}
		}
		if name == "Subscriber" {
			// Then it has no time, and hands over.
			c.logs.OnRequest(func(call logstest.Call) (fault logstest.Fault) {
				if call.Op == "DescribeLogGroups" {
					fault.Code = "ThrottlingException"
				}
				return fault
			})
			if r := f.Invoke([]byte("{}"), 3*time.Second); r.Failed() || len(c.logs.Invocations(s.ref(name).(string))) != 1 {
				t.Fatalf("%s did not hand over: %s: %s\n%s", name, r.ErrorType, r.Error, f.Output())
			}
		}
		all[name] = slices.Sorted(maps.Keys(c.calls))
	}
	return all
}
