package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/rogpeppe/go-internal/testscript"

	"sumoship/cmd/sumoship/internal/objects/s3test"
	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// account is an AWS account with queues, and an HTTP Source, for a script.
type account struct {
	sqs    *sqstest.Server
	url    string // of the dead-letter queue
	source *sumotest.Source
	s3     *s3test.Server // with a bucket

	metrics atomic.Pointer[map[string]float64] // a value of each; nil is denied
}

// ServeHTTP is CloudWatch.
func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	in, decodeErr := cbor.Decode(body)
	if err != nil || decodeErr != nil || !strings.HasSuffix(r.URL.Path, "/GetMetricData") {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	values := a.metrics.Load()
	if values == nil {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("AccessDenied"), "message": cbor.String("not authorized")}))
		return
	}
	results := cbor.List{}
	for _, q := range in.(cbor.Map)["MetricDataQueries"].(cbor.List) {
		name := q.(cbor.Map)["MetricStat"].(cbor.Map)["Metric"].(cbor.Map)["MetricName"].(cbor.String)
		list, times := cbor.List{}, cbor.List{}
		if v, ok := (*values)[string(name)]; ok {
			list = append(list, cbor.Float64(v))
			times = append(times, &cbor.Tag{ID: 1, Value: cbor.Uint(uint64(time.Now().Truncate(time.Hour).Unix()))})
		}
		results = append(results, cbor.Map{"Id": q.(cbor.Map)["Id"], "Values": list, "Timestamps": times})
	}
	_, _ = w.Write(cbor.Encode(cbor.Map{"MetricDataResults": results}))
}

// metrics sets what CloudWatch says: metrics NAME=VALUE …, or metrics denied.
func metrics(ts *testscript.TestScript, neg bool, args []string) {
	a := ts.Value("account").(*account)
	if slices.Equal(args, []string{"denied"}) {
		a.metrics.Store(nil)
		return
	}
	all := map[string]float64{}
	for _, arg := range args {
		name, text, _ := strings.Cut(arg, "=")
		v, err := strconv.ParseFloat(text, 64)
		ts.Check(err)
		all[name] = v
	}
	a.metrics.Store(&all)
}

// newAccount sets the variables of a script to a dead-letter queue with
// maxReceiveCount 10, its quarantine queue, and a source.
func newAccount(e *testscript.Env) error {
	a := &account{sqs: sqstest.New(), source: sumotest.New(), s3: s3test.New("bucket")}
	// No response comes as fast as from this process: on a busy machine the SDK takes
	// it for one that came before its request was sent, and breaks the connection.
	a.sqs.OnRequest(func(sqstest.Call) sqstest.Fault {
		time.Sleep(5 * time.Millisecond)
		return sqstest.Fault{}
	})
	a.sqs.Add(sqstest.Config{Name: "quarantine"})
	a.url = a.sqs.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 10})
	api := httptest.NewServer(a.sqs)
	e.Defer(api.Close)
	objects := httptest.NewServer(a.s3)
	e.Defer(objects.Close)
	a.metrics.Store(&map[string]float64{})
	cloudWatch := httptest.NewServer(a)
	e.Defer(cloudWatch.Close)
	endpoint, stop, err := a.source.Serve()
	if err != nil {
		return err
	}
	e.Defer(stop)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_SQS": api.URL, "AWS_ENDPOINT_URL_S3": objects.URL, "AWS_ENDPOINT_URL_CLOUDWATCH": cloudWatch.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "id",
		"AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "SOURCE": strings.TrimSuffix(endpoint, "local") + leaktest.Secret, "SUMO_TOKEN": leaktest.Token} {
		e.Setenv(name, value)
	}
	e.Values["account"] = a
	return nil
}

// dead puts messages into the dead-letter queue: dead 20 /ecs/web unavailable 96h, the
// last being how long ago they failed first. Without the last two, they cannot be read
// and are in the quarantine queue.
func dead(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	a := ts.Value("account").(*account)
	queue := a.url
	var entries []dlq.Entry
	for i := range n {
		event := []byte("unreadable " + strconv.Itoa(i))
		cause := dlq.Cause{Class: "undecodable"}
		if len(args) == 4 {
			ago, err := time.ParseDuration(args[3])
			ts.Check(err)
			event = transform.Pack(fmt.Appendf(nil, `{"messageType":"DATA_MESSAGE","logGroup":%q,"logStream":"s","logEvents":[{"id":"%d","timestamp":1,"message":"line %d of %s"}]}`, args[1], i, i, args[1]))
			cause = dlq.Cause{Class: args[2], Message: args[2] + ": the source answered", LogGroup: args[1], FirstFailure: time.Now().Add(-ago), Attempts: 1}
		}
		entries = append(entries, dlq.Entry{Event: event, Cause: cause})
	}
	if len(args) < 4 {
		queue = queue[:len(queue)-len("dead")] + "quarantine"
	}
	_, err = dlq.New(queue, 0, func(context.Context) (*sqs.Client, error) { return a.sqs.Client(), nil }).Put(context.Background(), entries)
	ts.Check(err)
}

// holds checks what is visible in a queue at once: holds dead 20.
func holds(ts *testscript.TestScript, neg bool, args []string) {
	a := ts.Value("account").(*account)
	visible := 0
	for _, m := range a.sqs.Messages(args[0]) {
		if !m.VisibleAt.After(time.Now()) {
			visible++
		}
	}
	if strconv.Itoa(visible) != args[1] {
		ts.Fatalf("%d messages are visible in %s, want %s", visible, args[0], args[1])
	}
}

// show makes all messages of a queue visible, as time would.
func show(ts *testscript.TestScript, neg bool, args []string) {
	ts.Value("account").(*account).sqs.Show(args[0])
}

// stored checks how many objects of a bucket have a key with that end: stored 2 .ndjson.
func stored(ts *testscript.TestScript, neg bool, args []string) {
	n := 0
	for key := range ts.Value("account").(*account).s3.Objects("bucket") {
		if strings.HasSuffix(key, args[1]) {
			n++
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("the bucket has %d objects *%s, want %s", n, args[1], args[0])
	}
}

// arrived checks how many different records the source has taken.
func arrived(ts *testscript.TestScript, neg bool, args []string) {
	all := map[string]bool{}
	for _, line := range ts.Value("account").(*account).source.Taken() {
		all[line] = true
	}
	if strconv.Itoa(len(all)) != args[0] {
		ts.Fatalf("the source has taken %d different records, want %s", len(all), args[0])
	}
}

// taken checks how many records the source has taken.
func taken(ts *testscript.TestScript, neg bool, args []string) {
	if n := len(ts.Value("account").(*account).source.Taken()); strconv.Itoa(n) != args[0] {
		ts.Fatalf("the source has taken %d records, want %s", n, args[0])
	}
}
