package mask

import (
	"bytes"
	"net/netip"
)

// builtinMask is a mask that is known by its name.
type builtinMask struct {
	name    string
	about   string
	finders []finder
	form    func([]byte) []byte
	key     func(json []byte) bool // reports whether json may have a key that says what its value is
}

// builtins returns the built-in masks, in the order of the documentation. It is a
// function so that the program does not make them when it starts.
func builtins() []builtinMask {
	return []builtinMask{
		{"email", "e-mail addresses, also with %40 for the @", []finder{email, encodedEmail}, bytes.ToLower, nil},
		{"ipv4", "IPv4 addresses", []finder{ipv4}, nil, nil},
		{"ipv6", "IPv6 addresses", []finder{ipv6}, addressForm, nil},
		{"card", "card numbers that pass Luhn's check, of the lengths and first digits that the schemes use", []finder{card}, alphanumeric, nil},
		{"aws-access-key", "access key ids of AWS", []finder{awsAccessKey}, nil, nil},
		{"aws-secret", "secret access keys of AWS, after a word such as secret or an access key id, and session tokens",
			[]finder{namedSecret("ecret"), namedSecret("ECRET"), secretAfterAccessKey, sessionToken, keyedSecret}, nil, hasSecretKey},
		{"bearer", "bearer tokens, and other credentials of an Authorization header",
			[]finder{bearer("earer"), bearer("EARER"), authorization("uthorization"), authorization("UTHORIZATION"), keyedAuthorization}, nil, hasAuthorizationKey},
		{"jwt", "JSON Web Tokens, signed or encrypted", []finder{jwt}, nil, nil},
		{"private-key", "private keys in PEM, to their last line or the end of the message", []finder{privateKey}, nil, nil},
		{"iban", "IBANs that pass their check, of the length of their country", []finder{iban}, alphanumeric, nil},
		{"phone", "telephone numbers in international form, +49 170 1234567, of the lengths of their country", []finder{internationalPhone}, alphanumeric, nil},
		{"phone-us", "telephone numbers as written in North America, (212) 555-0123", []finder{nationalPhone(northAmerican)}, alphanumeric, nil},
		{"phone-gb", "telephone numbers as written in the United Kingdom, 020 7946 0958", []finder{nationalPhone(british)}, alphanumeric, nil},
		{"phone-de", "telephone numbers as written in Germany, 0170 1234567", []finder{nationalPhone(german)}, alphanumeric, nil},
		{"phone-fr", "telephone numbers as written in France, 06 12 34 56 78", []finder{nationalPhone(french)}, alphanumeric, nil},
	}
}

func builtin(name string) *builtinMask {
	for _, b := range builtins() {
		if b.name == name {
			return &b
		}
	}
	return nil
}

// Names returns the names of the built-in masks.
func Names() []string {
	var names []string
	for _, b := range builtins() {
		names = append(names, b.name)
	}
	return names
}

// About says what the built-in mask of a name finds; "" if there is none.
func About(name string) string {
	if b := builtin(name); b != nil {
		return b.about
	}
	return ""
}

// alphanumeric returns the letters and digits of a value, in capitals: cards and
// numbers are written with and without separators.
func alphanumeric(value []byte) []byte {
	var out []byte
	for _, c := range value {
		if alnum(c) {
			out = append(out, upper(c))
		}
	}
	return out
}

func addressForm(value []byte) []byte {
	if a, err := netip.ParseAddr(string(value)); err == nil {
		return []byte(a.String())
	}
	return value
}

func digit(c byte) bool   { return '0' <= c && c <= '9' }
func lower(c byte) bool   { return 'a' <= c && c <= 'z' }
func capital(c byte) bool { return 'A' <= c && c <= 'Z' }
func letter(c byte) bool  { return lower(c) || capital(c) }
func alnum(c byte) bool   { return digit(c) || letter(c) }
func hex(c byte) bool     { return digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func upper(c byte) byte {
	if lower(c) {
		return c - 'a' + 'A'
	}
	return c
}

// at returns text[i], or 0 outside of it.
func at(text []byte, i int) byte {
	if i < 0 || i >= len(text) {
		return 0
	}
	return text[i]
}

// run returns the end of the bytes from i on that are of a kind, at most limit.
func run(text []byte, i, limit int, kind func(byte) bool) int {
	end := min(len(text), i+limit)
	for i < end && kind(text[i]) {
		i++
	}
	return i
}
