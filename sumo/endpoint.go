package sumo

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
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
// contains it. The scheme is https; http is accepted for loopback hosts only.
// Errors contain nothing of the URL but its scheme.
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
		return Endpoint{}, fmt.Errorf("scheme is %q; want https", u.Scheme)
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return Endpoint{}, errors.New("token contains a character that is not allowed in an HTTP header")
		}
	}
	u.Fragment = ""
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

// redact removes the secrets from a foreign text: the token, the query, and the
// segments of the path that differ from source to source.
func (e Endpoint) redact(s string) string {
	a := e.secret()
	secrets := []string{a.token, a.url.RawQuery}
	for _, path := range []string{a.url.Path, a.url.EscapedPath()} {
		for part := range strings.SplitSeq(path, "/") {
			if part != "receiver" && part != "http" {
				secrets = append(secrets, part)
			}
		}
	}
	for pair := range strings.SplitSeq(a.url.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		plain, _ := url.QueryUnescape(value)
		secrets = append(secrets, value, plain)
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // the whole before its parts
	for _, secret := range secrets {
		if len(secret) > 3 {
			s = strings.ReplaceAll(s, secret, "…")
		}
	}
	return s
}
