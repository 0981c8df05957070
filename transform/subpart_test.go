package transform

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A maximal subpart is the longest start of what is not a character that is the start
// of one, or else a byte: tried for every start of every character and the bytes at the
// ends of all ranges.
func TestSubpartIsMaximal(t *testing.T) {
	starts := map[string]bool{}
	var b [utf8.UTFMax]byte
	for r := range utf8.MaxRune + 1 {
		for n := range utf8.EncodeRune(b[:], r) {
			starts[string(b[:n])] = true
		}
	}
	edges := []byte{0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff}
	check := func(text []byte) {
		if r, n := utf8.DecodeRune(text); r != utf8.RuneError || n != 1 {
			return
		}
		want := 1
		for n := 2; n <= len(text) && starts[string(text[:n])]; n++ {
			want = n
		}
		if got := subpart(text); got != want {
			t.Errorf("% x: %d, want %d", text, got, want)
		}
	}
	for first := range 256 {
		check([]byte{byte(first)})
		for second := range 256 {
			check([]byte{byte(first), byte(second)})
			for _, third := range edges {
				check([]byte{byte(first), byte(second), third})
				check([]byte{byte(first), byte(second), third, third})
			}
		}
	}
}

// What is there instead of gzip is named.
func TestNotGzipNamesWhatIsThere(t *testing.T) {
	const long = "a text that goes on beyond the bytes that are looked at, which "
	for _, tt := range []struct{ data, want string }{
		{"\xf3\x89\x9a\xc2rest", "aggregated"},
		{"\xf3\x89\x9a", ""},
		{"\x28\xb5\x2f\xfdrest", "zstd"},
		{"\x28\xb5\x2f\xfd", "zstd"},
		{`{"a":1}`, "JSON without gzip"},
		{" \r\n\t{}", "JSON without gzip"},
		{"a line\r\n\tof text", "plain text"},
		{strings.Repeat("é", 30), "plain text"},       // the 48th byte ends a character
		{"a" + strings.Repeat("é", 30), "plain text"}, // it is inside of one
		{strings.Repeat("\u20ac", 20), "plain text"},
		{"a" + strings.Repeat("\u20ac", 20), "plain text"},
		{"ab" + strings.Repeat("\u20ac", 20), "plain text"},
		{"a" + strings.Repeat("\U0001F600", 20), "plain text"},
		{"abc" + strings.Repeat("\U0001F600", 20), "plain text"},
		{strings.Repeat("a", 44) + "\xff\xff\xff\xff", ""},
		{"\xff", ""}, {"\xff\xff", ""}, {"\xff\xff\xff", ""},
		{long + "\x00", "plain text"},
		{"a\x0bb", ""}, {"a\x0cb", ""}, {"a\x00b", ""}, {"a\x1fb", ""}, {"a\x08b", ""}, {"a\x0eb", ""},
		{"a", "plain text"},
		{"a b", "plain text"},
		{"  \n", "plain text"},
		{"a\xff\xff\xff\xffb", ""},
		{"", ""},
	} {
		_, err := Decode(lambdaEvent([]byte(tt.data)), DefaultLimit)
		if err == nil {
			t.Errorf("%q is accepted", tt.data)
			continue
		}
		named := ""
		for _, of := range []string{"aggregated", "zstd", "JSON without gzip", "plain text"} {
			if strings.Contains(err.Error(), of) {
				named += of
			}
		}
		if named != tt.want {
			t.Errorf("%q: %v, want %q", tt.data, err, tt.want)
		}
	}
}

// The function and the version are in the log streams of Lambda alone.
func TestLambdaNames(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct{ group, stream, function, version string }{
		{"/aws/lambda/pay", "2026/11/27/[$LATEST]" + hash, "pay", "$LATEST"},
		{"/aws/lambda/pay", "2026/11/27/[7]" + hash, "pay", "7"},
		{"/ecs/pay", "2026/11/27/[7]" + hash, "", "7"},
		{"/aws/lambda/pay", "2026/11/27/7]" + hash, "", ""},
		{"/aws/lambda/pay", "2026/11/27/[7" + hash, "", ""},
		{"/aws/lambda/pay", "[7]" + hash, "", ""},
		{"/aws/lambda/pay", "web/app/" + hash, "", ""},
		{"/aws/lambda/pay", "", "", ""},
	} {
		if function, version := lambdaNames(tt.group, tt.stream); function != tt.function || version != tt.version {
			t.Errorf("%s %s: %q, %q, want %q, %q", tt.group, tt.stream, function, version, tt.function, tt.version)
		}
	}
}
