package pattern

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompileRefuses(t *testing.T) {
	for source, want := range map[string]string{
		"":                               "the pattern is empty",
		"a(b":                            "missing closing )",
		`(?<=a)b`:                        "neither look-around nor back references",
		`(?!a)b`:                         "neither look-around nor back references",
		`(a)\1`:                          "invalid escape sequence",
		"a{1001}":                        "invalid repeat count",
		strings.Repeat("a", 10_000):      "has 10000 characters; want at most 1000",
		"(((a{30}){30}){30})":            "invalid repeat count",
		strings.Repeat("(a{30}){30}", 9): "instructions; want at most 5000",
		strings.Repeat("ä", MaxLength):   "",
	} {
		_, err := Compile(source)
		if got := ""; err != nil {
			got = err.Error()
			if want == "" || !strings.Contains(got, want) {
				t.Errorf("%.40q: error %q, want %q", source, got, want)
			}
		} else if want != "" {
			t.Errorf("%.40q: no error, want %q", source, want)
		}
	}
}

func TestRequiredLiterals(t *testing.T) {
	for source, want := range map[string][]string{
		"abc":                     {"abc"},
		"^ERROR|^FATAL":           {"ERROR", "FATAL"},
		`order-(\d+)`:             {"order-"},
		`a.*longest.*b`:           {"longest"},
		`(?i)abc`:                 nil,
		`\d+`:                     nil,
		`(foo|bar)+baz`:           {"foo", "bar"}, // as long as baz, and first
		`(x|\d)y`:                 {"y"},
		`(ab)?`:                   nil,
		`(ab){2,3}`:               {"abab"},
		`a|b|c|d|e|f|g|h|i|jj`:    nil,
		"password=(?:[^ ]+)( |$)": {"password="},
	} {
		p, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range p.literals {
			got = append(got, string(l))
		}
		if source == `(foo|bar)+baz` || source == `(ab){2,3}` {
			// Which of several is chosen is not promised; that each match has one is, see the fuzz target.
			if got == nil {
				t.Errorf("%q: no literal", source)
			}
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", source, diff)
		}
	}
}

// A text that is told apart by its literals does not match.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"abc", "a|bc", "(x|yz)+w", "a{2}b?", "(?i)k", "[ab]c", "a(?:b|)c"} {
		f.Add(s, "xabcyzwaab")
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		p, err := Compile(source)
		if err != nil {
			return
		}
		if want, got := regexp.MustCompile(source).MatchString(text), p.Match([]byte(text)); want != got {
			t.Errorf("%q on %q: %v, want %v (literals %q)", source, text, got, want, p.literals)
		}
	})
}
