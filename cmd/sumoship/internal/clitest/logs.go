package clitest

import (
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"sumoship/function/awstest/logstest"
)

// Region is a Region with log groups and a forwarder, as the command finds it.
func Region(t *testing.T) (server *logstest.Server, forwarder string) {
	t.Helper()
	server = logstest.New()
	api := httptest.NewServer(server)
	t.Cleanup(api.Close)
	SetAWS(t, api.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "2") // one more, for a connection that breaks on a busy machine
	return server, server.AddFunction("forwarder", "/logs/of-the-forwarder")
}

// FiltersOf are the filters of all log groups, GROUP NAME.
func FiltersOf(server *logstest.Server) (all []string) {
	for _, g := range server.Groups() {
		for _, f := range g.Filters {
			all = append(all, g.Name+" "+f.Name)
		}
	}
	return all
}

// PermitLogs gives the forwarder a statement of our ID, for some log groups.
func PermitLogs(t *testing.T, server *logstest.Server, source string) {
	t.Helper()
	_, err := server.Lambda().AddPermission(t.Context(), &lambda.AddPermissionInput{
		FunctionName: aws.String("forwarder"),
		StatementId:  aws.String("sumoship-all-log-groups"),
		Action:       aws.String("lambda:InvokeFunction"),
		Principal:    aws.String("logs.amazonaws.com"),
		SourceArn:    aws.String("arn:aws:logs:us-east-1:123456789012:log-group:" + source),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Equal fails the test if got differs.
func Equal(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("differs (-want +got):\n%s", d)
	}
}
