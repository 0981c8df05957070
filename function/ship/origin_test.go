package ship_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// collected is an event of a log group that collects those of other accounts: its log
// events say where they came from. Each is an account, a Region, a log group and a
// message.
func collected(stream string, events ...[4]string) []byte {
	var list []string
	for i, e := range events {
		fields, _ := json.Marshal(map[string]string{"@aws.account": e[0], "@aws.region": e[1], "@source.log": e[2]})
		message, _ := json.Marshal(e[3])
		list = append(list, fmt.Sprintf(`{"id":"id-%d","timestamp":%d,"message":%s,"extractedFields":%s}`, i, i, message, fields))
	}
	return transform.Pack(fmt.Appendf(nil, `{"messageType":"DATA_MESSAGE","owner":"999999999999","logGroup":"/central/all","logStream":%q,"logEvents":[%s]}`,
		stream, strings.Join(list, ",")))
}

// headers are what a request says of its records, as name, category, host and
// fields.
func headers(r sumotest.Request) [4]string {
	return [4]string{r.Header.Get("X-Sumo-Name"), r.Header.Get("X-Sumo-Category"), r.Header.Get("X-Sumo-Host"), r.Header.Get("X-Sumo-Fields")}
}

// A record arrives with the account, Region and log group that it came from, also
// when it went through the dead-letter queue, and in parts.
func TestOriginArrives(t *testing.T) {
	event := collected("s",
		[4]string{"111122223333", "eu-west-1", "/ecs/shop", "a"},
		[4]string{"444455556666", "us-east-1", "444455556666:/ecs/till", "b"},
		[4]string{"111122223333", "eu-west-1", "/ecs/shop", "c"})
	want := map[[4]string][]string{
		{"s", "aws/111122223333/ecs/shop", "/ecs/shop", "account=111122223333,region=eu-west-1"}: {
			`{"timestamp":0,"message":"a","logStream":"s","logGroup":"/central/all","account":"111122223333","region":"eu-west-1","sourceGroup":"/ecs/shop"}`,
			`{"timestamp":2,"message":"c","logStream":"s","logGroup":"/central/all","account":"111122223333","region":"eu-west-1","sourceGroup":"/ecs/shop"}`},
		{"s", "aws/444455556666/ecs/till", "/ecs/till", "account=444455556666,region=us-east-1"}: {
			`{"timestamp":1,"message":"b","logStream":"s","logGroup":"/central/all","account":"444455556666","region":"us-east-1","sourceGroup":"/ecs/till"}`},
	}
	for name, steps := range map[string][]sumotest.Step{"live": nil, "replayed": sumotest.Statuses(401), "in part": sumotest.Statuses(200, 400)} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(steps...)
			w.vars["SOURCE_CATEGORY_OVERRIDE"] = "aws/{account}{sourceGroup}"
			w.vars["SOURCE_FIELDS_OVERRIDE"] = "account={account},region={region}"
			w.vars["INCLUDE_LOG_INFO"], w.vars["MAX_IN_FLIGHT"] = "true", "1"
			r, err := w.forwarder(t).Ship(t.Context(), event)
			if err != nil || r.Confirmed+r.DeadLettered != 3 || (r.DeadLettered > 0) != (steps != nil) {
				t.Fatalf("%+v, %v", r, err)
			}
			w.queue.Wake()
			if _, err := w.replayer(t, false).Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := map[[4]string][]string{}
			for _, r := range w.source.Requests() {
				if r.Status == 200 {
					got[headers(r)] = append(got[headers(r)], r.Lines()...)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// The function's Region and the payload's owner stand for events that say nothing.
func TestOriginOfThePayload(t *testing.T) {
	w := newFixture()
	w.vars["AWS_REGION"], w.vars["SOURCE_FIELDS_OVERRIDE"] = "eu-west-1", "account={account},region={region},group={sourceGroup}"
	event := transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"/ecs/web","logStream":"s","logEvents":[{"message":"a"}]}`))
	if r, err := w.forwarder(t).Ship(t.Context(), event); err != nil || r.Confirmed != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := headers(w.source.Requests()[0]); got != [4]string{"s", "", "/ecs/web", "account=111122223333,region=eu-west-1,group=/ecs/web"} {
		t.Errorf("%q", got)
	}
}

// Who replays by hand has the Region of the queue, not that of the shell.
func TestRegionIsThatOfTheQueue(t *testing.T) {
	for url, want := range map[string]string{
		"":                                     "region=us-east-1",
		"http://127.0.0.1:1/123456789012/dead": "region=us-east-1",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/dead":          "region=eu-west-1",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/dead":      "region=cn-north-1",
		"https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/123456789012/d": "region=us-east-1",
	} {
		w := newFixture()
		w.vars["AWS_REGION"], w.vars["TASK_QUEUE_URL"], w.vars["SOURCE_FIELDS_OVERRIDE"] = "us-east-1", url, "region={region}"
		if r, err := w.forwarder(t).Ship(t.Context(), event("a")); err != nil || r.Confirmed != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		if got := w.source.Requests()[0].Header.Get("X-Sumo-Fields"); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// query is the part of a search of Sumo Logic's app for AWS Lambda that reads our
// records: its scope, and how it parses them into fields.
//
// Source: Sumo Logic, "AWS Lambda", Sample Queries: Requests by Function Versions.
func query(scope map[string]string, r sumotest.Request, line string) (fields map[string]string, err error) {
	set := map[string]string{}
	for pair := range strings.SplitSeq(r.Header.Get("X-Sumo-Fields"), ",") {
		key, value, _ := strings.Cut(pair, "=")
		set[strings.ToLower(key)] = value
	}
	// account=… region=… namespace=…
	for key, want := range scope {
		if set[key] != want {
			return nil, fmt.Errorf("out of scope: %s is %q, want %q", key, set[key], want)
		}
	}
	// | json "message" nodrop | if (_raw matches "{*", message, _raw) as message
	message := line
	if strings.HasPrefix(line, "{") {
		var record struct{ Message json.RawMessage }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			return nil, err
		}
		if message = string(record.Message); json.Unmarshal(record.Message, &message) != nil {
			message = string(record.Message)
		}
	}
	// | _sourceName as logStream | _sourceHost as logGroup
	from := map[string]string{"message": message, "logstream": r.Header.Get("X-Sumo-Name"), "loggroup": r.Header.Get("X-Sumo-Host")}
	fields = map[string]string{}
	for _, parse := range []struct{ field, expression string }{
		{"message", `REPORT\s+RequestId:\s+(?<requestid>\S+)\s+Duration:\s+(?<duration>\S+)\s+ms\s+Billed Duration:\s+(?<billed>\S+)\s+ms\s+` +
			`Memory\s+Size:\s+(?<memory>\S+)\s+MB\s+Max\s+Memory\s+Used:\s+(?<used>\S+)\s+MB`},
		{"logstream", `(?<date>.*?)/\[(?<version>.*?)\](?<id>.*)`}, // | parse field=logstream "*/[*]*"
		{"loggroup", `^/aws/lambda/(?<functionname>.*)$`},          // | parse field=loggroup "/aws/lambda/*"
	} {
		re := regexp.MustCompile(parse.expression)
		m := re.FindStringSubmatch(from[parse.field])
		if m == nil {
			return nil, fmt.Errorf("%s does not parse: %q", parse.field, from[parse.field])
		}
		for i, name := range re.SubexpNames() {
			if name != "" {
				fields[name] = m[i]
			}
		}
	}
	return fields, nil
}

// documented returns the fields that docs/configuration.md sets for the apps.
func documented(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "\n    SOURCE_FIELDS_OVERRIDE=")
	fields, _, _ := strings.Cut(rest, "\n")
	if !found {
		t.Fatal("docs/configuration.md sets no SOURCE_FIELDS_OVERRIDE")
	}
	return fields
}

// Sumo Logic's own apps find our records and can parse them: with the fields of
// docs/configuration.md, in the account of the function and from a central one.
func TestAppsOfSumoLogicReadTheRecords(t *testing.T) {
	const (
		id     = "0f6c1d2e-3b4a-4968-8776-655443322110"
		report = "REPORT RequestId: " + id + "\tDuration: 50.23 ms\tBilled Duration: 51 ms\tMemory Size: 128 MB\tMax Memory Used: 24 MB\t\n"
		stream = "2026/11/27/[$LATEST]0123456789abcdef0123456789abcdef"
	)
	message, _ := json.Marshal(report)
	own := transform.Pack(fmt.Appendf(nil, `{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"/aws/lambda/till","logStream":%q,`+
		`"logEvents":[{"id":"1","timestamp":1,"message":%s}]}`, stream, message))
	want := map[string]string{"requestid": id, "duration": "50.23", "billed": "51", "memory": "128", "used": "24",
		"date": "2026/11/27", "version": "$LATEST", "id": "0123456789abcdef0123456789abcdef", "functionname": "till"}
	for name, event := range map[string][]byte{
		"own":     own,
		"central": collected(stream, [4]string{"111122223333", "eu-west-1", "/aws/lambda/till", report}),
	} {
		for _, format := range []string{"Others", "RAW"} {
			w := newFixture()
			w.vars["AWS_REGION"], w.vars["LOG_FORMAT"] = "eu-west-1", format
			w.vars["SOURCE_FIELDS_OVERRIDE"] = documented(t)
			if r, err := w.forwarder(t).Ship(t.Context(), event); err != nil || r.Confirmed != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			request := w.source.Requests()[0]
			got, err := query(map[string]string{"account": "111122223333", "region": "eu-west-1", "namespace": "aws/lambda"}, request, request.Lines()[0])
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("%s, %s: %v (-want +got):\n%s", name, format, err, d)
			}
		}
	}
}

// Each origin costs a request, too.
func TestOriginsOfAnEventAreBounded(t *testing.T) {
	var events [][4]string
	for i := range 300 {
		events = append(events, [4]string{fmt.Sprint(100000000000 + i%150), "eu-west-1", "/a", `{"_sumo_metadata":{"category":"c"},"n":1}`}, [4]string{fmt.Sprint(100000000000 + i%150), "eu-west-1", "/a", "m"})
	}
	w := newFixture()
	w.vars["SOURCE_FIELDS_OVERRIDE"] = "account={account}"
	r, err := w.forwarder(t).Ship(t.Context(), collected("s", events...))
	// 100 chosen ones, 100 origins and the payload's own.
	if n := len(w.source.Requests()); err != nil || r.Confirmed != 600 || n != 201 || r.OverMaxSources != 200 {
		t.Errorf("%d requests: %+v, %v", n, r, err)
	}
	for _, r := range w.source.Requests() {
		if h := headers(r); h[2] == "/central/all" != (h[3] == "account=999999999999") {
			t.Errorf("headers %q", h)
		}
	}
}
