package transform

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secret stands in the content of bad events: no error may repeat it.
const secret = "hunter2"

// small is a good document; it has no secret.
const small = `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"one"}]}`

// zip is gzip with a member for each part, by the standard library: what we
// read must not depend on how our own library writes.
func zip(parts ...string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(nil)
	for _, p := range parts {
		w.Reset(&b)
		w.Write([]byte(p))
		w.Close()
	}
	return b.Bytes()
}

func lambdaEvent(packed []byte) []byte {
	return []byte(`{"awslogs":{"data":"` + base64.StdEncoding.EncodeToString(packed) + `"}}`)
}

func decode(t testing.TB, doc string) *Batch {
	t.Helper()
	b, err := Decode(Pack([]byte(doc)), DefaultLimit)
	if err != nil {
		t.Fatalf("Decode(%.200s): %v", doc, err)
	}
	return b
}

// document is a DATA_MESSAGE with events that are written as JSON objects.
func document(events ...string) string {
	return `{"messageType":"DATA_MESSAGE","logGroup":"/ecs/web","logStream":"web/app/1","logEvents":[` + strings.Join(events, ",") + `]}`
}

// withMessages is a DATA_MESSAGE whose events have these texts for messages.
func withMessages(messages ...string) string {
	events := make([]string, len(messages))
	for i, m := range messages {
		quoted, _ := json.Marshal(m)
		events[i] = fmt.Sprintf(`{"id":"%d","timestamp":%d,"message":%s}`, i, i, quoted)
	}
	return document(events...)
}

// saying are extractedFields as a filter with emitSystemFields adds them.
func saying(account, region, log string) string {
	b, _ := json.Marshal(map[string]string{"@aws.account": account, "@aws.region": region, "@source.log": log})
	return string(b)
}

// withFields is a DATA_MESSAGE whose events have these texts for messages, and
// extractedFields.
func withFields(of func(event int) string, messages ...string) string {
	events := make([]string, len(messages))
	for i, m := range messages {
		quoted, _ := json.Marshal(m)
		events[i] = fmt.Sprintf(`{"id":"%d","timestamp":%d,"message":%s,"extractedFields":%s}`, i, i, quoted, of(i))
	}
	return document(events...)
}

// inLambda is a document of the log of a Lambda function instead.
func inLambda(doc string) string { return strings.Replace(doc, "/ecs/web", "/aws/lambda/web", 1) }

// records are the records of a batch, with lines that stay.
func records(o Options, b *Batch) []Record {
	out := []Record{}
	for r := range o.Records(b) {
		r.Line = bytes.Clone(r.Line)
		out = append(out, r)
	}
	return out
}

func lines(o Options, b *Batch) []string {
	out := []string{}
	for _, r := range records(o, b) {
		if r.Dropped == Kept {
			out = append(out, string(r.Line))
		}
	}
	return out
}

func wantRefused(t *testing.T, event []byte, limit int64, stage string) (text string) {
	t.Helper()
	b, err := Decode(event, limit)
	var de *DecodeError
	if b != nil || !errors.As(err, &de) || de.Stage != stage {
		t.Errorf("Decode = %v, %v; want no batch and a DecodeError of stage %s", b, err, stage)
		return ""
	} else if strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds content of the event: %v", err)
	}
	return err.Error()
}

func TestDecodeRefusesWithStageAndWithoutContent(t *testing.T) {
	changed := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[len(b)+at] ^= 1
		return b
	}
	good := zip(small)
	padded := append(bytes.Clone(good), make([]byte, 3-len(good)%3)...) // its base64 has no = at the end
	doc := func(s string) []byte { return lambdaEvent(zip(s)) }
	for _, tt := range []struct {
		name  string
		event []byte
		stage string
	}{
		{"empty", nil, StageEvent},
		{"white space", []byte(" \n\t\r "), StageEvent},
		{"not JSON", []byte(secret), StageEvent},
		{"single quotes", []byte(`{'awslogs':{'data':'` + secret + `'}}`), StageEvent},
		{"array", []byte(`["` + secret + `"]`), StageEvent},
		{"string", []byte(`"` + secret + `"`), StageEvent},
		{"number", []byte(`7`), StageEvent},
		{"null", []byte(`null`), StageEvent},
		{"cut short", []byte(`{"awslogs":{"data":"` + secret), StageEvent},
		{"two events", []byte(`{"awslogs":{"data":""}}{"` + secret + `":1}`), StageEvent},
		{"byte order mark before the event", append([]byte("\ufeff"), lambdaEvent(good)...), StageEvent},
		{"event of SQS", []byte(`{"Records":[{"body":"` + secret + `"}]}`), StageEvent},
		{"awslogs in another case", []byte(`{"awsLogs":{"data":"` + secret + `"}}`), StageEvent},
		{"awslogs null", []byte(`{"awslogs":null}`), StageEvent},
		{"awslogs a string", []byte(`{"awslogs":"` + secret + `"}`), StageEvent},
		{"awslogs an array", []byte(`{"awslogs":["` + secret + `"]}`), StageEvent},
		{"data missing", []byte(`{"awslogs":{"` + secret + `":1}}`), StageEvent},
		{"data null", []byte(`{"awslogs":{"data":null}}`), StageEvent},
		{"data a number", []byte(`{"awslogs":{"data":1}}`), StageEvent},
		{"data an object", []byte(`{"awslogs":{"data":{"data":"` + secret + `"}}}`), StageEvent},
		{"data with a raw newline", []byte("{\"awslogs\":{\"data\":\"" + secret + "\n\"}}"), StageEvent},
		{"data a string and then null", append(bytes.TrimSuffix(lambdaEvent(good), []byte("}}")), `,"data":null}}`...), StageEvent},

		{"data empty", []byte(`{"awslogs":{"data":""}}`), StageBase64},
		{"junk", []byte(`{"awslogs":{"data":"` + secret + ` {}!"}}`), StageBase64},
		{"beyond ASCII", []byte(`{"awslogs":{"data":"` + secret + `é"}}`), StageBase64},
		{"a digit too few", []byte(`{"awslogs":{"data":"H4sIA"}}`), StageBase64},
		{"padding in the middle", []byte(`{"awslogs":{"data":"H4==sIAA"}}`), StageBase64},

		{"junk behind whole gzip", []byte(`{"awslogs":{"data":"` + base64.StdEncoding.EncodeToString(padded) + `{` + secret + `}"}}`), StageBase64},

		{"data only newlines", []byte(`{"awslogs":{"data":"\n\r\n"}}`), StageGzip},
		{"not gzip", lambdaEvent([]byte(small + secret)), StageGzip},
		{"zlib", lambdaEvent([]byte("\x78\x9c\x03\x00\x00\x00\x00\x01")), StageGzip},
		{"no trailer", lambdaEvent(good[:len(good)-8]), StageGzip},
		{"no size", lambdaEvent(good[:len(good)-4]), StageGzip},
		{"wrong CRC", lambdaEvent(changed(good, -8)), StageGzip},
		{"wrong size", lambdaEvent(changed(good, -4)), StageGzip},
		{"trailing garbage", lambdaEvent(append(bytes.Clone(good), secret...)), StageGzip},
		{"one byte of trailing garbage", lambdaEvent(append(bytes.Clone(good), 'x')), StageGzip},
		{"zeros and then garbage", lambdaEvent(append(bytes.Clone(good), "\x00\x00x"...)), StageGzip},
		{"second member cut short", lambdaEvent(append(bytes.Clone(good), good[:len(good)-1]...)), StageGzip},

		{"document empty", doc(""), StageDocument},
		{"document white space", doc(" \n"), StageDocument},
		{"document not JSON", doc(secret), StageDocument},
		{"document cut short", doc(small[:len(small)-1]), StageDocument},
		{"document cut before the events", doc(`{"logEvents":`), StageDocument},
		{"document cut among the events", doc(`{"logEvents":[`), StageDocument},
		{"document cut in a character", doc(small + "\xf0\x9f"), StageDocument},
		{"two documents", doc(small + small), StageDocument},
		{"two documents on two lines", doc(small + "\n" + `{"` + secret + `":1}`), StageDocument},
		{"byte order mark before the document", doc("\ufeff" + small), StageDocument},
		{"UTF-16", doc("{\x00\"\x00"), StageDocument},
		{"document an array", doc(`["` + secret + `"]`), StageDocument},
		{"document a string", doc(`"` + secret + `"`), StageDocument},
		{"document null", doc(`null`), StageDocument},
		{"comma at the end", doc(`{"logEvents":[],}`), StageDocument},
		{"comma at the end of the events", doc(`{"logEvents":[{},]}`), StageDocument},
		{"raw control character", doc("{\"logEvents\":[{\"message\":\"" + secret + "\t\"}]}"), StageDocument},
		{"bad value", doc(`{"owner":` + secret + `,"logEvents":[]}`), StageDocument},
		{"bad escape", doc(`{"logEvents":[{"message":"` + secret + `\x"}]}`), StageDocument},
		{"no logEvents", doc(`{"messageType":"DATA_MESSAGE","` + secret + `":1}`), StageDocument},
		{"logEvents null", doc(`{"logEvents":null}`), StageDocument},
		{"logEvents an object", doc(`{"logEvents":{"` + secret + `":1}}`), StageDocument},
		{"logEvents a string", doc(`{"logEvents":"` + secret + `"}`), StageDocument},
		{"logEvents an array and then null", doc(`{"logEvents":[],"logEvents":null}`), StageDocument},
		{"an event is not JSON", doc(`{"logEvents":[{},` + secret + `]}`), StageDocument},
		{"an event is missing", doc(`{"logEvents":[{},,7]}`), StageDocument},
		{"an event is cut short", doc(`{"logEvents":[{},["` + secret + `"`), StageDocument},
		{"unknown messageType", doc(`{"messageType":"` + secret + `","logEvents":[]}`), StageDocument},
		{"messageType empty", doc(`{"messageType":"","logEvents":[]}`), StageDocument},
		{"messageType a number", doc(`{"messageType":1,"logEvents":[]}`), StageDocument},
	} {
		t.Run(tt.name, func(t *testing.T) { wantRefused(t, tt.event, DefaultLimit, tt.stage) })
	}
}

// An element that is not an object does not take its neighbours with it: it is the
// message of an event without other members.
func TestElementThatIsNotAnObjectIsAMessage(t *testing.T) {
	const good = `{"id":"0","timestamp":0,"message":"good"}`
	for element, want := range map[string]string{
		`7`:                       `{"message":7}`,
		`-1.50e3`:                 `{"message":-1.50e3}`,
		`true`:                    `{"message":true}`,
		`[ 1 , { "a" : "b c" } ]`: `{"message":[1,{"a":"b c"}]}`,
		`[]`:                      `{"message":[]}`,
		`"text\u0041\n"`:          `{"message":"textA"}`,
		`"{\"a\": 1}"`:            `{"message":{"a":1}}`,
		`null`:                    ``, // blank
		`""`:                      ``,
		`" \n"`:                   ``,
	} {
		for _, doc := range []string{document(good, element, good), document(element, good), document(good, element), document("\n"+element+" ", good)} {
			b := decode(t, doc)
			var got []string
			others := 0
			for _, r := range records(Options{}, b) {
				switch {
				case r.Dropped != Kept:
					got = append(got, "")
				case string(r.Line) == `{"timestamp":0,"message":"good"}`:
					others++
				default:
					got = append(got, string(r.Line))
				}
			}
			if diff := cmp.Diff([]string{want}, got); diff != "" || others != b.Len()-1 {
				t.Errorf("%s: %d of %d others; record (-want +got):\n%s", doc, others, b.Len(), diff)
			}
			for _, o := range everyOption() {
				checkRecords(t, o, b)
			}
		}
	}
}

// A payload that was cut short must never pass as a shorter one.
func TestDecodeRefusesEveryTruncation(t *testing.T) {
	packed := zip(small)
	for n := 1; n < len(packed); n++ {
		if text := wantRefused(t, lambdaEvent(packed[:n]), DefaultLimit, StageGzip); !strings.HasSuffix(text, "the data is truncated") {
			t.Errorf("cut at %d: %s", n, text)
		}
	}
	data := base64.StdEncoding.EncodeToString(packed)
	for n := 1; n < len(strings.TrimRight(data, "=")); n++ {
		stage := StageGzip
		if n%4 == 1 {
			stage = StageBase64
		}
		wantRefused(t, []byte(`{"awslogs":{"data":"`+data[:n]+`"}}`), DefaultLimit, stage)
	}
}

func TestDecodeLimitIsExact(t *testing.T) {
	for name, packed := range map[string][]byte{
		"one member":  zip(small),
		"two members": zip(small[:50], small[50:]),
		"size hidden": append(zip(small), make([]byte, 9)...),
	} {
		for _, limit := range []int64{int64(len(small)), int64(len(small)) + 1, 1 << 40} {
			if _, err := Decode(lambdaEvent(packed), limit); err != nil {
				t.Errorf("%s, limit %d of %d bytes: %v", name, limit, len(small), err)
			}
		}
		for _, limit := range []int64{0, 1, 49, 50, int64(len(small)) - 1} {
			b, err := Decode(lambdaEvent(packed), limit)
			var de *DecodeError
			if b != nil || !errors.Is(err, ErrTooLarge) || !errors.As(err, &de) || de.Stage != StageGzip {
				t.Errorf("%s, limit %d of %d bytes: %v, %v; want ErrTooLarge", name, limit, len(small), b, err)
			}
		}
	}
}

func TestDecodeAcceptsEveryLimit(t *testing.T) {
	defer func() {
		if r := recover(); r != nil {
			t.Error("panic:", r)
		}
	}()
	if _, err := Decode(Pack([]byte(small)), math.MinInt64); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if _, err := Decode(Pack([]byte(small)), math.MaxInt64); err != nil {
		t.Error(err)
	}
}

// The reader may hand out the last bytes and their end apart or together.
func TestDecodeLimitIsExactWhereTheWindowEnds(t *testing.T) {
	for size := 32<<10 - 2; size <= 32<<10+2; size++ {
		doc := small + strings.Repeat(" ", size-len(small))
		if _, err := Decode(lambdaEvent(zip(doc)), int64(size)); err != nil {
			t.Errorf("%d bytes under the limit of as many: %v", size, err)
		}
		if _, err := Decode(lambdaEvent(zip(doc)), int64(size)-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes under a limit of one less: %v", size, err)
		}
	}
}

// allocated is how many bytes f allocates, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDecodeRefusesABombWithoutReadingIt(t *testing.T) {
	const limit = 1 << 20
	bomb := lambdaEvent(zip(strings.Repeat("\x00", 8<<20)))
	var err error
	if n := allocated(func() { _, err = Decode(bomb, limit) }); n > 2*limit {
		t.Errorf("allocated %d bytes under a limit of %d", n, limit)
	}
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

// The size in the trailer is only a claim.
func TestDecodeAllocatesNoMoreThanThePayloadCanHold(t *testing.T) {
	lie := zip(small)
	binary.LittleEndian.PutUint32(lie[len(lie)-4:], 1<<32-1)
	if n := allocated(func() { wantRefused(t, lambdaEvent(lie), DefaultLimit, StageGzip) }); n > 1<<20 {
		t.Errorf("allocated %d bytes for a payload of %d", n, len(lie))
	}
}

func TestDecodeReadsManySmallMembersInLinearSpace(t *testing.T) {
	doc := document(`{"message":"` + strings.Repeat("x", 100_000) + `"}`)
	parts := make([]string, 2000)
	for i := range parts {
		parts[i] = doc[i : i+1]
	}
	packed := zip(append(parts, doc[len(parts):])...)
	n := allocated(func() {
		if _, err := Decode(lambdaEvent(packed), DefaultLimit); err != nil {
			t.Error(err)
		}
	})
	if n > 4<<20 {
		t.Errorf("allocated %d bytes for a document of %d", n, len(doc))
	}
}

func TestDecodeReadsEverySpelling(t *testing.T) {
	data := func(change func(string) string) []byte {
		return []byte(`{"awslogs":{"data":"` + change(base64.StdEncoding.EncodeToString(zip(small))) + `"}}`)
	}
	good := lambdaEvent(zip(small))
	for _, tt := range []struct {
		name  string
		event []byte
	}{
		{"plain", good},
		{"white space", []byte(" \r\n\t{ \"awslogs\" : { \"data\" : \"" + base64.StdEncoding.EncodeToString(zip(small)) + "\" } }\n")},
		{"unknown keys", []byte(`{"a":{"data":1},"awslogs":{"b":[{}],` + string(good[len(`{"awslogs":{`):len(good)-1]) + `,"c":"data"}`)},
		{"keys with escapes", bytes.Replace(bytes.Replace(good, []byte("aws"), []byte(`\u0061ws`), 1), []byte(`"data"`), []byte(`"d\u0061t\u0061"`), 1)},
		{"the last of two", bytes.Replace(good, []byte(`{"data"`), []byte(`{"data":"x","data"`), 1)},
		{"newlines", data(func(s string) string { return s[:60] + `\n` + s[60:] + `\n` })},
		{"newlines of Windows", data(func(s string) string { return s[:60] + `\r\n` + s[60:] })},
		{"blanks and tabs", data(func(s string) string { return " " + s[:60] + `\t ` + s[60:] + " " })},
		{"document in white space", lambdaEvent(zip(" \n" + small + "\r\n\t "))},
		{"empty members", lambdaEvent(zip("", small, "", ""))},
		{"zeros at the end", lambdaEvent(append(zip(small), 0))},
		{"many zeros at the end", lambdaEvent(append(zip(small), make([]byte, 5000)...))},
		{"stored, not compressed", lambdaEvent(stored(small))},
	} {
		b, err := Decode(tt.event, DefaultLimit)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := lines(Options{EventID: true}, b); len(got) != 1 || got[0] != `{"id":"1","timestamp":1,"message":"one"}` || b.LogGroup != "g" || b.LogStream != "s" {
			t.Errorf("%s: %q of %q, %q", tt.name, got, b.LogGroup, b.LogStream)
		}
	}
}

func stored(s string) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.NoCompression)
	w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra")
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

func TestDecodeReadsEveryBase64(t *testing.T) {
	spellings := map[string]func(string) string{
		"unpadded":     func(s string) string { return strings.TrimRight(s, "=") },
		"URL alphabet": strings.NewReplacer("+", "-", "/", "_").Replace,
		"URL, unpadded": func(s string) string {
			return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(s), "=")
		},
		"escaped slashes": func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
		"escaped pluses":  func(s string) string { return strings.ReplaceAll(s, "+", `\u002b`) },
		"MIME": func(s string) string {
			var out strings.Builder
			for len(s) > 76 {
				out.WriteString(s[:76] + `\r\n`)
				s = s[76:]
			}
			return out.String() + s
		},
	}
	seen := map[string]int{}
	for i := range 30 {
		doc := withMessages(strings.Repeat(fmt.Sprint(i*i*i), i))
		plain := base64.StdEncoding.EncodeToString(zip(doc))
		for name, spell := range spellings {
			spelled := spell(plain)
			if spelled != plain {
				seen[name]++
			}
			b, err := Decode([]byte(`{"awslogs":{"data":"`+spelled+`"}}`), DefaultLimit)
			if err != nil || string(b.doc) != doc {
				t.Errorf("%s of %s: %v", name, doc, err)
			}
		}
	}
	for name := range spellings {
		if seen[name] == 0 {
			t.Errorf("no document was spelled differently by %s", name)
		}
	}
}

func TestDecodeJoinsMembersCutInsideACharacter(t *testing.T) {
	doc := withMessages("a é € 😀 z")
	var d Decoder
	for i := range len(doc) {
		b, err := d.Decode(lambdaEvent(zip(doc[:i], doc[i:])), DefaultLimit)
		if err != nil || string(b.doc) != doc {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func TestDecodeReadsEveryDocument(t *testing.T) {
	for _, tt := range []struct {
		name, doc     string
		group, stream string
		control       bool
		want          []string
	}{
		{"no messageType", `{"logEvents":[{"message":"x"}]}`, "", "", false, []string{`{"message":"x"}`}},
		{"messageType null", `{"messageType":null,"logEvents":[{"message":"x"}]}`, "", "", false, []string{`{"message":"x"}`}},
		{"no events", `{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[]}`, "g", "s", false, []string{}},
		{"names that are not strings", `{"logGroup":null,"logStream":7,"logEvents":[{"message":"x"}]}`, "", "", false, []string{`{"message":"x"}`}},
		{"names with escapes", `{"logGroup":"\/a\u0062\n","logStream":"\ud83d\ude00\ud800","logEvents":[]}`, "/ab\n", "😀\ufffd", false, []string{}},
		{"keys with escapes", `{"log\u0047roup":"g","log\u0045vents":[{"messag\u0065":"x"}]}`, "g", "", false, []string{`{"messag\u0065":"x"}`}},
		{"ids of all kinds", `{"logEvents":[{"id":1e3,"message":"a"},{"id":"1","message":"b"},{"id":null,"message":"c"},{"message":"d"}]}`, "", "", false,
			[]string{`{"id":1e3,"message":"a"}`, `{"id":"1","message":"b"}`, `{"id":null,"message":"c"}`, `{"message":"d"}`}},
		{"unknown keys", `{"x":[{"logEvents":[{}]}],"logEvents":[{"message":"x","y":{"message":"z"}}],"policyLevel":"ACCOUNT_LEVEL_POLICY"}`,
			"", "", false, []string{`{"message":"x","y":{"message":"z"}}`}},
		{"the last of two arrays", `{"logEvents":[{"message":"x"}],"logEvents":[{"message":"y"}]}`, "", "", false, []string{`{"message":"y"}`}},
		{"the last of two, the first no array of objects", `{"logEvents":[7],"logEvents":[{"message":"y"}]}`, "", "", false, []string{`{"message":"y"}`}},
		{"control", `{"messageType":"CONTROL_MESSAGE","logGroup":"g","logStream":"s","logEvents":[
			{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Lambda."}]}`, "g", "s", true, []string{}},
		{"control without events", `{"messageType":"CONTROL_MESSAGE"}`, "", "", true, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := decode(t, tt.doc)
			if b.LogGroup != tt.group || b.LogStream != tt.stream || b.Control != tt.control || b.Len() != len(tt.want) || b.Size() != len(tt.doc) {
				t.Errorf("got group %q, stream %q, control %v, %d events, %d bytes", b.LogGroup, b.LogStream, b.Control, b.Len(), b.Size())
			}
			if diff := cmp.Diff(tt.want, lines(Options{EventID: true}, b)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// Source of the cases: The Unicode Standard 15, tables 3-8 to 3-11.
func TestDecodeReplacesInvalidUTF8(t *testing.T) {
	const r = "\ufffd"
	for _, tt := range []struct{ in, want string }{
		{"plain é", "plain é"},
		{"\xef\xbf\xbd is written", r + " is written"},
		{"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82A", r + r + r + r + r + r + r + r + "A"},
		{"\xed\xa0\x80\xed\xbf\xbf\xed\xafA", r + r + r + r + r + r + r + r + "A"},
		{"\xf4\x91\x92\x93\xffA\x80\xbfB", r + r + r + r + r + "A" + r + r + "B"},
		{"\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA", r + r + r + r + "A"},
		{"a\xf1\x80\x80\xe1\x80\xc2b\x80c\x80\xbfd", "a" + r + r + r + "b" + r + "c" + r + r + "d"},
		{"\xf4\x90\x80\x80", r + r + r + r},
		{"\xf1\xc0\x80\xf1\x80\xc0\xe1\xc0A", r + r + r + r + r + r + r + "A"},
		{"\xc2\xc2\xdf\xe0", r + r + r + r},
		{"\xef\xbf\xe1\x80\xf1\x80\x80", r + r + r},
		{"\xe0\xa0", r},
		{"\xe0\x9f", r + r},
		{"\xed\x9f", r},
		{"\xf0\x90\x80", r},
		{"\xf0\x8f\x80", r + r + r},
		{"\xf4\x8f\xbf", r},
		{"\xf5\x80", r + r},
		{"caf\xe9 au lait", "caf" + r + " au lait"},
		{"cut \xf0\x9f\x98", "cut " + r},
	} {
		b, err := Decode(lambdaEvent(zip(document(`{"message":"`+tt.in+`"}`))), DefaultLimit)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff([]string{`{"message":"` + tt.want + `"}`}, lines(Options{}, b)); diff != "" {
			t.Errorf("%q: document (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestDecoderKeepsNothingOfThePayloadBefore(t *testing.T) {
	var d Decoder
	large := document(`{"message":"` + strings.Repeat("large ", keepCap/6) + `"}`)
	broken := zip(small)
	broken[len(broken)-8] ^= 1
	for i, tt := range []struct {
		event []byte
		want  string // nothing: it is refused
	}{
		{Pack([]byte(large)), large},
		{Pack([]byte(small)), small},
		{lambdaEvent(broken), ""},
		{Pack([]byte(small)), small},
		{lambdaEvent([]byte("no gzip at all")), ""},
		{[]byte(`{"awslogs":{"data":"*"}}`), ""},
		{nil, ""},
		{lambdaEvent(zip("not JSON")), ""},
		{Pack([]byte("{\"logEvents\":[{\"message\":\"\xff\"}]}")), "{\"logEvents\":[{\"message\":\"\ufffd\"}]}"},
		{lambdaEvent(zip(small[:9], small[9:])), small},
	} {
		b, err := d.Decode(tt.event, DefaultLimit)
		switch {
		case tt.want == "":
			if b != nil || err == nil {
				t.Errorf("payload %d: %v, %v; want an error", i, b, err)
			}
		case err != nil:
			t.Errorf("payload %d: %v", i, err)
		case string(b.doc) != tt.want:
			t.Errorf("payload %d: document %.200q, want %.200q", i, b.doc, tt.want)
		}
		if i > 0 && cap(d.doc) > keepCap {
			t.Errorf("payload %d: a buffer of %d bytes was kept", i, cap(d.doc))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, event := range []string{
		"", "null", `{"awslogs":{"data":""}}`, `{"awslogs":{"data":"H4sIAA=="}}`, string(lambdaEvent(zip(small))), string(lambdaEvent(zip(small, small))),
	} {
		f.Add([]byte(event), false)
	}
	for _, doc := range []string{
		small,
		`{"messageType":"CONTROL_MESSAGE"}`,
		withMessages("a\nb\r\u2028", ` {"a" : [1.0, "\ud800"], "_sumo_metadata":{"category":["a",1]}} `,
			"REPORT RequestId: 108af3bb-a79b-11e6-8bd7-91c363cc05d9", "", "0"),
		withMessages("2016-11-10T23:11:54.523Z\t108af3bb-a79b-11e6-8bd7-91c363cc05d9\tINFO\tsome\n", "END"),
		document(`{"message":7,"requestID":null,"level":1,"logStream":[ ],"logGroup":{ },"extractedFields":{}}`,
			`{"id":"1","timestamp":1,"message":"x","extractedFields":{"@aws.account":"1","@aws.region":"r","@source.log":"111122223333:/g"}}`,
			`{ "message" : "\ud83d \ude00\u0022\/" , "requestID":"x" }`, `{}`),
		document(`{"message":"Z 108af3bb-a79b-11e6-8bd7-91c363cc05d9"}`, `7`, `[ "x" , null]`, `null`, `"text"`, `{"message":"x"}`),
		document("{\"message\":\"\xf0\x9f\"}"),
	} {
		f.Add([]byte(doc), true)
	}
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.NoCompression) // one for all inputs: ten times as fast
	f.Fuzz(func(t *testing.T, event []byte, pack bool) {
		if pack {
			packed.Reset()
			w.Reset(&packed)
			w.Write(event)
			w.Close()
			event = lambdaEvent(packed.Bytes())
		}
		b, err := Decode(event, 1<<20)
		if err != nil {
			var de *DecodeError
			if b != nil || !errors.As(err, &de) {
				t.Fatalf("Decode = %v, %v", b, err)
			}
			return
		}
		for _, o := range everyOption() {
			checkRecords(t, o, b)
		}
		checkRebuilt(t, b, func(i int) bool { return (i+b.Len())%3 > 0 })
	})
}

// checkRebuilt checks that the records of a batch and of what Rebuild makes of some
// of its events are the same.
func checkRebuilt(t *testing.T, b *Batch, keep func(int) bool) {
	t.Helper()
	parts, unfit := rebuild(b, keep, 1<<10)
	for _, o := range []Options{{LogInfo: true, EventID: true}, {Format: Raw}} {
		var want, got []Record
		for _, r := range records(o, b) {
			if keep(r.Event) {
				want = append(want, r)
			}
		}
		for _, p := range parts {
			part, err := Decode(p.Event, DefaultLimit)
			if err != nil || part.Len() != p.Events || len(p.Event) > 1<<10 {
				t.Fatalf("a part of %d events, %d bytes: %v, %v", p.Events, len(p.Event), part, err)
			}
			got = append(got, records(o, part)...)
		}
		if len(got)+unfit != len(want) {
			t.Fatalf("%d records and %d unfit of %d", len(got), unfit, len(want))
		}
		for i := range got {
			if unfit == 0 {
				got[i].Event, want[i].Event = 0, 0
				if diff := cmp.Diff(want[i], got[i]); diff != "" {
					t.Fatalf("%+v: record %d (-want +got):\n%s", o, i, diff)
				}
			}
		}
	}
}

// everyOption is all combinations of what changes the form of a record.
func everyOption() (out []Options) {
	for _, f := range []Format{Others, VPCJSON, VPCRaw, Raw} {
		for i := range 4 {
			out = append(out, Options{Format: f, LogInfo: i&1 != 0, EventID: i&2 != 0})
		}
	}
	return out
}

// checkRecords checks what is true of the records of any batch.
func checkRecords(t *testing.T, o Options, b *Batch) {
	t.Helper()
	n := 0
	for r := range o.Records(b) {
		switch {
		case r.Event != n:
			t.Fatalf("record %d is of event %d", n, r.Event)
		case (r.Dropped == Kept) != (len(r.Line) > 0):
			t.Fatalf("record %d is %v, with the line %.300q", n, r.Dropped, r.Line)
		case r.Dropped != Kept || o.Format == Raw || o.Format == VPCRaw:
		case !json.Valid(r.Line) || r.Line[0] != '{' || bytes.ContainsAny(r.Line, "\n\r"):
			t.Fatalf("%+v: record %d is not an object on one line: %.300q", o, n, r.Line)
		}
		n++
	}
	if n != b.Len() {
		t.Fatalf("%d records of %d events", n, b.Len())
	}
}
