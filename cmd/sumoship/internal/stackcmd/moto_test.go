package stackcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/doctor"
	"sumoship/function/awstest/moto"
)

// inside is set in the process that runs beside the stack.
const inside = "SUMOSHIP_INSIDE_STACK"

// The verbs look at the stack of template.yaml, which stack.py creates on moto; then
// faults are made in it, found, and taken back.
func TestVerbsOnMoto(t *testing.T) {
	if os.Getenv(inside) != "" {
		verbsBesideStack(t)
		return
	}
	cmd := exec.Command(moto.Python(t), "../../../../testdata/template/stack.py", "with", "../../../../template.yaml",
		"SumoEndpoint=https://127.0.0.1:1/receiver/v1/http/SECRET", "Subscription=pattern", "LogGroupPattern=^/ecs/", "--", os.Args[0], "-test.run=^TestVerbsOnMoto$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") || strings.Contains(string(out), "SECRET") {
		t.Errorf("%v\n%s", err, out)
	}
}

const (
	shop = "/ecs/shop" // a log group that is shipped
	lost = "sumoship-critical-LostAlarm"
)

// world is the stack on moto, with the source that it sends to.
type world struct {
	t       *testing.T
	ctx     context.Context
	front   *front
	address string       // of the source
	status  atomic.Int32 // what the source answers
	took    chan string  // bodies that the source took
	alarms  []string     // of the stack
	topic   string

	functions *lambda.Client
	logs      *cloudwatchlogs.Client
	metrics   *cloudwatch.Client
	queues    *sqs.Client
	secrets   *secretsmanager.Client
}

// output is an output of the stack.
func output(name string) string { return os.Getenv(name) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func verbsBesideStack(t *testing.T) {
	w := newWorld(t)
	t.Run("sound", w.sound)
	t.Run("faults", w.faults)
	t.Run("tail", w.tail)
	t.Run("status", w.watch)
	t.Run("canary", w.canary)
	t.Run("broken for good", w.broken)
	w.front.check(t)
}

// newWorld makes the stack sound: with what moto does not create of the template.
func newWorld(t *testing.T) *world {
	w := &world{t: t, ctx: t.Context(), took: make(chan string, 10), front: &front{moto: os.Getenv("AWS_ENDPOINT_URL"), kept: map[string]map[string]answer{}, edits: map[string][]edit{}}}
	server := httptest.NewServer(w.front)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	w.status.Store(http.StatusOK)
	source := httptest.NewServer(http.HandlerFunc(w.source))
	t.Cleanup(source.Close)
	w.address = source.URL + "/receiver/v1/http/SECRET"

	cfg, err := awsconfig.LoadDefaultConfig(w.ctx)
	w.must(err)
	w.functions, w.logs, w.metrics = lambda.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg), cloudwatch.NewFromConfig(cfg)
	w.queues, w.secrets = sqs.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg)

	w.secret(w.address)
	w.front.change("GetFunctionConfiguration", func(a *answer) error { // stack.py leaves it a text
		a.body = regexp.MustCompile(`"Timeout": *"(\d+)"`).ReplaceAll(a.body, []byte(`"Timeout": $1`))
		return nil
	})
	w.front.set("lambda", "GetFunctionConfiguration", "", "-Forwarder-", map[string]any{
		"DeadLetterConfig": map[string]any{"TargetArn": output("DeadLetterQueueArn")}, "LoggingConfig": map[string]any{"LogGroup": output("ForwarderLogGroup")}})
	w.front.set("lambda", "GetFunctionConfiguration", "", "-Replay-", map[string]any{"LoggingConfig": map[string]any{"LogGroup": output("ReplayLogGroup")}})
	w.front.set("logs", "DescribeAccountPolicies", "", "", map[string]any{"accountPolicies": []any{}})
	topics := sns.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(w.ctx, &sns.CreateTopicInput{Name: aws.String("ops")})
	w.must(err)
	w.topic = aws.ToString(topic.TopicArn)
	w.front.change("GetTopicAttributes", func(a *answer) error { // to which moto confirms nothing
		a.body = regexp.MustCompile(`(SubscriptionsConfirmed</key>\s*<value>)\d+`).ReplaceAll(a.body, []byte("${1}1"))
		return nil
	})
	w.alarm(true, w.topic)
	w.alarms = []string{lost}
	w.front.change("ListStackResources", func(a *answer) error { // stack.py leaves them out
		more := ""
		for _, name := range w.alarms {
			more += "<member><LogicalResourceId>LostAlarm</LogicalResourceId><PhysicalResourceId>" + name + "</PhysicalResourceId><ResourceType>AWS::CloudWatch::Alarm</ResourceType></member>"
		}
		a.body = []byte(strings.Replace(string(a.body), "</StackResourceSummaries>", more+"</StackResourceSummaries>", 1))
		return nil
	})
	_, err = w.logs.CreateLogGroup(w.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(shop)})
	w.must(err)
	w.filter(shop, "sumoship", output("ForwarderArn"), "")
	w.figures(60, "Invocations", 600, "Events", 590, "Confirmed", 10, "Filtered", 12, "Heartbeat", 4, "subscriber Invocations")
	return w
}

// source is the HTTP Source.
func (w *world) source(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(r.UserAgent(), "sumoship/") {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	status := int(w.status.Load())
	if len(body) > 0 && status == http.StatusOK {
		w.took <- string(body)
	}
	rw.WriteHeader(status)
}

func (w *world) secret(text string) {
	w.t.Helper()
	_, err := w.secrets.PutSecretValue(w.ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(output("EndpointArn")), SecretString: &text})
	w.must(err)
}

func (w *world) alarm(enabled bool, actions ...string) {
	w.t.Helper()
	_, err := w.metrics.PutMetricAlarm(w.ctx, &cloudwatch.PutMetricAlarmInput{AlarmName: aws.String(lost), AlarmActions: actions, ActionsEnabled: &enabled, Namespace: aws.String("sumoship"),
		MetricName: aws.String("Lost"), Period: aws.Int32(300), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0), Statistic: cwtypes.StatisticSum, ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold})
	w.must(err)
	w.state(cwtypes.StateValueOk)
}

func (w *world) state(s cwtypes.StateValue) {
	w.t.Helper()
	_, err := w.metrics.SetAlarmState(w.ctx, &cloudwatch.SetAlarmStateInput{AlarmName: aws.String(lost), StateValue: s, StateReason: aws.String("Threshold crossed: 1 datapoint [12.0]")})
	w.must(err)
}

func (w *world) filter(group, name, to, pattern string) (undo func()) {
	w.t.Helper()
	_, err := w.logs.PutSubscriptionFilter(w.ctx, &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: &group, FilterName: &name, DestinationArn: &to, FilterPattern: &pattern})
	w.must(err)
	return func() { w.unfilter(group, name) }
}

func (w *world) unfilter(group, name string) {
	_, err := w.logs.DeleteSubscriptionFilter(w.ctx, &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: &group, FilterName: &name})
	w.must(err)
}

// figures adds to metrics, each after its value; the undo subtracts it.
func (w *world) figures(figures ...any) (undo func()) {
	w.t.Helper()
	own := []string{"Events", "Confirmed", "Filtered", "Heartbeat", "DeadLettered", "Lost", "Misconfigured", "GroupsFailed"}
	put := func(sign float64) {
		for i := 0; i < len(figures); i += 2 {
			name, function := figures[i+1].(string), output("ForwarderName")
			if of, ok := strings.CutPrefix(name, "subscriber "); ok {
				name, function = of, output("SubscriberName")
			}
			space, dimension := "AWS/Lambda", "FunctionName"
			if slices.Contains(own, name) {
				space, dimension = "sumoship", "function"
			}
			if name == "ApproximateAgeOfOldestMessage" {
				space, dimension, function = "AWS/SQS", "QueueName", nameOf(output("DeadLetterQueueArn"))
			}
			_, err := w.metrics.PutMetricData(w.ctx, &cloudwatch.PutMetricDataInput{Namespace: &space, MetricData: []cwtypes.MetricDatum{{MetricName: &name, Value: aws.Float64(sign * float64(figures[i].(int))),
				Timestamp: aws.Time(time.Now().Add(-time.Minute)), Dimensions: []cwtypes.Dimension{{Name: &dimension, Value: &function}}}}})
			w.must(err)
		}
	}
	put(1)
	return func() { put(-1) }
}

func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// paused sets the reserved concurrency of a function to 0.
func (w *world) paused(name string) (undo func()) {
	_, err := w.functions.PutFunctionConcurrency(w.ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: aws.Int32(0)})
	w.must(err)
	return func() {
		_, err := w.functions.DeleteFunctionConcurrency(w.ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &name})
		w.must(err)
	}
}

// variable sets a variable of the forwarder.
func (w *world) variable(name, value string) (undo func()) {
	forwarder := aws.String(output("ForwarderName"))
	c, err := w.functions.GetFunctionConfiguration(w.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: forwarder})
	w.must(err)
	put := func(value string) {
		c.Environment.Variables[name] = value
		_, err := w.functions.UpdateFunctionConfiguration(w.ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: forwarder, Environment: &lambdatypes.Environment{Variables: c.Environment.Variables}})
		if err != nil && !strings.Contains(err.Error(), "deserialization") { // the timeout is a text there too
			w.t.Fatal(err)
		}
	}
	was := c.Environment.Variables[name]
	put(value)
	return func() { put(was) }
}

// mapping changes the event source mapping of replay.
func (w *world) mapping(change func(*lambda.UpdateEventSourceMappingInput)) {
	all, err := w.functions.ListEventSourceMappings(w.ctx, &lambda.ListEventSourceMappingsInput{FunctionName: aws.String(output("ReplayName"))})
	w.must(err)
	in := &lambda.UpdateEventSourceMappingInput{UUID: all.EventSourceMappings[0].UUID}
	change(in)
	_, err = w.functions.UpdateEventSourceMapping(w.ctx, in)
	w.must(err)
}

// attribute sets an attribute of a queue.
func (w *world) attribute(url, name, value string) {
	_, err := w.queues.SetQueueAttributes(w.ctx, &sqs.SetQueueAttributesInput{QueueUrl: aws.String(output(url)), Attributes: map[string]string{name: value}})
	w.must(err)
}

func (w *world) read(url, name string) string {
	out, err := w.queues.GetQueueAttributes(w.ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(output(url)), AttributeNames: []sqsAttribute{sqsAttribute(name)}})
	w.must(err)
	return out.Attributes[name]
}

// changed changes an attribute of a queue.
func (w *world) changed(url, name, value string) (undo func()) {
	was := w.read(url, name)
	w.attribute(url, name, value)
	return func() { w.attribute(url, name, was) }
}

// waiting puts a message into the dead-letter queue, the oldest of which has that age.
// It is delayed: moto would have Lambda take it.
func (w *world) waiting(seconds int) (undo func()) {
	url := aws.String(output("DeadLetterQueueUrl"))
	_, err := w.queues.SendMessage(w.ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), DelaySeconds: 900})
	w.must(err)
	w.figures(seconds, "ApproximateAgeOfOldestMessage") // stays, of an empty queue
	return func() {
		_, err := w.queues.PurgeQueue(w.ctx, &sqs.PurgeQueueInput{QueueUrl: url})
		w.must(err)
	}
}

// found is what doctor finds, each fault once.
func (w *world) found(t *testing.T, args ...string) (faults []string, findings []doctor.Finding) {
	t.Helper()
	status, out, errs := clitest.Run(t, new(tree), nil, append([]string{"doctor", "--json"}, args...)...)
	var r doctor.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Errorf("status %d: %v\n%s%s", status, err, out, errs)
		return nil, nil
	}
	if broken := r.Count(doctor.Broken) > 0; broken != (status == cli.ExitFound) {
		t.Errorf("status %d\n%s", status, out)
	}
	for _, f := range r.Findings {
		if f.Fault == "" {
			continue
		}
		if !slices.Contains(faults, f.Fault) {
			faults = append(faults, f.Fault)
		}
		if f.Seen == "" || f.Why == "" || f.Mend == "" || strings.Contains(fmt.Sprint(f), "SECRET") || strings.Contains(strings.ReplaceAll(f.Mend, `{"endpoint`, ""), "{") {
			t.Errorf("%+v", f)
		}
	}
	return faults, r.Findings
}

func (w *world) sound(t *testing.T) {
	w.t = t
	faults, findings := w.found(t, "--log-group", shop)
	if len(faults) > 0 || len(findings) < 15 {
		t.Fatalf("a sound stack: %+v", findings)
	}
	clitest.Look{Args: "doctor --log-group " + shop, Colour: "\x1b[32m✔\x1b[0m"}.Check(t, new(tree), nil)
}

// faulty are faults in the stack on moto, each with a way to make it, and to take it
// back. Those that moto cannot hold are answers that the front changes.
var faulty = []struct {
	fault  string
	make   func(*world) (undo func())
	option []string // of doctor, beside --log-group
}{
	{"stack-unknown", nil, []string{"--stack", "nowhere"}},
	{"stack-foreign", func(w *world) func() {
		cfg, err := awsconfig.LoadDefaultConfig(w.ctx)
		w.must(err)
		_, err = cloudformation.NewFromConfig(cfg).CreateStack(w.ctx, &cloudformation.CreateStackInput{StackName: aws.String("theirs"), TemplateBody: aws.String(`{"Resources":{"T":{"Type":"AWS::SNS::Topic"}}}`)})
		w.must(err)
		return func() {}
	}, []string{"--stack", "theirs"}},
	{"stack-failed", func(w *world) func() {
		return w.front.text("DescribeStacks", "<StackStatus>CREATE_COMPLETE", "<StackStatus>UPDATE_ROLLBACK_FAILED")
	}, nil},
	{"function-failed", func(w *world) func() {
		return w.front.set("lambda", "GetFunctionConfiguration", "", "-Forwarder-", map[string]any{"State": "Failed", "StateReason": "The subnet was deleted", "StateReasonCode": "InvalidSubnet"})
	}, nil},
	{"function-failed", func(w *world) func() {
		return w.front.set("lambda", "GetFunctionConfiguration", "", "-Replay-", map[string]any{"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "The KMS key is disabled", "LastUpdateStatusReasonCode": "DisabledKMSKey"})
	}, nil},
	{"forwarder-paused", func(w *world) func() { return w.paused(output("ForwarderName")) }, nil},
	{"replay-paused", func(w *world) func() { return w.paused(output("ReplayName")) }, nil},
	{"forwarder-without-queue", func(w *world) func() {
		return w.front.set("lambda", "GetFunctionConfiguration", "", "-Forwarder-", map[string]any{"DeadLetterConfig": map[string]any{}})
	}, nil},
	{"queue-unset", func(w *world) func() { return w.variable("TASK_QUEUE_URL", "") }, nil},
	{"versions-differ", func(w *world) func() {
		w.line(output("ForwarderLogGroup"), `{"version":"v1.2.2","msg":"shipped"}`)
		w.line(output("ReplayLogGroup"), `{"version":"v1.2.3","msg":"replayed"}`)
		return func() {
			for _, group := range []string{output("ForwarderLogGroup"), output("ReplayLogGroup")} {
				_, err := w.logs.DeleteLogStream(w.ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: &group, LogStreamName: aws.String("s")})
				w.must(err)
			}
		}
	}, nil},
	{"endpoint-missing", func(w *world) func() {
		return w.variable("SUMO_ENDPOINT", "arn:aws:secretsmanager:us-east-1:123456789012:secret:nowhere")
	}, nil},
	{"endpoint-missing", func(w *world) func() { // for some days it can be restored
		_, err := w.secrets.DeleteSecret(w.ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String(output("EndpointArn"))})
		w.must(err)
		return func() {
			_, err := w.secrets.RestoreSecret(w.ctx, &secretsmanager.RestoreSecretInput{SecretId: aws.String(output("EndpointArn"))})
			w.must(err)
		}
	}, nil},
	{"endpoint-invalid", func(w *world) func() {
		w.secret("not a URL")
		return func() { w.secret(w.address) }
	}, nil},
	{"endpoint-invalid", func(w *world) func() {
		w.secret("http://collectors.sumologic.com/receiver/v1/http/SECRET")
		return func() { w.secret(w.address) }
	}, nil},
	{"endpoint-refused", func(w *world) func() { return w.answers(http.StatusUnauthorized) }, nil},
	{"endpoint-unavailable", func(w *world) func() { return w.answers(http.StatusServiceUnavailable) }, nil},
	{"permission-missing", func(w *world) func() {
		out, err := w.functions.GetPolicy(w.ctx, &lambda.GetPolicyInput{FunctionName: aws.String(output("ForwarderName"))})
		w.must(err)
		var policy struct {
			Statement []struct {
				Sid, Action string
				Principal   struct{ Service string }
				Condition   struct {
					ArnLike      map[string]string
					StringEquals map[string]string
				}
			}
		}
		w.must(json.Unmarshal([]byte(aws.ToString(out.Policy)), &policy))
		var back []*lambda.AddPermissionInput
		for _, s := range policy.Statement {
			_, err := w.functions.RemovePermission(w.ctx, &lambda.RemovePermissionInput{FunctionName: aws.String(output("ForwarderName")), StatementId: &s.Sid})
			w.must(err)
			in := &lambda.AddPermissionInput{FunctionName: aws.String(output("ForwarderName")), StatementId: &s.Sid, Action: &s.Action, Principal: &s.Principal.Service}
			for key, value := range s.Condition.ArnLike {
				if strings.EqualFold(key, "aws:SourceArn") {
					in.SourceArn = &value
				}
			}
			for key, value := range s.Condition.StringEquals {
				if strings.EqualFold(key, "aws:SourceAccount") {
					in.SourceAccount = &value
				}
			}
			back = append(back, in)
		}
		return func() {
			for _, in := range back {
				_, err := w.functions.AddPermission(w.ctx, in)
				w.must(err)
			}
		}
	}, nil},
	{"group-missing", nil, []string{"--log-group", "/ecs/nowhere"}},
	{"group-class", func(w *world) func() {
		return w.front.set("logs", "DescribeLogGroups", "logGroups", shop, map[string]any{"logGroupClass": "INFREQUENT_ACCESS"})
	}, nil},
	{"group-unsubscribed", func(w *world) func() {
		w.unfilter(shop, "sumoship")
		return func() { w.filter(shop, "sumoship", output("ForwarderArn"), "") }
	}, nil},
	{"group-unsubscribed", func(w *world) func() { // it delivers elsewhere
		w.filter(shop, "sumoship", output("ReplayArn"), "")
		return func() { w.filter(shop, "sumoship", output("ForwarderArn"), "") }
	}, nil},
	{"group-full", func(w *world) func() {
		w.filter(shop, "sumoship", output("ReplayArn"), "")
		undo := w.filter(shop, "other", output("SubscriberArn"), "")
		return func() { undo(); w.filter(shop, "sumoship", output("ForwarderArn"), "") }
	}, nil},
	{"group-filtered", func(w *world) func() {
		w.filter(shop, "sumoship", output("ForwarderArn"), "ERROR")
		return func() { w.filter(shop, "sumoship", output("ForwarderArn"), "") }
	}, nil},
	{"group-twice", func(w *world) func() { return w.filter(shop, "again", output("ForwarderArn"), "") }, nil},
	{"group-twice", func(w *world) func() {
		document, err := json.Marshal(map[string]string{"DestinationArn": output("ForwarderArn"), "FilterPattern": "", "Distribution": "ByLogStream"})
		w.must(err)
		return w.front.set("logs", "DescribeAccountPolicies", "", "", map[string]any{"accountPolicies": []any{map[string]any{"policyName": "all", "policyType": "SUBSCRIPTION_FILTER_POLICY",
			"policyDocument": string(document), "scope": "ALL", "accountId": "123456789012",
			"selectionCriteria": fmt.Sprintf("LogGroupName NOT IN [%q, %q]", output("ForwarderLogGroup"), output("ReplayLogGroup"))}}})
	}, nil},
	{"streams-filtered", func(w *world) func() { return w.variable("LOG_STREAM_PREFIX", "web/") }, nil},
	{"log-loop", func(w *world) func() {
		return w.filter(output("ForwarderLogGroup"), "all", output("ForwarderArn"), "")
	}, nil},
	{"replay-unconnected", func(w *world) func() {
		return w.front.set("lambda", "ListEventSourceMappings", "EventSourceMappings", "", map[string]any{"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:theirs"})
	}, nil},
	{"replay-off", func(w *world) func() {
		w.mapping(func(in *lambda.UpdateEventSourceMappingInput) { in.Enabled = aws.Bool(false) })
		return func() { w.mapping(func(in *lambda.UpdateEventSourceMappingInput) { in.Enabled = aws.Bool(true) }) }
	}, nil},
	{"replay-fails", func(w *world) func() {
		return w.front.set("lambda", "ListEventSourceMappings", "EventSourceMappings", "", map[string]any{"LastProcessingResult": "PROBLEM: The function execution role does not have permissions to call ReceiveMessage on SQS"})
	}, nil},
	{"replay-whole-batches", func(w *world) func() {
		w.mapping(func(in *lambda.UpdateEventSourceMappingInput) {
			in.FunctionResponseTypes = []lambdatypes.FunctionResponseType{}
		})
		return func() {
			w.mapping(func(in *lambda.UpdateEventSourceMappingInput) {
				in.FunctionResponseTypes = []lambdatypes.FunctionResponseType{lambdatypes.FunctionResponseTypeReportBatchItemFailures}
			})
		}
	}, nil},
	{"queue-waits", func(w *world) func() { return w.waiting(2 * 3600) }, nil},
	{"queue-expires", func(w *world) func() { return w.waiting(12 * 24 * 3600) }, nil},
	{"queue-visibility", func(w *world) func() { return w.changed("DeadLetterQueueUrl", "VisibilityTimeout", "30") }, nil},
	{"queue-without-quarantine", func(w *world) func() { return w.changed("DeadLetterQueueUrl", "RedrivePolicy", "") }, nil},
	{"queue-retention", func(w *world) func() {
		return w.changed("QuarantineQueueUrl", "MessageRetentionPeriod", "345600")
	}, nil},
	{"quarantined", func(w *world) func() {
		url := aws.String(output("QuarantineQueueUrl"))
		_, err := w.queues.SendMessage(w.ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
		w.must(err)
		return func() {
			_, err := w.queues.PurgeQueue(w.ctx, &sqs.PurgeQueueInput{QueueUrl: url})
			w.must(err)
		}
	}, nil},
	{"alarms-none", func(w *world) func() {
		was := w.alarms
		w.alarms = nil
		return func() { w.alarms = was }
	}, nil},
	{"alarm-on", func(w *world) func() {
		w.state(cwtypes.StateValueAlarm)
		return func() { w.state(cwtypes.StateValueOk) }
	}, nil},
	{"alarms-disabled", func(w *world) func() {
		w.alarm(false, w.topic)
		return func() { w.alarm(true, w.topic) }
	}, nil},
	{"alarms-silent", func(w *world) func() {
		w.alarm(true)
		return func() { w.alarm(true, w.topic) }
	}, nil},
	{"alarms-unheard", func(w *world) func() { // there is no such topic
		w.alarm(true, w.topic+"-gone")
		return func() { w.alarm(true, w.topic) }
	}, nil},
	{"alarms-unheard", func(w *world) func() { return w.subscriptions(0, 0) }, nil},
	{"alarms-unconfirmed", func(w *world) func() { return w.subscriptions(0, 1) }, nil},
	{"events-lost", func(w *world) func() { return w.figures(7, "Lost") }, nil},
	{"invocations-fail", func(w *world) func() { return w.figures(3, "Errors") }, nil},
	{"throttled", func(w *world) func() { return w.figures(9, "Throttles") }, nil},
	{"dead-lettering", func(w *world) func() { return w.figures(20, "DeadLettered") }, nil},
	{"source-refuses", func(w *world) func() { return w.figures(20, "Misconfigured", 20, "DeadLettered") }, nil},
	{"all-filtered", func(w *world) func() { return w.figures(590, "Filtered", -590, "Confirmed") }, nil},
	{"nothing-arrives", func(w *world) func() { return w.figures(-588, "Events", -588, "Confirmed", -10, "Filtered") }, nil},
	{"heartbeat-silent", func(w *world) func() { return w.figures(-12, "Heartbeat") }, nil},
	{"subscriber-fails", func(w *world) func() { return w.figures(2, "subscriber Errors") }, nil},
	{"subscriber-fails", func(w *world) func() { return w.figures(2, "subscriber GroupsFailed") }, nil},
	{"subscriber-idle", func(w *world) func() { return w.figures(-4, "subscriber Invocations") }, nil},
	{"not-seen", func(w *world) func() {
		return w.front.refuse("DescribeAlarms", "AccessDenied", "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: cloudwatch:DescribeAlarms on resource: *")
	}, nil},
}

// Each fault is found, and nothing else is; the stack is sound again after it.
func (w *world) faults(t *testing.T) {
	w.t = t
	known := map[string]bool{"function-missing": true, "queue-missing": true} // see broken
	for _, c := range faulty {
		var undo func()
		if c.make != nil {
			undo = c.make(w)
		}
		faults, findings := w.found(t, append([]string{"--log-group", shop}, c.option...)...)
		if diff := cmp.Diff([]string{c.fault}, faults); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%+v", c.fault, diff, findings)
		}
		known[c.fault] = true
		if undo != nil {
			undo()
		}
	}
	w.sound(t)
	for _, topic := range doctor.Topics() {
		for _, f := range topic.Faults {
			if !known[f.ID] {
				t.Errorf("no fault %s is made", f.ID)
			}
		}
	}
}

// What is deleted does not come back.
func (w *world) broken(t *testing.T) {
	w.t = t
	_, err := w.functions.DeleteFunction(w.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(output("SubscriberName"))})
	w.must(err)
	if faults, findings := w.found(t); !cmp.Equal(faults, []string{"function-missing"}) {
		t.Errorf("%v: %+v", faults, findings)
	}
	_, err = w.queues.DeleteQueue(w.ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String(output("DeadLetterQueueUrl"))})
	w.must(err)
	if faults, findings := w.found(t); !cmp.Equal(faults, []string{"queue-missing", "function-missing"}) {
		t.Errorf("%v: %+v", faults, findings)
	}
}

// answers lets the source answer with a status.
func (w *world) answers(status int32) (undo func()) {
	w.status.Store(status)
	return func() { w.status.Store(http.StatusOK) }
}

// subscriptions sets how many subscriptions the topic has.
func (w *world) subscriptions(confirmed, pending int) (undo func()) {
	return w.front.change("GetTopicAttributes", func(a *answer) error {
		text := regexp.MustCompile(`(SubscriptionsConfirmed</key>\s*<value>)\d+`).ReplaceAllString(string(a.body), fmt.Sprint("${1}", confirmed))
		a.body = []byte(regexp.MustCompile(`(SubscriptionsPending</key>\s*<value>)\d+`).ReplaceAllString(text, fmt.Sprint("${1}", pending)))
		return nil
	})
}

// line writes a line into the log group of a function.
func (w *world) line(group, message string) {
	cfg, err := awsconfig.LoadDefaultConfig(w.ctx)
	w.must(err)
	w.must(doctor.LogsFromAWS(cfg).Put(w.ctx, group, "s", message, time.Now()))
}
