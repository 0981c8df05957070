// Package sumo delivers records to a Sumo Logic HTTP Source: bodies of bounded
// size, gzip, the X-Sumo headers, retries.
//
// Source of what the API does: Sumo Logic, "HTTP Logs and Metrics Source",
// "Upload Logs to an HTTP Source" and "Troubleshooting HTTP Sources".
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

// Endpoint is the address of an HTTP Source. Its path and its token are
// secrets: whoever has them can send logs. It prints as scheme and host only.
type Endpoint struct {
	// Behind a function they stay secret even where somebody prints a struct that
	// holds an Endpoint, so that its methods are not asked.
	secret func() address
}

type address struct {
	url   *url.URL
	token string
}

// ParseEndpoint reads the URL of an HTTP Source and the token that goes with
// it, "" if the URL holds it. The scheme is https; http is for loopback hosts.
// Errors hold nothing of the URL but its scheme.
func ParseEndpoint(raw, token string) (Endpoint, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil { // the error would quote the URL
		return Endpoint{}, errors.New("not a URL; it is to be https://… as Sumo Logic shows it for the HTTP Source")
	}
	switch {
	case u.Scheme == "" || u.Hostname() == "":
		return Endpoint{}, errors.New("not an absolute URL; it is to be https://… as Sumo Logic shows it for the HTTP Source")
	case u.User != nil:
		return Endpoint{}, errors.New("has a user or password in it, which an HTTP Source does not take")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return Endpoint{}, errors.New("is http; only https is sent over a network")
	case u.Scheme != "https" && u.Scheme != "http":
		return Endpoint{}, fmt.Errorf("has the scheme %q; it is to be https", u.Scheme)
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return Endpoint{}, errors.New("its token holds a character that no HTTP header can carry")
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

// IsZero tells whether e is no endpoint at all.
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

// redact takes the secrets out of a text of somebody else's: the token, the
// parts of the path that Sumo Logic does not give to every source, the query.
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
