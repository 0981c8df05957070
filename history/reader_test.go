package history

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sumoship/transform"
)

// zipped compresses text with gzip.
func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

// read reads an input and returns its log events as OWNER GROUP STREAM ID TIMESTAMP MESSAGE.
func read(t testing.TB, r *Reader, input string) (events []string, err error) {
	t.Helper()
	seq := 0
	err = r.Read(t.Context(), strings.NewReader(input), func(b Batch) error {
		if b.Seq != seq {
			t.Errorf("batch %d has the number %d", seq, b.Seq)
		}
		seq++
		doc := b.Doc
		if bytes.HasPrefix(doc, []byte(`{"awslogs"`)) {
			batch, err := transform.Decode(doc, 1<<20)
			if err != nil {
				t.Errorf("%s: %v", doc, err)
				return nil
			}
			events = append(events, fmt.Sprintf("event of %d in %s", batch.Len(), batch.LogGroup))
			return nil
		}
		if _, err := new(transform.Decoder).Document(doc); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
		var p struct {
			Owner, LogGroup, LogStream string
			LogEvents                  []struct {
				ID        string
				Timestamp int64
				Message   json.RawMessage
			}
		}
		if err := json.Unmarshal(doc, &p); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
		for _, e := range p.LogEvents {
			events = append(events, fmt.Sprintf("%s %s %s %s %d %s", p.Owner, p.LogGroup, p.LogStream, e.ID, e.Timestamp, e.Message))
		}
		return nil
	})
	return events, err
}

var packed = string(transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"/g","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"a"},{"id":"2","timestamp":2,"message":"b"}]}`)))

func TestFormats(t *testing.T) {
	const payload = `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"/g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":1767323045678,"message":"a"}]}`
	const control = `{"messageType":"CONTROL_MESSAGE","logGroup":"","logEvents":[]}`
	hints := Hints{LogGroup: "/hint"}
	for name, c := range map[string]struct {
		input  string
		format Format
		want   []string
	}{
		"export": {"2026-01-02T03:04:05.678Z hello\n2026-01-02T03:04:06.000Z a \"b\"\\ \x01é\xff\n  at c\n\n2026-01-02T03:04:07Z \n", Export,
			[]string{` /hint   1767323045678 "hello"`, ` /hint   1767323046000 "a \"b\"\\ \u0001é` + "\xff" + `\n  at c"`, ` /hint   1767323047000 ""`}},
		"export without an end": {"2026-01-02T03:04:05.678Z hello", Export, []string{` /hint   1767323045678 "hello"`}},
		"export that quotes":    {"2026-01-02T03:04:05.678Z a\n2026-01-02T03:04:05 b\n", Export, []string{` /hint   1767323045678 "a\n2026-01-02T03:04:05 b"`}},
		"tail": {"2026-01-02T03:04:05.678000+00:00 web/app/1 hello\n2026-01-02T04:04:06.000000+01:00 web/app/2 x y\n more\n", Tail,
			[]string{` /hint web/app/1  1767323045678 "hello"`, ` /hint web/app/2  1767323046000 "x y\n more"`}},
		"tail short": {"2026-01-02T03:04:05 hello\n", Tail, []string{` /hint   1767323045000 "hello"`}},
		"filter-log-events": {`{"events":[{"logStreamName":"a","timestamp":1,"message":"x","ingestionTime":2,"eventId":"9"},{"logStreamName":"b","timestamp":2,"message":"y"},
			{"logStreamName":"a","timestamp":3,"message":"z"}],"searchedLogStreams":[]}`, Events,
			[]string{` /hint a 9 1 "x"`, ` /hint a  3 "z"`, ` /hint b  2 "y"`}},
		"get-log-events":  {`{"events":[{"timestamp":1,"message":"x"}],"nextForwardToken":"f/1","nextBackwardToken":"b/1"}`, Events, []string{` /hint   1 "x"`}},
		"pages in a row":  {`{"events":[{"timestamp":1,"message":"x"}]}{"events":[{"timestamp":2,"message":"y"}]}`, Events, []string{` /hint   1 "x"`, ` /hint   2 "y"`}},
		"pages in a list": {`[{"events":[{"timestamp":1,"message":"x"}]},{"events":[]}]`, Events, []string{` /hint   1 "x"`}},
		"--query events[]": {`[{"timestamp":1,"message":"x","eventId":"7"}, {"timestamp":2.5,"message":{"a": 1}}]`, Events,
			[]string{` /hint  7 1 "x"`, ` /hint   2 {"a": 1}`}},
		"NDJSON of events":   {"{\"timestamp\":1,\"message\":\"x\"}\n\n{\"timestamp\":\"2026-01-02T03:04:05Z\",\"message\":\"y\"}\n", Events, []string{` /hint   1 "x"`, ` /hint   1767323045000 "y"`}},
		"NDJSON of payloads": {payload + "\n" + control + "\n" + payload, Payloads, []string{`1 /g s 1 1767323045678 "a"`, `1 /g s 1 1767323045678 "a"`}},
		"Firehose object":    {zipped(payload) + zipped(payload), Payloads, []string{`1 /g s 1 1767323045678 "a"`, `1 /g s 1 1767323045678 "a"`}},
		"Firehose, twice":    {zipped(zipped(payload)), Payloads, []string{`1 /g s 1 1767323045678 "a"`}},
		"Firehose backup": {`{"attemptsMade":4,"errorCode":"503","rawData":"` + base64.StdEncoding.EncodeToString([]byte(zipped(payload))) + `"}` + "\n" +
			`{"rawData":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `"}`, Undeliver, []string{`event of 1 in /g`, `1 /g s 1 1767323045678 "a"`}},
		"Lambda events": {packed + packed, Lambda, []string{"event of 2 in /g", "event of 2 in /g"}},
		"Insights": {`{"results":[[{"field":"@timestamp","value":"2026-01-02 03:04:05.678"},{"field":"@message","value":"x\n"},{"field":"@log","value":"123456789012:/ecs/web"},{"field":"@logStream","value":"s"}]],
			"statistics":{"recordsMatched":1},"status":"Complete"}`, Insights, []string{`123456789012 /ecs/web s  1767323045678 "x"`}},
		"Insights in the console": {`[{"@timestamp":"2026-01-02 03:04:05.678","@message":{"a":1},"@ptr":"p"}]`, Insights, []string{` /hint   1767323045678 "{\"a\":1}"`}},
		"a byte order mark":       {"\xEF\xBB\xBF \n{\"timestamp\":1,\"message\":\"x\"}", Events, []string{` /hint   1 "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			for encoding, input := range map[string]string{"plain": c.input, "gzip": zipped(c.input), "zstd": zstandard(t, c.input)} {
				if strings.HasPrefix(name, "Firehose, twice") && encoding != "plain" {
					continue
				}
				r := &Reader{File: "f", Hints: hints}
				got, err := read(t, r, input)
				if err != nil || r.Format != c.format {
					t.Errorf("%s: %v, format %q", encoding, err, r.Format)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("%s differs (-want +got):\n%s", encoding, d)
				}
			}
		})
	}
}

func zstandard(t testing.TB, text string) string {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

// What is not one of the formats is refused with its place, and what was read before
// it is kept.
func TestWhatIsNotAFormat(t *testing.T) {
	export := strings.Repeat("2026-01-02T03:04:05.678Z hello\n", 3)
	random := export
	for i := range 5000 {
		random += fmt.Sprintf("2026-01-02T03:04:05.678Z %d\n", i*7919%5003)
	}
	gz := zipped(random)
	for name, c := range map[string]struct {
		input, want string
		before      int  // log events that were read
		ungrouped   bool // no hint
	}{
		"empty":                  {"", `f:1:1: there is nothing in it; want an S3 export,`, 0, false},
		"text":                   {"hello\n", `f:1:1: "hello" is neither JSON nor a line with a timestamp; want `, 0, false},
		"binary":                 {"\x7fELF\x02", `f:1:1: "\x7fELF\x02" is neither JSON`, 0, false},
		"syntax":                 {"{\"timestamp\":1,\"message\":\"x\"}\n{\"timestamp\":1,\n \"message\" \"x\"}", `f:3:11: not JSON: expected colon after object key`, 1, false},
		"another object":         {"{\"timestamp\":1,\"message\":\"x\"}\n{\"a\":1,\"b\":2}", `f:2:14: an object with the members a, b; want`, 1, false},
		"another array":          {`["x"]`, `f:1:5: the elements of the array are not objects; with aws logs, use --query 'events[]'`, 0, false},
		"a number":               {`[1,2]`, `f:1:3: the elements of the array are not objects`, 0, false},
		"without a timestamp":    {`{"events":[{"message":"x"}]}`, `f:1:27: a log event without timestamp and message; with aws logs, leave out --query`, 0, false},
		"a wrong timestamp":      {`{"timestamp":"yesterday","message":"x"}`, `f:1:40: the timestamp "\"yesterday\"" is not a number of milliseconds`, 0, false},
		"a wrong message type":   {`{"messageType":"X","logEvents":[]}`, `a payload of the type "\"X\""; want DATA_MESSAGE`, 0, false},
		"results running":        {`{"results":[],"status":"Running"}`, `the query of Logs Insights was not complete: Running; get its results again`, 0, false},
		"results of others":      {`{"results":[[{"field":"count()","value":"1"}]]}`, `a result of Logs Insights without @timestamp and @message; begin the query with`, 0, false},
		"backup of others":       {`{"rawData":"aGVsbG8="}`, `rawData is not a payload of CloudWatch Logs: "hello"`, 0, false},
		"no log group":           {export, `f:1:1: S3 export: the log group is not in it; give --log-group NAME`, 0, true},
		"no log group in a page": {`{"events":[{"timestamp":1,"message":"x"}]}`, `f:1:41: events of the AWS CLI: the log group is not in it`, 0, true},
		"truncated gzip":         {gz[:len(gz)/2], `it ends in the middle: the file is not complete; what is before this place was read`, 1, false},
		"damaged gzip":           {gz[:len(gz)-8] + "\x00\x00\x00\x00" + gz[len(gz)-4:], `the compressed data is damaged`, 5003 - 1, false},
		"truncated JSON":         {`{"events":[{"timestamp":1,"message":"x"},{"timesta`, `f:1:42: it ends in the middle`, 1, false},
		"a document cut":         {`{"messageType":`, `f:1:16: it ends in the middle`, 0, false},
		"an endless value":       {`{"events":[{"timestamp":1,"message":"` + strings.Repeat("x", 9<<20), `a value of more than 8 MB`, 0, false},
		"an endless line":        {"2026-01-02T03:04:05.678Z " + strings.Repeat("x", 9<<20), `a value of more than 8 MB`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reader{File: "f", Hints: Hints{LogGroup: "/hint"}}
			if c.ungrouped {
				r.Hints = Hints{}
			}
			got, err := read(t, r, c.input)
			if _, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if len(got) < c.before || c.before == 0 && len(got) > 0 {
				t.Errorf("%d log events were read before", len(got))
			}
		})
	}
}

// Batches do not depend on how the input is read, and many log streams do not make
// many of them be held.
func TestBatchesAreBoundedAndTheSame(t *testing.T) {
	var in strings.Builder
	in.WriteString(`{"events":[`)
	for i := range 20_000 {
		if i > 0 {
			in.WriteByte(',')
		}
		fmt.Fprintf(&in, `{"logStreamName":"s%d","timestamp":%d,"message":"%0200d"}`, i%700, i, i)
	}
	in.WriteString(`]}`)
	run := func(input io.Reader) (docs []string) {
		r := &Reader{File: "f", Hints: Hints{LogGroup: "g"}, Size: 100_000}
		if err := r.Read(t.Context(), input, func(b Batch) error {
			docs = append(docs, string(b.Doc))
			if r.out.pending > maxPending {
				t.Errorf("%d bytes are held", r.out.pending)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return docs
	}
	want := run(strings.NewReader(in.String()))
	got := run(io.MultiReader(strings.NewReader(in.String()[:12345]), strings.NewReader(in.String()[12345:])))
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	events := 0
	for _, doc := range want {
		events += strings.Count(doc, `{"timestamp"`)
	}
	if events != 20_000 {
		t.Errorf("%d log events of 20,000", events)
	}
}

// A large input is read in little memory, whatever its form.
func TestMemoryIsBounded(t *testing.T) {
	for name, form := range map[string]struct{ head, event, tail string }{
		"export": {"", "2026-01-02T03:04:05.678Z " + strings.Repeat("x", 975) + "\n", ""},
		"page":   {`{"events":[{"timestamp":1,"message":"x"}`, `,{"logStreamName":"s","timestamp":1,"message":"` + strings.Repeat("x", 950) + `"}`, "]}"},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 64 << 20
			repeated := &repeat{text: form.event, left: size / len(form.event)}
			r := &Reader{File: "f", Hints: Hints{LogGroup: "g"}, Buffers: make(chan []byte, 2)}
			var most uint64
			runtime.GC() // what other tests left does not count
			var total int
			err := r.Read(t.Context(), io.MultiReader(strings.NewReader(form.head), repeated, strings.NewReader(form.tail)), func(b Batch) error {
				total += len(b.Doc)
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
				select {
				case r.Buffers <- b.Doc:
				default:
				}
				return nil
			})
			if err != nil || total < size*9/10 {
				t.Fatalf("%v, %d bytes", err, total)
			}
			if most > 64<<20 {
				t.Errorf("%d MB of heap for %d MB of input", most>>20, size>>20)
			}
		})
	}
}

// repeat is a text many times.
type repeat struct {
	text string
	left int
	at   int
}

func (r *repeat) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if r.left == 0 {
			return n, io.EOF
		}
		k := copy(b[n:], r.text[r.at:])
		n += k
		if r.at += k; r.at == len(r.text) {
			r.at = 0
			r.left--
		}
	}
	return n, nil
}

// Whatever is read, there is no panic, and every batch is a payload that the functions
// can read.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{"2026-01-02T03:04:05.678Z a\nb", `{"events":[{"timestamp":1,"message":"x"}]}`, packed, `[{"@timestamp":"2026-01-02 03:04:05.678","@message":"x"}]`,
		`{"messageType":"DATA_MESSAGE","logEvents":[1]}`, zipped("{}"), `{"rawData":"e30="}`, `{"results":[[{"field":"@timestamp","value":""}]],"status":"x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r := &Reader{File: "f", Hints: Hints{LogGroup: "g"}}
		err := r.Read(t.Context(), bytes.NewReader(input), func(b Batch) error {
			if bytes.HasPrefix(b.Doc, []byte(`{"awslogs"`)) {
				return nil // read strictly when it is shipped
			}
			if _, err := new(transform.Decoder).Document(b.Doc); err != nil {
				t.Errorf("%q: %v", b.Doc, err)
			}
			return nil
		})
		if _, ok := errors.AsType[*FormatError](err); err != nil && !ok {
			t.Errorf("%v", err)
		}
	})
}
