package iam_test

import (
	"errors"
	"strings"
	"testing"

	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
)

// What a template names by intrinsic functions the roles name by the same.
func TestRolesOfATemplate(t *testing.T) {
	got := string(roles(t, "template.yaml", read(t, "template.yaml"), iam.Options{}).CloudFormation())
	const stack = "arn:${AWS::Partition}:%:${AWS::Region}:${AWS::AccountId}:"
	in := func(service string) string { return strings.Replace(stack, "%", service, 1) }
	for _, want := range []string{
		in("ecr") + "repository/shop/${Image}",
		"!GetAtt Repository.Arn", "!Ref Password", "!Ref Token",
		in("ssm") + "parameter${Color}", in("ssm") + "parameter/${Size}", in("ssm") + "parameter/shop/mode", in("ssm") + "parameter/shop-debug",
		"${Bucket.Arn}/app.env", "!GetAtt Bucket.Arn",
		":log-group:${Logs}:log-stream:*", ":log-group:/ecs/${AWS::StackName}:log-stream:*",
		":file-system/${Files}",
		"FargateTaskRole:", "FargateExecutionRole:",
		":secret:shop/${AWS::StackName}\n", ":secret:shop/${AWS::StackName}-??????\n",
		":repository/either", ":parameter/either-x", ":parameter/either-token", ":log-group:/ecs/debug:log-stream:*",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
	for _, not := range []string{"user::", "Outputs"} {
		if strings.Contains(got, not) {
			t.Errorf("there is %s in\n%s", not, got)
		}
	}
}

// In JSON each value that is known only after deployment is an error that names
// its place.
func TestJSONOfATemplate(t *testing.T) {
	template := read(t, "template.yaml")
	_, err := roles(t, "template.yaml", template, iam.Options{Account: "123456789012", Region: "eu-west-1"}).JSON()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) < 8 {
		t.Fatalf("got %v, want at least 8 errors", err)
	}
	for _, err := range joined.Unwrap() {
		e, ok := errors.AsType[*taskdef.InputError](err)
		if !ok || !strings.Contains(e.Error(), "known only when it is deployed") {
			t.Errorf("got %v", err)
			continue
		}
		line := strings.Split(template, "\n")[e.Line-1]
		if place := strings.TrimSpace(line[e.Column-1:]); !strings.HasPrefix(place, "!") {
			t.Errorf("the place is %q, want an intrinsic function", place)
		}
	}
}
