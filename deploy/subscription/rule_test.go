package subscription_test

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/subscription"
)

func TestParseDestination(t *testing.T) {
	for arn, want := range map[string]subscription.Destination{
		forwarder:           {Partition: "aws", Service: "lambda", Region: "us-east-1", Account: "123456789012", Name: "sumoship-forwarder"},
		forwarder + ":live": {Partition: "aws", Service: "lambda", Region: "us-east-1", Account: "123456789012", Name: "sumoship-forwarder", Qualifier: "live"},
		"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f:$LATEST":  {Partition: "aws-us-gov", Service: "lambda", Region: "us-gov-west-1", Account: "123456789012", Name: "f", Qualifier: "$LATEST"},
		"arn:aws-cn:kinesis:cn-north-1:123456789012:stream/logs":               {Partition: "aws-cn", Service: "kinesis", Region: "cn-north-1", Account: "123456789012", Name: "logs"},
		"arn:aws:firehose:us-east-1:123456789012:deliverystream/to-s3":         {Partition: "aws", Service: "firehose", Region: "us-east-1", Account: "123456789012", Name: "to-s3"},
		"arn:aws:logs:ap-southeast-2:123456789012:destination:central-logging": {Partition: "aws", Service: "logs", Region: "ap-southeast-2", Account: "123456789012", Name: "central-logging"},
	} {
		want.ARN = arn
		got, err := subscription.ParseDestination(arn)
		if err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
	for arn, want := range map[string]string{
		"":                                      "is not an ARN",
		"sumoship-forwarder":                    "is not an ARN (for a function: arn:aws:lambda:REGION:ACCOUNT:function:NAME)",
		"arn:aws:lambda:us-east-1:123456789012": "is not an ARN",
		"arn:aws:sqs:us-east-1:123456789012:q":  "is not a destination of CloudWatch Logs",
		"arn:aws:lambda:us-east-1:123456789012:layer:x":              "is not of the form arn:aws:lambda:REGION:ACCOUNT:function:NAME",
		"arn:aws:lambda:us-east-1:1234:function:x":                   "is not of the form",
		"arn:aws:lambda::123456789012:function:x":                    "is not of the form",
		"arn:aws:lambda:us-east-1:123456789012:function:x:y:z":       "is not of the form",
		"arn:aws:lambda:us-east-1:123456789012:function:":            "is not of the form",
		"arn:aws:kinesis:us-east-1:123456789012:stream:x":            "is not of the form arn:aws:kinesis:REGION:ACCOUNT:stream/NAME",
		"arn:aws:logs:us-east-1:123456789012:log-group:/x:*":         "is not of the form arn:aws:logs:REGION:ACCOUNT:destination:NAME",
		"arn:aws:firehose:us-east-1:123456789012:deliverystream/a/b": "is not of the form",
	} {
		if _, err := subscription.ParseDestination(arn); err == nil || !strings.Contains(err.Error(), want) || arn != "" && !strings.Contains(err.Error(), arn) {
			t.Errorf("%q: got %v, want %s", arn, err, want)
		}
	}
}

// The forms of ARNs, as regular expressions say them.
func TestParseDestinationForms(t *testing.T) {
	forms := []*regexp.Regexp{
		regexp.MustCompile(subscription.FunctionPattern),
		regexp.MustCompile(`^arn:aws(-[a-z]+)*:kinesis:[a-z]{2,}(-[a-z]+)+-[0-9]+:[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}$`),
		regexp.MustCompile(`^arn:aws(-[a-z]+)*:firehose:[a-z]{2,}(-[a-z]+)+-[0-9]+:[0-9]{12}:deliverystream/[A-Za-z0-9_.-]{1,64}$`),
		regexp.MustCompile(`^arn:aws(-[a-z]+)*:logs:[a-z]{2,}(-[a-z]+)+-[0-9]+:[0-9]{12}:destination:[^:*]{1,512}$`),
		regexp.MustCompile(`^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}$`),
	}
	w := world{rand.New(rand.NewPCG(1, 2))}
	good := 0
	for range 20_000 {
		long := func() string { return strings.Repeat("x", pick(w, 1, 64, 65, 128, 129, 140, 141, 512, 513, 576, 577)) }
		region, account := pick(w, "us-east-1", "us-gov-west-12", "eu-1", "u-s-1", "us-east-", "us--1", "US-east-1", "", "us-east1-1"), pick(w, "123456789012", "123456789012", "12345678901", "12345678901x")
		kind := pick(w, "lambda", "lambda", "kinesis", "firehose", "logs", "iam")
		if kind == "iam" {
			region = ""
		}
		prefix := map[string]string{"lambda": "function:", "kinesis": "stream/", "firehose": "deliverystream/", "logs": "destination:", "iam": "role/"}[kind]
		arn := strings.Join([]string{pick(w, "arn", "arn", "arn", "ARN"), pick(w, "aws", "aws", "aws-cn", "aws-us-gov", "aws-", "aws-US", "awsx", ""), kind, region, account,
			pick(w, prefix, prefix, prefix, "function:", "stream/", "role/", "") +
				pick(w, "f", "a_b-C9", "a.b", "a/b", "a:b", "f:$LATEST", "f:", "f:a:b", "", "é", "a*", "a+b", long(), "f:"+long())}, ":")
		want := slices.ContainsFunc(forms, func(f *regexp.Regexp) bool { return f.MatchString(arn) })
		_, err := subscription.ParseDestination(arn)
		if kind == "iam" {
			_, err = subscription.ParseRole(arn)
		}
		if (err == nil) != want {
			t.Fatalf("%s: want %v, got %v", arn, want, err)
		}
		if want {
			good++
		}
	}
	if good < 100 {
		t.Errorf("only %d ARNs were good", good)
	}
}

func TestParsers(t *testing.T) {
	for name, c := range map[string]struct {
		parse func(string) error
		good  []string
		bad   map[string]string
	}{
		"pattern": {func(s string) error { _, err := subscription.ParsePattern(s); return err },
			[]string{"", "test", "^/ecs/(web|api)$", "(?-i)X"},
			map[string]string{"(": "missing closing )", "^(?!test)": "there is no look-around in RE2, so exclude", "a{2000}": "invalid repeat count"}},
		"tag": {func(s string) error { _, err := subscription.ParseTag(s); return err },
			[]string{"a=b", "a=", "a=b=c"},
			map[string]string{"a": "is not of the form key=value", "=b": "key=value", "": "key=value"}},
		"group": {func(s string) error { _, err := subscription.ParseGroup(s); return err },
			[]string{"/aws/lambda/x", "a.b-c_d#e"},
			map[string]string{"": "not the name of a log group", "a b": "not the name", `a"b`: "not the name", strings.Repeat("x", 513): "not the name"}},
		"name": {func(s string) error { _, err := subscription.ParseName(s); return err },
			[]string{"sumoship", "our logs"},
			map[string]string{"": "not the name of a subscription filter", "a:b": "not the name", "*": "not the name", strings.Repeat("é", 513): "not the name"}},
		"filter pattern": {func(s string) error { _, err := subscription.ParseFilterPattern(s); return err },
			[]string{"", "ERROR", strings.Repeat("é", 1024)},
			map[string]string{strings.Repeat("é", 1025): "1025 characters; CloudWatch Logs takes at most 1024"}},
		"role": {func(s string) error { _, err := subscription.ParseRole(s); return err },
			[]string{"arn:aws:iam::123456789012:role/x", "arn:aws-cn:iam::123456789012:role/path/x"},
			map[string]string{"": "not the ARN of a role", "arn:aws:iam::123456789012:user/x": "not the ARN of a role", "x": "not the ARN"}},
	} {
		for _, s := range c.good {
			if err := c.parse(s); err != nil {
				t.Errorf("%s %q: %v", name, s, err)
			}
		}
		for s, want := range c.bad {
			if err := c.parse(s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: got %v, want %s", name, s, err, want)
			}
		}
	}
	if tag, _ := subscription.ParseTag(" team = a=b "); tag != (subscription.Tag{Key: "team", Value: "a=b"}) {
		t.Errorf("got %+v", tag)
	}
}

func TestPermitted(t *testing.T) {
	d := destination(t, forwarder)
	p := d.Permission()
	statement := func(effect, principal, action, conditions string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"x"},{"Sid":"s","Effect":"` + effect + `","Principal":` + principal + `,"Action":` + action + `,"Resource":"x","Condition":` + conditions + `}]}`
	}
	service := `{"Service":"logs.amazonaws.com"}`
	for name, c := range map[string]struct {
		policy string
		want   bool
	}{
		"no policy":       {"", false},
		"ours":            {statement("Allow", service, `"lambda:InvokeFunction"`, `{"StringEquals":{"AWS:SourceAccount":"123456789012"},"ArnLike":{"AWS:SourceArn":"`+p.SourceARN+`"}}`), true},
		"of the template": {statement("Allow", `{"Service":["logs.us-east-1.amazonaws.com","x"]}`, `["lambda:*"]`, `{"ArnLike":{"aws:sourcearn":["x","arn:aws:logs:us-east-1:123456789012:log-group:*:*"]}}`), true},
		"unconditional":   {statement("Allow", service, `"*"`, `{}`), true},
		"one group":       {statement("Allow", service, `"lambda:InvokeFunction"`, `{"ArnLike":{"AWS:SourceArn":"arn:aws:logs:us-east-1:123456789012:log-group:/ecs/web:*"}}`), false},
		"another account": {statement("Allow", service, `"lambda:InvokeFunction"`, `{"StringEquals":{"AWS:SourceAccount":"999999999999"}}`), false},
		"another Region":  {statement("Allow", service, `"lambda:InvokeFunction"`, `{"ArnLike":{"AWS:SourceArn":"arn:aws:logs:eu-west-1:123456789012:log-group:*"}}`), false},
		"something more":  {statement("Allow", service, `"lambda:InvokeFunction"`, `{"StringEquals":{"aws:PrincipalOrgID":"o"}}`), false},
		"not equal":       {statement("Allow", service, `"lambda:InvokeFunction"`, `{"StringNotEquals":{"AWS:SourceAccount":"123456789012"}}`), false},
		"denied":          {statement("Deny", service, `"lambda:InvokeFunction"`, `{}`), false},
		"another service": {statement("Allow", `{"Service":"events.amazonaws.com"}`, `"lambda:InvokeFunction"`, `{}`), false},
		"another action":  {statement("Allow", service, `"lambda:GetFunction"`, `{}`), false},
		"an account":      {statement("Allow", `"*"`, `"lambda:InvokeFunction"`, `{}`), false},
	} {
		got, err := d.Permitted(c.policy)
		if got != c.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	china := destination(t, "arn:aws-cn:lambda:cn-north-1:123456789012:function:f")
	if p := china.Permission(); p.Principal != "logs.amazonaws.com.cn" || p.SourceARN != "arn:aws-cn:logs:cn-north-1:123456789012:log-group:*" {
		t.Errorf("%+v", p)
	}
	for _, service := range []string{"logs.amazonaws.com.cn", "logs.amazonaws.com", "logs.cn-north-1.amazonaws.com.cn"} {
		if ok, err := china.Permitted(statement("Allow", `{"Service":"`+service+`"}`, `"lambda:InvokeFunction"`, `{}`)); !ok || err != nil {
			t.Errorf("%s: %v %v", service, ok, err)
		}
	}
	if _, err := d.Permitted("{"); err == nil {
		t.Error("no error for a policy that cannot be read")
	}
}

// A statement with our ID that permits less is in the way of ours, unless another
// statement permits what ours would.
func TestPermissionClash(t *testing.T) {
	d := destination(t, forwarder)
	const narrow = `{"Sid":"sumoship-all-log-groups","Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"lambda:InvokeFunction","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:logs:us-east-1:123456789012:log-group:/ecs/shop:*"}}}`
	const wide = `{"Sid":"theirs","Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"lambda:InvokeFunction"}`
	_, err := d.Permitted(`{"Statement":[` + narrow + `]}`)
	clash, ok := errors.AsType[*subscription.ClashError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(subscription.ClashError{Function: forwarder, StatementID: "sumoship-all-log-groups"}, *clash); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if permitted, err := d.Permitted(`{"Statement":[` + narrow + `,` + wide + `]}`); !permitted || err != nil {
		t.Errorf("%v, %v", permitted, err)
	}
}

func TestAccountPolicy(t *testing.T) {
	rule := &subscription.Rule{Destination: destination(t, forwarder), Own: []string{"/z", "/aws/lambda/sumoship-forwarder", "/a"}, Pattern: `{ $.level = "error" }`}
	want := subscription.AccountPolicy{Name: "sumoship",
		Document: `{"DestinationArn":"` + forwarder + `","FilterPattern":"{ $.level = \"error\" }"}`,
		Criteria: `LogGroupName NOT IN ["/a","/aws/lambda/sumoship-forwarder","/z"]`}
	got, err := rule.PlanAccount(nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got.Policy); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	same := want
	same.Document = `{ "FilterPattern": "{ $.level = \"error\" }", "DestinationArn": "` + forwarder + `"}`
	same.Criteria = `LogGroupName NOT IN ["/z", "/aws/lambda/sumoship-forwarder", "/a", "/a"]`
	fewer := want
	fewer.Criteria = ""
	elsewhere := want
	elsewhere.Document = strings.Replace(want.Document, forwarder, other, 1)
	named := want
	named.Name = "mine"
	for name, c := range map[string]struct {
		have        []subscription.AccountPolicy
		unsubscribe bool
		action      subscription.Action
		reason      subscription.Reason
	}{
		"none":                     {nil, false, subscription.Put, subscription.New},
		"equal":                    {[]subscription.AccountPolicy{same}, false, subscription.Skip, subscription.Already},
		"a loop":                   {[]subscription.AccountPolicy{fewer}, false, subscription.Put, subscription.Changed},
		"our name elsewhere":       {[]subscription.AccountPolicy{elsewhere}, false, subscription.Skip, subscription.NameTaken},
		"another name, same place": {[]subscription.AccountPolicy{named}, false, subscription.Skip, subscription.Delivered},
		"another":                  {[]subscription.AccountPolicy{{Name: "x", Document: "{}"}}, false, subscription.Skip, subscription.AccountTaken},
		"unreadable":               {[]subscription.AccountPolicy{{Name: "sumoship", Document: "x"}}, false, subscription.Skip, subscription.NameTaken},
		"remove":                   {[]subscription.AccountPolicy{fewer}, true, subscription.Delete, subscription.Unsubscribed},
		"remove another":           {[]subscription.AccountPolicy{elsewhere, named}, true, subscription.Skip, subscription.NotThere},
		"remove none":              {nil, true, subscription.Skip, subscription.NotThere},
	} {
		rule.Unsubscribe = c.unsubscribe
		step, err := rule.PlanAccount(c.have)
		if err != nil || step.Action != c.action || step.Reason != c.reason {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
		if step.Action == subscription.Put && step.Policy != want {
			t.Errorf("%s: puts %+v", name, step.Policy)
		}
	}

	stream := &subscription.Rule{Destination: destination(t, stream), Role: "arn:aws:iam::123456789012:role/r"}
	if s, err := stream.PlanAccount(nil); err != nil || s.Policy.Criteria != "" || !strings.Contains(s.Policy.Document, `"RoleArn":"arn:aws:iam::123456789012:role/r"`) {
		t.Errorf("%+v %v", s, err)
	}
	rule.Include = patterns(t, "x")
	if _, err := rule.PlanAccount(nil); err == nil || !strings.Contains(err.Error(), "cannot choose by patterns or tags") {
		t.Errorf("got %v", err)
	}
	rule.Include = nil
	for range 100 {
		rule.Own = append(rule.Own, "/"+strings.Repeat("x", 400)+string(rune('a'+len(rule.Own)%26))+strings.Repeat("y", len(rule.Own)))
	}
	if _, err := rule.PlanAccount(nil); err == nil || !strings.Contains(err.Error(), "takes at most 25600") {
		t.Errorf("got %v", err)
	}
}

// A policy that cannot be read is an error, and one that names nobody permits
// nothing.
func FuzzPermitted(f *testing.F) {
	for _, policy := range []string{"", "{", `{"Statement":[]}`, `{"Statement":[{"Effect":"Allow","Principal":{"Service":["logs.amazonaws.com"]},"Action":"*","Condition":{"ArnLike":{"AWS:SourceArn":"*"}}}]}`,
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":["x"],"Condition":{"StringEquals":{"AWS:SourceAccount":["123456789012"]}}}]}`} {
		f.Add(policy)
	}
	d := destination(f, forwarder)
	f.Fuzz(func(t *testing.T, policy string) {
		if ok, err := d.Permitted(policy); ok && (err != nil || !strings.Contains(policy, "logs") && !strings.Contains(policy, `\u`)) {
			t.Errorf("permitted %v, %v by %s", ok, err, policy)
		}
	})
}

func TestAccountPolicyCovers(t *testing.T) {
	d := destination(t, forwarder)
	to := func(arn string) string { return `{"DestinationArn":"` + arn + `","FilterPattern":""}` }
	for _, c := range []struct {
		policy subscription.AccountPolicy
		want   bool
	}{
		{subscription.AccountPolicy{Document: to(forwarder)}, true},
		{subscription.AccountPolicy{Document: to(forwarder + ":live"), Criteria: `LogGroupName NOT IN ["/other"]`}, true},
		{subscription.AccountPolicy{Document: to(forwarder), Criteria: `LogGroupName NOT IN ["/other", "/ecs/shop"]`}, false},
		{subscription.AccountPolicy{Document: to(other)}, false},
		{subscription.AccountPolicy{Document: "{"}, false},
		{subscription.AccountPolicy{Document: to(forwarder), Criteria: "something new"}, true},
	} {
		if got := c.policy.Covers(d, "/ecs/shop"); got != c.want {
			t.Errorf("%+v: %v", c.policy, got)
		}
	}
}
