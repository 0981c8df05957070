package prove

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"sumoship/function/awstest/lambdatest"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
)

// A TCP proxy between the functions and the source does what networks do. Nothing is
// lost, and what did not arrive rests in the queue until the network is sound again.
func TestNetworkFaultsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds functions")
	}
	var proxy *toxiproxy.Proxy
	w := newWorld(t, 7, func(address string) string {
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		proxy = toxiproxy.NewProxy(server, "sumo", "127.0.0.1:0", address)
		if err := proxy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Stop)
		return proxy.Listen
	})
	w.variables["REQUEST_TIMEOUT"], w.variables["NUMBER_OF_RETRIES"] = "2000", "0" // time for a busy machine
	before := 0
	for _, c := range []struct {
		fault  string
		toxic  string // of toxiproxy, or none
		script []sumotest.Step
		sound  bool // the events arrive all the same
	}{
		{fault: "150 ms more", toxic: `{"type":"latency","attributes":{"latency":150,"jitter":50}}`, sound: true},
		{fault: "latency over the request timeout", toxic: `{"type":"latency","attributes":{"latency":2500}}`},
		{fault: "20 KB a second", toxic: `{"type":"bandwidth","stream":"upstream","attributes":{"rate":20}}`, sound: true},
		{fault: "an answer that drips in", toxic: `{"type":"slicer","attributes":{"average_size":20,"size_variation":5,"delay":20}}`, sound: true},
		{fault: "reset by peer", toxic: `{"type":"reset_peer","attributes":{"timeout":0}}`},
		{fault: "reset while the answer comes", toxic: `{"type":"reset_peer","attributes":{"timeout":30}}`},
		{fault: "half open: what is sent goes nowhere", toxic: `{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`},
		{fault: "half open: no answer comes back", toxic: `{"type":"timeout","attributes":{"timeout":0}}`},
		{fault: "an answer cut off", toxic: `{"type":"limit_data","attributes":{"bytes":1300}}`},
		{fault: "a body cut off", toxic: `{"type":"limit_data","stream":"upstream","attributes":{"bytes":900}}`},
		{fault: "a close that takes its time", toxic: `{"type":"slow_close","attributes":{"delay":300}}`, sound: true},
		{fault: "never an answer", script: []sumotest.Step{{Kind: sumotest.Hang}, {Kind: sumotest.Hang}, {Kind: sumotest.Hang}}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			w.t = t
			w.forwarder = lambdatest.Deploy(t, w.bootstrap, w.variables) // whose breaker is closed
			w.source.follow(c.script...)
			if c.toxic != "" {
				if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(c.toxic)); err != nil {
					t.Fatal(err)
				}
			}
			marking := func(f *lambdatest.Function, event []byte) lambdatest.Result {
				if f == w.forwarder {
					w.mark(string(event)) // an answer can get lost on the way
				}
				r := f.Invoke(event, timeout)
				if r.Failed() {
					t.Errorf("%s: %s\n%s", r.ErrorType, r.Error, tail(f.Output()))
				}
				return r
			}
			for range 2 {
				w.ship(marking)
			}
			waiting := len(w.queues.Messages("dead"))
			if c.sound && waiting > 0 {
				t.Errorf("%d messages are in the queue\n%s", waiting, tail(w.forwarder.Output()))
			}
			w.wake()
			w.drain(marking)
			proxy.Toxics.ResetToxics(t.Context())
			twice := w.account()
			t.Logf("%d of 2 events went to the queue; stored again: %d log events", waiting, twice.all()-before)
			before = twice.all()
		})
	}
}

// The network between the function and SQS fails while the source is down: what the
// function cannot dead-letter, Lambda tries again and then dead-letters itself.
func TestQueueFaultsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds functions")
	}
	w := newWorld(t, 11, straight)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "sqs", "127.0.0.1:0", w.api)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	for _, c := range []struct {
		fault string
		toxic string // of toxiproxy; "" means that nobody listens
		sound bool   // the function dead-letters all the same
	}{
		{fault: "100 ms more", toxic: `{"type":"latency","attributes":{"latency":100}}`, sound: true},
		{fault: "an answer that drips in", toxic: `{"type":"slicer","attributes":{"average_size":20,"size_variation":5,"delay":20}}`, sound: true},
		{fault: "reset by peer", toxic: `{"type":"reset_peer","attributes":{"timeout":0}}`},
		{fault: "half open: no answer comes back", toxic: `{"type":"timeout","attributes":{"timeout":0}}`},
		{fault: "an answer cut off", toxic: `{"type":"limit_data","attributes":{"bytes":100}}`},
		{fault: "down"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			w.t = t
			variables := maps.Clone(w.variables)
			variables["AWS_ENDPOINT_URL_SQS"] = "http://" + proxy.Listen
			if c.toxic == "" {
				variables["AWS_ENDPOINT_URL_SQS"] = "http://" + closedPort(t)
			} else if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(c.toxic)); err != nil {
				t.Fatal(err)
			}
			w.forwarder = lambdatest.Deploy(t, w.bootstrap, variables)
			w.source.follow(slices.Repeat([]sumotest.Step{{Status: 503}}, 20)...)
			tries, failed := 0, 0
			w.ship(func(f *lambdatest.Function, event []byte) lambdatest.Result {
				w.mark(string(event)) // it can be in the queue twice, if the answer was lost
				patience := timeout
				if !c.sound {
					patience = time.Second // all of it will pass
				}
				r := f.Invoke(event, patience)
				if tries++; r.Failed() {
					failed++
				}
				return r
			})
			proxy.Toxics.ResetToxics(t.Context())
			waiting := len(w.queues.Messages("dead"))
			if waiting == 0 || c.sound != (failed == 0) {
				t.Errorf("%d messages in the queue after %d tries, of which %d failed\n%s", waiting, tries, failed, tail(w.forwarder.Output()))
			}
			w.account()
			t.Logf("%d tries, %d failed; the event was in the queue %d times", tries, failed, waiting)
		})
	}
}

// A server that is not the source, or only says that it has stored an event, gets no
// secret and loses nothing.
func TestWrongServersGetNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds functions")
	}
	got := make(chan string, 100)
	thief := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r.URL.Path })
	untrusted := httptest.NewUnstartedServer(thief)
	untrusted.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := httptest.NewServer(thief)
	defer plain.Close()
	outdated := httptest.NewUnstartedServer(thief)
	outdated.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	outdated.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes
	outdated.StartTLS()
	defer outdated.Close()
	w := newWorld(t, 3, straight)
	for _, c := range []struct {
		fault, url string
		instead    http.HandlerFunc
		stored     bool // and confirmed: nothing goes to the queue
	}{
		{fault: "a name that DNS does not know", url: "https://sumo.invalid"},
		{fault: "a certificate of unknown origin", url: untrusted.URL},
		{fault: "a server that does not speak TLS", url: strings.Replace(plain.URL, "http:", "https:", 1)},
		{fault: "TLS 1.1", url: outdated.URL},
		{fault: "a port on which nobody listens", url: "https://" + closedPort(t)},
		{fault: "a redirect to another server", instead: func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, plain.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}},
		{fault: "a redirect within TLS", instead: func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, untrusted.URL+r.URL.Path, http.StatusPermanentRedirect)
		}},
		{fault: "500 before the body is read", instead: func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(http.StatusInternalServerError)
		}},
		{fault: "200, and then the connection breaks", stored: true, instead: func(rw http.ResponseWriter, r *http.Request) {
			w.source.script().ServeHTTP(httptest.NewRecorder(), r)
			rw.Header().Set("Content-Length", "100")
			rw.WriteHeader(http.StatusOK)
			if err := http.NewResponseController(rw).Flush(); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			w.t = t
			variables := maps.Clone(w.variables)
			if c.url != "" {
				variables["SUMO_ENDPOINT"] = c.url + leaktest.Path
			}
			w.forwarder = lambdatest.Deploy(t, w.bootstrap, variables)
			w.source.follow()
			w.source.become(c.instead)
			w.ship(soundly)
			want := 1
			if c.stored {
				want = 0
			}
			if n := len(w.queues.Messages("dead")); n != want {
				t.Errorf("%d messages in the queue, want %d\n%s", n, want, tail(w.forwarder.Output()))
			}
			select {
			case path := <-got:
				t.Errorf("a wrong server got a request for %s", path)
			default:
			}
			w.account()
		})
	}
}

// closedPort returns an address on which nobody listens.
func closedPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// selfSigned returns a certificate for the loopback address that nobody trusts.
func selfSigned(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
