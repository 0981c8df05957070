package transform

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var formatNames = map[Format]string{Others: "Others", VPCJSON: "VPC-JSON", VPCRaw: "VPC-RAW", Raw: "RAW"}

// Each file of testdata/events is a decoded payload. Its golden file holds the
// records under all options, grouped by outcome.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("../testdata/events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no events: %v", err)
	}
	all := everyOption()
	all = append(all,
		Options{Source: Source{Name: "n", Category: "c:d", Host: "10.0.0.1:80", Fields: "k=v,l=w"}},
		Options{Source: Source{Name: "none", Category: "None", Host: " NONE ", Fields: "none"}},
		Options{LogInfo: true, Source: Source{Category: "aws/shop"}},
	)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			doc, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b := decode(t, string(doc))
			var order []string
			titles := map[string]string{}
			for _, o := range all {
				text := outcome(o, b)
				if titles[text] == "" {
					order = append(order, text)
				}
				titles[text] += title(o)
			}
			var got strings.Builder
			for _, text := range order {
				got.WriteString(titles[text] + text + "\n")
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("golden file, which -update rewrites (-want +got):\n%s", diff)
			}
		})
	}
}

func title(o Options) string {
	s := "# " + formatNames[o.Format]
	if o.LogInfo {
		s += ", LogInfo"
	}
	if o.EventID {
		s += ", EventID"
	}
	if o.Source != (Source{}) {
		s += fmt.Sprintf(", Source%+q", o.Source)
	}
	return s + "\n"
}

// outcome writes a line for each event, and the source wherever it changes.
func outcome(o Options, b *Batch) string {
	var out strings.Builder
	var last *Source
	for _, r := range records(o, b) {
		if last == nil || *last != r.Source {
			fmt.Fprintf(&out, "  Name %+q  Category %+q  Host %+q  Fields %+q\n", r.Source.Name, r.Source.Category, r.Source.Host, r.Source.Fields)
			last = &r.Source
		}
		switch {
		case r.Dropped != Kept:
			fmt.Fprintf(&out, "%d %v\n", r.Event, r.Dropped)
		case o.Format == Raw || o.Format == VPCRaw: // these may hold line breaks
			fmt.Fprintf(&out, "%d %q\n", r.Event, r.Line)
		default:
			fmt.Fprintf(&out, "%d %s\n", r.Event, r.Line)
		}
	}
	return out.String()
}

func TestRecordsAreOneObjectALine(t *testing.T) {
	files, _ := filepath.Glob("../testdata/events/*.json")
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b := decode(t, string(doc))
		if b.Len() == 0 {
			t.Errorf("%s has no events", file)
		}
		for _, o := range everyOption() {
			checkRecords(t, o, b)
		}
	}
}

const (
	id    = "108af3bb-a79b-11e6-8bd7-91c363cc05d9"
	id2   = "5aa3b1f0-0000-4000-8000-00000000000a"
	stamp = "2016-11-10T23:11:54.523Z"
)

// The test vectors of the record format: what Sumo's function writes, except for its
// flaws.
func TestRecordVectors(t *testing.T) {
	for _, tt := range []struct{ message, want string }{
		{stamp + "\t" + id + "\tINFO\tsome message\n", `"message":"some message","requestID":"` + id + `","level":"INFO"`},
		{stamp + "\t" + id + "\tq", `"message":"q","requestID":"` + id + `"`},
		{stamp + "\t" + id + "\tINFO\t{\"a\": 1}\n", `"message":{"a":1},"requestID":"` + id + `","level":"INFO"`},
		{" {\"a\":1} \r\n", `"message":{"a":1}`},
		{"{\"a\":1}\n\n", `"message":{"a":1}`},
		{"\ufeff{\"a\":1}", `"message":"{\"a\":1}"`},
		{"\u00a0[1]", `"message":"[1]"`},
		{"[1]\v", `"message":"[1]"`},
		{`"str"`, `"message":"str"`},
		{`[1,2]`, `"message":[1,2]`},
		{"true", `"message":true`},
		{"True", `"message":"True"`},
		{"truex", `"message":"truex"`},
		{"-", `"message":"-"`},
		{"01", `"message":"01"`},
		{"1.", `"message":"1."`},
		{".5", `"message":".5"`},
		{"NaN", `"message":"NaN"`},
		{"1 2", `"message":"1 2"`},
		{`"`, `"message":"\""`},
		{`""x""`, `"message":"\"\"x\"\""`},
		{`{"a":1}}`, `"message":"{\"a\":1}}"`},
		{`{"a":"b` + "\n" + `"}`, `"message":"{\"a\":\"b\n\"}"`},
		{"line1\n  at foo\n\n", `"message":"line1\n  at foo"`},
		{"\u2028x\u2029y\u2028", "\"message\":\"x\u2029y\""},
		{"<&>", `"message":"<&>"`},
	} {
		want := `{"timestamp":0,` + tt.want + `}`
		if got := lines(Options{}, decode(t, withMessages(tt.message))); len(got) != 1 || got[0] != want {
			t.Errorf("%q gives %q, want %q", tt.message, got, want)
		}
	}
}

// A message may be nested so deep that the record around it would be too deep.
func TestRecordsOfDeepMessagesAreJSON(t *testing.T) {
	for _, depth := range []int{9_998, 9_999, 10_000, 10_001, 12_000} {
		message := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		b := decode(t, withMessages(message))
		line := records(Options{}, b)[0].Line
		if !json.Valid(line) {
			t.Errorf("depth %d: the record is not JSON to encoding/json: %.60s", depth, line)
		}
		if embedded := bytes.HasPrefix(line, []byte(`{"timestamp":0,"message":[`)); embedded != (depth < 10_000) {
			t.Errorf("depth %d: embedded is %v", depth, embedded)
		}
	}
}

// sources are the sources of messages under options.
func sources(t *testing.T, o Options, messages ...string) []Source {
	t.Helper()
	var out []Source
	for _, r := range records(o, decode(t, withMessages(messages...))) {
		out = append(out, r.Source)
	}
	return out
}

func wantSource(t *testing.T, o Options, message string, want Source) {
	t.Helper()
	if got := sources(t, o, message)[0]; got != want {
		t.Errorf("%s under %+v: source %+v, want %+v", message, o.Source, got, want)
	}
}

func TestFlaw01NoneOmitsHeader(t *testing.T) {
	stream := Source{Name: "web/app/1", Host: "/ecs/web"}
	wantSource(t, Options{}, "x", stream)
	for _, none := range []string{"none", "None", "NONE", " none "} {
		wantSource(t, Options{Source: Source{none, none, none, none}}, "x", Source{})
		all, _ := json.Marshal(none)
		wantSource(t, Options{Source: Source{"n", "c", "h", "f=1"}},
			fmt.Sprintf(`{"_sumo_metadata":{"sourceName":%s,"category":%[1]s,"sourceHost":%[1]s,"sourceFieldsOverride":%[1]s}}`, all), Source{})
	}
	wantSource(t, Options{Source: Source{Category: "nonesuch"}}, "x", Source{Name: stream.Name, Host: stream.Host, Category: "nonesuch"})
	// Without an override, and with a name that happens to be the word.
	b := decode(t, `{"logGroup":"none","logStream":"none","logEvents":[{"message":"x"}]}`)
	if got := records(Options{}, b)[0].Source; got != (Source{Name: "none", Host: "none"}) {
		t.Errorf("a stream and a group named none: %+v", got)
	}
}

func TestFlaw02ColonsStayInTheirHeader(t *testing.T) {
	colons := Source{Name: "n:1", Category: "a:b", Host: "10.0.0.1:80", Fields: "url=http://x:1"}
	wantSource(t, Options{Source: colons}, "x", colons)
	wantSource(t, Options{}, `{"_sumo_metadata":{"sourceName":"n:1","category":"a:b","sourceHost":"10.0.0.1:80","sourceFieldsOverride":"url=http://x:1"}}`, colons)
	b := decode(t, `{"logGroup":"g:h","logStream":"s:t","logEvents":[{"message":"x"}]}`)
	if got := records(Options{}, b)[0].Source; got != (Source{Name: "s:t", Host: "g:h"}) {
		t.Errorf("names with colons: %+v", got)
	}
}

func TestFlaw03HeaderNamesAreMetadata(t *testing.T) {
	message := `{"_sumo_metadata":{"X-Sumo-Name":"n","X-Sumo-Category":"c","X-Sumo-Host":"h","X-Sumo-Fields":"f=1",` +
		`"X-Sumo-Foo":"foo","x-sumo-name":"other case"},"a":1}`
	wantSource(t, Options{}, message, Source{"n", "c", "h", "f=1"})
	if diff := cmp.Diff([]string{`{"timestamp":0,"message":{"a":1}}`}, lines(Options{}, decode(t, withMessages(message)))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestFlaw04MetadataIsTypeChecked(t *testing.T) {
	base := Source{"n", "c", "h", "f=1"}
	for value, want := range map[string]string{
		`null`:                 "c",
		`{}`:                   "c",
		`{"a":1}`:              "c",
		`[["a"]]`:              "c",
		`["a",null]`:           "c",
		`["a",{}]`:             "c",
		`""`:                   "",
		`[]`:                   "",
		`"x"`:                  "x",
		`7`:                    "7",
		`1.50`:                 "1.50",
		`12345678901234567890`: "12345678901234567890",
		`true`:                 "true",
		`["a", 1, false]`:      "a,1,false",
	} {
		wantSource(t, Options{Source: base}, `{"_sumo_metadata":{"category":`+value+`}}`, Source{"n", want, "h", "f=1"})
	}
}

func TestFlaw05OddMetadataFailsNothing(t *testing.T) {
	b := decode(t, withMessages(
		"before",
		`{"_sumo_metadata":null,"a":1}`,
		`{"_sumo_metadata":7,"a":1}`,
		`{"_sumo_metadata":"category","a":1}`,
		`{"_sumo_metadata":[{"category":"x"}],"a":1}`,
		`{"hasOwnProperty":1,"_sumo_metadata":{"hasOwnProperty":2,"toString":3,"__proto__":{"category":"x"},"category":"c"}}`,
		`{"_sumo_metadata":{"category":"x"},"_sumo_metadata":{"sourceName":"the last counts"}}`,
		"after",
	))
	stream := Source{Name: "web/app/1", Host: "/ecs/web"}
	with := func(s Source) Source {
		if s.Name == "" {
			s.Name = stream.Name
		}
		s.Host = stream.Host
		return s
	}
	want := []struct {
		line   string
		source Source
	}{
		{`{"timestamp":0,"message":"before"}`, stream},
		{`{"timestamp":1,"message":{"a":1}}`, stream},
		{`{"timestamp":2,"message":{"a":1}}`, stream},
		{`{"timestamp":3,"message":{"a":1}}`, stream},
		{`{"timestamp":4,"message":{"a":1}}`, stream},
		{`{"timestamp":5,"message":{"hasOwnProperty":1}}`, with(Source{Category: "c"})},
		{`{"timestamp":6,"message":{}}`, with(Source{Name: "the last counts"})},
		{`{"timestamp":7,"message":"after"}`, stream},
	}
	for i, r := range records(Options{}, b) {
		if string(r.Line) != want[i].line || r.Source != want[i].source {
			t.Errorf("record %d: %s of %+v, want %s of %+v", i, r.Line, r.Source, want[i].line, want[i].source)
		}
	}
}

// What a header may hold is for package sumo to say: here it passes.
func TestFlaw06AnyTextPassesAsSource(t *testing.T) {
	wantSource(t, Options{}, `{"_sumo_metadata":{"category":"a\r\nX-Evil: 1","sourceName":"日本\u0000\ud800"}}`,
		Source{Name: "日本\x00\ufffd", Category: "a\r\nX-Evil: 1", Host: "/ecs/web"})
	b := decode(t, `{"logGroup":"/世界","logStream":"wéb","logEvents":[{"message":"x"}]}`)
	if got := records(Options{}, b)[0]; got.Source != (Source{Name: "wéb", Host: "/世界"}) || got.Dropped != Kept {
		t.Errorf("names beyond Latin-1: %+v", got)
	}
}

func TestFlaw10FalsyMessagesAreKept(t *testing.T) {
	b := decode(t, withMessages("0", "-0", "false", "null", `""`, "0\n", " null "))
	if diff := cmp.Diff([]string{
		`{"timestamp":0,"message":0}`,
		`{"timestamp":1,"message":-0}`,
		`{"timestamp":2,"message":false}`,
		`{"timestamp":3,"message":null}`,
		`{"timestamp":4,"message":""}`,
		`{"timestamp":5,"message":0}`,
		`{"timestamp":6,"message":null}`,
	}, lines(Options{}, b)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for _, f := range []Format{Others, VPCJSON, VPCRaw, Raw} {
		for _, r := range records(Options{Format: f}, decode(t, document(
			`{"message":""}`, `{"message":"\n"}`, `{"message":" \t\r\n\n"}`, `{"message":"\u00a0\u2028\ufeff"}`, `{"message":null}`, `{}`,
			`{"message":"`+stamp+`\t`+id+`\tINFO\t \n"}`,
		))) {
			if console := r.Event == 6 && f == Raw; console {
				continue // raw, the line is not empty
			}
			if r.Dropped != Blank || r.Line != nil {
				t.Errorf("%s: event %d is %v, %q; want it dropped as blank", formatNames[f], r.Event, r.Dropped, r.Line)
			}
		}
	}
}

func TestFlaw11JSONStaysAsItIsWritten(t *testing.T) {
	for _, message := range []string{
		"9007199254740993", "12345678901234567890", "-12345678901234567890.0001", "1.0", "1e3", "1E+03", "1E400", "0.10", "-0.0",
		`{"n":9007199254740993,"f":1.0,"e":1e3}`,
		`{"a":1,"a":2}`,
		`{"b":1,"2":2,"1":1,"a":0}`,
		`{"__proto__":{"x":1}}`,
		`{"é":"\u00e9\/\u2028\u0000","\u0061":"\ud83d\ude00 \ud800"}`,
		`["\u003c",{"":""}]`,
	} {
		want := `{"timestamp":0,"message":` + message + `}`
		if got := lines(Options{}, decode(t, withMessages(message))); len(got) != 1 || got[0] != want {
			t.Errorf("%s gives %q", message, got)
		}
	}
	// Members of the event likewise.
	odd := `{"timestamp":1.0,"message":"x","a":[9007199254740993,{"a":1,"a":2}],"b":"\u003c\/"}`
	if got := lines(Options{}, decode(t, document(odd))); got[0] != odd {
		t.Errorf("%s gives %s", odd, got)
	}
}

func TestFlaw12LongMultiByteTextArrivesUnharmed(t *testing.T) {
	var messages, want []string
	for i := range 40 { // of one to four bytes, at all offsets of a 16 KiB chunk
		m := fmt.Sprint(i) + strings.Repeat("ě世😀x", 500+i)
		messages = append(messages, m)
		want = append(want, fmt.Sprintf(`{"timestamp":%d,"message":"%s"}`, i, m))
	}
	b := decode(t, withMessages(messages...))
	if b.Size() < 10<<14 {
		t.Fatalf("the document has only %d bytes", b.Size())
	}
	if got := lines(Options{}, b); !slices.Equal(got, want) {
		t.Errorf("the text was changed: %d characters are U+FFFD", strings.Count(strings.Join(got, ""), "\ufffd"))
	}
}

// requestIDs are the request ids in the records of messages, "" where there is none.
func requestIDs(t *testing.T, messages ...string) []string {
	t.Helper()
	return requestIDsOf(t, withMessages(messages...))
}

// requestIDsOf are the request ids in the records of a document.
func requestIDsOf(t *testing.T, doc string) []string {
	t.Helper()
	out := []string{}
	for _, line := range lines(Options{}, decode(t, doc)) {
		var record struct{ RequestID string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		out = append(out, record.RequestID)
	}
	return out
}

func TestFlaw15WordsAreNotRequestIDs(t *testing.T) {
	for _, message := range []string{
		"JAZZ music", `{"t":"10:00Z next"}`, "RequestId: none", "RequestId:" + id, "Z" + id, "Z " + id + "0", "Z " + id[1:],
		"Z " + strings.Replace(id, "a", "g", 1), "Z " + strings.ReplaceAll(id, "-", ""), "requestid: " + id, id, stamp + " " + id[:35] + " x",
	} {
		if got := requestIDs(t, message); got[0] != "" {
			t.Errorf("%q has the request id %q", message, got[0])
		}
	}
	for _, message := range []string{
		"RequestId: " + id, "x RequestId:\t\n " + id + ".", "Z " + id, `{"t":"10:00Z ` + id + `"}`,
		"JAZZ music Z " + id, "Z Z " + id, "Z\u00a0" + id + "é", stamp + " " + id,
	} {
		if got := requestIDs(t, message); got[0] != id {
			t.Errorf("%q has the request id %q, want %s", message, got[0], id)
		}
	}
}

func TestFlaw16RequestIDEndsWithItsReport(t *testing.T) {
	if diff := cmp.Diff([]string{"", id, id, id, id, "", "", id2, id2, id, "", id, id, ""}, requestIDsOf(t, inLambda(withMessages(
		"before",
		"START RequestId: "+id+" Version: 1",
		"text",
		"END RequestId: "+id,
		"REPORT RequestId: "+id+"\tDuration: 1 ms",
		"between",
		"between, too",
		stamp+"\t"+id2+"\tINFO\tx",
		"text",
		"REPORT RequestId: "+id+"\tof another request",
		"text",
		"a line with "+stamp+" "+id,
		"REPORT RequestId: is the one that came before",
		"text",
	)))); diff != "" {
		t.Errorf("request ids (-want +got):\n%s", diff)
	}
}

func TestFlaw17LevelIsKept(t *testing.T) {
	prefix := stamp + "\t" + id + "\t"
	for message, want := range map[string]string{
		prefix + "INFO\tx":          `"message":"x","requestID":"` + id + `","level":"INFO"`,
		prefix + "TRACE\tx":         `"message":"x","requestID":"` + id + `","level":"TRACE"`,
		prefix + "DEBUG x":          `"message":"x","requestID":"` + id + `","level":"DEBUG"`,
		prefix + "WARN\u00a0x":      `"message":"x","requestID":"` + id + `","level":"WARN"`,
		prefix + "ERROR\n\nx":       `"message":"x","requestID":"` + id + `","level":"ERROR"`,
		prefix + "FATAL\tERROR\tx":  `"message":"ERROR\tx","requestID":"` + id + `","level":"FATAL"`,
		prefix + "INFORMATION x":    `"message":"INFORMATION x","requestID":"` + id + `"`,
		prefix + "INFO: x":          `"message":": x","requestID":"` + id + `","level":"INFO"`,
		prefix + "[INFO] x":         `"message":"[INFO] x","requestID":"` + id + `"`,
		prefix + "INFOé x":          `"message":"INFOé x","requestID":"` + id + `"`,
		prefix + "INFO2 x":          `"message":"INFO2 x","requestID":"` + id + `"`,
		prefix + "INFO_X":           `"message":"INFO_X","requestID":"` + id + `"`,
		prefix + "INFO":             ``,
		prefix + "WARNING\tx":       `"message":"WARNING\tx","requestID":"` + id + `"`,
		prefix + "info\tx":          `"message":"info\tx","requestID":"` + id + `"`,
		prefix + "\tINFO\tx":        `"message":"INFO\tx","requestID":"` + id + `"`,
		prefix + "undefined\tERROR": `"message":"undefined\tERROR","requestID":"` + id + `"`,
		"INFO\tx":                   `"message":"INFO\tx"`,
		" " + prefix + "INFO\tx":    `"message":"` + stamp + `\t` + id + `\tINFO\tx","requestID":"` + id + `"`,
	} {
		got := records(Options{}, decode(t, withMessages(message)))[0]
		if want == "" && got.Dropped != Blank || want != "" && string(got.Line) != `{"timestamp":0,`+want+`}` {
			t.Errorf("%q gives %v, %s; want %s", message, got.Dropped, got.Line, want)
		}
		// Raw, nothing is cut.
		if got := lines(Options{Format: Raw}, decode(t, withMessages(message))); len(got) != 1 || got[0] != message {
			t.Errorf("raw, %q gives %q", message, got)
		}
	}
}

func TestFlaw18StreamPrefixesAreLiteral(t *testing.T) {
	for _, tt := range []struct {
		stream   string
		prefixes []string
		want     Reason
	}{
		{"app-1", nil, Kept},
		{"app-1", []string{"app"}, Kept},
		{"app-1", []string{"web", "app-1"}, Kept},
		{"app-1", []string{"app-12"}, OtherStream},
		{"app-1", []string{"pp"}, OtherStream},
		{"APP-1", []string{"app"}, OtherStream},
		{"app-1", []string{"APP"}, OtherStream},
		{"axp-1", []string{"a.p"}, OtherStream},
		{"app-1", []string{" app"}, OtherStream},
		{"", []string{"app"}, OtherStream},
	} {
		doc := strings.Replace(withMessages("x", "y"), "web/app/1", tt.stream, 1)
		got := records(Options{StreamPrefixes: tt.prefixes}, decode(t, doc))
		if len(got) != 2 || got[0].Dropped != tt.want || got[1].Dropped != tt.want {
			t.Errorf("stream %q, prefixes %q: %v, want %v", tt.stream, tt.prefixes, got, tt.want)
		}
	}
}

// flow is a line of a VPC flow log.
func flow(src, dst string) string {
	return "2 123456789012 eni-1 " + src + " " + dst + " 443 49152 6 20 4249 1 2 ACCEPT OK"
}

func TestFlaw19NetworksAreNetworks(t *testing.T) {
	for _, tt := range []struct {
		list, src, dst string
		want           Reason
	}{
		{"", "10.0.0.1", "10.0.0.2", Kept},
		{"10.1", "10.1.0.1", "10.1.9.9", InternalVPC},
		{"10.1", "10.10.0.1", "10.1.0.1", Kept},
		{"10.1", "10.1.0.1", "10.10.0.1", Kept},
		{"10.1.", "10.1.0.1", "10.1.9.9", InternalVPC},
		{"10.0.0.0/8", "10.1.2.3", "10.200.0.1", InternalVPC},
		{"10.0.0.0/8", "10.1.2.3", "11.0.0.1", Kept},
		{"10.8.0.0", "10.8.1.2", "10.8.255.1", InternalVPC},
		{"10.8.0.0", "10.8.1.2", "10.9.0.1", Kept},
		{" 10.1.0.0/16 ,, 172.16.0.0/12 ", "10.1.0.1", "172.31.0.1", InternalVPC},
		{"2001:db8::/32", "2001:db8:1::1", "2001:db8:2::1", InternalVPC},
	} {
		nets, err := ParseNetworks(tt.list)
		if err != nil {
			t.Fatal(err)
		}
		b := decode(t, withMessages(flow(tt.src, tt.dst)))
		for _, f := range []Format{VPCJSON, VPCRaw} {
			if got := records(Options{Format: f, Internal: nets}, b)[0].Dropped; got != tt.want {
				t.Errorf("%s, networks %q, %s to %s: %v, want %v", formatNames[f], tt.list, tt.src, tt.dst, got, tt.want)
			}
		}
		for _, f := range []Format{Others, Raw} {
			if got := records(Options{Format: f, Internal: nets}, b)[0].Dropped; got != Kept {
				t.Errorf("%s: a flow record was dropped: %v", formatNames[f], got)
			}
		}
	}
}

func TestFlaw20VPCFormatsAcceptAnyLine(t *testing.T) {
	nets, _ := ParseNetworks("10.0.0.0/8")
	b := decode(t, document(
		`{"id":"0","timestamp":0,"message":"short"}`,
		`{"id":"1","timestamp":1,"message":"2 1 eni-1 10.0.0.1"}`,
		`{"id":"2","timestamp":2,"message":"2 1 eni-1 10.0.0.1 10.0.0.2"}`,
		`{"id":"3","timestamp":3,"message":"{\"src\": \"10.0.0.1\", \"dst\": \"10.0.0.2\", \"n\": 1}"}`,
		`{"id":"4","timestamp":4,"message":"7"}`,
		`{"id":"5","timestamp":5,"message":7}`,
		`{"id":"6","timestamp":6,"message":"2 1 eni-1 - - - NODATA"}`,
		`{"id":"7","timestamp":7,"message":"10.0.0.1 10.0.0.2 another order of columns"}`,
		`{"id":"8","timestamp":8,"message":"`+flow("10.0.0.1", "10.0.0.2")+`\n"}`,
	))
	if diff := cmp.Diff([]string{
		`{"message":"short"}`,
		`{"message":"2 1 eni-1 10.0.0.1"}`,
		`{"message":{"src":"10.0.0.1","dst":"10.0.0.2","n":1}}`,
		`{"message":7}`,
		`{"message":7}`,
		`{"message":"2 1 eni-1 - - - NODATA"}`,
		`{"message":"10.0.0.1 10.0.0.2 another order of columns"}`,
	}, lines(Options{Format: VPCJSON, Internal: nets}, b)); diff != "" {
		t.Errorf("VPC-JSON (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		`short`,
		`2 1 eni-1 10.0.0.1`,
		`{"src":"10.0.0.1","dst":"10.0.0.2","n":1}`,
		`7`,
		`7`,
		`2 1 eni-1 - - - NODATA`,
		`10.0.0.1 10.0.0.2 another order of columns`,
	}, lines(Options{Format: VPCRaw, Internal: nets}, b)); diff != "" {
		t.Errorf("VPC-RAW (-want +got):\n%s", diff)
	}
}

func TestRawFormatsKeepTheMessageAlone(t *testing.T) {
	for _, tt := range []struct{ message, vpcRaw, raw string }{
		{"x", "x", "x"},
		{" x\t\n", "x", " x\t"},
		{"x\n\n", "x", "x\n"},
		{"a\n b", "a\n b", "a\n b"},
		{`{ "a" : 1 }`, `{"a":1}`, `{ "a" : 1 }`},
		{`"a \" b"`, `a " b`, `"a \" b"`},
		{`""`, "", `""`},
		{"\ufeff1", "1", "\ufeff1"},
		{" 1.0 ", "1.0", " 1.0 "},
		{" {oops} ", "{oops}", " {oops} "},
		{`{"_sumo_metadata":{"category":"c"}, "a":1}`, `{"a":1}`, `{"a":1}`},
		{`{"_sumo_metadata":{}}`, `{}`, `{}`},
		{stamp + " " + id + " INFO x", "x", stamp + " " + id + " INFO x"},
		{"\x00\x7f\u2028é", "\x00\x7f\u2028é", "\x00\x7f\u2028é"},
	} {
		for f, want := range map[Format]string{VPCRaw: tt.vpcRaw, Raw: tt.raw} {
			r := records(Options{Format: f, LogInfo: true, EventID: true}, decode(t, withMessages(tt.message)))[0]
			if string(r.Line) != want || (r.Dropped == Kept) != (want != "") {
				t.Errorf("%s: %q gives %q, %v; want %q", formatNames[f], tt.message, r.Line, r.Dropped, want)
			}
		}
	}
	half := document(`{"message":"a\ud800b\udc00"}`, `{"message":"\"a\\ud800\ud800\""}`)
	if diff := cmp.Diff([]string{"a\ufffdb\ufffd", "a\ufffd\ufffd"}, lines(Options{Format: VPCRaw}, decode(t, half))); diff != "" {
		t.Errorf("VPC-RAW, lone surrogates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a\ufffdb\ufffd", "\"a\\ud800\ufffd\""}, lines(Options{Format: Raw}, decode(t, half))); diff != "" {
		t.Errorf("RAW, lone surrogates (-want +got):\n%s", diff)
	}
}

func TestLogInfoAddsOnlyWhatThePayloadNames(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{`"logGroup":"g","logStream":"s"`, `{"message":"x","logStream":"s","logGroup":"g"}`},
		{`"logStream":"s","logGroup":null`, `{"message":"x","logStream":"s"}`},
		{`"logGroup":"g","logStream":7`, `{"message":"x","logGroup":"g"}`},
		{`"logGroup":"","logStream":""`, `{"message":"x","logStream":"","logGroup":""}`},
		{`"logGroup":"\u0022\/\u2028","logStream":"\ud800\n"`, "{\"message\":\"x\",\"logStream\":\"\ufffd\\n\",\"logGroup\":\"\\\"/\u2028\"}"},
		{`"owner":"1"`, `{"message":"x"}`},
	} {
		if diff := cmp.Diff([]string{tt.want}, lines(Options{LogInfo: true}, decode(t, `{`+tt.names+`,"logEvents":[{"message":"x"}]}`))); diff != "" {
			t.Errorf("%s: lines (-want +got):\n%s", tt.names, diff)
		}
	}
}

func TestRecordsCanStopAndStartAgain(t *testing.T) {
	b := decode(t, withMessages("RequestId: "+id, "b", "c"))
	o := Options{}
	all := records(o, b)
	n := 0
	for range o.Records(b) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d records before the break at 2", n)
	}
	if diff := cmp.Diff(all, records(o, b)); diff != "" {
		t.Errorf("the second reading (-want +got):\n%s", diff)
	}
}

func TestParseFormat(t *testing.T) {
	for name, want := range map[string]Format{
		"": Others, "Others": Others, "VPC-JSON": VPCJSON, "VPC": VPCJSON, "VPC-raw": VPCJSON, "VPC-RAW ": VPCJSON, "VPC-RAW": VPCRaw, "RAW": Raw,
	} {
		if got, err := ParseFormat(name); got != want || err != nil {
			t.Errorf("ParseFormat(%q) = %v, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"others", "raw", "vpc-json", " VPC-JSON", "JSON", "none"} {
		if got, err := ParseFormat(name); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("ParseFormat(%q) = %v, %v; want an error that names it", name, got, err)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	if got := fmt.Sprint(Kept, Blank, OtherStream, InternalVPC); got != "kept blank stream vpc_internal" {
		t.Errorf("names %q", got)
	}
}
