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
	"strings"
)

// Endpoint is the address of an HTTP Source. Its path and its token are
// secrets: whoever has them can send logs. It prints as scheme and host only.
type Endpoint struct {
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
	case u.Scheme == "" || u.Host == "":
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
	return Endpoint{u, token}, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// IsZero tells whether e is no endpoint at all.
func (e Endpoint) IsZero() bool { return e.url == nil }

func (e Endpoint) String() string {
	if e.url == nil {
		return "no endpoint"
	}
	return e.url.Scheme + "://" + e.url.Host + "/…"
}

// GoString keeps the secret out of %#v.
func (e Endpoint) GoString() string { return "sumo.Endpoint(" + e.String() + ")" }

// LogValue keeps the secret out of logs.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

// redact takes the secrets out of a text of somebody else's.
func (e Endpoint) redact(s string) string {
	for _, secret := range []string{e.token, e.url.RequestURI(), strings.Trim(e.url.Path, "/"), lastSegment(e.url.Path), e.url.RawQuery} {
		if len(secret) > 3 {
			s = strings.ReplaceAll(s, secret, "…")
		}
	}
	return s
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
