package ship_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// Whatever the format, the filters, the rules and the masks are: the records of a
// payload are the same, with the same metadata, whether it goes whole, in parts that
// were refused and replayed, or through a stream. go test ./function/ship -run
// TestEveryWayShipsTheSame -seeds 10000 tries 2,500 payloads.
func TestEveryWayShipsTheSame(t *testing.T) {
	parts, filtered, masked, shipped, waited, tagged, described := 0, 0, 0, 0, 0, 0, 0
	for seed := *first; seed < *first+*seeds/4; seed++ {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			vars, payload := randomVars(rng), transform.Pack(randomPayload(rng))
			start := func(source *sumotest.Source) *fixture {
				w := newFixture()
				w.source, w.tags, w.interfaces = source, tagsByName{}, interfacesByID{}
				maps.Copy(w.vars, vars)
				return w
			}

			whole := start(sumotest.New())
			r, err := whole.forwarder(t).Ship(t.Context(), payload)
			if err != nil || r.DeadLettered > 0 || r.Confirmed+sum(r.Filtered) != r.Events {
				t.Fatalf("seed %d, whole: %+v, %v", seed, r, err)
			}
			want := shippedOf(whole.source)
			for _, r := range want {
				if strings.Contains(r, "team=pay|") || strings.Contains(r, "|pay|") {
					tagged++
				}
				described += strings.Count(r, `"security-group-ids":["sg-1"`)
			}
			filtered, masked, shipped = filtered+sum(r.Filtered), masked+sum(r.Masked), shipped+r.Confirmed

			// Statuses after which nothing is stored, so that nothing may come twice.
			faults := func() *sumotest.Source {
				steps := make([]sumotest.Step, rng.IntN(40))
				for i := range steps {
					steps[i].Status = []int{200, 200, 200, 400, 413, 429, 503, 401}[rng.IntN(8)]
				}
				return sumotest.New(steps...)
			}
			// Bodies, and messages of the queue, that are small make many parts.
			small := func(w *fixture) *fixture {
				w.vars["MAX_BODY_BYTES"] = fmt.Sprint(1 + rng.IntN(2000))
				w.vars["NUMBER_OF_RETRIES"] = fmt.Sprint(rng.IntN(3))
				w.queue.Max = []int{0, 3000}[rng.IntN(2)]
				return w
			}
			replay := func(w *fixture) {
				for range 100 {
					if len(w.queue.Entries()) == 0 {
						return
					}
					parts += len(w.queue.Entries())
					w.queue.Wake()
					if _, err := w.replayer(t, true).Drain(t.Context()); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
				t.Fatalf("seed %d: the queue is not drained: %s", seed, w.log.String())
			}
			compare := func(way string, w *fixture) {
				t.Helper()
				if diff := cmp.Diff(want, shippedOf(w.source)); diff != "" || len(w.quarantine.Entries()) > 0 {
					doc, _ := json.Marshal(w.vars)
					t.Fatalf("seed %d, %s, %s (-whole +parts):\n%s", seed, way, doc, diff)
				}
			}

			live := small(start(faults()))
			if r, err := live.forwarder(t).Ship(t.Context(), payload); err != nil || r.Lost > 0 {
				t.Fatalf("seed %d, live: %+v, %v", seed, r, err)
			}
			replay(live)
			compare("live and by replay", live)

			queued := small(start(faults()))
			if _, err := queued.queue.Put(t.Context(), []dlq.Entry{{Event: payload, Cause: dlq.Cause{FirstFailure: time.Now(), Attempts: 1}}}); err == nil {
				replay(queued)
				compare("by replay alone", queued)
			}

			stream := small(start(faults()))
			f := stream.stream(t)
			event := records(streamRecord(1, base64.StdEncoding.EncodeToString(packed(t, payload))))
			for range 100 {
				answer, err := f.Invoke(t.Context(), event)
				if err != nil {
					t.Fatalf("seed %d, stream: %v", seed, err)
				}
				if lowest(t, answer) == "" {
					break
				}
				waited++
			}
			replay(stream)
			// A record that stays in the stream goes again as a whole.
			once := slices.Compact(shippedOf(stream.source))
			if diff := cmp.Diff(slices.Compact(slices.Clone(want)), once); diff != "" {
				t.Fatalf("seed %d, stream (-whole +stream):\n%s", seed, diff)
			}
		})
	}
	if n := int(*seeds / 4); n >= 50 && (parts < n || filtered < n || masked < n/2 || shipped < 5*n || waited < n/10 || tagged < n/10 || described < n/50) { // or nothing was tried
		t.Errorf("%d parts, %d filtered, %d masked, %d shipped, %d waited in the stream, %d with a tag, %d with security groups", parts, filtered, masked, shipped, waited, tagged, described)
	}
}

// tagsByName gives the log groups of some names a tag.
type tagsByName struct{}

func (tagsByName) Tags(_ context.Context, account, group string) (map[string]string, error) {
	if strings.HasPrefix(group, "/ecs/") && account != "111122220001" {
		return map[string]string{"team": "pay"}, nil
	}
	return nil, nil
}

// interfacesByID knows the interface of the flow records, and an address of it.
type interfacesByID struct{}

func (interfacesByID) Interfaces(context.Context, string, []string) (map[string]*transform.Interface, error) {
	return map[string]*transform.Interface{"eni-1": {Subnet: "subnet-1", SecurityGroups: []string{"sg-1", "sg-2"}, Addresses: []string{"10.0.0.1", "10.0.1.7"}}}, nil
}

func sum(counts map[string]int) (n int) {
	for _, v := range counts {
		n += v
	}
	return n
}

// packed is the payload of an event, in gzip.
func packed(t *testing.T, event []byte) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(data(event))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shippedOf are the records that a source has stored, each behind its metadata, sorted.
func shippedOf(source *sumotest.Source) (out []string) {
	for _, r := range source.Requests() {
		if !r.Taken {
			continue
		}
		var by []string
		for _, name := range []string{"X-Sumo-Name", "X-Sumo-Category", "X-Sumo-Host", "X-Sumo-Fields"} {
			by = append(by, r.Header.Get(name))
		}
		for _, line := range r.Lines() {
			out = append(out, strings.Join(by, "|")+"|"+line)
		}
	}
	slices.Sort(out)
	return out
}

// randomVars are variables of a function, with every format, filter and kind of rule.
func randomVars(rng *rand.Rand) map[string]string {
	vars := map[string]string{"AWS_REGION": "eu-west-1", "MAX_SOURCES": "10000"}
	some := func(name string, values ...string) {
		if v := values[rng.IntN(len(values))]; v != "" {
			vars[name] = v
		}
	}
	formats := []string{"Others", "VPC-JSON", "VPC-RAW", "RAW"}
	some("LOG_FORMAT", formats...)
	some("INCLUDE_LOG_INFO", "", "true")
	some("INCLUDE_EVENT_ID", "", "true")
	some("METADATA_FROM_MESSAGES", "", "all", "fields", "none")
	if strings.HasPrefix(vars["LOG_FORMAT"], "VPC-JSON") {
		some("INCLUDE_SECURITY_GROUP_INFO", "", "true")
	}
	some("VPC_CIDR_PREFIX", "", "10.0.0.0/8,192.168")
	some("LOG_STREAM_PREFIX", "", "", "", "web,api")
	some("SOURCE_NAME_OVERRIDE", "", "{container}")
	some("SOURCE_CATEGORY_OVERRIDE", "", "aws{logGroup}", "none")
	some("SOURCE_HOST_OVERRIDE", "", "{account}.{region}")
	some("SOURCE_FIELDS_OVERRIDE", "", "a={account},g={sourceGroup},s={logStream}")
	some("COMPRESS_DATA", "", "", "false")
	if rng.IntN(3) == 0 {
		return vars
	}
	rule := map[string]any{"rule": "some"}
	maybe := func(name string, values ...any) {
		if v := values[rng.IntN(len(values))]; v != nil {
			rule[name] = v
		}
	}
	maybe("match", nil, map[string]any{"logGroup": "^/ecs/"}, map[string]any{"account": "1111"}, map[string]any{"logStream": "web"},
		map[string]any{"tags": map[string]any{"team": "pay"}})
	maybe("category", nil, "{logGroup.1}/{json:user.plan}", "{tag:team}", "none")
	maybe("name", nil, "{region}-{json:n}")
	maybe("fields", nil, map[string]any{"env": "prod", "plan": "{json:user.plan}"}, map[string]any{"team": "{tag:team}"})
	maybe("format", nil, nil, "RAW", "Others", "VPC-JSON", "VPC-RAW")
	maybe("metadataFromMessages", nil, "none", "fields", "all")
	maybe("include", nil, nil, nil, []string{"a", "[0-9]"})
	maybe("exclude", nil, []string{"DEBUG"})
	maybe("sample", nil, nil, map[string]any{"rate": 0.5, "keep": []string{"ERROR"}})
	maybe("mask", nil, []string{"email", "ipv4", "card"}, []string{"email"})
	maybe("redact", nil, []string{"user.name", "list.*"})
	maybe("flowLogs", nil, map[string]any{"internal": []string{"10.0.0.0/8"}})
	document := map[string]any{"version": 1, "rules": []any{rule}}
	if rng.IntN(3) == 0 {
		document["default"] = map[string]any{"mask": []string{"ipv4"}}
	}
	text, _ := json.Marshal(document)
	vars["RULES"] = string(text)
	return vars
}

// randomPayload is a document of CloudWatch Logs, with messages of every kind that a
// format, a rule or a filter treats in its own way.
func randomPayload(rng *rand.Rand) []byte {
	id := func() string {
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", rng.IntN(3), rng.IntN(2))
	}
	address := func() string {
		return fmt.Sprintf("%d.0.%d.%d", []int{10, 10, 203}[rng.IntN(3)], rng.IntN(3), rng.IntN(250))
	}
	message := func() any {
		u := id()
		return []any{
			"START RequestId: " + u + " Version: $LATEST\n",
			"2026-01-02T03:04:05.678Z\t" + u + "\tWARN\tcareful\n",
			"END RequestId: " + u, "REPORT RequestId: " + u + "\tDuration: 1 ms",
			"plain text with a@example.com and " + address(), "ERROR of card 4111 1111 1111 1111", "DEBUG quiet " + u,
			`{ "user" : {"name":"Ann","plan":"pro, \"2\""}, "n": 1.0, "list":["b@example.com",2], "n": 1 }`,
			`{"_sumo_metadata":{"category":"` + u[:8] + `","fields":{"f":"` + u[7:8] + `"}},"text":"c@example.com"}`,
			`{"_sumo_metadata":{"host":"h","source":"s"},"user":{"plan":"` + u[7:8] + `"}}`,
			"2 123456789010 eni-1 " + address() + " " + address() + " 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
			"2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA",
			"multi\nline\ttext \u2028 \U0001F600 \u0000", "", "\n", " [1, 2] ", "null", `"text"`,
			nil, 7, map[string]any{"deep": []any{map[string]any{}}}, []any{"d@example.com"},
		}[rng.IntN(22)]
	}
	var events []any
	for n := range 1 + rng.IntN(25) {
		e := map[string]any{"id": fmt.Sprintf("%056d", n), "timestamp": 1_700_000_000_000 + n, "message": message()}
		switch rng.IntN(6) {
		case 0:
			e["extractedFields"] = map[string]any{"@aws.account": fmt.Sprint(111122220000 + rng.IntN(3)), "@aws.region": "eu-west-1", "@source.log": fmt.Sprintf("111122220000:/ecs/%d", rng.IntN(2))}
		case 1:
			e["requestID"] = id()
		case 2:
			delete(e, []string{"id", "timestamp", "message"}[rng.IntN(3)])
		}
		if rng.IntN(12) == 0 {
			events = append(events, message())
		} else {
			events = append(events, e)
		}
	}
	doc, _ := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "owner": "111122223333", "subscriptionFilters": []string{"all"},
		"logGroup":  []string{"/ecs/shop", "/aws/lambda/pay", "vpc"}[rng.IntN(3)],
		"logStream": []string{"web/app/0123456789abcdef0123456789abcdef", "2026/01/02/[$LATEST]0123456789abcdef0123456789abcdef", "api"}[rng.IntN(3)],
		"logEvents": events,
	})
	return doc
}
