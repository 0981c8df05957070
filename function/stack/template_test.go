// Package stack_test holds template.yaml to the code that it deploys, to IAM and
// to AWS's limits. It evaluates the template's CloudFormation functions itself,
// and creates the stack on moto.
package stack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/function/subscribe"
)

// endpoint is a parameter that every stack needs, as one of these.
var (
	made   = map[string]string{"SumoEndpoint": "https://collectors.example.com/receiver/v1/http/PATH"}
	secret = map[string]string{"SumoEndpointArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:sumo-AbCdEf"}
	ssm    = map[string]string{"SumoEndpointArn": "arn:aws:ssm:us-east-1:123456789012:parameter/sumo/endpoint"}
)

// with is a set of parameters and some more, NAME=VALUE.
func with(base map[string]string, more ...string) map[string]string {
	m := maps.Clone(base)
	for _, s := range more {
		name, value, _ := strings.Cut(s, "=")
		m[name] = value
	}
	return m
}

// everything turns on all that is optional.
var everything = with(secret,
	"SumoKmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/1", "KmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/2",
	"Subscription=account", "ExcludedLogGroups=/vpc/flow,/trail", "Tracing=true", "SubnetIds=subnet-01,subnet-02", "SecurityGroupIds=sg-01",
	"AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:ops", "PermissionsBoundaryArn=arn:aws:iam::123456789012:policy/bound", "ForwarderConcurrency=50")

// subscribing is everything too, with the subscriber in place of the policy.
var subscribing = with(everything, "Subscription=pattern", "LogGroupPattern=^/ecs/", "LogGroupTags=ship=yes,team=shop", "LogGroupExclude=debug",
	"PruneSubscriptions=true", "FilterPattern=ERROR", "SubscriptionSchedule=rate(1 day)")

// configurations are stacks that differ in all that matters.
func configurations() map[string]map[string]string {
	return map[string]map[string]string{
		"endpoint made":      made,
		"endpoint in secret": secret,
		"endpoint in ssm":    ssm,
		"customer key":       with(made, "KmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/2"),
		"log group":          with(made, "Subscription=log-group", "LogGroupName=/ecs/web", "AlarmEmail=ops@example.com"),
		"account":            with(made, "Subscription=account"),
		"pattern":            with(made, "Subscription=pattern"),
		"everything":         everything,
		"subscribing":        subscribing,
		"China":              with(made, "Partition=aws-cn", "Subscription=account"),
		"China by pattern":   with(made, "Partition=aws-cn", "Subscription=pattern"),
		"GovCloud":           with(ssm, "Partition=aws-us-gov", "Subscription=account"),
	}
}

func forEachConfiguration(t *testing.T, check func(t *testing.T, s *stack)) {
	tmpl := readTemplate(t)
	for name, given := range configurations() {
		t.Run(name, func(t *testing.T) { check(t, tmpl.create(t, given)) })
	}
}

// start makes a function with an environment, as main does.
func start(name string, getenv func(string) string) error {
	env := function.Env{Getenv: getenv, Out: io.Discard}
	switch name {
	case "Forwarder":
		_, err := ship.NewForwarder(ship.Options{Env: env})
		return err
	case "Replay":
		_, err := ship.NewReplayer(ship.ReplayOptions{Options: ship.Options{Env: env}, Inbox: new(dlqtest.Queue)})
		return err
	case "Subscriber":
		_, err := subscribe.NewSubscriber(subscribe.Options{Env: env})
		return err
	}
	return fmt.Errorf("this test does not know the function %s", name)
}

// variables are the environment of a function in a stack.
func (s *stack) variables(name string) map[string]string {
	m := map[string]string{}
	for k, v := range get(s.resources[name].Properties, "Environment", "Variables").(map[string]any) {
		m[k] = fmt.Sprint(v)
	}
	return m
}

// notSet are variables that the code of a function reads and the template
// leaves alone.
var notSet = map[string]map[string]string{
	"Forwarder": {
		"SUMO_TOKEN":                  "the token is in the secret, beside the endpoint",
		"INCLUDE_SECURITY_GROUP_INFO": "has no effect yet",
		"QUARANTINE_QUEUE_URL":        "of replay; one reader of variables serves both",
		"NUM_OF_WORKERS":              "of replay, too",
	},
	"Replay": {
		"SUMO_TOKEN":                  "as with the forwarder",
		"INCLUDE_SECURITY_GROUP_INFO": "as with the forwarder",
		"SUMO_CLIENT_HEADER":          "of the forwarder; replay sends its own",
	},
	"Subscriber": {
		"NUM_OF_WORKERS":   "as many as CloudWatch Logs has calls for; the parameter is about replay",
		"DEADLINE_RESERVE": "5 s are plenty to hand over the rest; the parameter is about dead-lettering",
	},
}

// Every variable that the template sets on a function is one that the code of
// this function reads, and the other way round. Those with AWS_ are Lambda's.
func TestVariablesAreThoseOfTheCode(t *testing.T) {
	s := readTemplate(t).create(t, with(made, "Subscription=pattern"))
	functions := s.of("AWS::Serverless::Function")
	if d := cmp.Diff(slices.Sorted(maps.Keys(notSet)), slices.Sorted(maps.Keys(functions))); d != "" {
		t.Errorf("functions that this test knows (-) and those of the template (+) differ:\n%s", d)
	}
	for name := range functions {
		variables, reads := s.variables(name), map[string]bool{}
		err := start(name, func(v string) string {
			reads[v] = true
			return variables[v]
		})
		if err != nil {
			t.Errorf("%s does not start with the defaults: %v", name, err)
		}
		for v := range variables {
			if !reads[v] {
				t.Errorf("%s: %s is set, and the code does not read it", name, v)
			}
		}
		for v := range reads {
			_, set := variables[v]
			if _, exempt := notSet[name][v]; !set && !exempt && !strings.HasPrefix(v, "AWS_") {
				t.Errorf("%s: %s is read by the code, and not set", name, v)
			}
		}
		for v, why := range notSet[name] {
			if _, set := variables[v]; set || !reads[v] {
				t.Errorf("%s: %s is no exception any more (%s)", name, v, why)
			}
		}
	}
}

// Replay sends what the forwarder could not as the forwarder would have: what
// is set on both is the same.
func TestReplayShipsAsTheForwarderDoes(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		replay, both := s.variables("Replay"), 0
		for v, value := range s.variables("Forwarder") {
			if other, ok := replay[v]; ok {
				both++
				if other != value {
					t.Errorf("%s: the forwarder has %q, replay %q", v, value, other)
				}
			} else if v != "SUMO_CLIENT_HEADER" {
				t.Errorf("%s is not set on replay", v)
			}
		}
		if both < 20 {
			t.Errorf("only %d variables are set on both", both)
		}
	})
}

// parametersOf maps the variables of the functions to the parameters that they
// are.
func parametersOf(t *testing.T, tmpl template) map[string]string {
	m := map[string]string{}
	add := func(variables any) {
		v, _ := variables.(map[string]any)
		for name, value := range v {
			if p, ok := get(value, "Ref").(string); ok && tmpl.section("Parameters")[p] != nil {
				m[name] = p
			}
		}
	}
	for _, r := range tmpl.section("Resources") {
		add(get(r, "Properties", "Environment", "Variables"))
	}
	if len(m) < 20 {
		t.Fatalf("only %d variables are parameters: %v", len(m), m)
	}
	return m
}

// narrower are parameters whose bounds are within those of the code on purpose.
var narrower = map[string]string{"DeadLetterDelay": "the pause of the loop that RecursiveLoop allows"}

// What the template's constraints let pass the functions take, at both ends,
// and what they keep out the functions refuse too.
func TestConstraintsAreThoseOfTheCode(t *testing.T) {
	tmpl := readTemplate(t)
	for variable, parameter := range parametersOf(t, tmpl) {
		p := tmpl.section("Parameters")[parameter].(map[string]any)
		starts := func(value string) error {
			s := tmpl.create(t, with(made, "Subscription=pattern", parameter+"="+value))
			var errs []error
			for name := range s.of("AWS::Serverless::Function") {
				variables := s.variables(name)
				if _, ok := variables[variable]; !ok {
					continue
				}
				if err := start(name, func(v string) string { return variables[v] }); err != nil {
					errs = append(errs, err)
				}
			}
			if len(errs) > 0 {
				return errs[0]
			}
			return nil
		}
		allowed, _ := p["AllowedValues"].([]any)
		for _, v := range append([]any{p["Default"]}, allowed...) {
			if err := starts(fmt.Sprint(v)); err != nil {
				t.Errorf("%s=%v: %v", parameter, v, err)
			}
		}
		if p["Type"] != "Number" {
			continue
		}
		for bound, beyond := range map[string]int{"MinValue": -1, "MaxValue": 1} {
			n, ok := p[bound].(int)
			if !ok {
				t.Errorf("%s has no %s", parameter, bound)
				continue
			}
			if err := starts(strconv.Itoa(n)); err != nil {
				t.Errorf("%s: the code does not take its %s %d: %v", parameter, bound, n, err)
			}
			err := starts(strconv.Itoa(n + beyond))
			if _, exempt := narrower[parameter]; err == nil && !exempt {
				t.Errorf("%s: the code takes %d, beyond its %s", parameter, n+beyond, bound)
			}
			if err != nil && !strings.Contains(err.Error(), variable) {
				t.Errorf("%s: the error does not name %s: %v", parameter, variable, err)
			}
		}
	}
}

// The defaults are those that the README gives, and every variable of the
// README is in the template.
func TestDefaultsAreThoseOfTheReadme(t *testing.T) {
	tmpl := readTemplate(t)
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	parameters := parametersOf(t, tmpl)
	s := tmpl.create(t, with(made, "Subscription=pattern"))
	set := map[string]bool{}
	for name := range s.of("AWS::Serverless::Function") {
		for v := range s.variables(name) {
			set[v] = true
		}
	}
	// Those that the template needs none of.
	needless := map[string]string{
		"ENCODING": "ignored", "ROLE_ARN": "the destination is a function",
		"SUMO_TOKEN": notSet["Forwarder"]["SUMO_TOKEN"],
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| ([^|]*) \\|")
	rows := row.FindAllStringSubmatch(string(b), -1)
	if len(rows) < 20 {
		t.Fatalf("the README has %d variables", len(rows))
	}
	for _, m := range rows {
		variable, want := m[1], strings.TrimSpace(m[2])
		parameter, ok := parameters[variable]
		if !ok {
			if _, exempt := needless[variable]; !set[variable] && !exempt {
				t.Errorf("%s is in the README and not in the template", variable)
			}
			continue
		}
		value, literal := strings.CutPrefix(want, "`")
		if !literal {
			continue // told in words
		}
		if got := s.parameters[parameter]; got != strings.TrimSuffix(value, "`") {
			t.Errorf("%s: default %q, in the README %q", parameter, got, want)
		}
	}
}

// The README lists the parameters that are no variables, with their defaults.
func TestParametersAreThoseOfTheReadme(t *testing.T) {
	tmpl := readTemplate(t)
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	variables := slices.Collect(maps.Values(parametersOf(t, tmpl)))
	listed := map[string]bool{}
	word := regexp.MustCompile("`([^`]+)`")
	for _, m := range regexp.MustCompile("(?m)^\\| (`[A-Z][a-z][^|]*)\\|([^|]*)\\|").FindAllStringSubmatch(string(b), -1) {
		names, defaults := word.FindAllStringSubmatch(m[1], -1), word.FindAllStringSubmatch(m[2], -1)
		for i, n := range names {
			p := tmpl.section("Parameters")[n[1]]
			if p == nil {
				t.Errorf("the README has the parameter %s", n[1])
				continue
			}
			listed[n[1]] = true
			got, want := fmt.Sprint(get(p, "Default")), ""
			if len(defaults) == len(names) {
				want = defaults[i][1]
			} else if len(defaults) > 0 {
				t.Errorf("%s has %d defaults", m[1], len(defaults))
			}
			if got != want {
				t.Errorf("%s: default %q, in the README %q", n[1], got, want)
			}
		}
	}
	for name := range tmpl.section("Parameters") {
		if !listed[name] && !slices.Contains(variables, name) {
			t.Errorf("%s is not in the README", name)
		}
	}
}

// What cannot work is refused by a pattern or a rule, which names it.
func TestBadParametersAreRefused(t *testing.T) {
	tmpl := readTemplate(t)
	for _, c := range []struct{ parameter, bad, good string }{
		{"SumoEndpoint", "http://collectors.example.com/x", "https://collectors.example.com/receiver/v1/http/ZaVnC4dhaV=="},
		{"SumoEndpoint", `https://a/","token":"x`, ""},
		{"SumoEndpoint", `https://a/\`, "https://[::1]:8443/x?y=z"},
		{"SumoToken", `a"b`, "SVaG1t+/=_-."},
		{"SumoToken", "a b", ""},
		{"SumoEndpointArn", "arn:aws:secretsmanager:us-east-1:123456789012:secret:sumo", secret["SumoEndpointArn"]},
		{"SumoEndpointArn", "arn:aws:ssm:us-east-1:123456789012:parameter/a:3", ssm["SumoEndpointArn"]},
		{"SumoEndpointArn", "arn:aws:s3:::bucket", "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a"},
		{"Subscription", "all", "account"},
		{"Subscription", "subscriber", "pattern"},
		{"LogGroupPattern", "^(?!/aws/)", "^/ecs/(web|api)$|^/aws/lambda/(?<name>shop)"},
		{"LogGroupPattern", "(?<=/ecs/)web", "(?-i)Shop"},
		{"LogGroupPattern", " ", "."},
		{"LogGroupExclude", "a(?=b)", "(?:debug|test)"},
		{"LogGroupExclude", "a(?<!b)", ""},
		{"LogGroupTags", "ship", "ship=yes, team=a=b,empty="},
		{"LogGroupTags", "ship=yes,,", "aws:cloudformation:stack-name=shop"},
		{"LogGroupTags", "ship=yes, =no", ""},
		{"PruneSubscriptions", "yes", "true"},
		{"SubscriptionSchedule", "rate(1 hours)", "rate(1 hour)"},
		{"SubscriptionSchedule", "rate(5 minutes)", "rate(12 hours)"},
		{"SubscriptionSchedule", "rate(1 days)", "rate(10 days)"},
		{"SubscriptionSchedule", "0 6 * * ?", "cron(0 6 * * ? *)"},
		{"SubscriptionSchedule", "", "rate(1 day)"},
		{"LogGroupName", "/sumoship/ship/forwarder", "/ecs/web"},
		{"LogGroupName", "/sumoship/other/replay", "/aws/lambda/fn"},
		{"LogGroupName", "a b", ""},
		{"ExcludedLogGroups", `a","b`, "/vpc/flow,/trail"},
		{"ExcludedLogGroups", "a, b", ""},
		{"LogFormat", "vpc-raw", "VPC-RAW"},
		{"CompressData", "yes", "true"},
		{"LogStreamPrefix", ",", "web/,api/"},
		{"VpcCidrPrefix", "ten", "10.0.0.0/8, 2001:db8::/32"},
		{"SourceFieldsOverride", "team", "team=payments,env="},
		{"ReplayTimeout", "450", "900"},
		{"LogRetention", "15", "14"},
		{"KmsKeyArn", "alias/aws/sqs", "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1"},
		{"SubnetIds", "subnet-1, subnet-2", "subnet-1,subnet-2"},
		{"SecurityGroupIds", "default", "sg-0"},
		{"AlarmEmail", "ops", "ops@example.com"},
		{"AlarmTopicArn", "arn:aws:sns:us-east-1:123456789012:ops.fifo", "arn:aws:sns:us-east-1:123456789012:ops"},
		{"PermissionsBoundaryArn", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::aws:policy/PowerUserAccess"},
	} {
		if tmpl.takes(t, c.parameter, c.bad) {
			t.Errorf("%s takes %q", c.parameter, c.bad)
		}
		if !tmpl.takes(t, c.parameter, c.good) {
			t.Errorf("%s does not take %q", c.parameter, c.good)
		}
	}
	for _, c := range []struct {
		given map[string]string
		want  string // in the only message; "" if they pass
	}{
		{made, ""}, {secret, ""}, {everything, ""}, {subscribing, ""},
		{with(made, "Subscription=pattern"), ""},
		{with(made, "LogGroupPattern=^/ecs/"), "LogGroupPattern"},
		{with(made, "Subscription=account", "LogGroupExclude=debug"), "LogGroupExclude"},
		{with(made, "Subscription=log-group", "LogGroupName=/ecs/web", "LogGroupTags=a=b"), "LogGroupTags"},
		{with(made, "PruneSubscriptions=true"), "PruneSubscriptions"},
		{with(made, "Subscription=pattern", "LogGroupName=/ecs/web"), "LogGroupName"},
		{with(made, "SumoToken=t"), ""},
		{nil, "SumoEndpointArn"},
		{with(made, "SumoEndpointArn="+secret["SumoEndpointArn"]), "and not both"},
		{with(secret, "SumoToken=t"), "SumoToken"},
		{with(made, "Subscription=log-group"), "LogGroupName"},
		{with(made, "LogGroupName=/ecs/web"), "Subscription log-group"},
		{with(made, "SubnetIds=subnet-1"), "SecurityGroupIds"},
		{with(made, "SecurityGroupIds=sg-1"), "SubnetIds"},
		{with(made, "AlarmEmail=a@b.c", "AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:ops"), "AlarmEmail"},
	} {
		got := tmpl.create(t, c.given).refused()
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%v: refused with %q, want %q", c.given, got, c.want)
		}
	}
}

// Every parameter is described in a line, constrained as far as it can be, and
// shown in one group of the console.
func TestParametersArePresentable(t *testing.T) {
	tmpl := readTemplate(t)
	var grouped []string
	for _, g := range get(tmpl.section("Metadata"), "AWS::CloudFormation::Interface", "ParameterGroups").([]any) {
		for _, p := range get(g, "Parameters").([]any) {
			grouped = append(grouped, p.(string))
		}
	}
	slices.Sort(grouped)
	if d := cmp.Diff(slices.Sorted(maps.Keys(tmpl.section("Parameters"))), grouped); d != "" {
		t.Errorf("parameters and groups differ:\n%s", d)
	}
	// Sumo Logic decides what metadata may be, and CloudWatch Logs what a pattern.
	free := []string{"FilterPattern", "SourceCategoryOverride", "SourceNameOverride", "SourceHostOverride"}
	for name, p := range tmpl.section("Parameters") {
		p := p.(map[string]any)
		if d, _ := p["Description"].(string); d == "" || strings.Contains(d, "\n") {
			t.Errorf("%s: description %q", name, d)
		}
		_, values := p["AllowedValues"]
		pattern, patterned := p["AllowedPattern"]
		_, least := p["MinValue"]
		if !values && !patterned && !least && !slices.Contains(free, name) {
			t.Errorf("%s takes anything", name)
		}
		if patterned && p["ConstraintDescription"] == nil {
			t.Errorf("%s: who breaks %s is not told what is meant", name, pattern)
		}
		if name == "SumoEndpoint" || name == "SumoToken" {
			if p["NoEcho"] != true {
				t.Errorf("%s is echoed", name)
			}
		}
	}
}

// The endpoint and the token are in the secret and nowhere else.
func TestSecretsStayInTheSecret(t *testing.T) {
	s := readTemplate(t).create(t, map[string]string{"SumoEndpoint": "https://collectors.example.com/SECRETPATH", "SumoToken": "SECRETTOKEN"})
	for name, r := range s.resources {
		b, err := json.Marshal(r.Properties)
		if err != nil {
			t.Fatal(err)
		}
		if r.Type == "AWS::SecretsManager::Secret" {
			var v struct{ Endpoint, Token string }
			if err := json.Unmarshal([]byte(r.Properties["SecretString"].(string)), &v); err != nil || v.Endpoint != s.parameters["SumoEndpoint"] || v.Token != "SECRETTOKEN" {
				t.Errorf("the secret holds %+v, %v", v, err)
			}
		} else if strings.Contains(string(b), "SECRET") {
			t.Errorf("%s holds a secret: %s", name, b)
		}
	}
	for _, name := range []string{"Forwarder", "Replay"} {
		if got := s.variables(name)["SUMO_ENDPOINT"]; !strings.HasPrefix(got, "arn:") {
			t.Errorf("%s: SUMO_ENDPOINT %q", name, got)
		}
	}
	b, _ := json.Marshal(s.outputs())
	if strings.Contains(string(b), "SECRET") {
		t.Errorf("the outputs hold a secret: %s", b)
	}
}

func TestQueuesLoseNothing(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		alarms := fmt.Sprint(s.of("AWS::CloudWatch::Alarm"))
		policies := s.of("AWS::SQS::QueuePolicy")
		for name, q := range s.of("AWS::SQS::Queue") {
			p := q.Properties
			key := s.parameters["KmsKeyArn"]
			if (p["SqsManagedSseEnabled"] == true) == (key != "") || key != "" && p["KmsMasterKeyId"] != key {
				t.Errorf("%s is not encrypted as it should be: %v", name, p)
			}
			if p["MessageRetentionPeriod"] != 14*24*3600 || p["MaximumMessageSize"] != 1<<20 {
				t.Errorf("%s keeps %v s, takes %v bytes", name, p["MessageRetentionPeriod"], p["MaximumMessageSize"])
			}
			if q.Attributes["DeletionPolicy"] != "RetainExceptOnCreate" || q.Attributes["UpdateReplacePolicy"] != "Retain" {
				t.Errorf("%s goes with the stack", name)
			}
			if n, _ := p["QueueName"].(string); !strings.HasSuffix(n, testStackID) || len(n) > 80 {
				t.Errorf("%s: name %q", name, n)
			}
			if !strings.Contains(alarms, p["QueueName"].(string)) {
				t.Errorf("%s has no alarm", name)
			}
			if p["RedriveAllowPolicy"] == nil {
				t.Errorf("%s: any queue may use it as its dead-letter queue", name)
			}
			tls := false
			for _, policy := range policies {
				statement := get(policy.Properties, "PolicyDocument", "Statement").([]any)[0]
				if slices.Contains(policy.Properties["Queues"].([]any), s.ref(name)) {
					tls = get(statement, "Effect") == "Deny" && get(statement, "Principal") == "*" && get(statement, "Action") == "sqs:*" &&
						get(statement, "Resource") == s.attribute(name, "Arn") && get(statement, "Condition", "Bool", "aws:SecureTransport") == "false"
				}
			}
			if !tls {
				t.Errorf("%s may be used without TLS", name)
			}
		}
		dead, quarantine := s.resources["DeadLetterQueue"], s.resources["QuarantineQueue"]
		if dead.Properties == nil || quarantine.Properties == nil {
			t.Fatal("a queue is missing")
		}
		if d := cmp.Diff(map[string]any{"deadLetterTargetArn": s.attribute("QuarantineQueue", "Arn"), "maxReceiveCount": 1000}, dead.Properties["RedrivePolicy"]); d != "" {
			t.Errorf("redrive policy (-want +got):\n%s", d)
		}
		if d := cmp.Diff(map[string]any{"redrivePermission": "byQueue", "sourceQueueArns": []any{s.attribute("DeadLetterQueue", "Arn")}}, quarantine.Properties["RedriveAllowPolicy"]); d != "" {
			t.Errorf("redrive allow policy (-want +got):\n%s", d)
		}
	})
}

// The times keep their order for every timeout that can be chosen: a message is
// hidden for at least six times as long as replay may hold it.
func TestTimesAreInOrder(t *testing.T) {
	tmpl := readTemplate(t)
	for _, v := range get(tmpl.section("Parameters"), "ReplayTimeout", "AllowedValues").([]any) {
		s := tmpl.create(t, with(made, fmt.Sprint("ReplayTimeout=", v)))
		timeout, err := strconv.Atoi(fmt.Sprint(s.resources["Replay"].Properties["Timeout"]))
		if err != nil {
			t.Fatal(err)
		}
		visibility := s.resources["DeadLetterQueue"].Properties["VisibilityTimeout"].(int)
		if visibility < 6*timeout || visibility > 12*3600 || timeout > 900 {
			t.Errorf("timeout %d s, visibility %d s", timeout, visibility)
		}
	}
	s := tmpl.create(t, made)
	timeout, _ := strconv.Atoi(s.parameters["ForwarderTimeout"])
	request, _ := strconv.Atoi(s.parameters["RequestTimeout"])
	if request >= 1000*timeout {
		t.Errorf("a request may take %d ms, the forwarder %d s", request, timeout)
	}
}

func TestFunctions(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		groups := map[any]string{}
		for name, f := range s.of("AWS::Serverless::Function") {
			p := f.Properties
			if p["Runtime"] != "provided.al2023" || p["Handler"] != "bootstrap" || p["CodeUri"] != "." || get(f.Attributes, "Metadata", "BuildMethod") != "makefile" {
				t.Errorf("%s is not built as the Makefile does: %v", name, p)
			}
			group := get(p, "LoggingConfig", "LogGroup")
			if other, taken := groups[group]; taken {
				t.Errorf("%s logs where %s does", name, other)
			}
			groups[group] = name
			if get(p, "LoggingConfig", "LogFormat") != "JSON" {
				t.Errorf("%s logs %v", name, p["LoggingConfig"])
			}
			if p["Role"] != s.attribute(name+"Role", "Arn") {
				t.Errorf("%s has the role %v", name, p["Role"])
			}
			traced, vpc := s.parameters["Tracing"] == "true", s.parameters["SubnetIds"] != ""
			if (p["Tracing"] == "Active") != traced || (p["VpcConfig"] != nil) != vpc {
				t.Errorf("%s: tracing %v, VPC %v", name, p["Tracing"], p["VpcConfig"])
			}
		}
		forwarder, replay := s.resources["Forwarder"].Properties, s.resources["Replay"].Properties
		if get(forwarder, "DeadLetterQueue", "TargetArn") != s.attribute("DeadLetterQueue", "Arn") {
			t.Error("what Lambda gives up does not go to the dead-letter queue")
		}
		if _, reserved := forwarder["ReservedConcurrentExecutions"]; reserved != (s.parameters["ForwarderConcurrency"] != "-1") {
			t.Errorf("reserved concurrency %v", forwarder["ReservedConcurrentExecutions"])
		}
		subscriber := s.resources["Subscriber"].Properties
		if byPattern := s.parameters["Subscription"] == "pattern"; byPattern != (subscriber != nil) {
			t.Errorf("Subscription %s, subscriber %v", s.parameters["Subscription"], subscriber)
		}
		if replay["RecursiveLoop"] != "Allow" || forwarder["RecursiveLoop"] != nil || subscriber != nil && subscriber["RecursiveLoop"] != "Allow" {
			t.Error("replay and the subscriber loop by design, and no other")
		}
		if subscriber != nil {
			// Under this name no other stack takes its filters for its own. CloudWatch
			// Logs tries the destination when it gets a filter, so the permission is first.
			v := s.variables("Subscriber")
			if v["DESTINATION_ARN"] != s.attribute("Forwarder", "Arn") || v["FILTER_NAME"] != s.pseudo["AWS::StackName"] ||
				s.resources["Subscriber"].Attributes["DependsOn"] != "LogsMayInvokeForwarder" || subscriber["Timeout"] != 900 {
				t.Errorf("subscriber %v", subscriber)
			}
			if got := get(subscriber, "Events", "AllLogGroups", "Properties", "Schedule"); got != s.parameters["SubscriptionSchedule"] {
				t.Errorf("schedule %v", got)
			}
		}
		mapping := get(replay, "Events", "DeadLetters", "Properties")
		if get(mapping, "Queue") != s.attribute("DeadLetterQueue", "Arn") || !cmp.Equal(get(mapping, "FunctionResponseTypes"), []any{"ReportBatchItemFailures"}) ||
			get(mapping, "Enabled") != true || get(mapping, "ScalingConfig", "MaximumConcurrency") != s.parameters["ReplayConcurrency"] {
			t.Errorf("mapping %v", mapping)
		}
	})
	s := readTemplate(t).create(t, with(made, "ReplayEnabled=false"))
	if get(s.resources["Replay"].Properties, "Events", "DeadLetters", "Properties", "Enabled") != false {
		t.Error("ReplayEnabled=false does not turn the mapping off")
	}
}

// No log loop: whatever is subscribed, our own groups are not.
func TestOwnLogGroupsAreNeverSubscribed(t *testing.T) {
	tmpl := readTemplate(t)
	for _, subscription := range get(tmpl.section("Parameters"), "Subscription", "AllowedValues").([]any) {
		for _, more := range []string{"", "/vpc/flow", "/vpc/flow,/trail"} {
			for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
				s := tmpl.create(t, with(made, "Partition="+partition, fmt.Sprint("Subscription=", subscription), "LogGroupName=/ecs/web", "ExcludedLogGroups="+more))
				var own []string
				for _, g := range s.of("AWS::Logs::LogGroup") {
					own = append(own, g.Properties["LogGroupName"].(string))
				}
				slices.Sort(own)
				if len(own) != len(s.of("AWS::Serverless::Function")) {
					t.Fatalf("%d functions, log groups %v", len(s.of("AWS::Serverless::Function")), own)
				}
				for _, g := range own {
					if tmpl.takes(t, "LogGroupName", g) || !strings.HasPrefix(g, "/sumoship/ship/") {
						t.Errorf("LogGroupName takes our %s", g)
					}
				}
				leftOut := slices.Clone(own)
				if more != "" {
					leftOut = append(leftOut, strings.Split(more, ",")...)
				}
				if subscription == "pattern" {
					if d := cmp.Diff(strings.Join(leftOut, ","), s.variables("Subscriber")["OWN_LOG_GROUPS"]); d != "" {
						t.Errorf("the subscriber takes for our own:\n%s", d)
					}
				} else {
					leftOut = append(leftOut, "/sumoship/ship/subscriber") // it may still be there
				}
				slices.Sort(leftOut)
				filters, policies := s.of("AWS::Logs::SubscriptionFilter"), s.of("AWS::Logs::AccountPolicy")
				if (len(filters) == 1) != (subscription == "log-group") || (len(policies) == 1) != (subscription == "account") || len(filters) > 1 || len(policies) > 1 {
					t.Errorf("Subscription %v: %d filters, %d policies", subscription, len(filters), len(policies))
				}
				for _, f := range filters {
					if f.Properties["LogGroupName"] != "/ecs/web" {
						t.Errorf("subscribed %v", f.Properties["LogGroupName"])
					}
				}
				for name, p := range policies {
					criteria, ok := strings.CutPrefix(p.Properties["SelectionCriteria"].(string), "LogGroupName NOT IN ")
					var excluded []string
					if err := json.Unmarshal([]byte(criteria), &excluded); !ok || err != nil {
						t.Fatalf("%s: selection criteria %v: %v", name, p.Properties["SelectionCriteria"], err)
					}
					slices.Sort(excluded)
					if d := cmp.Diff(leftOut, excluded); d != "" {
						t.Errorf("%s leaves out:\n%s", name, d)
					}
				}
			}
		}
	}
}

// A filter pattern arrives as it was written, also inside the JSON of a policy.
func TestFilterPatternSurvives(t *testing.T) {
	tmpl := readTemplate(t)
	for _, pattern := range []string{"", "ERROR", `{ $.level = "error" && $.path = "C:\\x" }`, `"a \" b"`, `%\d{3}%`, `\`} {
		s := tmpl.create(t, with(made, "Subscription=account", "FilterPattern="+pattern))
		var document map[string]string
		if err := json.Unmarshal([]byte(s.resources["AccountSubscription"].Properties["PolicyDocument"].(string)), &document); err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if d := cmp.Diff(map[string]string{"DestinationArn": s.attribute("Forwarder", "Arn").(string), "FilterPattern": pattern}, document); d != "" {
			t.Errorf("policy document (-want +got):\n%s", d)
		}
		s = tmpl.create(t, with(made, "Subscription=log-group", "LogGroupName=g", "FilterPattern="+pattern))
		if got := s.resources["LogGroupSubscription"].Properties["FilterPattern"]; got != pattern {
			t.Errorf("%v, want %s", got, pattern)
		}
		if got := tmpl.create(t, with(made, "Subscription=pattern", "FilterPattern="+pattern)).variables("Subscriber")["FILTER_PATTERN"]; got != pattern {
			t.Errorf("%v, want %s", got, pattern)
		}
	}
}

// One permission, for CloudWatch Logs of this account and Region alone, in
// every partition.
func TestPermissionIsNarrow(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		permissions := s.of("AWS::Lambda::Permission")
		if len(permissions) != 1 {
			t.Fatalf("%d permissions", len(permissions))
		}
		for _, p := range permissions {
			want := map[string]any{
				"FunctionName": s.attribute("Forwarder", "Arn"), "Action": "lambda:InvokeFunction", "Principal": "logs." + s.pseudo["AWS::URLSuffix"],
				"SourceAccount": testAccount, "SourceArn": s.arn("logs", "log-group:*"),
			}
			if d := cmp.Diff(want, p.Properties); d != "" {
				t.Errorf("permission (-want +got):\n%s", d)
			}
		}
	})
}

// Nothing names a partition, an account or a Region.
func TestNoPartitionIsWrittenOut(t *testing.T) {
	tmpl := readTemplate(t)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(path+"."+k, e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprint(path, ".", i), e)
			}
		case string:
			if strings.Contains(v, "arn:aws") || regexp.MustCompile(`\d{12}|(us|eu|cn|ap)-[a-z]+-\d`).MatchString(v) {
				t.Errorf("%s: %s", path, v)
			}
			if strings.Contains(v, "amazonaws.com") && v != "lambda.amazonaws.com" {
				t.Errorf("%s: %s", path, v)
			}
		}
	}
	for _, section := range []string{"Globals", "Resources"} {
		walk(section, tmpl[section])
	}
}
