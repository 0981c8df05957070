package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// The scanner of strings reads eight bytes at a time: what ends or breaks a
// string must be found at each place in them, whatever is around it.
func TestScanStringAtEveryOffset(t *testing.T) {
	fills := []byte{'a', ' ', '!', '#', '[', ']', 0x7f, 0x80, 0xa2, 0xdc, 0xff}
	for length := range 41 {
		for _, fill := range fills {
			content := bytes.Repeat([]byte{fill}, length)
			whole := append(append([]byte("x\""), content...), "\"tail"...)
			if end, flags := scanString(whole, 1); end != length+3 || flags != 0 {
				t.Fatalf("%d times %#x: end %d, flags %d", length, fill, end, flags)
			}
			if end, _ := scanString(whole[:length+2], 1); end != -1 {
				t.Fatalf("%d times %#x, not closed: end %d", length, fill, end)
			}
			for at := range min(length, 25) {
				for _, tt := range []struct {
					special string
					end     int // -1 not valid, 0 at the closing quote
					flags   int
				}{
					{`"`, at + 3, 0},
					{"\x00", -1, 0}, {"\n", -1, 0}, {"\x1f", -1, 0},
					{`\"`, 0, hasEscape}, {`\\`, 0, hasEscape}, {`\n`, 0, hasEscape},
					{`\/`, 0, hasEscape | hasUnicode}, {`\u00E9`, 0, hasEscape | hasUnicode},
					{`\x`, -1, 0}, {`\u00g0`, -1, 0}, {"\\\x00", -1, 0},
				} {
					b := []byte(`"` + string(content[:at]) + tt.special + string(content[at:]) + `"`)
					want := tt.end - 1 // without the x
					switch tt.end {
					case -1:
						want = -1
					case 0:
						want = len(b)
					}
					end, flags := scanString(b, 0)
					if end != want || end >= 0 && flags != tt.flags {
						t.Fatalf("%q among %d times %#x at %d: end %d, flags %d; want %d, %d", tt.special, length, fill, at, end, flags, want, tt.flags)
					}
				}
			}
		}
	}
}

// Where a text ends, nothing starts.
func TestNothingIsReadAtTheEnd(t *testing.T) {
	for _, s := range []string{``, `1`, `"`, `[`, `{"a":`, `\u00`} {
		b := []byte(s)
		text, _ := scanString(b, len(b))
		value, _ := scanValue(b, len(b), 0)
		_, digits := hex4(b, len(b))
		object := scanObject(b, len(b), func([]byte, int) int { return len(b) })
		array := scanArray(b, len(b), func(int) int { return len(b) })
		for what, end := range map[string]int{
			"string": text, "value": value, "number": scanNumber(b, len(b)), "word": scanWord(b, len(b), "null"), "object": object, "array": array,
		} {
			if end != -1 {
				t.Errorf("behind %s a %s ends at %d", s, what, end)
			}
		}
		if digits || scanSpace(b, len(b)) != len(b) || indexEvent(b, len(b)) != (eventIndex{}) {
			t.Errorf("behind %s there are digits, white space or an event", s)
		}
	}
}

func TestScanStringCutInAnEscape(t *testing.T) {
	for _, s := range []string{``, `a`, `"`, `"\`, `"\"`, `"\u`, `"\u0`, `"\u00e`, `"\u00e9`, `"\ud83d\u`} {
		if end, _ := scanString([]byte(s), 0); end != -1 {
			t.Errorf("scanString(%s) = %d, want -1", s, end)
		}
	}
}

// values are JSON, and what is nearly.
var values = []string{
	``, ` `, `0`, `-0`, `7`, `-`, `01`, `-01`, `1.`, `.1`, `1.0`, `1e`, `1e+`, `1E-07`, `1e1.0`, `+1`, `0x1`, `1 2`,
	`true`, `false`, `null`, `nul`, `tru`, `truefalse`, `True`, `NaN`, `Infinity`, `undefined`,
	`""`, `"a"`, `"a`, `'a'`, `"\x"`, "\"\t\"", `"\u12"`, `"a" "b"`,
	`[]`, `[ ]`, `[`, `[ `, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `]`, `[[],[[]]]`, `[1}`,
	`{}`, `{ }`, `{`, `{ `, `{"a":1}`, `{"a":1,}`, `{,"a":1}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a":1`, `}`, `{"a":1]`,
	` { "a" : [ 1 , true , null , "x y" , { } , [ ] ] , "a" : -1.5e+10 } `, "\t[\n]\r\n", "\v1", "\u00a01", "\ufeff1",
	`{"a":{"b":{"c":[{"d":"\ud800"}]}}}`, "[1]\x00", `{}{}`,
}

// checkScan compares our reading of a text with that of encoding/json.
func checkScan(t *testing.T, b []byte) {
	t.Helper()
	first := json.NewDecoder(bytes.NewReader(b))
	wantEnd := -1
	if err := first.Decode(new(json.RawMessage)); err == nil {
		wantEnd = int(first.InputOffset())
	}
	if end, _ := scanValue(b, scanSpace(b, 0), 0); end != wantEnd {
		t.Fatalf("the value that begins %.200q ends at %d, want %d", b, end, wantEnd)
	}
	from, to, spaced, ok := isJSON(b)
	if want := json.Valid(b); ok != want {
		t.Fatalf("isJSON(%.200q) = %v, want %v", b, ok, want)
	}
	if !ok {
		return
	}
	if want := bytes.Trim(b, " \t\r\n"); !bytes.Equal(b[from:to], want) {
		t.Fatalf("the value in %.200q is %.200q", b, b[from:to])
	}
	var want bytes.Buffer
	if err := json.Compact(&want, b); err != nil {
		t.Fatal(err)
	}
	if got := appendCompact([]byte("x"), b); string(got) != "x"+want.String() {
		t.Fatalf("compact %.200q, want %.200q", got[1:], want.Bytes())
	}
	if want := want.Len() != to-from; spaced != want {
		t.Fatalf("%.200q: spaced is %v, want %v", b, spaced, want)
	}
	// In place, as a message is made compact.
	value := bytes.Clone(b[from:to])
	if got := appendCompact(value[:0], value); !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("compact in place %.200q, want %.200q", got, want.Bytes())
	}
}

func TestScanAgreesWithEncodingJSON(t *testing.T) {
	for _, v := range values {
		checkScan(t, []byte(v))
		checkScan(t, []byte(`[`+v+`]`))
		checkScan(t, []byte(`{"k": `+v+` , "l":0}`))
	}
	for _, depth := range []int{9_999, 10_001} { // just 10,000 a message need not have: there is a record around it
		checkScan(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		checkScan(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
	}
}

func FuzzScan(f *testing.F) {
	for _, v := range values {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if utf8.Valid(b) && bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) < maxDepth {
			checkScan(t, b)
		}
	})
}

func TestFindTakesTheLastMemberOfThatName(t *testing.T) {
	for _, tt := range []struct {
		object, want string
		ok           bool
	}{
		{`{"k":1}`, `1`, true},
		{` {"k":1}`, ``, false}, // it starts with its brace
		{`{ "a" : {"k":0} , "k" : [ 1 ] , "b" : "k" }`, `[ 1 ]`, true},
		{`{"k":1,"k":2}`, `2`, true},
		{`{"\u006b":1}`, `1`, true},
		{`{"k":1,"\u006B":null}`, `null`, true},
		{`{"\\u006b":1,"kk":2,"":3,"K":4}`, ``, true},
		{`{}`, ``, true},
		{`["k"]`, ``, false},
		{`"k"`, ``, false},
		{`null`, ``, false},
	} {
		got, ok := find([]byte(tt.object), "k")
		if string(got) != tt.want || ok != tt.ok {
			t.Errorf("find(%s) = %s, %v; want %s, %v", tt.object, got, ok, tt.want, tt.ok)
		}
	}
}

func TestScanObjectAndScanArrayRefuseWhatIsNotJSON(t *testing.T) {
	value := func(b []byte) func(int) int {
		return func(i int) int {
			end, _ := scanValue(b, i, 0)
			return end
		}
	}
	for _, v := range values {
		b := []byte(strings.TrimSpace(v))
		want := -1
		if json.Valid(b) {
			want = len(b)
		}
		if len(b) > 0 && b[0] == '{' && v != `{}{}` { // what follows is for the caller to see
			if got := scanObject(b, 0, func(_ []byte, i int) int { return value(b)(i) }); got != want {
				t.Errorf("scanObject(%s) = %d, want %d", b, got, want)
			}
		}
		if len(b) > 0 && b[0] == '[' && b[len(b)-1] != 0 {
			if got := scanArray(b, 0, value(b)); got != want {
				t.Errorf("scanArray(%s) = %d, want %d", b, got, want)
			}
		}
	}
	for c := range 256 { // only its bracket begins an array, only its brace an object
		array, object := append([]byte{byte(c)}, `1,"[2]"]`...), append([]byte{byte(c)}, `"a":1}`...)
		if got := scanArray(array, 0, value(array)); (got == len(array)) != (c == '[') || got != len(array) && got != -1 {
			t.Errorf("scanArray(%q) = %d", array, got)
		}
		if got := scanObject(object, 0, func(_ []byte, i int) int { return value(object)(i) }); (got == len(object)) != (c == '{') || got != len(object) && got != -1 {
			t.Errorf("scanObject(%q) = %d", object, got)
		}
	}
	b := []byte(`[1,{"a":2}]`)
	n := 0
	if got := scanArray(b, 0, func(int) int { n++; return -1 }); got != -1 || n != 1 {
		t.Errorf("scanArray went on after -1: %d, %d calls", got, n)
	}
	if got := scanObject(b, 3, func(_ []byte, i int) int { return value(b)(i) }); got != len(b)-1 {
		t.Errorf("an object inside: %d", got)
	}
	var keys []string
	b = []byte(`{ "a" : 1,"":"b" , "\u0061":{"c":3}}`)
	scanObject(b, 0, func(key []byte, i int) int {
		end := value(b)(i)
		keys = append(keys, fmt.Sprintf("%s=%s", key, b[i:end]))
		return end
	})
	if got, want := strings.Join(keys, ";"), `"a"=1;""="b";"\u0061"={"c":3}`; got != want {
		t.Errorf("members %s, want %s", got, want)
	}
}
