package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/logstest"
)

// What may take more than a second shows on a terminal that it goes on.
func TestProgressOnATerminal(t *testing.T) {
	saved := t.TempDir()
	queue := func(t *testing.T) {
		queues := clitest.Queues(t)
		t.Setenv("AWS_ENDPOINT_URL", impatient(t, queues))
		for range 25 {
			clitest.Send(t, queues, "dead", clitest.Message("/ecs/shop", "a"), nil)
		}
	}
	region := func(t *testing.T) {
		logs, _ := clitest.Region(t)
		logs.Add(logstest.Group{Name: "/ecs/shop"})
	}
	instances := func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			answer := `{"containerInstanceArns":["i"]}`
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeContainerInstances") {
				answer = `{"containerInstances":[{"attributes":[{"name":"ecs.instance-type","value":"c5.large"}]}]}`
			}
			_, _ = w.Write([]byte(answer))
		}))
		t.Cleanup(server.Close)
		clitest.SetAWS(t, server.URL)
	}
	const forwarder = " --destination arn:aws:lambda:us-east-1:123456789012:function:forwarder"
	for _, c := range []struct {
		args    string
		account func(*testing.T)
		want    string
	}{
		{"dlq stats --queue dead", queue, "counting"},
		{"dlq peek --queue dead", queue, "looking at messages"},
		{"dlq replay --queue dead --dry-run --endpoint https://example.com/x", queue, "looking at messages"},
		{"dlq export " + saved + "/new --queue dead", queue, "exporting"},
		{"subscribe --dry-run --include ecs" + forwarder, region, "log groups"},
		{"subscribe --yes --include ecs" + forwarder, region, "log groups"},
		{"unsubscribe --dry-run --include ecs" + forwarder, region, "log groups"},
		{"fargate eni --cluster shop", instances, "looking at instances"},
	} {
		t.Run(c.args, func(t *testing.T) {
			c.account(t)
			shown := clitest.OnTerminal(t, new(verbs), 200, nil, strings.Fields(c.args)...)
			before, _, bar := strings.Cut(shown, "\r")
			if !bar || !strings.Contains(shown, c.want) {
				t.Errorf("no %q:\n%q", c.want, before+shown)
			}
		})
	}
}
