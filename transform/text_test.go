package transform

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCanonicalIsWhatStringifyWrites(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		lone     bool
	}{
		{``, ``, false},
		{`plain é 世 😀`, `plain é 世 😀`, false},
		{`\"\\\b\f\n\r\t`, `\"\\\b\f\n\r\t`, false},
		{`\/`, `/`, false},
		{`\u0022\u005c\u002f`, `\"\\/`, false},
		{`\u0008\u000c\u000a\u000d\u0009`, `\b\f\n\r\t`, false},
		{`\u0000\u000b\u001F\u007f`, `\u0000\u000b\u001f` + "\x7f", false},
		{`\u0041\u00e9\u4E16\u2028`, "Aé世\u2028", false},
		{`\ud83d\ude00`, `😀`, false},
		{`\uD83D\uDE00`, `😀`, false},
		{`\udbff\udfff\uffff`, "\U0010ffff\uffff", false},
		{`a\ud83d`, `a\ud83d`, true},
		{`\uDE00z`, `\ude00z`, true},
		{`\ude00\ud83d`, `\ude00\ud83d`, true},
		{`\ud83d\ud83d\ude00`, `\ud83d😀`, true},
		{`\ud83d\u0041`, `\ud83dA`, true},
		{`\ud83d\\ude00`, `\ud83d\\ude00`, true},
		{`\\ud83d`, `\\ud83d`, false},
	} {
		got, lone := appendCanonical([]byte("x"), []byte(tt.in))
		if string(got) != "x"+tt.want || lone != tt.lone {
			t.Errorf("appendCanonical(%s) = %s, %v; want %s, %v", tt.in, got[1:], lone, tt.want, tt.lone)
		}
	}
}

func TestLoneSurrogates(t *testing.T) {
	for _, tt := range []struct{ in, replaced, escaped string }{
		{`plain 😀 ퟿`, `plain 😀 ퟿`, `plain 😀 ퟿`}, // U+D7FF is the last before the surrogates
		{`\ud800`, "\ufffd", `\ud800`},
		{`a\udfffb\udbff`, "a\ufffdb\ufffd", `a\udfffb\udbff`},
		{`\ude00\ud83d\ud83d\ude00`, "\ufffd\ufffd😀", `\ude00\ud83d😀`},
		{"\ue000\\udc00\ud7ff", "\ue000\ufffd\ud7ff", "\ue000\\udc00\ud7ff"},
	} {
		raw := appendUnescaped(nil, []byte(tt.in))
		if got := escapeLoneSurrogates([]byte("x"), raw); string(got) != "x"+tt.escaped {
			t.Errorf("%s: escaped %q, want %q", tt.in, got[1:], tt.escaped)
		}
		if replaceLoneSurrogates(raw); string(raw) != tt.replaced {
			t.Errorf("%s: replaced %q, want %q", tt.in, raw, tt.replaced)
		}
	}
}

// jsSpace holds the white space of JavaScript's \s and trim.
// Source: ECMAScript Language Specification, "White Space" and "Line Terminators".
const jsSpace = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

func TestIsSpaceIsThatOfJavaScript(t *testing.T) {
	for r := rune(-1); r <= utf8.MaxRune; r++ {
		want := r >= 0 && !isSurrogate(r) && strings.ContainsRune(jsSpace, r)
		if isSpace(r) != want {
			t.Errorf("isSpace(%U) = %v", r, !want)
		}
	}
}

func TestTrimAndCutNewline(t *testing.T) {
	for _, tt := range []struct{ in, trimmed, cut string }{
		{``, ``, ``},
		{` `, ``, ` `},
		{`a`, `a`, `a`},
		{`\n`, ``, ``},
		{`a\n`, `a`, `a`},
		{`a\n\n`, `a`, `a\n`},
		{`a\r\n`, `a`, `a\r`},
		{`\t \r\f\u000b a b \t\u000b\f\r\n`, `a b`, `\t \r\f\u000b a b \t\u000b\f\r`},
		{"\u00a0\u2003\ufeffa\u3000\u2028", `a`, "\u00a0\u2003\ufeffa\u3000\u2028"},
		{"\u0085\u200ba\u0085", "\u0085\u200ba\u0085", "\u0085\u200ba\u0085"},
		{`\\n`, `\\n`, `\\n`},       // a backslash and an n
		{`\\\n`, `\\`, `\\`},        // a backslash and a newline
		{`\\\\n`, `\\\\n`, `\\\\n`}, // two backslashes and an n
		{`\\t \\r`, `\\t \\r`, `\\t \\r`},
		{`a\\u000b`, `a\\u000b`, `a\\u000b`},
		{`\u000b`, ``, `\u000b`},
		{`u000b`, `u000b`, `u000b`},
		{`\u0000`, `\u0000`, `\u0000`},
		{`\ud800\n`, `\ud800`, `\ud800`},
		{`n`, `n`, `n`},
		{`\"`, `\"`, `\"`},
	} {
		if got := trim([]byte(tt.in)); string(got) != tt.trimmed {
			t.Errorf("trim(%s) = %s, want %s", tt.in, got, tt.trimmed)
		}
		if got := cutNewline([]byte(tt.in)); string(got) != tt.cut {
			t.Errorf("cutNewline(%s) = %s, want %s", tt.in, got, tt.cut)
		}
	}
}

// canonical is the only form of each text: no other escape, none of these
// written otherwise.
var (
	canonical    = regexp.MustCompile(`^([^"\\\x00-\x1f]|\\["\\bfnrt]|\\u00(0[0-7bef]|1[0-9a-f])|\\ud[89a-f][0-9a-f]{2})*$`)
	noSurrogates = regexp.MustCompile(`^([^\\]|\\[^u]|\\u00)*$`)
)

func FuzzText(f *testing.F) {
	for _, s := range []string{
		"", `a`, `\n`, `\\n`, ` \/\u002F\u0022 \u000B`, `\ud83d\ude00`, `\ud83d`, `\ude00\ud83d\n`, "\u00a0\ufeff世\u3000",
		`\u00a0\ufeff\u2028x\u2029\u0085`, `\\\\\\\n\n`, `\u0000\u001f`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want string // with lone surrogates as U+FFFD
		if !utf8.ValidString(s) || json.Unmarshal([]byte(`"`+s+`"`), &want) != nil {
			return
		}
		plain := func(escaped []byte) string {
			b := appendUnescaped(nil, escaped)
			replaceLoneSurrogates(b)
			return string(b)
		}
		if got := plain([]byte(s)); got != want {
			t.Fatalf("unescaped %q, want %q", got, want)
		}
		c, lone := appendCanonical(nil, []byte(s))
		if got := plain(c); got != want {
			t.Fatalf("the canonical form %q says %q, want %q", c, got, want)
		}
		if !canonical.Match(c) {
			t.Fatalf("%q is not canonical", c)
		}
		if again, h := appendCanonical(nil, c); !bytes.Equal(again, c) || h != lone {
			t.Fatalf("the canonical form of %q is %q, %v", c, again, h)
		}
		if got, want := plain(trim(c)), strings.Trim(want, jsSpace); got != want {
			t.Fatalf("trimmed %q, want %q", got, want)
		}
		if got, want := plain(cutNewline(c)), strings.TrimSuffix(want, "\n"); got != want {
			t.Fatalf("without newline %q, want %q", got, want)
		}
		if lone == noSurrogates.Match(c) {
			t.Fatalf("lone is %v for %q", lone, c)
		}
	})
}
