package mask

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/rules/pattern"
)

func newSet(t testing.TB, masks ...Mask) *Set {
	t.Helper()
	s, err := New(masks, []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compile(t testing.TB, source string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// masked returns text as it is after its masks.
func masked(s *Set, text string, key []byte, counts []int) (string, int) {
	out, n := s.Append([]byte("> "), []byte(text), key, counts)
	if n == 0 {
		return text, len(out) - len("> ")
	}
	return string(out[len("> "):]), n
}

// All of the built-in masks together.
func all(t testing.TB) *Set {
	var masks []Mask
	for _, name := range Names() {
		masks = append(masks, Mask{Name: name})
	}
	return newSet(t, masks...)
}

const (
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	sha1      = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	token     = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)

func TestBuiltins(t *testing.T) {
	for name, cases := range map[string]map[string]string{
		"email": {
			"from ann.lee+x@mail.example.co.uk, to b@example.com.": "from [email], to [email].",
			"<o'neil@example.com>":                                 "<[email]>",
			"?user=ann%40example.com&x=1":                          "?user=[email]&x=1",
			"jörg@müller.de ok":                                    "[email] ok",
			"git@github.com:a/b":                                   "git@github.com:a/b",
			"getty@tty1.service icon@2x.png m@v1.2.3 a@b":          "getty@tty1.service icon@2x.png m@v1.2.3 a@b",
			"pkg@v1.2.3-rc.a x@localhost @example.com a@.com":      "pkg@v1.2.3-rc.a x@localhost @example.com a@.com",
			"a@b.com@c.org":                                        "[email]@c.org",
		},
		"ipv4": {
			"10.0.0.1:80 and (192.168.1.255), 8.8.8.8.": "[ipv4]:80 and ([ipv4]), [ipv4].",
			"web/10.0.12.3 http://10.1.2.3/x":           "web/[ipv4] http://[ipv4]/x",
			"1.2.3.4.5 256.1.1.1 v1.2.3.4 01.2.3.4":     "1.2.3.4.5 256.1.1.1 v1.2.3.4 01.2.3.4",
			"Chrome/120.0.0.0 version 10.2.3.4 1.2.3":   "Chrome/120.0.0.0 version 10.2.3.4 1.2.3",
			"ip-10-0-0-1 1.2.3.4a x1.2.3.4 1.2.3.4_5":   "ip-10-0-0-1 1.2.3.4a x1.2.3.4 1.2.3.4_5",
		},
		"ipv6": {
			"from [2001:db8::1]:443, fe80::1%eth0 ::1 ::ffff:10.0.0.1":    "from [[ipv6]]:443, [ipv6]%eth0 [ipv6] [ipv6]",
			"2001:0db8:85a3:0000:0000:8a2e:0370:7334: refused":            "[ipv6]: refused",
			"12:34:56 aa:bb:cc:dd:ee:ff std::vector face::bad :: a:b":     "12:34:56 aa:bb:cc:dd:ee:ff std::vector face::bad :: a:b",
			"2026-11-27T10:00:00.000Z Foo::Bar1 1:2:3:4:5:6:7:8:9 urn:a1": "2026-11-27T10:00:00.000Z Foo::Bar1 1:2:3:4:5:6:7:8:9 urn:a1",
		},
		"card": {
			"4111111111111111, 4111 1111 1111 1111 and 3782-822463-10005.": "[card], [card] and [card].",
			"5555555555554444 30569309025904 6011111111111117":             "[card] [card] [card]",
			"4111111111111112 1234567812345670 0000000000000000":           "4111111111111112 1234567812345670 0000000000000000",
			"0.4111111111111111 41111111111111110 a4111111111111111":       "0.4111111111111111 41111111111111110 a4111111111111111",
			"id-4111111111111111-x 4111 1111-1111 1111":                    "id-4111111111111111-x 4111 1111-1111 1111",
		},
		"aws-access-key": {
			"key AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE":                        "key [aws-access-key], [aws-access-key]",
			"AKIAIOSFODNN7EXAMPLEX AKIA xAKIAIOSFODNN7EXAMPLE AROAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLEX AKIA xAKIAIOSFODNN7EXAMPLE AROAIOSFODNN7EXAMPLE",
		},
		"aws-secret": {
			"aws_secret_access_key = " + secretKey:            "aws_secret_access_key = [aws-secret]",
			`{\"SecretAccessKey\":\"` + secretKey + `\"}`:     `{\"SecretAccessKey\":\"[aws-secret]\"}`,
			"AWS_SECRET_ACCESS_KEY=" + secretKey + " next":    "AWS_SECRET_ACCESS_KEY=[aws-secret] next",
			"AKIAIOSFODNN7EXAMPLE," + secretKey:               "AKIAIOSFODNN7EXAMPLE,[aws-secret]",
			"t=IQoJb3JpZ2lu" + strings.Repeat("Ab1", 40):      "t=[aws-secret]",
			"secret_hash=" + sha1 + " digest " + secretKey:    "secret_hash=" + sha1 + " digest " + secretKey,
			"the secret of " + secretKey[:39] + " is nothing": "the secret of " + secretKey[:39] + " is nothing",
		},
		"bearer": {
			"Authorization: Bearer mF_9.B5f-4.1JqM":      "Authorization: Bearer [bearer]",
			"bearer abcdef123456. BEARER ABCDEFG1":       "bearer [bearer]. BEARER [bearer]",
			"Authorization: Basic dXNlcjpwYXNz":          "Authorization: Basic [bearer]",
			"authorization=deadbeef01234567":             "authorization=[bearer]",
			"the bearer authentication failed":           "the bearer authentication failed",
			"bearer of news; authorization was required": "bearer of news; authorization was required",
		},
		"jwt": {
			"t=" + token + ";":                  "t=[jwt];",
			"token " + token + ".":              "token [jwt].",
			"eyJhbGciOiJIUzI1NiJ9 x.eyJ.y eyJa": "eyJhbGciOiJIUzI1NiJ9 x.eyJ.y eyJa",
			"eyJhbGciOiJkaXIifQ..iv.text.tag":   "[jwt]",
		},
		"private-key": {
			"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nnext":    "[private-key]\nnext",
			"k=-----BEGIN PRIVATE KEY-----\\nMII":                                           "k=[private-key]",
			"-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----": "[private-key]",
			"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nx":                                 "[private-key]",
			"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----":                       "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----",
			"no PRIVATE KEY here": "no PRIVATE KEY here",
		},
		"iban": {
			"to DE89370400440532013000 or GB29 NWBK 6016 1331 9268 19.": "to [iban] or [iban].",
			"DE89370400440532013001 XX89370400440532013000":             "DE89370400440532013001 XX89370400440532013000",
			"DE8937040044053201300 ADE89370400440532013000":             "DE8937040044053201300 ADE89370400440532013000",
		},
		"phone": {
			"call +49 170 1234567 or +1 (212) 555-0123.":          "call [phone] or [phone].",
			"+33612345678, +44 (0)20 7946 0958":                   "[phone], [phone]",
			"10:00:00+01:00 +0100 C++17 a+4917012345678 +12":      "10:00:00+01:00 +0100 C++17 a+4917012345678 +12",
			"+1700000000 +99 123 +1 112 555 0123 +4917012345678x": "+1700000000 +99 123 +1 112 555 0123 +4917012345678x",
		},
		"phone-us": {
			"(212) 555-0123, 212-555-0123, 1-212-555-0123 212.555.0123": "[phone-us], [phone-us], [phone-us] [phone-us]",
			"2125550123 123-456-7890 911-555-0123 212-555-01234":        "2125550123 123-456-7890 911-555-0123 212-555-01234",
			"1.212.555.0123.5 10-212-555-0123":                          "1.212.555.0123.5 10-212-555-0123",
		},
		"phone-gb": {
			"020 7946 0958, 07700 900123, 07700900123 0113 496 0123": "[phone-gb], [phone-gb], [phone-gb] [phone-gb]",
			"0123456789 020 794 0958 12020 7946 0958":                "0123456789 020 794 0958 12020 7946 0958",
		},
		"phone-de": {
			"0170 1234567, 030/1234567, (089) 12 34 56 01701234567": "[phone-de], [phone-de], [phone-de] [phone-de]",
			"0.123456 001 1234567 0123456":                          "0.123456 001 1234567 0123456",
		},
		"phone-fr": {
			"06 12 34 56 78, 06.12.34.56.78 0612345678": "[phone-fr], [phone-fr] [phone-fr]",
			"00 12 34 56 78 06 12 34 56 789":            "00 12 34 56 78 06 12 34 56 789",
		},
	} {
		s := newSet(t, Mask{Name: name})
		for text, want := range cases {
			counts := make([]int, 1)
			got, n := masked(s, text, nil, counts)
			if got != want {
				t.Errorf("%s on %q: %q, want %q", name, text, got, want)
			}
			if found := strings.Count(want, "["+name+"]"); n != found || counts[0] != found {
				t.Errorf("%s on %q: counts %d and %v, want %d", name, text, n, counts, found)
			}
			if text != want && !s.May([]byte(text)) {
				t.Errorf("%s: %q may hold nothing", name, text)
			}
		}
	}
	if len(Names()) != 15 {
		t.Errorf("%d masks; the table above tries 15", len(Names()))
	}
	for _, name := range Names() {
		if About(name) == "" {
			t.Errorf("%s: nothing is said about it", name)
		}
	}
}

// The key of a value says what it is, in JSON.
func TestKeysSayWhatAValueIs(t *testing.T) {
	s := newSet(t, Mask{Name: "aws-secret"}, Mask{Name: "bearer"})
	for _, c := range []struct{ key, text, want string }{
		{"SecretAccessKey", secretKey, "[aws-secret]"},
		{"digest", secretKey, secretKey},
		{"secretHash", sha1, sha1},
		{"Authorization", "Basic dXNlcjpwYXNz", "Basic [bearer]"},
		{"authorization", "deadbeef0123", "[bearer]"},
		{"x", "Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"},
	} {
		if got, _ := masked(s, c.text, []byte(c.key), nil); got != c.want {
			t.Errorf("%s: %q: %q, want %q", c.key, c.text, got, c.want)
		}
		if !s.May([]byte(`{"`+c.key+`":"`+c.text+`"}`)) && c.text != c.want {
			t.Errorf("%s: nothing expected", c.key)
		}
	}
}

func TestReplacements(t *testing.T) {
	for _, c := range []struct {
		mask       Mask
		text, want string
	}{
		{Mask{Name: "card", Replace: Replacement{KeepLast: 4}}, "pay 4111 1111 1111 1111", "pay ****1111"},
		{Mask{Name: "ipv4", Replace: Replacement{KeepLast: 8}}, "10.0.0.1", "****.0.1"},
		{Mask{Name: "email", Replace: Replacement{Text: "<someone>"}}, "a@example.com", "<someone>"},
		{Mask{Name: "order", Pattern: compile(t, `ORD-\d+`)}, "ORD-1 and ORD-22", "[order] and [order]"},
		{Mask{Name: "pw", Pattern: compile(t, `password=(\S+)`), Replace: Replacement{Text: "x"}}, "password=abc z password=d", "password=x z password=x"},
		{Mask{Name: "two", Pattern: compile(t, `a=(\d+)(?: b=(\d+))?`)}, "a=1 b=2; a=3", "a=[two] b=[two]; a=[two]"},
		{Mask{Name: "uni", Pattern: compile(t, `naïve.`), Replace: Replacement{KeepLast: 2}}, "naïveté", "****eté"},
		{Mask{Name: "word", Pattern: compile(t, `\S+`), Replace: Replacement{KeepLast: 1}}, "ab cd", "****b ****d"},
		{Mask{Name: "ab", Pattern: compile(t, `a+b`), Replace: Replacement{Text: "a"}}, "aabb aab", "a a"},
		{Mask{Name: "aa", Pattern: compile(t, `aa`), Replace: Replacement{Text: "a"}}, strings.Repeat("a", 256), "[masked]"},
	} {
		if got, _ := masked(newSet(t, c.mask), c.text, nil, nil); got != c.want {
			t.Errorf("%s on %q: %q, want %q", c.mask.Name, c.text, got, c.want)
		}
	}
}

// HMAC gives a value the same code however it is written, and another with another
// key.
func TestHMACJoins(t *testing.T) {
	masks := []Mask{{Name: "card", Replace: Replacement{HMAC: true}}, {Name: "email", Replace: Replacement{HMAC: true}}}
	s := newSet(t, masks...)
	code := func(s *Set, text string) string {
		out, _ := masked(s, text, nil, nil)
		return out
	}
	one := code(s, "4111111111111111")
	if !regexp.MustCompile(`^\[card:[g-v]{20}\]$`).MatchString(one) {
		t.Errorf("code %q", one)
	}
	if two := code(s, "4111-1111-1111-1111"); two != one {
		t.Errorf("%q, and with hyphens %q", one, two)
	}
	if a, b := code(s, "Ann@Example.com"), code(s, "ann@example.com"); a != b || a == one {
		t.Errorf("%q and %q", a, b)
	}
	other, err := New(masks, []byte("another key of 16"))
	if err != nil || code(other, "4111111111111111") == one {
		t.Errorf("another key gives the same code (%v)", err)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New([]Mask{
		{Name: "e-mail"},
		{Name: "card", Replace: Replacement{KeepLast: 9}},
		{Name: "jwt", Replace: Replacement{Text: "x", HMAC: true}},
		{Name: "iban", Replace: Replacement{HMAC: true}},
		{Name: "empty", Pattern: compile(t, `a*`)},
		{Name: "self", Pattern: compile(t, `self`)},
		{Name: "ipv6", Replace: Replacement{Text: "a\nb"}},
	}, []byte("short"))
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`unknown mask "e-mail"; want one of email, ipv4, ipv6, card, aws-access-key, aws-secret, bearer, jwt, private-key, iban, phone, phone-us, phone-gb, phone-de, phone-fr, or one with a pattern`,
		"card: keeps 9 characters; want 1 to 8",
		"jwt: has several replacements; want one of a text, keeping the last characters, or HMAC",
		"iban: replaces by HMAC, which needs a key of at least 16 bytes; there is one of 5",
		"empty: the pattern matches the empty text; want one that needs a character",
		`self: the mask finds something in its own replacement "[self]"; want another`,
		"ipv6: the replacement holds control characters or is not UTF-8; want plain text",
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Overlapping findings are one replacement, and nothing of either is left.
func TestOverlap(t *testing.T) {
	s := newSet(t, Mask{Name: "bearer"}, Mask{Name: "jwt"}, Mask{Name: "tail", Pattern: compile(t, `R8U \w+`)})
	if got, n := s.Append(nil, []byte("Bearer "+token+" tail z"), nil, nil); string(got) != "Bearer [bearer] z" || n != 1 {
		t.Errorf("%q, %d", got, n)
	}
}

// A text made to be slow costs time in proportion to its length.
func TestHostileTextIsLinear(t *testing.T) {
	s := all(t)
	for _, unit := range []string{"@", "a@", "a.", "1.", ":", "1:", "eyJ", "eyJ.", "authorization=", "bearer+", "AKIA", "AKIAIOSFODNN7EXAMPLE ", "-----BEGIN PRIVATE KEY-----",
		"PRIVATE KEY", "1", "1 ", "4111 ", "+1", "+49 ", "DE89", "secret", "a@b.", "%40", "0 ", "(0", "::", "IQoJb3JpZ2lu"} {
		text := bytes.Repeat([]byte(unit), 1<<17/len(unit))
		start := time.Now()
		s.Append(nil, text, nil, nil)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("128 kB of %q took %v", unit, took)
		}
	}
}

// With every kind of replacement, none of the built-in masks finds anything in what
// it has masked.
func FuzzNothingIsLeft(f *testing.F) {
	for _, text := range []string{"a@b.com 10.0.0.1 ::1 4111 1111 1111 1111", "Bearer " + token, "AKIAIOSFODNN7EXAMPLE," + secretKey,
		"DE89370400440532013000 +49 170 1234567 (212) 555-0123", "-----BEGIN PRIVATE KEY-----", "a@b.com@c.org 1.2.3.4:5::6", "Authorization: Basic dXNlcjpwYXNz"} {
		f.Add(text)
	}
	var sets []*Set
	for _, r := range []Replacement{{}, {KeepLast: 8}, {HMAC: true}, {Text: "x"}} {
		var masks []Mask
		for _, name := range Names() {
			masks = append(masks, Mask{Name: name, Replace: r})
		}
		sets = append(sets, newSet(f, masks...))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		for i, s := range sets {
			out, n := s.Append(nil, []byte(text), nil, nil)
			if n == 0 {
				out = []byte(text)
			}
			if again := s.find(nil, out, nil); len(again) > 0 {
				t.Errorf("set %d: in %q of %q %s finds %q", i, out, text, s.Name(again[0].mask), out[again[0].start:again[0].end])
			}
		}
	})
}

// The page lists the built-in masks as the code has them.
func TestMasksAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if row := "| `" + name + "` | " + About(name) + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/rules.md lacks %s", row)
		}
	}
}
