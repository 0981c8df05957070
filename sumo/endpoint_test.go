package sumo_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

func TestParseEndpoint(t *testing.T) {
	for _, tt := range []struct {
		address, token string
		want           string // "" if it is refused
	}{
		{"https://collectors.example.com/receiver/v1/http/S3CRET==", "", "https://collectors.example.com/…"},
		{" https://collectors.example.com/S3CRET\n", "", "https://collectors.example.com/…"},
		{"HTTPS://collectors.example.com:8443/S3CRET?a=S3CRET#S3CRET", "", "https://collectors.example.com:8443/…"},
		{"https://collectors.example.com/receiver/v1/http", "S3CRET/+=~!", "https://collectors.example.com/…"},
		{"http://localhost:8080/S3CRET", "", "http://localhost:8080/…"},
		{"http://LocalHost/S3CRET", "", "http://LocalHost/…"},
		{"http://127.0.0.1:1/S3CRET", "", "http://127.0.0.1:1/…"},
		{"http://127.9.8.7/S3CRET", "", "http://127.9.8.7/…"},
		{"http://[::1]:8080/S3CRET", "", "http://[::1]:8080/…"},

		{"http://collectors.example.com/S3CRET", "", ""},
		{"http://127.0.0.1.example.com/S3CRET", "", ""},
		{"http://localhost.example.com/S3CRET", "", ""},
		{"http://10.0.0.1/S3CRET", "", ""},
		{"http://0.0.0.0/S3CRET", "", ""},
		{"http://[::2]/S3CRET", "", ""},
		{"https://S3CRET@collectors.example.com/a", "", ""},
		{"https://user:S3CRET@collectors.example.com/a", "", ""},
		{"ftp://collectors.example.com/S3CRET", "", ""},
		{"S3CRET://collectors.example.com/a", "", ""},
		{"s3cret+path://collectors.example.com/a", "", ""},
		{"collectors.example.com/S3CRET", "", ""},
		{"//collectors.example.com/S3CRET", "", ""},
		{"/S3CRET", "", ""},
		{"S3CRET", "", ""},
		{"S3CRET:S3CRET", "", ""},
		{"https:S3CRET", "", ""},
		{"https:///S3CRET", "", ""},
		{"https://:443/S3CRET", "", ""},
		{"https://collectors.example.com:S3CRET/a", "", ""},
		{"https://[::1/S3CRET", "", ""},
		{"https://collectors.example.com/%zzS3CRET", "", ""},
		{"https://collectors.example.com/\x00S3CRET", "", ""},
		{"https://collectors.example.com/a\nS3CRET", "", ""},
		{"", "", ""},
		{"https://", "", ""},
		{"https://collectors.example.com/a", "S3CRET\r\nX-Sumo-Host: a", ""},
		{"https://collectors.example.com/a", "S3CRET ", ""},
		{"https://collectors.example.com/a", "S3CRET\x7f", ""},
		{"https://collectors.example.com/a", "S3CRETé", ""},
		{"https://collectors.example.com/a", "S3CRET\xff", ""},

		// An HTTP Source has a path, and so has whatever stands before one.
		{"https://collectors.sumologic.com", "", ""},
		{"https://collectors.sumologic.com/", "", ""},
		{"https://collectors.sumologic.com//", "", ""},
		{"https://collectors.sumologic.com:443", "S3CRET", ""},
		{"https://collectors.sumologic.com?a=S3CRET", "", ""},
		{"https://collectors.sumologic.com/#S3CRET", "", ""},
		{"https://proxy.example.com/S3CRET", "", "https://proxy.example.com/…"},
		// A server on this machine is a stand-in, and needs none.
		{"http://127.0.0.1:1", "", "http://127.0.0.1:1/…"},
		{"https://localhost/", "", "https://localhost/…"},
	} {
		ep, err := sumo.ParseEndpoint(tt.address, tt.token)
		switch {
		case tt.want == "":
			if err == nil || !ep.IsZero() {
				t.Errorf("%q with the token %q is accepted: %s", tt.address, tt.token, ep)
			} else if strings.Contains(strings.ToUpper(err.Error()), "S3CRET") || strings.Contains(err.Error(), "example") {
				t.Errorf("the error contains a part of the value: %v", err)
			}
		case err != nil || ep.String() != tt.want || ep.IsZero():
			t.Errorf("%q is %s, %v, want %s", tt.address, ep, err, tt.want)
		}
	}
	if zero := (sumo.Endpoint{}); !zero.IsZero() || zero.String() != "no endpoint" {
		t.Errorf("the zero endpoint is %s", zero)
	}
}

// checkSecret formats v in all the usual ways and looks for the secret.
func checkSecret(t *testing.T, what string, v any) {
	t.Helper()
	var text, doc bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("", "v", v)
	slog.New(slog.NewJSONHandler(&doc, nil)).Info("", "v", v)
	marshalled, _ := json.Marshal(v) // fails on some, which is as good
	texts := []string{text.String(), doc.String(), string(marshalled)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%d"} {
		texts = append(texts, verb+": "+fmt.Sprintf(verb, v))
	}
	for _, text := range texts {
		if strings.Contains(text, "S3CRET") {
			t.Errorf("%s: %s", what, text)
			return // the others look alike
		}
	}
}

func TestEndpointPrintsNoSecret(t *testing.T) {
	ep := endpoint(t, "https://collectors.example.com/receiver/S3CRET?k=S3CRET", "S3CRET")
	for name, v := range map[string]any{
		"value":               ep,
		"pointer":             &ep,
		"slice":               []sumo.Endpoint{ep},
		"exported field":      struct{ Endpoint sumo.Endpoint }{ep},
		"unexported field":    struct{ endpoint sumo.Endpoint }{ep}, // fmt calls no method of such a field
		"unexported, pointer": &struct{ endpoint sumo.Endpoint }{ep},
		"delivery":            begin(t, &sumo.Client{HTTP: over(sumotest.New())}, t.Context(), ep),
	} {
		checkSecret(t, name, v)
	}
	if got := fmt.Sprintf("%#v %v", ep, sumo.Endpoint{}); got != "sumo.Endpoint(https://collectors.example.com/…) no endpoint" {
		t.Error(got)
	}
}

// leaks sends a record to address and looks for the secret in the error and the log.
func leaks(t *testing.T, address string) (logged string, err error) {
	t.Helper()
	var log bytes.Buffer
	h := sumo.NewHTTP(1)
	defer h.CloseIdleConnections()
	c := &sumo.Client{HTTP: h, Attempts: 1, Timeout: 5 * time.Second, Log: slog.New(slog.NewJSONHandler(&log, nil))}
	d := begin(t, c, t.Context(), endpoint(t, address, "S3CRET-token"))
	d.Add(sumo.Source{}, 0, []byte("a"))
	o := d.Wait()
	for err := o.Err; err != nil; err = errors.Unwrap(err) {
		checkSecret(t, "the error", err)
	}
	if strings.Contains(log.String(), "S3CRET") {
		t.Errorf("logged: %s", &log)
	}
	return log.String(), o.Err
}

// paths are what the address of a source looks like after its host.
var paths = []string{
	"/receiver/v1/http/S3CRET-path==",
	"/receiver/v1/http/S3CRET-path==/",
	"/receiver/v1/http/S3CRET-path==?k=S3CRET-query",
	"/receiver/v1/http/S3CRET%2Bpath%3D%3D",
	"/receiver/v1/http?S3CRET-query", // the query is but one word
	"/receiver/v1/http?S3CRET-key=a",
	"/path/path-S3CRET", // one part is in another
}

func TestErrorsHoldNoSecret(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	quiet := log.New(io.Discard, "", 0)
	untrusted := httptest.NewUnstartedServer(sumotest.New())
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := httptest.NewServer(sumotest.New())
	defer plain.Close()
	reset := httptest.NewServer(sumotest.New(endless(sumotest.Step{Kind: sumotest.Reset})...))
	defer reset.Close()
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Host+r.URL.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer redirect.Close()
	refused := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not "+r.URL.String()+" "+r.Header.Get("X-Sumo-Token"), http.StatusBadRequest)
	}))
	defer refused.Close()

	for _, path := range paths {
		for name, base := range map[string]string{
			"dial": "https://" + closed.Addr().String(), "certificate": untrusted.URL, "no TLS": strings.Replace(plain.URL, "http", "https", 1),
			"reset": reset.URL, "redirect": redirect.URL, "refused": refused.URL,
		} {
			t.Run(name+path, func(t *testing.T) {
				if _, err := leaks(t, base+path); err == nil || strings.Contains(err.Error(), "://") {
					t.Errorf("the error is %v", err) // no URL is in it, however short
				}
			})
		}
	}
}

// parts are the pieces of a request that a server could send back.
func parts(r *http.Request) map[string]string {
	out := map[string]string{
		"URL": "http://" + r.Host + r.RequestURI, "URI": r.RequestURI, "path": r.URL.Path, "escaped path": r.URL.EscapedPath(),
		"query": r.URL.RawQuery, "query value": r.URL.Query().Get("k"), "token": r.Header.Get("X-Sumo-Token"),
	}
	for i, segment := range strings.Split(r.URL.EscapedPath(), "/") {
		out[fmt.Sprint("escaped segment ", i)] = segment
		out[fmt.Sprint("segment ", i)], _ = url.PathUnescape(segment)
	}
	return out
}

// disguises are ways to send a text back so that it is not what was sent.
var disguises = map[string]func(string) string{
	"as it is":  func(s string) string { return s },
	"encoded":   encode,
	"twice":     func(s string) string { return encode(encode(s)) },
	"lower":     strings.ToLower,
	"beginning": func(s string) string { return s[:len(s)-1] },
	"end":       func(s string) string { return s[1:] },
	"spread":    func(s string) string { return s[:len(s)-2] + " and " + s[2:] },
}

// encode writes every byte as %XX.
func encode(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// checkDisguised looks in text for a part of the secret, in any disguise.
func checkDisguised(t *testing.T, what, text, secret string) {
	t.Helper()
	for name, disguise := range disguises {
		if part := disguise(secret); strings.Contains(text, part) || strings.Contains(text, part[1:len(part)/2]) {
			t.Errorf("%s, %s: %s", what, name, text)
			return
		}
	}
}

// respond starts a server that answers every request with these bytes, and returns
// its address.
func respond(t *testing.T, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				io.Copy(io.Discard, req.Body)
				io.WriteString(conn, answer)
			}
			conn.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}

const longSecret = "S3CRET0AbCdEfGhIjKlMnOpQrStUvWxYz"

// A redirect says that the endpoint is wrong, whatever it leads to. net/http quotes a
// Location that it cannot parse.
func TestBadRedirectIsMisconfigured(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, disguise := range disguises {
			for _, location := range []string{"http://[" + disguise(longSecret), "/%zz" + disguise(longSecret), "http://a:b:c/" + disguise(longSecret), ":" + disguise(longSecret), ""} {
				address := respond(t, fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status, location))
				_, err := leaks(t, address+"/receiver/v1/http/"+longSecret)
				se, ok := errors.AsType[*sumo.SendError](err)
				if !ok || se.Class != sumo.Misconfigured || se.Status != status {
					t.Errorf("%d to %s: %v", status, location, err)
					continue
				}
				checkDisguised(t, name, err.Error(), longSecret)
			}
		}
	}
}

// What a server says in another way than a status is not quoted.
func TestErrorsQuoteNoServer(t *testing.T) {
	for name, disguise := range disguises {
		echo := disguise(longSecret)
		for _, answer := range []string{
			echo + "\r\n\r\n",
			"HTTP/1.1 " + echo + " OK\r\n\r\n",
			"HTTP/1.1 200 OK\r\n " + echo + "\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + echo + "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: " + echo + "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + echo + "\r\n\r\n",
		} {
			_, err := leaks(t, respond(t, answer)+"/receiver/v1/http/"+longSecret)
			if err == nil {
				t.Errorf("%q: no error", answer)
				continue
			}
			checkDisguised(t, name, err.Error(), longSecret)
		}
	}
}

func TestWarningsHoldNoDisguisedSecret(t *testing.T) {
	for name, disguise := range disguises {
		for path, secret := range map[string]string{
			"/receiver/v1/http/" + longSecret:        longSecret,
			"/receiver/v1/http?" + longSecret:        longSecret,
			"/receiver/v1/http?" + longSecret + "=1": longSecret,
			"/receiver/v1/http?k=" + longSecret:      longSecret,
			"/receiver/v1/http":                      "S3CRET-token", // of leaks
		} {
			body, _ := json.Marshal(map[string]string{"code": "budget " + disguise(secret), "message": "over it: " + disguise(secret) + ", until tomorrow"})
			server := httptest.NewServer(sumotest.New(sumotest.Step{Status: 200, Body: string(body)}))
			defer server.Close()
			logged, err := leaks(t, server.URL+path)
			if err != nil || !strings.Contains(logged, "over it") || !strings.Contains(logged, "until tomorrow") {
				t.Errorf("%v, logged %q", err, logged)
			}
			checkDisguised(t, name, logged, secret)
		}
	}
}

// net/http quotes what it could not read, which may be what we sent.
func TestErrorsHoldNoSecretThatTheSourceEchoes(t *testing.T) {
	for _, path := range paths {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.Header.Set("X-Sumo-Token", "S3CRET-token")
		for part, echo := range parts(r) {
			if !strings.Contains(echo, "S3CRET") {
				continue
			}
			t.Run(part+" of "+path, func(t *testing.T) {
				for _, answer := range []string{
					echo + "\r\n\r\n",
					"HTTP/1.1 " + echo + " OK\r\n\r\n",
					echo + " 200 OK\r\n\r\n",
					"HTTP/1.1 200 OK\r\n " + echo + "\r\n\r\n",
					"HTTP/1.1 200 OK\r\nContent-Length: " + echo + "\r\n\r\n",
					"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + echo + "\r\n\r\n",
				} {
					ln, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					defer ln.Close()
					go func() {
						conn, err := ln.Accept()
						if err != nil {
							return
						}
						defer conn.Close()
						if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
							io.Copy(io.Discard, req.Body)
							io.WriteString(conn, answer)
						}
					}()
					if _, err := leaks(t, "http://"+ln.Addr().String()+path); err == nil {
						t.Errorf("%q: no error", answer)
					}
				}
			})
		}
	}
}

func TestWarningsHoldNoSecretThatTheSourceEchoes(t *testing.T) {
	for _, path := range paths {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.Header.Set("X-Sumo-Token", "S3CRET-token")
		for part, echo := range parts(r) {
			if !strings.Contains(echo, "S3CRET") {
				continue
			}
			t.Run(part+" of "+path, func(t *testing.T) {
				body, err := json.Marshal(map[string]string{"code": "code " + echo, "message": "message " + echo})
				if err != nil {
					t.Fatal(err)
				}
				server := httptest.NewServer(sumotest.New(sumotest.Step{Status: 200, Body: string(body)}))
				defer server.Close()
				if logged, err := leaks(t, server.URL+path); err != nil || !strings.Contains(logged, "message ") {
					t.Errorf("%v, logged %q", err, logged)
				}
			})
		}
	}
}

// With the token in a header the URL of a source ends in "http", a word that errors
// need.
func TestErrorsStayReadableWithAToken(t *testing.T) {
	plain := httptest.NewServer(sumotest.New())
	defer plain.Close()
	_, err := leaks(t, strings.Replace(plain.URL, "http", "https", 1)+"/receiver/v1/http")
	if err == nil || !strings.Contains(err.Error(), "HTTP") || strings.Contains(err.Error(), "…") {
		t.Errorf("the error is %v", err)
	}
}
