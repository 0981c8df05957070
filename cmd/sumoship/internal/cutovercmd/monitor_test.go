package cutovercmd

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/cutover"
)

// measured is what AWS measured, for the new version of a service.
type measured struct {
	values    map[string][]float64 // of metrics, by the beginning of the query's ID
	filter    bool                 // the log group is subscribed
	lastEvent int64                // in the task's log stream, in ms
	queries   []string
}

// versions returns both versions of a service that AWS measured so.
func (m *measured) versions(t *testing.T) *versions {
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), RetryMaxAttempts: 1}
	v := &versions{ecs: ecs.NewFromConfig(cfg), cloudwatch: cloudwatch.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg)}
	for side, name := range []string{"shop", "shop-fargate"} {
		v.fleets[side] = &fleet{v: v, client: v.ecs, cluster: "prod", name: name, definition: name + ":1"}
	}
	const elb = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:"
	v.routes = []*route{
		{rule: "r1", old: elb + "targetgroup/old/1", fresh: elb + "targetgroup/new/2", balancer: elb + "loadbalancer/app/main/3"},
		{rule: "r2", old: elb + "targetgroup/old/1", fresh: elb + "targetgroup/new/2", balancer: elb + "loadbalancer/app/main/3"}, // the same groups: measured once
	}
	return v
}

func (m *measured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if strings.HasSuffix(r.URL.Path, "/GetMetricData") {
		m.getMetricData(w, body)
		return
	}
	var out any
	switch _, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); call {
	case "DescribeTaskDefinition":
		out = map[string]any{"taskDefinition": map[string]any{"containerDefinitions": []any{
			map[string]any{"name": "silent"},
			map[string]any{"name": "web", "logConfiguration": map[string]any{"logDriver": "awslogs",
				"options": map[string]string{"awslogs-group": "/ecs/shop", "awslogs-stream-prefix": "app"}}},
		}}}
	case "ListTasks":
		out = map[string]any{"taskArns": []string{"arn:aws:ecs:eu-west-1:111122223333:task/prod/0123"}}
	case "DescribeLogStreams":
		out = map[string]any{"logStreams": []any{}}
		if strings.Contains(string(body), `"logStreamNamePrefix":"app/web/0123"`) {
			out = map[string]any{"logStreams": []any{map[string]any{"logStreamName": "app/web/0123", "lastEventTimestamp": m.lastEvent}}}
		}
	case "DescribeSubscriptionFilters":
		filters := []any{}
		if m.filter {
			filters = append(filters, map[string]any{"filterName": "sumoship", "destinationArn": "arn:aws:lambda:eu-west-1:111122223333:function:f"})
		}
		out = map[string]any{"subscriptionFilters": filters}
	default:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out)
}

func (m *measured) getMetricData(w http.ResponseWriter, body []byte) {
	in, err := cbor.Decode(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	results := cbor.List{}
	for _, q := range in.(cbor.Map)["MetricDataQueries"].(cbor.List) {
		id := string(q.(cbor.Map)["Id"].(cbor.String))
		m.queries = append(m.queries, id)
		values := cbor.List{}
		for _, v := range m.values[strings.TrimRight(id, "0123456789")] {
			values = append(values, cbor.Float64(v))
		}
		results = append(results, cbor.Map{"Id": cbor.String(id), "Values": values})
	}
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	_, _ = w.Write(cbor.Encode(cbor.Map{"MetricDataResults": results}))
}

// Errors are answers of 5xx and connections that failed; the latency is that of the
// worst minute; groups of several rules count once.
func TestSample(t *testing.T) {
	m := &measured{values: map[string][]float64{"requests": {100, 50}, "errors": {2}, "refused": {1}, "latency": {0.2, 0.35}}}
	v := m.versions(t)
	got, err := v.Sample(t.Context(), cutover.New, time.Now().Add(-5*time.Minute), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cutover.Sample{Requests: 150, Errors: 3, Latency: 350 * time.Millisecond}, got); diff != "" {
		t.Errorf("sample (-want +got):\n%s", diff)
	}
	if len(m.queries) != 4 {
		t.Errorf("queries %q, want 4", m.queries)
	}
	v.routes = nil // nothing to measure without a load balancer
	if got, err := v.Sample(t.Context(), cutover.Old, time.Now(), time.Now()); err != nil || got != (cutover.Sample{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Logs arrive if a task wrote since the step, and the group forwarded.
func TestLogs(t *testing.T) {
	since := time.Now().Add(-5 * time.Minute)
	fresh, stale := since.Add(time.Minute).UnixMilli(), since.Add(-time.Minute).UnixMilli()
	for name, c := range map[string]struct {
		m    measured
		want bool
	}{
		"all":            {measured{values: map[string][]float64{"events": {0, 3}}, filter: true, lastEvent: fresh}, true},
		"not written":    {measured{values: map[string][]float64{"events": {3}}, filter: true, lastEvent: stale}, false},
		"not forwarded":  {measured{values: map[string][]float64{"events": {0}}, filter: true, lastEvent: fresh}, false},
		"not subscribed": {measured{values: map[string][]float64{"events": {3}}, lastEvent: fresh}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.m.versions(t).Logs(t.Context(), cutover.New, since)
			if err != nil || got != c.want {
				t.Errorf("%t, %v, want %t", got, err, c.want)
			}
		})
	}
}
