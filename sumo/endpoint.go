package sumo

import (
	"bytes"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
)

// Endpoint is the address of an HTTP Source. Its path and its token are secrets:
// anyone who has them can send logs. It prints as scheme and host only.
type Endpoint struct {
	// A function keeps them secret even when a struct is printed that has an
	// Endpoint in an unexported field, whose methods fmt does not call.
	secret func() address
}

type address struct {
	url   *url.URL
	token string
}

// ParseEndpoint parses the URL of an HTTP Source and its token, "" if the URL
// contains it. The scheme is https, and there is a path, but for loopback hosts: what
// listens there stands in for a source. Errors contain nothing of the URL.
func ParseEndpoint(raw, token string) (Endpoint, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil { // the error would quote the URL
		return Endpoint{}, errors.New("not a URL; want https://…, as shown in Sumo Logic")
	}
	switch {
	case u.Scheme == "" || u.Hostname() == "":
		return Endpoint{}, errors.New("not an absolute URL; want https://…, as shown in Sumo Logic")
	case u.User != nil:
		return Endpoint{}, errors.New("contains a user or password, which an HTTP Source does not accept")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return Endpoint{}, errors.New("scheme is http; want https, except for a loopback host")
	case u.Scheme != "https" && u.Scheme != "http":
		return Endpoint{}, errors.New("scheme is not https; want https://…, as shown in Sumo Logic")
	case strings.Trim(u.Path, "/") == "" && !loopback(u.Hostname()):
		return Endpoint{}, errors.New("path is missing; want the whole URL, https://…/receiver/v1/http/…: copy it from Sumo Logic, Collection, Show URL beside the source")
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return Endpoint{}, errors.New("token contains a character that is not allowed in an HTTP header")
		}
	}
	return Endpoint{func() address { return address{u, token} }}, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// IsZero reports whether e is the zero Endpoint, which has no address.
func (e Endpoint) IsZero() bool { return e.secret == nil }

func (e Endpoint) String() string {
	if e.secret == nil {
		return "no endpoint"
	}
	u := e.secret().url
	return u.Scheme + "://" + u.Host + "/…"
}

// GoString keeps the secret out of %#v.
func (e Endpoint) GoString() string { return "sumo.Endpoint(" + e.String() + ")" }

// LogValue keeps the secret out of logs.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

// redact removes the secrets from a foreign text: the token, the words of the query,
// and the segments of the path that differ from source to source. What is left of a
// secret that was cut or percent-encoded counts as one too.
func (e Endpoint) redact(s string) string {
	a := e.secret()
	secrets := append(strings.FieldsFunc(a.url.RawQuery, func(r rune) bool { return r == '&' || r == '=' }), a.token)
	for segment := range strings.SplitSeq(a.url.EscapedPath(), "/") {
		if segment != "receiver" && segment != "http" {
			secrets = append(secrets, segment)
		}
	}
	text, chars := fold(s)
	hidden := make([]bool, len(s))
	for _, secret := range secrets {
		folded, _ := fold(secret)
		n := min(len(folded), leastSecret)
		if n < 4 {
			continue
		}
		for i := 0; i+n <= len(text); i++ {
			if bytes.Contains(folded, text[i:i+n]) {
				for at := chars[i].from; at < chars[i+n-1].to; at++ {
					hidden[at] = true
				}
			}
		}
	}
	var out strings.Builder
	for i := range len(s) {
		switch {
		case !hidden[i]:
			out.WriteByte(s[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString("…")
		}
	}
	return out.String()
}

// leastSecret is the length of a part of a secret that is not shown.
const leastSecret = 5

// char is a character of a text, and where it stands there.
type char struct {
	is       byte
	from, to int
}

// fold undoes percent-encoding, however often it was done, and the case of letters.
func fold(s string) (text []byte, chars []char) {
	chars = make([]char, len(s))
	for i := range len(s) {
		chars[i] = char{s[i], i, i + 1}
	}
	for again := true; again; {
		again = false
		out := chars[:0]
		for i := 0; i < len(chars); i++ {
			c := chars[i]
			if c.is == '%' && i+2 < len(chars) {
				if b, err := hex.DecodeString(string([]byte{chars[i+1].is, chars[i+2].is})); err == nil {
					c, again = char{b[0], c.from, chars[i+2].to}, true
					i += 2
				}
			}
			out = append(out, c)
		}
		chars = out
	}
	text = make([]byte, len(chars))
	for i, c := range chars {
		text[i] = c.is
		if c.is >= 'A' && c.is <= 'Z' {
			text[i] += 'a' - 'A'
		}
	}
	return text, chars
}
