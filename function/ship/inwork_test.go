package ship_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
	"sumoship/transform"
)

// bulky returns an event of log events that inflates to about so many bytes.
func bulky(size int) []byte {
	var doc bytes.Buffer
	doc.WriteString(`{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[`)
	for i := 0; doc.Len() < size; i++ {
		if i > 0 {
			doc.WriteByte(',')
		}
		fmt.Fprintf(&doc, `{"id":"%d","timestamp":1,"message":"%s"}`, i, strings.Repeat("m", 2000))
	}
	doc.WriteString("]}")
	return transform.Pack(doc.Bytes())
}

// What a payload inflates to counts, in a batch and in a drain, over all workers.
func TestInflatedBytesInWorkAreBounded(t *testing.T) {
	payload := bulky(10 << 20)
	lying := bytes.Replace(payload, []byte("=\"}}"), []byte("\"}}"), 1) // not as it is usually written
	for name, payload := range map[string][]byte{"as it says": payload, "more than it says": lying} {
		for _, drain := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newFixture()
				w.vars["COMPRESS_DATA"], w.vars["MAX_IN_FLIGHT"] = "false", "1"
				source := &slow{RoundTripper: w.source, delay: 100 * time.Millisecond}
				o := w.replayOptions()
				o.HTTP = &http.Client{Transport: source}
				r := replayerOf(t, o)
				bodies := [][]byte{payload, payload, payload, payload}
				if drain {
					w.put(bodies...)
					if report, err := r.Drain(t.Context()); err != nil || report.Messages.Done != len(bodies) {
						t.Errorf("%+v, %v", report.Messages, err)
					}
				} else if out, err := r.Invoke(t.Context(), batchOf(bodies...)); err != nil || len(failures(t, out)) != 0 {
					t.Errorf("%s, %v", out, err)
				}
				if source.most > 3 {
					t.Errorf("%s, drain %t: %d messages that inflate to 10 MB in work at once, want at most 3", name, drain, source.most)
				}
			})
		}
	}
}

// Messages that inflate to 60 MB each, half of whose bodies are refused, do not end
// a function of 512 MB that drains the queue.
func TestBootstrapDrainsWithinItsMemory(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds a binary, and reads its memory from /proc")
	}
	t.Parallel()
	const messages, memory = 12, 512
	server := sqstest.New()
	url := server.Add(sqstest.Config{Name: "dead", Visibility: 30 * time.Minute})
	api := httptest.NewServer(server)
	defer api.Close()
	payload := string(bulky(60 << 20))
	for range messages {
		if _, err := server.Client().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	var requests atomic.Int64
	sumo := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if requests.Add(1)%2 == 0 {
			rw.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer sumo.Close()
	f := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/replay"), map[string]string{
		"SUMO_ENDPOINT": sumo.URL + "/" + leaktest.Secret, "TASK_QUEUE_URL": url, "AWS_ENDPOINT_URL_SQS": api.URL, "DEAD_LETTER_DELAY": "900000",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": fmt.Sprint(memory), "COMPRESSION_LEVEL": "1",
	})
	r := f.Invoke([]byte(`{}`), 5*time.Minute)
	var report ship.Report
	if err := json.Unmarshal(r.Payload, &report); err != nil || r.Failed() || report.Messages.Done != messages {
		t.Fatalf("%+v %v\n%s", r, err, f.Output())
	}
	peak := f.PeakMemory()
	t.Logf("%d MB, %s", peak>>20, r.Payload)
	if peak > memory<<20 {
		t.Errorf("the function needed %d MB of %d", peak>>20, memory)
	}
}
