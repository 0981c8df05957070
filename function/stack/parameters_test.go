package stack_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each pattern or list of values refuses what cannot work, and allows what can.
func TestConstraintsRefuseBadValues(t *testing.T) {
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
		{"MetadataFromMessages", "false", "fields"},
		{"RulesArn", "s3://conf/rules.yaml", "arn:aws:s3:::conf/rules.yaml"},
		{"RulesArn", "arn:aws:sns:us-east-1:123456789012:rules", "arn:aws:ssm:us-east-1:123456789012:parameter/sumoship/rules"},
		{"RulesKeyArn", "0123456789abcdef", "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-a1B2c3"},
		{"ReplayTimeout", "450", "900"},
		{"LogRetention", "15", "14"},
		{"KmsKeyArn", "alias/aws/sqs", "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1"},
		{"LogsKmsKeyArn", "alias/logs", "arn:aws:kms:us-east-1:123456789012:key/1"},
		{"TopicKmsKeyArn", "alias/aws/sns", "arn:aws:kms:us-east-1:123456789012:key/1"},
		{"RolePath", "logs/", "/platform/logs/"},
		{"RolePath", "/logs", "/"},
		{"RoleNamePrefix", "logs/", "acme-logs"},
		{"CodeSigningConfigArn", "csc-0", "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0f6c978b1084c9d52"},
		{"UseFips", "yes", "true"},
		{"HttpsProxy", "http://user:password@proxy:3128", "http://proxy.example.com:3128"},
		{"HttpsProxy", "proxy:3128", ""},
		{"NoProxy", "a b", ".amazonaws.com,10.0.0.0/8"},
		{"CaLayerArn", "arn:aws:lambda:us-east-1:123456789012:layer:ca", "arn:aws:lambda:us-east-1:123456789012:layer:ca:3"},
		{"SubnetIds", "subnet-1, subnet-2", "subnet-1,subnet-2"},
		{"SecurityGroupIds", "default", "sg-0"},
		{"AlarmEmail", "ops", "ops@example.com"},
		{"Alarms", "critical", "loss"},
		{"RunbookUrl", "https://wiki.example.com/#alarms", "https://wiki.example.com/logs?page=1"},
		{"RunbookUrl", "", "docs/operations.md"},
		{"HeartbeatSchedule", "rate(1 minutes)", "rate(1 minute)"},
		{"HeartbeatSchedule", "rate(6 minutes)", "rate(5 minutes)"},
		{"HeartbeatSchedule", "cron(0 * * * ? *)", ""},
		{"AlarmTopicArn", "arn:aws:sns:us-east-1:123456789012:ops.fifo", "arn:aws:sns:us-east-1:123456789012:ops"},
		{"PermissionsBoundaryArn", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::aws:policy/PowerUserAccess"},
	} {
		if tmpl.accepts(t, c.parameter, c.bad) {
			t.Errorf("%s accepts %q", c.parameter, c.bad)
		}
		if !tmpl.accepts(t, c.parameter, c.good) {
			t.Errorf("%s does not accept %q", c.parameter, c.good)
		}
	}
}

// A rule refuses parameters that contradict one another, and names them.
func TestRulesRefuseBadCombinations(t *testing.T) {
	tmpl := readTemplate(t)
	for _, c := range []struct {
		given map[string]string
		want  string // in the only message; "" if they are accepted
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
		{with(made, "Subscription=account", "EmitSystemFields=@aws.account"), "EmitSystemFields"},
		{with(made, "Subscription=account", "FieldSelectionCriteria=x"), "FieldSelectionCriteria"},
		{with(made, "ApplyOnTransformedLogs=false"), "ApplyOnTransformedLogs"},
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

// Every parameter has a description of one line, a constraint where one is possible,
// and a place in one group of the console.
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
		t.Errorf("parameters in groups (-want +got):\n%s", d)
	}
	// Sumo Logic validates metadata, and CloudWatch Logs a filter pattern.
	free := []string{"FilterPattern", "FieldSelectionCriteria", "SourceCategoryOverride", "SourceNameOverride", "SourceHostOverride"}
	for name, p := range tmpl.section("Parameters") {
		p := p.(map[string]any)
		if d, _ := p["Description"].(string); d == "" || strings.Contains(d, "\n") {
			t.Errorf("%s: description %q", name, d)
		}
		_, values := p["AllowedValues"]
		pattern, patterned := p["AllowedPattern"]
		_, least := p["MinValue"]
		if !values && !patterned && !least && !slices.Contains(free, name) {
			t.Errorf("%s accepts anything", name)
		}
		if patterned && p["ConstraintDescription"] == nil {
			t.Errorf("%s: no ConstraintDescription for %s", name, pattern)
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
			err := json.Unmarshal([]byte(r.Properties["SecretString"].(string)), &v)
			if err != nil || v.Endpoint != s.parameters["SumoEndpoint"] || v.Token != "SECRETTOKEN" {
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
