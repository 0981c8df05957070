package logstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"sumoship/function/awstest/logstest"
	"sumoship/function/awstest/moto"
)

// TestContract holds the fake, without and with a network, and moto to the same
// cases: the fake stays honest as long as the three agree.
func TestContract(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := logstest.New()
					c.check(service{t, s.Logs(), s.Lambda(), func(name string) { s.AddFunction(name, "") }, s.AddEvents})
				})
			})
		}
	})
	t.Run("http", func(t *testing.T) {
		s := logstest.New()
		srv := httptest.NewServer(s)
		t.Cleanup(srv.Close)
		logs, functions := clients(srv.URL)
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				c.check(service{t, logs, functions, func(name string) { s.AddFunction(name, "") }, s.AddEvents})
			})
		}
	})
	t.Run("moto", func(t *testing.T) {
		endpoint := moto.Start(t)
		logs, functions := clients(endpoint)
		createRole(t, endpoint)
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				if c.notMoto != "" {
					t.Skip("moto 5.2.1 " + c.notMoto)
				}
				c.check(service{t, logs, functions, func(name string) { createFunction(t, functions, name) }, nil})
			})
		}
	})
}

func clients(endpoint string) (*cloudwatchlogs.Client, *lambda.Client) {
	anybody := credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")
	return cloudwatchlogs.New(cloudwatchlogs.Options{Region: logstest.Region, Credentials: anybody, HTTPClient: http.DefaultClient, BaseEndpoint: &endpoint, RetryMaxAttempts: 1}),
		lambda.New(lambda.Options{Region: logstest.Region, Credentials: anybody, HTTPClient: http.DefaultClient, BaseEndpoint: &endpoint, RetryMaxAttempts: 1})
}

// service is what a case is held against. Cases share it, so their names differ.
type service struct {
	t *testing.T
	*cloudwatchlogs.Client
	functions   *lambda.Client
	addFunction func(name string)
	addEvents   func(group string, events []logstest.Event) // nil: PutLogEvents can
}

func (s service) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// fails fails the case unless err has the code and its message the text.
func (s service) fails(err error, code, text string) {
	s.t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		s.t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func (s service) equal(want, got any) {
	s.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("differs (-want +got):\n%s", d)
	}
}

// name is one that no other case has.
func (s service) name(suffix string) string {
	return strings.ReplaceAll(path.Base(s.t.Name()), " ", "-") + suffix
}

func (s service) group(suffix string, tags map[string]string) string {
	s.t.Helper()
	name := "/" + s.name(suffix)
	_, err := s.CreateLogGroup(s.t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, Tags: tags})
	s.ok(err)
	return name
}

// function creates a function that CloudWatch Logs may call for all groups.
func (s service) function(suffix string) (arn string) {
	s.t.Helper()
	name := s.name(suffix)
	s.addFunction(name)
	s.ok(s.permit(name, "all"))
	return logstest.FunctionARN(name)
}

func (s service) permit(function, id string) error {
	_, err := s.functions.AddPermission(s.t.Context(), &lambda.AddPermissionInput{FunctionName: &function, StatementId: &id, Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("logs.amazonaws.com"), SourceAccount: aws.String(logstest.Account), SourceArn: aws.String("arn:aws:logs:us-east-1:123456789012:log-group:*")})
	return err
}

func (s service) put(group, filter, pattern, destination string) error {
	_, err := s.PutSubscriptionFilter(s.t.Context(), &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: &group, FilterName: &filter, FilterPattern: &pattern, DestinationArn: &destination})
	return err
}

// filters are those of a group, as NAME PATTERN DESTINATION.
func (s service) filters(group string) []string {
	s.t.Helper()
	out, err := s.DescribeSubscriptionFilters(s.t.Context(), &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &group})
	s.ok(err)
	var all []string
	for _, f := range out.SubscriptionFilters {
		if *f.LogGroupName != group {
			s.t.Errorf("a filter of %s in %s", *f.LogGroupName, group)
		}
		all = append(all, fmt.Sprintf("%s %q %s", *f.FilterName, *f.FilterPattern, *f.DestinationArn))
	}
	slices.Sort(all)
	return all
}

var contract = []struct {
	name    string
	notMoto string // why moto cannot
	check   func(service)
}{
	{name: "log groups come page by page", check: func(s service) {
		var want []string
		for i := range 7 {
			want = append(want, s.group(fmt.Sprint(i), nil))
		}
		var got []string
		pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(s, &cloudwatchlogs.DescribeLogGroupsInput{Limit: aws.Int32(3), LogGroupNamePrefix: aws.String("/" + s.name(""))})
		n := 0
		for ; pages.HasMorePages(); n++ {
			out, err := pages.NextPage(s.t.Context())
			s.ok(err)
			for _, g := range out.LogGroups {
				got = append(got, *g.LogGroupName)
				s.equal("arn:aws:logs:us-east-1:123456789012:log-group:"+*g.LogGroupName+":*", *g.Arn)
			}
		}
		s.equal(want, got)
		s.equal(3, n)
	}},
	{name: "a page has at most 50", check: func(s service) {
		_, err := s.DescribeLogGroups(s.t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{Limit: aws.Int32(51)})
		s.fails(err, "InvalidParameterException", "limit")
	}},
	{name: "a class of its own", notMoto: "does not return the class", check: func(s service) {
		name := "/" + s.name("")
		_, err := s.CreateLogGroup(s.t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, LogGroupClass: types.LogGroupClassInfrequentAccess})
		s.ok(err)
		out, err := s.DescribeLogGroups(s.t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
		s.ok(err)
		s.equal(types.LogGroupClassInfrequentAccess, out.LogGroups[0].LogGroupClass)
		s.fails(s.put(name, "f", "", s.function("f")), "InvalidParameterException", "INFREQUENT_ACCESS")
	}},
	{name: "a log group twice", check: func(s service) {
		name := s.group("", nil)
		_, err := s.CreateLogGroup(s.t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
		s.fails(err, "ResourceAlreadyExistsException", "already exists")
	}},
	{name: "retention", check: func(s service) {
		name := s.group("", nil)
		days := func() *int32 {
			s.t.Helper()
			out, err := s.DescribeLogGroups(s.t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
			s.ok(err)
			return out.LogGroups[0].RetentionInDays
		}
		s.equal((*int32)(nil), days())
		for _, n := range []int32{30, 7} {
			_, err := s.PutRetentionPolicy(s.t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &name, RetentionInDays: &n})
			s.ok(err)
			s.equal(&n, days())
		}
		none := "/none"
		_, err := s.PutRetentionPolicy(s.t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &none, RetentionInDays: aws.Int32(7)})
		s.fails(err, "ResourceNotFoundException", "log group does not exist")
	}},
	{name: "a retention that is not offered", notMoto: "takes any", check: func(s service) {
		_, err := s.PutRetentionPolicy(s.t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String(s.group("", nil)), RetentionInDays: aws.Int32(31)})
		s.fails(err, "InvalidParameterException", "retentionInDays")
	}},
	{name: "tags", check: func(s service) {
		for suffix, want := range map[string]map[string]string{"a": {"ship": "yes", "team": ""}, "b": {}} {
			name := s.group(suffix, want)
			out, err := s.ListTagsForResource(s.t.Context(), &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: aws.String("arn:aws:logs:us-east-1:123456789012:log-group:" + name)})
			s.ok(err)
			s.equal(want, out.Tags)
		}
	}},
	{name: "a filter is made and changed and removed", check: func(s service) {
		group, f := s.group("", nil), s.function("f")
		s.equal([]string(nil), s.filters(group))
		s.ok(s.put(group, "ours", "", f))
		s.ok(s.put(group, "ours", "ERROR", f))
		s.equal([]string{`ours "ERROR" ` + f}, s.filters(group))
		in := &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: &group, FilterName: aws.String("ours")}
		_, err := s.DeleteSubscriptionFilter(s.t.Context(), in)
		s.ok(err)
		s.equal([]string(nil), s.filters(group))
		_, err = s.DeleteSubscriptionFilter(s.t.Context(), in)
		s.fails(err, "ResourceNotFoundException", "subscription filter does not exist")
	}},
	{name: "what a put leaves out is reset", notMoto: "drops the options of a filter", check: func(s service) {
		group, f := s.group("", nil), s.function("f")
		in := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: &group, FilterName: aws.String("ours"), FilterPattern: aws.String(""), DestinationArn: &f,
			EmitSystemFields: []string{"@aws.account", "@source.log"}, FieldSelectionCriteria: aws.String(`@aws.region = "eu-west-1"`), ApplyOnTransformedLogs: true, Distribution: types.DistributionRandom}
		have := func() types.SubscriptionFilter {
			s.t.Helper()
			out, err := s.DescribeSubscriptionFilters(s.t.Context(), &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &group})
			s.ok(err)
			return out.SubscriptionFilters[0]
		}
		_, err := s.PutSubscriptionFilter(s.t.Context(), in)
		s.ok(err)
		got := have()
		s.equal(in.EmitSystemFields, got.EmitSystemFields)
		s.equal(in.FieldSelectionCriteria, got.FieldSelectionCriteria)
		s.equal(true, got.ApplyOnTransformedLogs)
		s.equal(types.DistributionRandom, got.Distribution)
		s.ok(s.put(group, "ours", "ERROR", f))
		got = have()
		s.equal([]string(nil), got.EmitSystemFields)
		s.equal((*string)(nil), got.FieldSelectionCriteria)
		s.equal(false, got.ApplyOnTransformedLogs)
		s.equal(types.DistributionByLogStream, got.Distribution)
		in.EmitSystemFields = []string{"account"}
		_, err = s.PutSubscriptionFilter(s.t.Context(), in)
		s.fails(err, "InvalidParameterException", "account")
		in.EmitSystemFields, in.FieldSelectionCriteria = nil, aws.String(strings.Repeat("x", 2001))
		_, err = s.PutSubscriptionFilter(s.t.Context(), in)
		s.fails(err, "InvalidParameterException", "fieldSelectionCriteria")
	}},
	{name: "log groups by tag", notMoto: "has no ListLogGroups", check: func(s service) {
		key := s.name("")
		prod := s.group("-prod", map[string]string{key: "Prod-1"})
		test := s.group("-test", map[string]string{key: "test", "of": key})
		s.group("-none", nil)
		for _, c := range []struct {
			values []string
			want   []string
		}{
			{[]string{"test"}, []string{test}}, {[]string{"Test"}, nil}, {nil, []string{prod, test}}, {[]string{"Prod-1", "test"}, []string{prod, test}},
			{[]string{"prod*"}, []string{prod}}, {[]string{"!test"}, []string{prod}},
		} {
			in := &cloudwatchlogs.ListLogGroupsInput{Limit: aws.Int32(1), LogGroupTags: []types.TagFilter{{Key: &key, Values: c.values}}}
			var got []string
			for {
				out, err := s.ListLogGroups(s.t.Context(), in)
				s.ok(err)
				for _, g := range out.LogGroups {
					got = append(got, *g.LogGroupName)
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
			}
			s.equal(c.want, got)
		}
		out, err := s.ListLogGroups(s.t.Context(), &cloudwatchlogs.ListLogGroupsInput{LogGroupTags: []types.TagFilter{{Key: &key, Values: []string{"test"}}, {Key: aws.String("of"), Values: []string{"x"}}}})
		s.ok(err)
		s.equal(0, len(out.LogGroups))
	}},
	{name: "log events in a time", check: func(s service) {
		group := s.group("", nil)
		if s.addEvents == nil { // moto
			_, err := s.CreateLogStream(s.t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: aws.String("s")})
			s.ok(err)
		}
		now := time.Now().Add(-time.Hour).UnixMilli() // moto and the service refuse what is old
		var events []logstest.Event
		for i := range int64(5) {
			events = append(events, logstest.Event{ID: fmt.Sprint(i), Stream: "s", Message: fmt.Sprint("m", i), Timestamp: now + i})
		}
		if s.addEvents != nil {
			s.addEvents(group, events)
		} else {
			var in []types.InputLogEvent
			for _, e := range events {
				in = append(in, types.InputLogEvent{Message: &e.Message, Timestamp: &e.Timestamp})
			}
			_, err := s.PutLogEvents(s.t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: aws.String("s"), LogEvents: in})
			s.ok(err)
		}
		var got []string
		in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(now + 1), EndTime: aws.Int64(now + 3), Limit: aws.Int32(2)}
		for pages := 0; ; pages++ {
			out, err := s.FilterLogEvents(s.t.Context(), in)
			s.ok(err)
			for _, e := range out.Events {
				got = append(got, fmt.Sprintf("%s %d %s", *e.LogStreamName, *e.Timestamp-now, *e.Message))
				if *e.EventId == "" {
					s.t.Error("no event id")
				}
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				s.equal(1, pages)
				break
			}
		}
		s.equal([]string{"s 1 m1", "s 2 m2", "s 3 m3"}, got)
		none := "/none"
		_, err := s.FilterLogEvents(s.t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &none})
		s.fails(err, "ResourceNotFoundException", "log group does not exist")
	}},
	{name: "two filters and no more", check: func(s service) {
		group, f := s.group("", nil), s.function("f")
		s.ok(s.put(group, "a", "", f))
		s.ok(s.put(group, "b", "", f))
		s.fails(s.put(group, "c", "", f), "LimitExceededException", "limit exceeded")
		s.equal([]string{`a "" ` + f, `b "" ` + f}, s.filters(group))
	}},
	{name: "one of two filters is changed", notMoto: "takes the change of one of two filters for a third", check: func(s service) {
		group, f := s.group("", nil), s.function("f")
		s.ok(s.put(group, "a", "", f))
		s.ok(s.put(group, "b", "", f))
		s.ok(s.put(group, "b", "ERROR", f))
		s.equal([]string{`a "" ` + f, `b "ERROR" ` + f}, s.filters(group))
	}},
	{name: "no such log group", check: func(s service) {
		s.fails(s.put("/none", "a", "", s.function("f")), "ResourceNotFoundException", "log group does not exist")
		_, err := s.DescribeSubscriptionFilters(s.t.Context(), &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String("/none")})
		s.fails(err, "ResourceNotFoundException", "log group does not exist")
		_, err = s.DeleteSubscriptionFilter(s.t.Context(), &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: aws.String("/none"), FilterName: aws.String("x")})
		s.fails(err, "ResourceNotFoundException", "log group does not exist")
	}},
	{name: "no such destination", check: func(s service) {
		s.fails(s.put(s.group("", nil), "a", "", logstest.FunctionARN("none")), "InvalidParameterException", "Could not execute the lambda function")
	}},
	{name: "a destination without permission", notMoto: "does not look at permissions", check: func(s service) {
		s.addFunction(s.name("f"))
		arn := logstest.FunctionARN(s.name("f"))
		group := s.group("", nil)
		s.fails(s.put(group, "a", "", arn), "InvalidParameterException", "Make sure you have given CloudWatch Logs permission")
		s.ok(s.permit(s.name("f"), "all"))
		s.ok(s.put(group, "a", "", arn))
	}},
	{name: "the log group of the destination", notMoto: "lets it be subscribed", check: func(s service) {
		arn := s.function("f")
		name := "/aws/lambda/" + s.name("f")
		_, err := s.CreateLogGroup(s.t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
		s.ok(err)
		s.fails(s.put(name, "a", "", arn), "InvalidParameterException", "reserved for the function logs of the destination")
	}},
	{name: "a stream needs a role", notMoto: "does not ask for a role", check: func(s service) {
		s.fails(s.put(s.group("", nil), "a", "", "arn:aws:kinesis:us-east-1:123456789012:stream/x"), "InvalidParameterException", "Role")
	}},
	{name: "a permission is added and shown and removed", check: func(s service) {
		name := s.name("f")
		s.addFunction(name)
		_, err := s.functions.GetPolicy(s.t.Context(), &lambda.GetPolicyInput{FunctionName: &name})
		s.fails(err, "ResourceNotFoundException", "")
		s.ok(s.permit(name, "all"))
		out, err := s.functions.GetPolicy(s.t.Context(), &lambda.GetPolicyInput{FunctionName: &name})
		s.ok(err)
		for _, want := range []string{`"Sid":"all"`, `"Effect":"Allow"`, `"Principal":{"Service":"logs.amazonaws.com"}`, `"Action":"lambda:InvokeFunction"`,
			`"ArnLike":{"AWS:SourceArn":"arn:aws:logs:us-east-1:123456789012:log-group:*"}`, `"StringEquals":{"AWS:SourceAccount":"123456789012"}`} {
			if !strings.Contains(strings.ReplaceAll(*out.Policy, " ", ""), strings.ReplaceAll(want, " ", "")) {
				s.t.Errorf("%s is not in %s", want, *out.Policy)
			}
		}
		remove := func() error {
			_, err := s.functions.RemovePermission(s.t.Context(), &lambda.RemovePermissionInput{FunctionName: &name, StatementId: aws.String("all")})
			return err
		}
		s.ok(remove())
		s.fails(remove(), "ResourceNotFoundException", "")
	}},
	{name: "a permission twice", notMoto: "adds it twice", check: func(s service) {
		s.function("f")
		s.fails(s.permit(s.name("f"), "all"), "ResourceConflictException", "already exists")
	}},
	{name: "no such function", check: func(s service) {
		_, err := s.functions.GetFunctionConfiguration(s.t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(logstest.FunctionARN("none"))})
		s.fails(err, "ResourceNotFoundException", "none")
		s.fails(s.permit("none", "all"), "ResourceNotFoundException", "none")
	}},
	{name: "the configuration of a function", check: func(s service) {
		out, err := s.functions.GetFunctionConfiguration(s.t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(s.function("f"))})
		s.ok(err)
		s.equal(s.name("f"), *out.FunctionName)
	}},
	{name: "the log group of a function", notMoto: "drops LoggingConfig", check: func(s service) {
		out, err := s.functions.GetFunctionConfiguration(s.t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(s.function("f"))})
		s.ok(err)
		s.equal("/aws/lambda/"+s.name("f"), *out.LoggingConfig.LogGroup)
	}},
	{name: "policies of the account", notMoto: "answers 500", check: func(s service) {
		f := s.function("f")
		put := func(name, document, criteria string) error {
			in := &cloudwatchlogs.PutAccountPolicyInput{PolicyName: &name, PolicyDocument: &document, PolicyType: types.PolicyTypeSubscriptionFilterPolicy, Scope: types.ScopeAll}
			if criteria != "" {
				in.SelectionCriteria = &criteria
			}
			_, err := s.PutAccountPolicy(s.t.Context(), in)
			return err
		}
		document := `{"DestinationArn":"` + f + `","FilterPattern":""}`
		s.fails(put("p", "{", ""), "InvalidParameterException", "JSON")
		s.fails(put("p", document, `LogGroupName IN ["a"]`), "InvalidParameterException", "criteria")
		s.fails(put("p", strings.Replace(document, f, logstest.FunctionARN("none"), 1), ""), "InvalidParameterException", "Could not execute")
		s.ok(put("p", document, ""))
		s.ok(put("p", document, `LogGroupName NOT IN ["/a","/b"]`))
		s.fails(put("q", document, ""), "LimitExceededException", "")
		out, err := s.DescribeAccountPolicies(s.t.Context(), &cloudwatchlogs.DescribeAccountPoliciesInput{PolicyType: types.PolicyTypeSubscriptionFilterPolicy})
		s.ok(err)
		s.equal(1, len(out.AccountPolicies))
		s.equal(document+` LogGroupName NOT IN ["/a","/b"]`, *out.AccountPolicies[0].PolicyDocument+" "+*out.AccountPolicies[0].SelectionCriteria)
		in := &cloudwatchlogs.DeleteAccountPolicyInput{PolicyName: aws.String("p"), PolicyType: types.PolicyTypeSubscriptionFilterPolicy}
		_, err = s.DeleteAccountPolicy(s.t.Context(), in)
		s.ok(err)
		_, err = s.DeleteAccountPolicy(s.t.Context(), in)
		s.fails(err, "ResourceNotFoundException", "")
	}},
}

func TestFaults(t *testing.T) {
	s := logstest.New()
	s.Add(logstest.Group{Name: "/g"})
	c := service{t, s.Logs(), s.Lambda(), nil, nil}
	var f logstest.Fault
	var calls []logstest.Call
	s.OnRequest(func(call logstest.Call) logstest.Fault { call.Body = nil; calls = append(calls, call); return f })

	arn := s.AddFunction("f", "/custom")
	c.ok(c.permit("f", "all"))
	f = logstest.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}
	c.fails(c.put("/g", "x", "", arn), "ThrottlingException", "Rate exceeded")
	f = logstest.Fault{DropBefore: true}
	if err := c.put("/g", "x", "", arn); err == nil || len(s.Groups()[0].Filters) != 0 {
		t.Errorf("%v, %v", err, s.Groups())
	}
	f = logstest.Fault{DropAfter: true}
	if err := c.put("/g", "x", "", arn); err == nil || len(s.Groups()[0].Filters) != 1 {
		t.Errorf("%v, %v", err, s.Groups())
	}
	f = logstest.Fault{Code: "TooManyRequestsException"}
	_, err := c.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &arn, InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(`{}`)})
	c.fails(err, "TooManyRequestsException", "told to fail")
	f = logstest.Fault{}
	_, err = c.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &arn, InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(`{"a":1}`)})
	c.ok(err)
	if got := s.Invocations("f"); len(got) != 1 || string(got[0]) != `{"a":1}` || len(s.Invocations("f")) != 0 {
		t.Errorf("invoked with %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	c.equal([]logstest.Call{{Op: "AddPermission", Name: "f", N: 1}, {Op: "PutSubscriptionFilter", Name: "/g", N: 2}, {Op: "PutSubscriptionFilter", Name: "/g", N: 3},
		{Op: "PutSubscriptionFilter", Name: "/g", N: 4}, {Op: "Invoke", Name: "f", N: 5}, {Op: "Invoke", Name: "f", N: 6}}, calls)
}

// A permission is there at once, and known to CloudWatch Logs later.
func TestPermissionDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := logstest.New()
		s.PermissionDelay = time.Second
		s.Add(logstest.Group{Name: "/g"})
		c := service{t, s.Logs(), s.Lambda(), nil, nil}
		arn := s.AddFunction("f", "")
		c.ok(c.permit("f", "all"))
		c.equal([]string{"all"}, s.Permissions("f"))
		c.fails(c.put("/g", "x", "", arn), "InvalidParameterException", "Could not execute the lambda function")
		time.Sleep(time.Second)
		c.ok(c.put("/g", "x", "", arn))
	})
}

func TestWhatIsNotKnownIsAnError(t *testing.T) {
	s := logstest.New()
	c := service{t, s.Logs(), s.Lambda(), nil, nil}
	_, err := c.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("/g")})
	c.fails(err, "UnknownOperationException", "DescribeLogStreams")
	_, err = c.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("x")})
	c.fails(err, "SerializationException", "logGroupNamePattern")
	_, err = c.functions.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("x")})
	c.fails(err, "UnknownOperationException", "")
}
