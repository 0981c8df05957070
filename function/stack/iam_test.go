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
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

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

// makeFunction builds a function as SAM does, and returns the path of its bootstrap.
func makeFunction(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("make", "--no-print-directory", "-C", "../..", "build-"+name, "ARTIFACTS_DIR="+dir).CombinedOutput(); err != nil {
		t.Fatalf("make build-%s: %v\n%s", name, err, out)
	}
	return filepath.Join(dir, "bootstrap")
}

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

// statements are those of the role of a function, and of policies put on it.
func (s *stack) statements(name string) []any {
	s.t.Helper()
	role := s.resources[name+"Role"]
	if role.Type != "AWS::IAM::Role" || role.Properties["ManagedPolicyArns"] != nil {
		s.t.Fatalf("%sRole: %v", name, role)
	}
	var all []any
	for _, p := range role.Properties["Policies"].([]any) {
		all = append(all, get(p, "PolicyDocument", "Statement").([]any)...)
	}
	for _, p := range s.of("AWS::IAM::Policy") {
		if slices.Contains(list(p.Properties["Roles"]), s.ref(name+"Role").(string)) {
			all = append(all, get(p.Properties, "PolicyDocument", "Statement").([]any)...)
		}
	}
	return all
}

// permissions are a statement's actions on resources, as "action ARN".
func permissions(statement any) (all []string) {
	for _, a := range list(get(statement, "Action")) {
		for _, r := range list(get(statement, "Resource")) {
			all = append(all, a+" "+r)
		}
	}
	return all
}

// grants are what the role of a function allows; that for AWS's services that
// act for it apart, as actions.
func (s *stack) grants(name string) (code, services []string) {
	s.t.Helper()
	for _, st := range s.statements(name) {
		if get(st, "Effect") != "Allow" {
			continue
		}
		for _, p := range permissions(st) {
			a, r, _ := strings.Cut(p, " ")
			service, _, _ := strings.Cut(a, ":")
			switch service {
			case "logs":
				if a != "logs:CreateLogStream" && a != "logs:PutLogEvents" {
					if name != "Subscriber" || r != s.arn("logs", "log-group:*") {
						s.t.Errorf("%s may %s %s", name, a, r)
					}
					code = append(code, p)
					continue
				}
				if r != s.attribute(name+"Logs", "Arn") {
					s.t.Errorf("%s may %s %s", name, a, r)
				}
			case "kms":
				if via := fmt.Sprint(get(st, "Condition")); !strings.Contains(via, "kms:ViaService") || !strings.Contains(r, ":key/") {
					s.t.Errorf("%s may %s %s, %s", name, a, r, via)
				}
			case "xray", "ec2":
				if r != "*" {
					s.t.Errorf("%s may %s %s: there is no such resource", name, a, r)
				}
			default:
				if strings.Contains(p, "*") {
					s.t.Errorf("%s may %s %s", name, a, r)
				}
				code = append(code, p)
				continue
			}
			services = append(services, a)
		}
	}
	slices.Sort(code)
	slices.Sort(services)
	return code, slices.Compact(services)
}

// covers tells whether a permission covers a call, both "action ARN".
func covers(permission, call string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(permission), `\*`, ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(call)
}

// used are the grants that calls need, in their order; a call that no grant
// covers, or that is denied, stands for itself.
func (s *stack) used(name string, grants, calls []string) []string {
	var denied, used []string
	for _, st := range s.statements(name) {
		if get(st, "Effect") == "Deny" {
			denied = append(denied, permissions(st)...)
		}
	}
	for _, c := range calls {
		covered := func(permission string) bool { return covers(permission, c) }
		i := slices.IndexFunc(grants, covered)
		if i < 0 {
			used = append(used, c)
			continue
		}
		// Lambda's own calls for the network are denied to code alone.
		if slices.ContainsFunc(denied, covered) {
			used = append(used, "denied: "+c)
		}
		used = append(used, grants[i])
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// list is a string or a list of them as a list.
func list(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var out []string
	for _, e := range v.([]any) {
		out = append(out, e.(string))
	}
	return out
}

// What the code calls is what the roles grant, neither less nor more: by the
// calls that the linker left in the binaries, and by those that they make.
func TestRolesGrantWhatTheCodeCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	tmpl := readTemplate(t)
	configured := map[string]*stack{}
	for name, endpoint := range map[string]map[string]string{"secret": secret, "ssm": ssm, "made": made} {
		configured[name] = tmpl.create(t, with(endpoint, "Subscription=pattern", "LogGroupPattern=^/ecs/", "LogGroupTags=ship=yes", "LogGroupExclude=debug"))
	}
	bootstraps, done := map[string]string{}, map[string]map[string]bool{}
	for name := range configured["made"].of("AWS::Serverless::Function") {
		bootstraps[name] = lambdatest.Build(t, "sumoship/function/"+strings.ToLower(name))
		done[name] = map[string]bool{}
	}
	for config, s := range configured {
		for name, calls := range run(t, s, bootstraps) {
			grants, _ := s.grants(name)
			if d := cmp.Diff(grants, s.used(name, grants, calls)); d != "" {
				t.Errorf("%s, endpoint %s: what is granted (-) and what is called (+) differ:\n%s", name, config, d)
			}
			for _, c := range calls {
				a, _, _ := strings.Cut(c, " ")
				done[name][a] = true
			}
		}
	}
	// The run above has made every call that there is in the binaries.
	for name := range bootstraps {
		f, err := elf.Open(makeFunction(t, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if d := cmp.Diff(calls(t, f), slices.Sorted(maps.Keys(done[name]))); d != "" {
			t.Errorf("%s: what the binary can call (-) and what this test made it call (+) differ:\n%s", name, d)
		}
	}
}

// The subscriber may subscribe any log group but ours: not those of this stack,
// and not those of another one.
func TestSubscriberIsDeniedOurOwn(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		if _, ok := s.resources["Subscriber"]; !ok {
			t.Skip("no subscriber")
		}
		grants, _ := s.grants("Subscriber")
		put := func(group string) string {
			return "logs:PutSubscriptionFilter " + s.arn("logs", "log-group:"+group+":log-stream:")
		}
		want, calls := []string{}, []string{put("/ecs/web"), put("sumoship"), put("/sumoship/other/forwarder")}
		for _, g := range s.of("AWS::Logs::LogGroup") {
			calls = append(calls, put(g.Properties["LogGroupName"].(string)))
		}
		for _, c := range calls[2:] {
			want = append(want, "denied: "+c)
		}
		want = append(want, "logs:PutSubscriptionFilter "+s.arn("logs", "log-group:*"))
		slices.Sort(want)
		if d := cmp.Diff(want, s.used("Subscriber", grants, calls)); d != "" {
			t.Errorf("permissions used (-want +got):\n%s", d)
		}
	})
}

// What AWS's services do in the name of a function depends on the options.
func TestRolesGrantWhatServicesNeed(t *testing.T) {
	log := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	network := []string{"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"}
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		for name := range s.of("AWS::Serverless::Function") {
			want := slices.Clone(log)
			if s.parameters["KmsKeyArn"] != "" && name != "Subscriber" {
				want = append(want, "kms:Decrypt", "kms:GenerateDataKey")
			}
			if s.parameters["SumoKmsKeyArn"] != "" && name != "Subscriber" {
				want = append(want, "kms:Decrypt")
			}
			if s.parameters["Tracing"] == "true" {
				want = append(want, "xray:PutTelemetryRecords", "xray:PutTraceSegments")
			}
			if s.parameters["SubnetIds"] != "" {
				want = append(want, network...)
			}
			slices.Sort(want)
			want = slices.Compact(want)
			_, got := s.grants(name)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: want (-), got (+):\n%s", name, d)
			}
			role := s.resources[name+"Role"].Properties
			trust := get(role, "AssumeRolePolicyDocument", "Statement").([]any)
			if len(trust) != 1 || get(trust[0], "Principal", "Service") != "lambda.amazonaws.com" || get(trust[0], "Action") != "sts:AssumeRole" {
				t.Errorf("%s trusts %v", name, trust)
			}
			if bound, _ := role["PermissionsBoundary"].(string); bound != s.parameters["PermissionsBoundaryArn"] {
				t.Errorf("%s is bounded by %q", name, bound)
			}
		}
	})
}

// Each function's rule of the Makefile makes a static arm64 bootstrap.
func TestMakeBuildsWhatIsDeployed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	for name := range readTemplate(t).create(t, with(made, "Subscription=pattern")).of("AWS::Serverless::Function") {
		f, err := elf.Open(makeFunction(t, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Machine != elf.EM_AARCH64 || f.Type != elf.ET_EXEC {
			t.Errorf("%s: %v %v", name, f.Machine, f.Type)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is linked dynamically", name)
			}
		}
	}
}
