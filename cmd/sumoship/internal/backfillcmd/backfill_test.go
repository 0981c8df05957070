package backfillcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/gofrs/flock"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function"
	"sumoship/function/awstest/logstest"
	"sumoship/function/awstest/moto"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

func write(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const page = `{"events":[{"logStreamName":"web/app/1","timestamp":1790910245000,"message":"one","eventId":"11"},{"logStreamName":"web/app/1","timestamp":1790910246000,"message":"{\"n\": 1.0}","eventId":"12"}]}`

// What arrives is what the forwarder sends of the same log events.
func TestBackfillSendsWhatTheForwarderSends(t *testing.T) {
	s, variables := source(t)
	variables["SOURCE_CATEGORY_OVERRIDE"], variables["INCLUDE_LOG_INFO"] = "aws/{logGroup}", "true"
	dir := t.TempDir()
	write(t, dir, "page.json", []byte(page))
	write(t, dir, "export/000000.gz", zipped(t, []byte("2026-10-02T03:04:05.000Z old\nline\n")))
	status, out, errs := command(t, variables, dir, "--log-group", "/ecs/web", "--yes")
	if status != cli.ExitOK || errs != "" {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "from       2 files of 254 B: S3 export, events of the AWS CLI\n", "beginning  2026-10-02T03:04:05Z\n", "/…, by the variables of this shell\n", "4 bodies in flight\n",
		"confirmed         3\ndropped by rules  0\nrejected          0\nnot sent          0\nlog events read   3\n")
	got := lines(s)

	f, forwarderVariables := source(t)
	for k, v := range variables {
		if k != "SUMO_ENDPOINT" {
			forwarderVariables[k] = v
		}
	}
	forwarderVariables["INCLUDE_EVENT_ID"] = "true"
	forwarder, err := ship.NewForwarder(ship.Options{Env: function.Env{Getenv: func(name string) string { return forwarderVariables[name] }, Out: new(bytes.Buffer)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{`{"logGroup":"/ecs/web","logStream":"","logEvents":[{"timestamp":1790910245000,"message":"old\nline"}]}`,
		`{"logGroup":"/ecs/web","logStream":"web/app/1","logEvents":[{"id":"11","timestamp":1790910245000,"message":"one"},{"id":"12","timestamp":1790910246000,"message":"{\"n\": 1.0}"}]}`} {
		if _, err := forwarder.Ship(t.Context(), transform.Pack([]byte(doc))); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	want := lines(f)
	slices.Sort(want)
	clitest.Equal(t, want, got)
	if h := s.Requests()[0].Header; h.Get("X-Sumo-Category") != "aws//ecs/web" || h.Get("X-Sumo-Host") != "/ecs/web" {
		t.Errorf("%v", h)
	}
}

// Each wrong input is refused before anything is sent, with its place where it has one.
func TestBackfillRefuses(t *testing.T) {
	dir := t.TempDir()
	text := write(t, dir, "notes.txt", []byte("hello\n"))
	good := write(t, dir, "good/page.json", []byte(page))
	other := write(t, dir, "other", []byte(page+page))
	checkpoint := filepath.Join(dir, "checkpoint")
	_, variables := source(t)
	if status, out, errs := command(t, variables, good, "--log-group", "g", "--yes", "--resume", checkpoint); status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no input":             {nil, cli.ExitUsage, "what should be shipped? Give files, s3://BUCKET/PREFIX or -, or --log-group and --since"},
		"no such file":         {[]string{"none"}, cli.ExitUsage, "none does not exist"},
		"an empty directory":   {[]string{t.TempDir()}, cli.ExitUsage, "there are no files in"},
		"not a format":         {[]string{text, "--log-group", "g"}, cli.ExitUsage, text + `:1:1: "hello" is neither JSON nor a line with a timestamp; want an S3 export`},
		"no log group":         {[]string{good}, cli.ExitUsage, "page.json:1:98: events of the AWS CLI: the log group is not in it; give --log-group NAME"},
		"two log groups":       {[]string{good, "--log-group", "a", "--log-group", "b"}, cli.ExitUsage, "--log-group: of files give one"},
		"a time of files":      {[]string{good, "--log-group", "a", "--since", "1h"}, cli.ExitUsage, "--since: is for CloudWatch Logs"},
		"a wrong rate":         {[]string{good, "--rate", "fast"}, cli.ExitUsage, `--rate: "fast": want a size such as 5MB`},
		"too many workers":     {[]string{good, "--workers", "100"}, cli.ExitUsage, "--workers: 100: want 1 to 16"},
		"nobody to ask":        {[]string{good, "--log-group", "g"}, cli.ExitUsage, "give --yes to go ahead"},
		"another input":        {[]string{other, "--log-group", "g", "--yes", "--resume", checkpoint}, cli.ExitUsage, "--resume: " + checkpoint + ": this checkpoint is of another input: 1 files of"},
		"no bucket":            {[]string{"s3://"}, cli.ExitUsage, "want s3://BUCKET/PREFIX"},
		"since when":           {[]string{"--log-group", "g"}, cli.ExitUsage, "--since: since when?"},
		"a wrong time":         {[]string{"--log-group", "g", "--since", "soon"}, cli.ExitUsage, `--since: "soon": want a time such as`},
		"the wrong order":      {[]string{"--log-group", "g", "--since", "2026-01-02", "--until", "2026-01-01"}, cli.ExitUsage, "is not before --until"},
		"a time that moves":    {[]string{"--log-group", "g", "--since", "7d", "--resume", checkpoint}, cli.ExitUsage, "--resume: give --since and --until as times"},
		"a wrong variable":     {[]string{good, "--log-group", "g", "--endpoint", "ftp://x"}, cli.ExitUsage, "invalid configuration (the variables of this shell)"},
		"an endpoint of stdin": {[]string{"-", "--log-group", "g", "--endpoint", "http://[::1"}, cli.ExitUsage, "--endpoint: not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			s, variables := source(t)
			status, _, errs := command(t, variables, c.args...)
			if status != c.status || !strings.Contains(errs, c.want) || len(s.Requests()) > 0 {
				t.Errorf("status %d, %d requests\n%s\nwant %s", status, len(s.Requests()), errs, c.want)
			}
		})
	}
}

// A gzip that is cut off is told with its place after what is before the cut was sent, and
// a checkpoint that another run uses is left alone.
func TestBackfillOfBrokenInput(t *testing.T) {
	dir := t.TempDir()
	whole := zipped(t, fmt.Appendf(nil, "%s2026-10-02T03:04:06.000Z last\n", strings.Repeat("2026-10-02T03:04:05.000Z one\n", 1000)))
	write(t, dir, "in/0.gz", whole[:len(whole)-10])
	write(t, dir, "in/1.gz", whole)
	checkpoint := filepath.Join(dir, "checkpoint")
	s, variables := source(t)
	args := []string{filepath.Join(dir, "in"), "--log-group", "g", "--yes", "--resume", checkpoint}
	status, out, errs := command(t, variables, args...)
	if status != cli.ExitUsage || !strings.Contains(errs, "in/0.gz") || !strings.Contains(errs, "1 input could not be read whole") || len(lines(s)) < 1001 {
		t.Errorf("status %d, %d lines\n%s%s", status, len(lines(s)), out, errs)
	}
	// When it is whole it is another input: which of it is confirmed is not known.
	write(t, dir, "in/0.gz", whole)
	status, _, errs = command(t, variables, args...)
	if status != cli.ExitUsage || !strings.Contains(errs, "this checkpoint is of another input") {
		t.Errorf("status %d: %s", status, errs)
	}

	held := flock.New(checkpoint + ".lock")
	if ok, err := held.TryLock(); !ok || err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	sent := len(s.Requests())
	status, _, errs = command(t, variables, args...)
	if status != cli.ExitUsage || !strings.Contains(errs, "--resume: "+checkpoint+": another run uses this checkpoint") || len(s.Requests()) != sent {
		t.Errorf("status %d: %s", status, errs)
	}
}

// Log events older than Sumo Logic takes are told of before anything is sent.
func TestBackfillTellsOfOldLogEvents(t *testing.T) {
	s, variables := source(t)
	old := write(t, t.TempDir(), "old", []byte("2020-10-02T03:04:05.000Z old\n"))
	status, out, errs := command(t, variables, old, "--log-group", "g", "--dry-run")
	if status != cli.ExitOK || !strings.HasSuffix(out, "Nothing was sent.\n") || len(s.Requests()) > 0 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, errs, "1 file of 1 begin with log events older than a year: Sumo Logic stamps those with the time of receipt")
}

// What is rejected is told with its place and counted, the rest is confirmed, and a
// second run sends only what is left.
func TestBackfillResumes(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		write(t, dir, fmt.Sprint("in/", i), fmt.Appendf(nil, "2026-10-02T03:04:05.000Z message %d\n", i))
	}
	checkpoint := filepath.Join(dir, "in", "checkpoint") // among the input
	s, variables := source(t, append(sumotest.Statuses(200, 400, 400, 200), sumotest.Statuses(slices.Repeat([]int{200}, 10)...)...)...)
	args := []string{filepath.Join(dir, "in"), "--log-group", "g", "--workers", "1", "--yes", "--resume", checkpoint}
	status, out, errs := command(t, variables, args...)
	if status != cli.ExitFound || !strings.Contains(out, "confirmed         2\ndropped by rules  0\nrejected          1\nnot sent          0\nlog events read   3\n") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, errs, "/in/1:1:1: rejected: the source answered 400", "1 log event not confirmed, see above; run the command again with --resume")
	status, out, errs = command(t, variables, append(args, "--json")...)
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != cli.ExitOK || r.Confirmed != 1 || r.Events != 1 || r.Earlier.Confirmed != 2 {
		t.Errorf("status %d, %v\n%s%s", status, err, out, errs)
	}
	got := lines(s)
	slices.Sort(got)
	if len(got) != 3 || len(slices.Compact(got)) != 3 {
		t.Errorf("%q", got)
	}

	// A wrong endpoint stops it at once.
	s, variables = source(t, sumotest.Statuses(401, 401, 401)...)
	if status, out, errs = command(t, variables, filepath.Join(dir, "in", "0"), "--log-group", "g", "--yes"); status != cli.ExitFound || !strings.Contains(errs, "misconfigured") || len(s.Requests()) != 1 {
		t.Errorf("status %d, %d requests\n%s%s", status, len(s.Requests()), out, errs)
	}
}

// As many bodies are in flight as MAX_IN_FLIGHT or --workers says, and no more.
func TestBackfillReachesMaxInFlight(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		write(t, dir, fmt.Sprint(i), []byte("2026-10-02T03:04:05.000Z one\n"))
	}
	for want, args := range map[int64][]string{6: nil, 9: {"--workers", "9"}} {
		var inFlight, most, all atomic.Int64
		reached := make(chan struct{})
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			n := inFlight.Add(1)
			defer inFlight.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			if all.Add(1) == want {
				close(reached)
			}
			select {
			case <-reached:
			case <-time.After(10 * time.Second):
			}
			time.Sleep(10 * time.Millisecond) // for one more than are allowed
		}))
		variables := map[string]string{"SUMO_ENDPOINT": srv.URL + "/receiver/v1/http/X", "MAX_IN_FLIGHT": "6"}
		if status, out, errs := command(t, variables, append(args, dir, "--log-group", "g", "--yes")...); status != cli.ExitOK || most.Load() != want || all.Load() != 20 {
			t.Errorf("status %d, %d bodies, at most %d at once, want %d\n%s%s", status, all.Load(), most.Load(), want, out, errs)
		}
		srv.Close()
	}
}

func TestBackfillFromStandardInput(t *testing.T) {
	s, variables := source(t)
	var o, e bytes.Buffer
	status := cli.Run(t.Context(), new(tree), []string{"backfill", "-", "--log-group", "g", "--yes", "--no-event-id"},
		cli.Streams{In: bytes.NewReader(zipped(t, []byte(page))), Out: &o, Err: &e, Getenv: func(name string) string { return variables[name] }})
	if status != cli.ExitOK || len(lines(s)) != 2 || strings.Contains(lines(s)[0], "11") {
		t.Errorf("status %d, %q\n%s%s", status, lines(s), &o, &e)
	}
}

// The variables of a deployed forwarder count, and not those of the shell.
func TestBackfillLikeAFunction(t *testing.T) {
	server, _ := clitest.Region(t)
	s, variables := source(t)
	server.SetVariables("forwarder", map[string]string{"SUMO_ENDPOINT": variables["SUMO_ENDPOINT"], "SOURCE_CATEGORY_OVERRIDE": "deployed", "TASK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/q", "INCLUDE_EVENT_ID": "false"})
	file := write(t, t.TempDir(), "page", []byte(page))
	shell := map[string]string{"SOURCE_CATEGORY_OVERRIDE": "shell", "LOG_FORMAT": "RAW"}
	status, out, errs := command(t, shell, file, "--log-group", "g", "--yes", "--like", "forwarder", "--region", "us-east-1")
	if status != cli.ExitOK || !strings.Contains(out, "by the variables of forwarder\n") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if r := s.Requests()[0]; r.Header.Get("X-Sumo-Category") != "deployed" || !strings.Contains(string(r.Body), `"id":"11"`) {
		t.Errorf("%v %s", r.Header, r.Body)
	}
	server.AddFunction("other", "")
	for name, want := range map[string]string{"none": "--like: no function none, or you may not see it (looked in us-east-1)", "other": "--like: other has no variable SUMO_ENDPOINT: it is not a forwarder"} {
		if _, _, errs := command(t, nil, file, "--like", name, "--region", "us-east-1"); !strings.Contains(errs, want) {
			t.Errorf("%s: %s", name, errs)
		}
	}
}

// CloudWatch Logs itself is read, once each log event, with the id of each.
func TestBackfillFromCloudWatchLogs(t *testing.T) {
	server, _ := clitest.Region(t)
	from := time.Now().Add(-10 * time.Hour).Truncate(time.Hour)
	var events []logstest.Event
	for i := range 3000 {
		events = append(events, logstest.Event{ID: fmt.Sprint("id", i), Stream: fmt.Sprint("s", i%3), Message: fmt.Sprint("ERROR ", i), Timestamp: from.Add(time.Duration(i) * 7 * time.Second).UnixMilli()})
	}
	server.Add(logstest.Group{Name: "/ecs/web", Events: events, Days: 1}, logstest.Group{Name: "/ecs/api", Events: []logstest.Event{{ID: "a", Message: "ok", Timestamp: from.UnixMilli()}}}, logstest.Group{Name: "/rds"})
	throttled := 0
	server.OnRequest(func(c logstest.Call) (f logstest.Fault) {
		if c.Op == "FilterLogEvents" && throttled < 2 {
			throttled++
			f.Code = "ThrottlingException"
		}
		return f
	})
	s, variables := source(t)
	args := []string{"--log-group-pattern", "^/ecs/", "--since", from.UTC().Format(time.RFC3339), "--until", from.Add(5 * time.Hour).UTC().Format(time.RFC3339), "--region", "us-east-1", "--yes"}
	status, out, errs := command(t, variables, args...)
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "CloudWatch Logs in us-east-1, 2 log groups: /ecs/api, /ecs/web\n", "(5h0m0s)", "events   about 2", "volume   about ", "log events read   2573\n")
	found := map[string]int{}
	for _, line := range lines(s) {
		var r struct{ ID string }
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.ID == "" {
			t.Fatalf("%s: %v", line, err)
		}
		found[r.ID]++
	}
	if len(found) != 2573 || len(lines(s)) != 2573 || throttled == 0 {
		t.Errorf("%d log events, %d times, %d throttled", len(found), len(lines(s)), throttled)
	}
	// Some of them, by a filter pattern.
	s, variables = source(t)
	if status, out, errs = command(t, variables, append(args, "--filter-pattern", "ERROR 25")...); status != cli.ExitOK || len(lines(s)) != 83 {
		t.Errorf("status %d, %d log events\n%s%s", status, len(lines(s)), out, errs)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no such group":   {[]string{"--log-group", "/none", "--since", "1h"}, cli.ExitAWS, "no log group /none, or you may not see it (looked in us-east-1)"},
		"none that match": {[]string{"--log-group-pattern", "xyz", "--since", "1h"}, cli.ExitFound, `no log group in us-east-1 matches "xyz"`},
		"retention":       {[]string{"--log-group", "/ecs/web", "--since", "9d", "--dry-run"}, cli.ExitOK, "/ecs/web keeps log events for 1 days: those before are gone"},
		"a year":          {[]string{"--log-group", "/rds", "--since", "2020-01-01", "--dry-run"}, cli.ExitOK, "--since is more than a year ago"},
	} {
		status, _, errs := command(t, variables, append(c.args, "--region", "us-east-1")...)
		if status != c.status || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d: %s", name, status, errs)
		}
	}
}

// Objects are read from S3; one that vanishes does not stop the others.
func TestBackfillFromS3OnMoto(t *testing.T) {
	endpoint := moto.Start(t)
	clitest.SetAWS(t, endpoint)
	t.Setenv("AWS_REGION", "us-east-1")
	api := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	bucket := aws.String("exports")
	if _, err := api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	const task = "logs/4df7e2b6-11aa-4f2b-9f5a-1f9a3a1b2c3d/web-app-"
	for key, content := range map[string][]byte{
		task + "1/000000.gz": zipped(t, []byte("2026-10-02T03:04:05.000Z one\n")), task + "2/000000.gz": zipped(t, []byte("2026-10-02T03:04:06.000Z two\n")),
		"logs/aws-logs-write-test": []byte("Permission Check Successful"), "other": []byte("x"),
	} {
		if _, err := api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
	}
	s, variables := source(t)
	variables["AWS_ENDPOINT_URL"] = endpoint
	status, out, errs := command(t, variables, "s3://exports/logs/", "--log-group", "g", "--yes")
	if status != cli.ExitOK || !strings.Contains(out, "from       2 files") || len(lines(s)) != 2 {
		t.Fatalf("status %d, %q\n%s%s", status, lines(s), out, errs)
	}
	names := map[string]bool{}
	for _, r := range s.Requests() {
		names[r.Header.Get("X-Sumo-Name")] = true
	}
	clitest.Equal(t, map[string]bool{"web-app-1": true, "web-app-2": true}, names)
	for url, c := range map[string]struct {
		status int
		want   string
	}{"s3://none/x": {cli.ExitAWS, "list s3://none/x: NoSuchBucket"}, "s3://exports/none": {cli.ExitFound, "there are no objects at s3://exports/none"}} {
		if status, _, errs := command(t, variables, url, "--log-group", "g", "--yes"); status != c.status || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d: %s", url, status, errs)
		}
	}
}

// bucket is S3 with two objects, whose reading a test can make fail.
func bucket(t *testing.T, get http.HandlerFunc) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("list-type") == "2" {
			fmt.Fprint(w, `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>29</Size><ETag>"1"</ETag></Contents><Contents><Key>b</Key><Size>29</Size><ETag>"2"</ETag></Contents></ListBucketResult>`)
			return
		}
		get(w, r)
	}))
	t.Cleanup(srv.Close)
	clitest.SetAWS(t, srv.URL)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>no</Message></Error>`, code)
}

func TestBackfillFromS3ThatFails(t *testing.T) {
	const line = "2026-10-02T03:04:05.000Z one\n"
	opens := map[string]int{}
	for name, c := range map[string]struct {
		get    http.HandlerFunc
		status int
		want   string
		lines  int
	}{
		"no permission": {func(w http.ResponseWriter, r *http.Request) { refuse(w, 403, "AccessDenied") }, cli.ExitAWS,
			"read s3://x/a: access denied: s3:GetObject (no); it needs s3:ListBucket of the bucket, s3:GetObject", 0},
		"an object that vanishes": {func(w http.ResponseWriter, r *http.Request) {
			if opens[r.URL.Path]++; r.URL.Path == "/x/a" && opens[r.URL.Path] > 1 {
				refuse(w, 404, "NoSuchKey")
				return
			}
			fmt.Fprint(w, line)
		}, cli.ExitUsage, "read s3://x/a: NoSuchKey: no", 1},
		"an object that changes": {func(w http.ResponseWriter, r *http.Request) {
			if opens["c"+r.URL.Path]++; r.URL.Path == "/x/b" && opens["c"+r.URL.Path] > 1 && r.Header.Get("If-Match") == `"2"` {
				refuse(w, 412, "PreconditionFailed")
				return
			}
			fmt.Fprint(w, line)
		}, cli.ExitUsage, "read s3://x/b: the object was changed meanwhile", 1},
		"a connection that breaks": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "bytes=10-" {
				w.WriteHeader(http.StatusPartialContent)
				fmt.Fprint(w, line[10:])
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(line)))
			fmt.Fprint(w, line[:10])
		}, cli.ExitOK, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			bucket(t, c.get)
			s, variables := source(t)
			variables["AWS_ENDPOINT_URL"] = "set"
			status, out, errs := command(t, variables, "s3://x/", "--log-group", "g", "--yes")
			if status != c.status || !strings.Contains(errs, c.want) || len(lines(s)) != c.lines {
				t.Errorf("status %d, %q\n%s%s", status, lines(s), out, errs)
			}
		})
	}
}

// A process that is killed in the middle loses nothing, and what arrives twice was in
// flight. Its memory is bounded.
func TestBackfillKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("runs processes")
	}
	const files, events, workers = 30, 4000, 3
	dir := t.TempDir()
	for i := range files {
		var b bytes.Buffer
		for j := range events {
			fmt.Fprintf(&b, "2026-10-02T03:04:05.000Z %d-%d %s\n", i, j, strings.Repeat("x", 200))
		}
		write(t, dir, fmt.Sprintf("in/%03d.gz", i), zipped(t, b.Bytes()))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	slow := sumotest.New()
	var requests atomic.Int64
	var killed atomic.Pointer[os.Process]
	var how atomic.Int64
	how.Store(int64(syscall.SIGKILL))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(10 * time.Millisecond)
		slow.ServeHTTP(w, r)
		if requests.Add(1)%7 == 0 {
			if p := killed.Load(); p != nil {
				p.Signal(syscall.Signal(how.Load()))
			}
		}
	}))
	defer srv.Close()
	var out bytes.Buffer
	run := func(kill bool) (rss int64, err error) {
		cmd := exec.Command(self, "backfill", filepath.Join(dir, "in"), "--log-group", "g", "--yes", "--workers", fmt.Sprint(workers), "--resume", filepath.Join(dir, "checkpoint"))
		cmd.Env = append(os.Environ(), asCommand+"=1", "SUMO_ENDPOINT="+srv.URL+"/receiver/v1/http/X", "LOG_FORMAT=RAW")
		out.Reset()
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killed.Store(nil)
		if kill {
			killed.Store(cmd.Process)
		}
		if err = cmd.Wait(); err != nil && !kill {
			t.Errorf("%v\n%s", err, &out)
		}
		return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss, err
	}
	kills := 0
	for range 3 {
		if _, err := run(true); err != nil {
			kills++
		}
	}
	// Ctrl-C ends it with a table, and leaves the rest for the next run.
	how.Store(int64(syscall.SIGINT))
	if _, err := run(true); err == nil || err.Error() != "exit status 130" {
		t.Errorf("interrupted: %v", err)
	}
	clitest.Mentions(t, out.String(), "sumoship: interrupted; ")
	if !strings.Contains(out.String(), "what was under way") { // on a busy machine it is not waited for
		clitest.Mentions(t, out.String(), "log events read", "of earlier runs", "; run the command again to go on: "+filepath.Join(dir, "checkpoint"))
	}
	rss, _ := run(false)
	found := map[string]int{}
	for _, line := range lines(slow) {
		id, _, _ := strings.Cut(line, " ")
		found[id]++
	}
	twice := 0
	for _, n := range found {
		twice += n - 1
	}
	// A batch in flight is one file here, and the source may have stored one more whose
	// answer was on its way.
	if len(found) != files*events || twice > kills*(workers+1)*events || kills < 3 {
		t.Errorf("%d of %d log events, %d twice, after %d kills", len(found), files*events, twice, kills)
	}
	if rss > 200<<10 && !clitest.Raced() {
		t.Errorf("%d MB of memory", rss>>10)
	}
	t.Logf("%d kills, %d log events of %d twice, %d MB of memory", kills, twice, files*events, rss>>10)
}
