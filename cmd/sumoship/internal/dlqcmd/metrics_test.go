package dlqcmd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/smithy-go/encoding/cbor"
)

// The receives of an hour are divided by the messages of that hour, though a metric may
// lack the hours between.
func TestReceivesAreOfTheirHour(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	hours := map[string]map[int]float64{ // by how long ago
		"ApproximateAgeOfOldestMessage":         {0: 4 * 3600},
		"NumberOfMessagesReceived":              {3: 100, 1: 30},
		"ApproximateNumberOfMessagesVisible":    {3: 40, 2: 1, 1: 10},
		"ApproximateNumberOfMessagesNotVisible": {3: 10},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in, err := cbor.Decode(body)
		if err != nil {
			t.Error(err)
			return
		}
		results := cbor.List{}
		for _, q := range in.(cbor.Map)["MetricDataQueries"].(cbor.List) {
			of := hours[string(q.(cbor.Map)["MetricStat"].(cbor.Map)["Metric"].(cbor.Map)["MetricName"].(cbor.String))]
			values, times := cbor.List{}, cbor.List{}
			for ago := range 5 { // the newest first
				if v, ok := of[ago]; ok {
					values = append(values, cbor.Float64(v))
					times = append(times, &cbor.Tag{ID: 1, Value: cbor.Uint(uint64(now.Add(-time.Duration(ago) * time.Hour).Unix()))})
				}
			}
			results = append(results, cbor.Map{"Id": q.(cbor.Map)["Id"], "Values": values, "Timestamps": times})
		}
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		_, _ = w.Write(cbor.Encode(cbor.Map{"MetricDataResults": results}))
	}))
	defer server.Close()
	api := cloudwatch.New(cloudwatch.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	m, err := watch{api, "dead"}.read(t.Context(), 10, now)
	if want := 100.0/50 + 30.0/10; err != nil || m.Receives == nil || *m.Receives != want {
		t.Errorf("%v, want %v: %v", aws.ToFloat64(m.Receives), want, err)
	}
}
