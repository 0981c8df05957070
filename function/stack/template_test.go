// Package stack_test holds template.yaml to the code that it deploys, to IAM and
// to AWS's limits. It evaluates the template's CloudFormation functions itself,
// and creates the stack on moto.
package stack_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
)

// Every stack needs one of these: an endpoint that the stack stores in a secret of its
// own, or the ARN of one that exists.
var (
	made   = map[string]string{"SumoEndpoint": "https://collectors.example.com/receiver/v1/http/PATH"}
	secret = map[string]string{"SumoEndpointArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:sumo-AbCdEf"}
	ssm    = map[string]string{"SumoEndpointArn": "arn:aws:ssm:us-east-1:123456789012:parameter/sumo/endpoint"}
)

// with returns a copy of base with more parameters, NAME=VALUE.
func with(base map[string]string, more ...string) map[string]string {
	m := maps.Clone(base)
	for _, s := range more {
		name, value, _ := strings.Cut(s, "=")
		m[name] = value
	}
	return m
}

// everything turns on every option.
var everything = with(secret,
	"SumoKmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/1", "KmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/2",
	"Subscription=account", "ExcludedLogGroups=/vpc/flow,/trail", "Tracing=true", "SubnetIds=subnet-01,subnet-02", "SecurityGroupIds=sg-01",
	"AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:ops", "PermissionsBoundaryArn=arn:aws:iam::123456789012:policy/bound", "ForwarderConcurrency=50", "OverflowBucket=my-logs")

// subscribing is everything, with the subscriber in place of the policy.
var subscribing = with(everything, "Subscription=pattern", "LogGroupPattern=^/ecs/", "LogGroupTags=ship=yes,team=shop", "LogGroupExclude=debug",
	"PruneSubscriptions=true", "FilterPattern=ERROR", "EmitSystemFields=@aws.account,@source.log", "FieldSelectionCriteria=none", "ApplyOnTransformedLogs=true", "SubscriptionSchedule=rate(1 day)")

// configurations returns stacks that differ in everything that matters.
func configurations() map[string]map[string]string {
	return map[string]map[string]string{
		"endpoint made":      made,
		"endpoint in secret": secret,
		"endpoint in ssm":    ssm,
		"customer key":       with(made, "KmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/2"),
		"log group":          with(made, "Subscription=log-group", "LogGroupName=/ecs/web", "AlarmEmail=ops@example.com"),
		"log group, options": with(made, "Subscription=log-group", "LogGroupName=/ecs/web", "EmitSystemFields=@aws.account,@aws.region", `FieldSelectionCriteria=@aws.region = "eu-west-1"`, "ApplyOnTransformedLogs=true"),
		"account":            with(made, "Subscription=account"),
		"pattern":            with(made, "Subscription=pattern"),
		"everything":         everything,
		"subscribing":        subscribing,
		"enterprise":         with(subscribing, enterprise...),
		"central":            with(made, "OrganizationId=o-a1b2c3d4e5"),
		"central, all":       with(everything, "OrganizationId=o-a1b2c3d4e5", "Subscription=none", "ExcludedLogGroups="),
		"central in China":   with(made, "Partition=aws-cn", "OrganizationId=o-a1b2c3d4e5", "HeartbeatSchedule=", "QuietHours=2"),
		"China":              with(made, "Partition=aws-cn", "Subscription=account"),
		"China by pattern":   with(made, "Partition=aws-cn", "Subscription=pattern"),
		"GovCloud":           with(ssm, "Partition=aws-us-gov", "Subscription=account"),
		"no heartbeat":       with(made, "Partition=aws-cn", "HeartbeatSchedule=", "AlarmEmail=ops@example.com", "NotifyRecovery=false"),
		"each alarm":         with(subscribing, "AlarmNotify=each", "QuietHours=6", "RunbookUrl=https://wiki.example.com/logs"),
		"loss alone":         with(subscribing, "Alarms=loss", "AlarmNotify=each", "NotifyRecovery=false", "DashboardEnabled=false"),
		"no alarms":          with(subscribing, "Alarms=none", "QuietHours=1"),
	}
}

func forEachConfiguration(t *testing.T, check func(t *testing.T, s *stack)) {
	tmpl := readTemplate(t)
	for name, given := range configurations() {
		t.Run(name, func(t *testing.T) { check(t, tmpl.create(t, given)) })
	}
}

// The template names no partition, account or Region.
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
