package transform

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rebuild returns the parts of a batch, and how many events fit in none.
func rebuild(b *Batch, keep func(int) bool, limit int) (parts []Part, unfit int) {
	for p := range b.Rebuild(context.Background(), keep, limit) {
		if p.Event == nil {
			unfit += p.Events
		} else {
			parts = append(parts, p)
		}
	}
	return parts, unfit
}

func TestPackIsWhatLambdaSends(t *testing.T) {
	var event struct {
		AWSLogs struct{ Data string } `json:"awslogs"`
	}
	if err := json.Unmarshal(Pack([]byte(small)), &event); err != nil {
		t.Fatal(err)
	}
	packed, err := base64.StdEncoding.DecodeString(event.AWSLogs.Data)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != small {
		t.Errorf("%s, %v; want %s", got, err, small)
	}
}

// A line keeps the request id it had, and one that had none gets none.
func TestRebuildKeepsRequestIDs(t *testing.T) {
	const (
		start  = `{"message":"START RequestId: ` + id + `"}`
		report = `{"message":"REPORT RequestId: ` + id + `"}`
		text   = `{"message":"text"}`
		withID = `{"message":"text","requestID":"` + id + `"}`
		noID   = `{"message":"text","requestID":null}`
		both   = `{"requestID":"x","message":"Z ` + id2 + `"}`
	)
	for _, tt := range []struct {
		name   string
		events []string
		keep   []int
		want   []string
	}{
		{"all", []string{start, text, report, text}, []int{0, 1, 2, 3}, []string{start, withID, report, text}},
		{"none", []string{start, text}, nil, nil},
		{"without the line that has the id", []string{start, text, text}, []int{1, 2}, []string{withID, withID}},
		{"without the report", []string{start, text, report, text, text}, []int{0, 1, 3, 4}, []string{start, withID, noID, text}},
		{"after a report", []string{start, report, text}, []int{2}, []string{text}},
		{"before any id", []string{text, start, text}, []int{0, 2}, []string{text, withID}},
		{"rebuilt before", []string{start, withID, noID, text}, []int{0, 1, 2, 3}, []string{start, withID, noID, text}},
		{"rebuilt before, without what ends it", []string{start, noID, text}, []int{0, 2}, []string{start, noID}},
		{"an id of its own and another", []string{both, text}, []int{0, 1}, []string{both, strings.Replace(withID, id, id2, 1)}},
		{"white space", []string{start, "{ \"message\" : \"text\"\r\n\t }", "{ }"}, []int{1, 2},
			[]string{`{ "message" : "text","requestID":"` + id + `"}`, `{"requestID":"` + id + `"}`}},
		{"not objects", []string{start, ` 7 `, `"text"`, `["x" , 1]`, report, `null`}, []int{0, 1, 2, 3, 4, 5},
			[]string{start, `{"message":7,"requestID":"` + id + `"}`, withID, `{"message":["x" , 1],"requestID":"` + id + `"}`, report, `null`}},
		{"not objects, without what is before", []string{start, `"Z ` + id2 + `"`, `7`, report, `8`}, []int{2, 4}, []string{`{"message":7,"requestID":"` + id2 + `"}`, `8`}},
		{"as it was written", []string{`{"message":"\u0041\/\ud800","n":1.0,"n":1e3}`}, []int{0}, []string{`{"message":"\u0041\/\ud800","n":1.0,"n":1e3}`}},
	} {
		parts, unfit := rebuild(decode(t, inLambda(document(tt.events...))), func(i int) bool { return slices.Contains(tt.keep, i) }, 1<<20)
		if unfit != 0 || len(parts) != min(1, len(tt.want)) {
			t.Errorf("%s: %d parts, %d unfit", tt.name, len(parts), unfit)
			continue
		}
		for _, p := range parts {
			b, err := Decode(p.Event, DefaultLimit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(inLambda(document(tt.want...)), string(b.doc)); diff != "" || p.Events != len(tt.want) {
				t.Errorf("%s: %d events (-want +got):\n%s", tt.name, p.Events, diff)
			}
		}
	}
}

func TestRebuildKeepsTheDocument(t *testing.T) {
	const head = ` {"owner" : "1", "logEvents":7, "x":{"logEvents":[{}]}, "logEvents" : `
	const tail = ` ,"logGroup":"\u0067","policyLevel":"ACCOUNT_LEVEL_POLICY", "n":1e3 }` + "\n"
	b := decode(t, head+`[ {"message":"a"} , {"message":"b"} ]`+tail)
	parts, _ := rebuild(b, func(i int) bool { return i == 1 }, 1<<20)
	rebuilt, err := Decode(parts[0].Event, DefaultLimit)
	if err != nil {
		t.Fatal(err)
	}
	if want := head + `[{"message":"b"}]` + tail; string(rebuilt.doc) != want {
		t.Errorf("document %s, want %s", rebuilt.doc, want)
	}
}

func TestRebuildOfNoEvents(t *testing.T) {
	for _, doc := range []string{`{"messageType":"CONTROL_MESSAGE","logEvents":[{}]}`, `{"logEvents":[]}`} {
		parts, unfit := rebuild(decode(t, doc), func(int) bool { return true }, 1<<20)
		if len(parts) != 0 || unfit != 0 {
			t.Errorf("%s: %d parts, %d unfit", doc, len(parts), unfit)
		}
	}
}

func TestRebuildSplitsAtTheLimit(t *testing.T) {
	all := func(int) bool { return true }
	b := decode(t, withMessages("a", "b"))
	whole, _ := rebuild(b, all, 1<<20)
	size := len(whole[0].Event)
	for limit, want := range map[int]int{size: 1, size - 1: 2, 10: 0, 0: 0, -1: 0} {
		if parts, unfit := rebuild(b, all, limit); len(parts) != want || unfit != 2 && want == 0 || unfit != 0 && want > 0 {
			t.Errorf("limit %d of %d bytes: %d parts, %d unfit; want %d parts", limit, size, len(parts), unfit, want)
		}
	}
}

// lines6MB is a batch of the largest event that Lambda takes.
func lines6MB(t testing.TB) *Batch {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	messages := make([]string, 190_000)
	for i := range messages {
		messages[i] = fmt.Sprintf("%016x order %d taken from %x, %d ms", r.Uint64()&0xffff_ffff_ffff, i, r.Uint32(), r.IntN(1000))
	}
	event := Pack([]byte(withMessages(messages...)))
	if len(event) < 5_500_000 || len(event) > 7_000_000 {
		t.Fatalf("an event of %d bytes, want about 6 MB", len(event))
	}
	b, err := Decode(event, DefaultLimit)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The largest batch is rebuilt in little more than one pass, and its memory is that
// of its parts: a function of 128 MB has no room for another copy.
func TestRebuildOfALargeBatchIsOnePass(t *testing.T) {
	const limit = 256 << 10
	b := lines6MB(t)
	for name, kept := range map[string]func(int) bool{"all": func(int) bool { return true }, "every third": func(i int) bool { return i%3 == 0 }} {
		asked, want, events, bytes := 0, 0, 0, 0
		for i := range b.Len() {
			if kept(i) {
				want++
			}
		}
		keep := func(i int) bool { asked++; return kept(i) }
		n := allocated(func() {
			for p := range b.Rebuild(context.Background(), keep, limit) {
				if len(p.Event) == 0 || len(p.Event) > limit {
					t.Fatalf("a part of %d bytes", len(p.Event))
				}
				events += p.Events
				bytes += len(p.Event)
			}
		})
		t.Logf("%s: %d bytes of parts, %d allocated, %.2f passes", name, bytes, n, float64(asked)/float64(b.Len()))
		if events != want || asked > b.Len()*5/4 || n > uint64(2*bytes+4<<20) {
			t.Errorf("%s: %d of %d events; %d events looked at of %d, %d bytes allocated for %d", name, events, want, asked, b.Len(), n, bytes)
		}
	}
}

// Rebuild ends with its context, even within an event, and what it has yielded is
// whole.
func TestRebuildEndsWithItsContext(t *testing.T) {
	b := lines6MB(t)
	for _, at := range []int{0, 1, 50_000, 100_000} {
		ctx, cancel := context.WithCancel(t.Context())
		last, events := 0, 0
		for p := range b.Rebuild(ctx, func(i int) bool {
			if last = i; i == at {
				cancel()
			}
			return true
		}, 256<<10) {
			part, err := Decode(p.Event, DefaultLimit)
			if err != nil || part.Len() != p.Events {
				t.Fatalf("a part of %d events: %v, %v", p.Events, part, err)
			}
			events += p.Events
		}
		if last > at+1024 || events > at || at >= 50_000 && events == 0 {
			t.Errorf("ended at %d, it looked at event %d and yielded %d", at, last, events)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for p := range b.Rebuild(ctx, func(int) bool { return false }, 1<<20) {
		t.Errorf("a part of %d events", p.Events)
	}
}

// Rebuild looks for its context also among events that are not kept.
func TestRebuildEndsWithItsContextAmongWhatIsNotKept(t *testing.T) {
	b := decode(t, withMessages(make([]string, 5000)...))
	for _, at := range []int{0, 1, 1500, 3900} {
		ctx, cancel := context.WithCancel(t.Context())
		last := 0
		for p := range b.Rebuild(ctx, func(i int) bool {
			if last = i; i == at {
				cancel()
			}
			return false
		}, 1<<20) {
			t.Errorf("a part of %d events", p.Events)
		}
		if last > at+1024 {
			t.Errorf("ended at %d, it went on to event %d", at, last)
		}
	}
}

// What could not be packed whole is no payload, and stays so.
func TestPackerThatFailedGivesNothing(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, p := range map[string]*packer{
		"its context is done":     {ctx: done, limit: math.MaxInt},
		"the limit is exceeded":   {ctx: t.Context(), limit: 40},
		"there is no room at all": {ctx: t.Context()},
	} {
		p.reset(gzip.DefaultCompression)
		p.write([]byte(small))
		if first := p.close(); first != nil || p.err == nil || p.full() == (p.ctx == done) {
			t.Errorf("%s: %q, %v", name, first, p.err)
		}
		err := p.err
		p.write([]byte(small))
		if again := p.close(); again != nil || p.err != err {
			t.Errorf("%s: later %q, %v", name, again, p.err)
		}
	}
}

// What surrounds the events may leave no room for any: then they are counted at once,
// not tried one by one.
func TestRebuildOfADocumentThatIsTooLarge(t *testing.T) {
	noise := make([]byte, 6000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = "0123456789abcdef"[r.IntN(16)]
	}
	for _, around := range []string{`{"x":"` + string(noise) + `","logEvents":[%s]}`, `{"logEvents":[%s],"x":"` + string(noise) + `"}`} {
		for _, events := range []string{`{"message":"a"},7,{"message":"b"}`, strings.Repeat(`{"message":"a"},`, 999) + "7"} {
			b := decode(t, fmt.Sprintf(around, events))
			asked := 0
			parts, unfit := rebuild(b, func(i int) bool { asked++; return i != 1 }, 2000)
			if len(parts) != 0 || unfit != b.Len()-1 || asked > 2*b.Len()+10 {
				t.Errorf("%d parts, %d unfit of %d events, after %d looks at one", len(parts), unfit, b.Len()-1, asked)
			}
		}
	}
	doc := document(`{"message":"a"}`, `{"message":"`+string(noise)+`"}`, `{"message":"b"}`)
	if parts, unfit := rebuild(decode(t, doc), func(int) bool { return true }, 2000); len(parts) != 2 || unfit != 1 {
		t.Errorf("one large event: %d parts, %d unfit, want 2 and 1", len(parts), unfit)
	}
}

// An event of a large batch that fits only when it is packed small is packed small.
func TestRebuildPacksAnEventAsSmallAsItMust(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for text.Len() < fastFrom {
		fmt.Fprintf(&text, "order %d taken from %s in %d ms; ", r.IntN(1000), []string{"shop", "store", "till"}[r.IntN(3)], r.IntN(100))
	}
	b := decode(t, withMessages("a", text.String(), "b"))
	second := func(i int) bool { return i == 1 }
	fast, _ := rebuild(b, second, math.MaxInt)
	alone := []byte(document(`{"id":"1","timestamp":1,"message":"` + text.String() + `"}`))
	p := packer{ctx: context.Background(), limit: math.MaxInt}
	p.reset(gzip.BestCompression)
	p.write(alone)
	small, usual := len(p.close()), len(Pack(alone))
	if len(fast) != 1 || len(fast[0].Event) <= max(small, usual) {
		t.Fatalf("%d parts; packed small it has %d bytes, as usual %d", len(fast), small, usual)
	}
	for limit, want := range map[int]int{small: 3, small - 1: 2} {
		if parts, unfit := rebuild(b, func(int) bool { return true }, limit); len(parts) != want || unfit != 3-want {
			t.Errorf("limit %d: %d parts, %d unfit, want %d parts", limit, len(parts), unfit, want)
		}
	}
}

// Only a large batch is packed fast: a small one becomes no larger than it came.
func TestRebuildPacksASmallBatchSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 30, 1000} {
		messages := make([]string, n)
		for i := range messages {
			messages[i] = fmt.Sprintf("order %d taken from %s in %d ms", r.IntN(1000), []string{"shop", "store", "till"}[r.IntN(3)], r.IntN(100))
		}
		event := Pack([]byte(withMessages(messages...)))
		b, err := Decode(event, DefaultLimit)
		if err != nil {
			t.Fatal(err)
		}
		if parts, _ := rebuild(b, func(int) bool { return true }, 1<<20); len(parts) != 1 || len(parts[0].Event) != len(event) {
			t.Errorf("%d events in %d bytes: %d parts, the first of %d bytes", n, len(event), len(parts), len(parts[0].Event))
		}
	}
}

// Each part is a message of the queue: all but the last fill most of the limit, and it
// takes little more than one pass to find out how much does.
func TestRebuildFillsItsParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, length := range map[string]func() int{"lines alike": func() int { return 2 }, "lines of all lengths": func() int { return r.IntN(40) }} {
		messages := make([]string, 3000)
		for i := range messages {
			for range length() {
				messages[i] += fmt.Sprintf("%016x order %d; ", r.Uint64(), i)
			}
		}
		b := decode(t, withMessages(messages...))
		for _, limit := range []int{8 << 10, 16 << 10, 64 << 10} {
			asked := 0
			parts, unfit := rebuild(b, func(int) bool { asked++; return true }, limit)
			for i, p := range parts[:len(parts)-1] {
				if len(p.Event) < limit*7/10 {
					t.Errorf("%s, limit %d: part %d of %d has %d bytes", name, limit, i, len(parts), len(p.Event))
				}
			}
			if len(parts) < 2 || unfit > 0 || asked > b.Len()*5/4 {
				t.Errorf("%s, limit %d: %d parts, %d unfit, %d looks at one of %d events", name, limit, len(parts), unfit, asked, b.Len())
			}
		}
	}
}

// randomBatch returns a document with events of all kinds; n is the number of each.
func randomBatch(r *rand.Rand) string {
	uuids := []string{id, id2, "00000000-0000-0000-0000-000000000000"}
	noise := func() string {
		b := make([]byte, r.IntN(200))
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789 .:-"[r.IntN(40)]
		}
		return string(b)
	}
	space := func() string { return []string{"", "", " ", "\n\t", "\r\n"}[r.IntN(5)] }
	var events []string
	for n := range r.IntN(30) {
		u := uuids[r.IntN(len(uuids))]
		event := []string{
			`"message":"START RequestId: ` + u + `\n"`,
			`"message":"` + stamp + `\t` + u + `\tWARN\t` + noise() + `\n"`,
			`"message":"` + noise() + `"`,
			`"message":"` + noise() + `"`,
			`"message":"END RequestId: ` + u + `"`,
			`"message":"REPORT RequestId: ` + u + `\tDuration: 1 ms"`,
			`"message":"REPORT RequestId: unknown"`,
			`"message":"{ \"a\" : 1.0, \"b\":\"` + noise() + `\" }"`,
			`"message":"{\"_sumo_metadata\":{\"category\":\"` + u + `\"}}"`,
			`"message":"\u005a ` + u + ` \ud800"`,
			`"message":"text","requestID":"` + u + `"`,
			`"message":"text","requestID" : null `,
			`"message":"Z ` + u + `","request\u0049D":"preset"`,
			`"requestID":7,"message":"text"`,
			`"message":"REPORT RequestId: ` + u + `","requestID":"` + u + `"`,
			`"message":"REPORT RequestId: x","requestID":"` + u + `"`,
			`"message":null`,
			`"message":{ "a" : [ ] }`,
			`"message":"\n"`,
			`"x":{"message":"y"} , "level":1`,
			`"message":"text","logStream":"s","level":"l"`,
		}[r.IntN(21)]
		if r.IntN(8) == 0 { // not an object
			events = append(events, space()+fmt.Sprintf([]string{"%d", `"Z ` + u + ` %d"`, `"text %d"`}[r.IntN(3)], n)+space())
			continue
		}
		if r.IntN(2) == 0 { // as a filter with emitSystemFields has it
			event += `,"extractedFields":` + []string{saying(u[:4], "eu-west-1", "/ecs/a"), saying(u[:4], "us-east-1", "111122223333:/ecs/b"), `{"a":"b"}`}[r.IntN(3)]
		}
		events = append(events, space()+"{"+space()+fmt.Sprintf(`"id":"%d","n":%[1]d,`, n)+event+space()+"}"+space())
	}
	return `{"messageType":"DATA_MESSAGE","owner":"1","logStream":"s","logEvents":` + space() +
		`[` + strings.Join(events, ",") + `]` + space() + `,"logGroup":"` + []string{"g", "/aws/lambda/g"}[r.IntN(2)] + `","later":[1.0, {}]}`
}

// numbers are the numbers of the events in a document, and its other members.
func numbers(t *testing.T, doc []byte) (n []int, rest map[string]json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(doc, &rest); err != nil {
		t.Fatal(err)
	}
	var events []json.RawMessage
	if err := json.Unmarshal(rest["logEvents"], &events); err != nil {
		t.Fatal(err)
	}
	delete(rest, "logEvents")
	for _, e := range events {
		n = append(n, number(t, e))
	}
	return n, rest
}

// number is the number of an event, which is at the end of one that is not an object.
func number(t *testing.T, event json.RawMessage) int {
	t.Helper()
	var object struct {
		N       *int
		Message json.RawMessage
	}
	switch err := json.Unmarshal(event, &object); {
	case err == nil && object.N != nil:
		return *object.N
	case err == nil: // Rebuild made it an object
		return number(t, object.Message)
	}
	words := strings.Fields(strings.Trim(string(event), `"`))
	n, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		t.Fatalf("event %s has no number", event)
	}
	return n
}

// checkRebuild rebuilds a batch of some of its events and checks that nothing
// of them is lost, moved or changed.
func checkRebuild(t *testing.T, r *rand.Rand, b *Batch) (parts []Part) {
	t.Helper()
	keep := make([]bool, b.Len())
	p := []float64{0, 0.2, 0.5, 0.9, 1}[r.IntN(5)]
	for i := range keep {
		keep[i] = r.Float64() < p
	}
	limit := []int{1 << 20, 700, 450, 330, 100}[r.IntN(5)]
	all, members := numbers(t, b.doc)
	parts, unfit := rebuild(b, func(i int) bool { return keep[i] }, limit)

	options := []Options{{LogInfo: true, EventID: true}, {}, {Format: VPCJSON}, {Format: Raw},
		{Region: "here", Source: Source{Fields: "a={account},r={region},g={sourceGroup}", Category: "{account}"}}}
	got := make([][]Record, len(options))
	var there []int
	for _, p := range parts {
		part, err := Decode(p.Event, DefaultLimit)
		if err != nil {
			t.Fatal(err)
		}
		n, m := numbers(t, part.doc)
		if len(p.Event) > limit || len(n) != p.Events || part.Len() != p.Events {
			t.Fatalf("a part of %d bytes under the limit of %d with %d events, said to be %d", len(p.Event), limit, len(n), p.Events)
		}
		if diff := cmp.Diff(members, m); diff != "" {
			t.Fatalf("other members (-want +got):\n%s", diff)
		}
		there = append(there, n...)
		for i, o := range options {
			got[i] = append(got[i], records(o, part)...)
		}
	}

	// Each kept event is there once, in order, or counted as unfit.
	var indices []int
	missing, next := 0, 0
	for i := range keep {
		switch {
		case next < len(there) && there[next] == all[i] && keep[i]:
			indices = append(indices, i)
			next++
		case keep[i]:
			if missing++; missing > 1 {
				continue
			}
			alone, _ := rebuild(b, func(j int) bool { return j == i }, 1<<20)
			if size := len(alone[0].Event); size < limit-50 { // what null takes
				t.Fatalf("event %d, unfit, is of %d bytes under the limit of %d", i, size, limit)
			}
		}
	}
	if next != len(there) || missing != unfit {
		t.Fatalf("events %v of %v are in the parts, %d of them in order; %d are missing, %d unfit", there, keep, next, missing, unfit)
	}

	for i, o := range options {
		whole := records(o, b)
		for j, index := range indices {
			want, have := whole[index], got[i][j]
			want.Event, have.Event = 0, 0
			if diff := cmp.Diff(want, have); diff != "" {
				t.Fatalf("%+v: the record of event %d of\n%s\nkeep %v, limit %d (-want +got):\n%s", o, index, b.doc, keep, limit, diff)
			}
		}
	}
	return parts
}

func TestRebuildLosesAndChangesNothing(t *testing.T) {
	split, left, origins := 0, 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := decode(t, randomBatch(r))
		hosts := map[string]bool{}
		for _, r := range records(Options{}, b) {
			hosts[r.Source.Host] = true
		}
		origins += len(hosts)
		parts := checkRebuild(t, r, b)
		if len(parts) > 1 {
			split++
		}
		for _, p := range parts { // what is left of a part may be rebuilt again
			again, err := Decode(p.Event, DefaultLimit)
			if err != nil {
				t.Fatal(err)
			}
			left += len(checkRebuild(t, r, again))
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if split < 5 || left < 20 || origins < 60 { // or the property was not tried
		t.Errorf("%d batches were split, %d parts rebuilt again, %d origins", split, left, origins)
	}
}
