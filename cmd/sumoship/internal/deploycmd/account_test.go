package deploycmd

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/encoding/cbor"

	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/moto"
)

// account is moto behind a front, which adds what moto lacks: it strips the templates of
// change sets (stripped), resolves the outputs of a stack that a change set makes, speaks
// the protocol of Amazon CloudWatch, and delivers the log events of the heartbeat's log
// group, as its subscription filter does.
type account struct {
	*httptest.Server
	stacks    *cloudformation.Client // these go to moto itself
	buckets   *s3.Client
	functions *lambda.Client
	logs      *cloudwatchlogs.Client
	queues    *sqs.Client
	secrets   *secretsmanager.Client

	deliver func(message string) // is told of each log event of the heartbeat's log group
	changes string               // of an update, in XML; moto names none

	mu         sync.Mutex
	changeSets []url.Values      // how they were asked for
	asked      map[string]string // parameters of the last change set
	parameters map[string]string // of the stack
	template   []byte            // of the stack, as it was deployed
	watched    string            // the rollback configuration that CloudFormation keeps
}

// strippedBucket has the templates that moto gets.
const strippedBucket = "stripped"

func startAccount(t *testing.T) *account {
	endpoint := moto.Start(t)
	clitest.SetAWS(t, endpoint)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithBaseEndpoint(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	a := &account{
		stacks: cloudformation.NewFromConfig(cfg), buckets: s3.NewFromConfig(cfg, quiet), functions: lambda.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg),
		queues: sqs.NewFromConfig(cfg), secrets: secretsmanager.NewFromConfig(cfg), deliver: func(string) {},
	}
	_, err = a.buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(strippedBucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraintEuWest1}})
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error { return a.answered(r) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { // the SDK tries a 502 again
			t.Error(err)
			w.WriteHeader(http.StatusNotImplemented)
		},
	}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(r.URL.Path, "/operation/DescribeAlarms") {
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.Header().Set("Content-Type", "application/cbor")
			_, _ = w.Write(cbor.Encode(cbor.Map{"MetricAlarms": cbor.List{cbor.Map{
				"AlarmName": cbor.String("logs-critical-LostAlarm"), "AlarmArn": cbor.String(alarmARN + "logs-critical-LostAlarm"), "StateValue": cbor.String("OK"),
			}}}))
			return
		}
		if form, err := url.ParseQuery(string(body)); err == nil {
			switch form.Get("Action") {
			case "CreateChangeSet":
				if body, err = a.created(r.Context(), form); err != nil {
					t.Error(err)
				}
			case "ExecuteChangeSet":
				if err := a.executed(r.Context()); err != nil {
					t.Error(err)
				}
			case "GetTemplate": // as it was deployed
				a.mu.Lock()
				defer a.mu.Unlock()
				fmt.Fprint(w, "<GetTemplateResponse><GetTemplateResult><TemplateBody>")
				_ = xml.EscapeText(w, a.template)
				fmt.Fprint(w, "</TemplateBody></GetTemplateResult></GetTemplateResponse>")
				return
			}
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
		var put struct {
			LogGroupName string
			LogEvents    []struct{ Message string }
		}
		if r.Header.Get("X-Amz-Target") == "Logs_20140328.PutLogEvents" && json.Unmarshal(body, &put) == nil && strings.HasSuffix(put.LogGroupName, "/heartbeat") {
			for _, e := range put.LogEvents {
				a.deliver(e.Message)
			}
		}
	}))
	t.Cleanup(a.Close)
	clitest.SetAWS(t, a.URL)
	return a
}

// created returns what moto gets instead of a request for a change set: the template
// stripped, and the values that parameters keep, as CloudFormation fills them in. moto
// takes what refers to one that is asked for so for changed, and then loses a log group,
// which it cannot update.
func (a *account) created(ctx context.Context, form url.Values) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changeSets = append(a.changeSets, form)
	out := url.Values{}
	for name, value := range form {
		if !strings.HasPrefix(name, "Parameters.") {
			out[name] = value
		}
	}
	a.asked = map[string]string{}
	for i := 1; form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", i)); i++ {
		member := fmt.Sprintf("Parameters.member.%d.", i)
		name, value := form.Get(member+"ParameterKey"), form.Get(member+"ParameterValue")
		if form.Get(member+"UsePreviousValue") == "true" {
			before, given := a.parameters[name]
			if !given {
				continue // the default
			}
			value = before
		}
		a.asked[name] = value
		to := fmt.Sprintf("Parameters.member.%d.", len(a.asked))
		out.Set(to+"ParameterKey", name)
		out.Set(to+"ParameterValue", value)
	}
	body, key, err := a.asksFor(ctx, form)
	if err != nil {
		return nil, err
	}
	if body, err = stripped(body); err != nil {
		return nil, err
	}
	if _, err := a.buckets.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(strippedBucket), Key: &key, Body: bytes.NewReader(body)}); err != nil {
		return nil, err
	}
	out.Set("TemplateURL", "https://"+strippedBucket+".s3.eu-west-1.amazonaws.com/"+key)
	return []byte(out.Encode()), nil
}

// asksFor returns the template that a change set was asked for with.
func (a *account) asksFor(ctx context.Context, form url.Values) (body []byte, key string, err error) {
	u, err := url.Parse(form.Get("TemplateURL"))
	if err != nil {
		return nil, "", err
	}
	bucket, host, _ := strings.Cut(u.Host, ".")
	if host != "s3.eu-west-1.amazonaws.com" {
		return nil, "", fmt.Errorf("a template at %s", u)
	}
	key = strings.TrimPrefix(u.Path, "/")
	out, err := a.buckets.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, "", err
	}
	defer out.Body.Close()
	body, err = io.ReadAll(out.Body)
	return body, key, err
}

// executed remembers what the last change set makes of the stack.
func (a *account) executed(ctx context.Context) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.changeSets[len(a.changeSets)-1]
	a.parameters, a.watched = a.asked, ""
	if last.Has("RollbackConfiguration.RollbackTriggers.member.1.Arn") {
		a.watched = "<RollbackConfiguration><RollbackTriggers><member><Arn>" + last.Get("RollbackConfiguration.RollbackTriggers.member.1.Arn") + "</Arn></member></RollbackTriggers></RollbackConfiguration>"
	}
	a.template, _, err = a.asksFor(ctx, last)
	return err
}

// answered adds to the descriptions of a stack and of a change set what moto does not keep.
func (a *account) answered(r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if bytes.Contains(body, []byte("<DescribeStacksResult>")) && !bytes.Contains(body, []byte("REVIEW_IN_PROGRESS")) {
		a.mu.Lock()
		defer a.mu.Unlock()
		members, err := a.outputs(r.Request.Context(), string(between(body, "<StackId>", "</StackId>")))
		if err != nil {
			return err
		}
		body = bytes.Replace(bytes.Replace(body, []byte("<Outputs/>"), nil, 1), []byte("<StackName>"), []byte("<Outputs>"+members+"</Outputs>"+a.watched+"<StackName>"), 1)
	}
	body = bytes.Replace(body, []byte("<Changes/></DescribeChangeSetResult>"), []byte("<Changes>"+a.changes+"</Changes></DescribeChangeSetResult>"), 1)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func between(text []byte, from, to string) []byte {
	_, text, _ = bytes.Cut(text, []byte(from))
	text, _, _ = bytes.Cut(text, []byte(to))
	return text
}

// outputs resolves the outputs of the stack that are a text, a resource or the ARN of a
// function.
func (a *account) outputs(ctx context.Context, stack string) (members string, err error) {
	var t struct {
		Outputs map[string]struct{ Value any }
	}
	if a.template == nil {
		return "", nil
	}
	if err := json.Unmarshal(a.template, &t); err != nil {
		return "", err
	}
	physical, err := a.physical(ctx, stack)
	for name, output := range t.Outputs {
		value := ""
		switch v := output.Value.(type) {
		case string:
			value = v
		case map[string]any:
			if ref, ok := v["Ref"].(string); ok {
				value = physical[ref]
			} else if get, ok := v["Fn::GetAtt"].([]any); ok && strings.HasSuffix(name, "Arn") && physical[get[0].(string)] != "" && !strings.Contains(name, "Queue") {
				value = "arn:aws:lambda:eu-west-1:123456789012:function:" + physical[get[0].(string)]
			}
		}
		if value != "" {
			members += "<member><OutputKey>" + name + "</OutputKey><OutputValue>" + value + "</OutputValue></member>"
		}
	}
	return members, err
}

// physical returns the names of the resources of a stack, by their logical ones.
func (a *account) physical(ctx context.Context, stack string) (map[string]string, error) {
	names := map[string]string{}
	out, err := a.stacks.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &stack})
	if err != nil {
		return nil, err
	}
	for _, r := range out.StackResources {
		names[aws.ToString(r.LogicalResourceId)] = aws.ToString(r.PhysicalResourceId)
	}
	return names, nil
}

// stripped returns a template without what moto cannot do, and nothing else is taken from
// it. Resources of other kinds that it lacks moto leaves out by itself.
func stripped(body []byte) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	resources, outputs := doc["Resources"].(map[string]any), doc["Outputs"].(map[string]any)
	for name, r := range resources {
		resource := r.(map[string]any)
		kind := resource["Type"].(string)
		// It has no alarms and no destinations, and refuses what takes an attribute of one: the
		// composite alarm, the dashboard and two outputs.
		if strings.HasPrefix(kind, "AWS::CloudWatch::") || kind == "AWS::Logs::Destination" {
			delete(resources, name)
			continue
		}
		// It deletes what has a policy that it does not know.
		if resource["DeletionPolicy"] == "RetainExceptOnCreate" {
			resource["DeletionPolicy"] = "Retain"
		}
		if kind != "AWS::Lambda::Function" {
			continue
		}
		properties, _ := resource["Properties"].(map[string]any)
		// It finds what a changed parameter changes by Ref alone, not in Fn::Sub.
		if code, ok := properties["Code"].(map[string]any); ok {
			_, rest, _ := strings.Cut(code["S3Key"].(map[string]any)["Fn::Sub"].(string), "${CodePrefix}")
			code["S3Key"] = map[string]any{"Fn::Join": []any{"", []any{map[string]any{"Ref": codePrefix}, map[string]any{"Fn::Sub": rest}}}}
		}
		// It leaves a Number in a variable a number, which no client of Lambda expects.
		environment, _ := properties["Environment"].(map[string]any)
		variables, _ := environment["Variables"].(map[string]any)
		for variable, value := range variables {
			if v, ok := value.(map[string]any); ok && v["Ref"] != nil {
				variables[variable] = map[string]any{"Fn::Sub": "${" + v["Ref"].(string) + "}"}
			}
		}
	}
	for _, output := range []string{"DashboardUrl", "DestinationArn"} {
		delete(outputs, output)
	}
	out, err := json.Marshal(doc)
	// It reads JSON as YAML, which takes it seconds each time, unless that fails at once.
	return append([]byte("\t"), out...), err
}

// report writes into the log of the forwarder.
func (a *account) report(t *testing.T, line string) {
	ctx := context.WithoutCancel(t.Context())
	physical, err := a.physical(ctx, "logs")
	if err != nil {
		t.Error(err)
		return
	}
	group := physical["ForwarderLogs"]
	for range 2 { // there may be no stream yet
		_, err := a.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: aws.String("played"), LogEvents: []logstypes.InputLogEvent{{
			Timestamp: aws.Int64(time.Now().UnixMilli()), Message: &line,
		}}})
		if err == nil {
			return
		}
		if _, err := a.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: aws.String("played")}); err != nil {
			t.Error(err)
		}
	}
	t.Error("the forwarder's report was not written")
}
