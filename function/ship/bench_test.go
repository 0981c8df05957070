package ship_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo"
	"sumoship/transform"
)

// logs writes messages as the programs that log to CloudWatch most do, the same
// for the same seed.
type logs struct{ *rand.Rand }

func newLogs(seed uint64) logs { return logs{rand.New(rand.NewPCG(seed, 1))} }

func (l logs) pick(words ...string) string { return words[l.IntN(len(words))] }

func (l logs) words(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(l.pick("order", "cart", "payment", "customer", "retry", "timeout", "cache", "miss", "hit",
			"loaded", "fetched", "queue", "worker", "started", "stopped", "took", "while", "waiting", "for", "the"))
		b.WriteByte(' ')
	}
	return b.String()
}

func (l logs) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", l.Uint32(), l.IntN(1<<16), l.IntN(1<<12), l.IntN(1<<12), l.Int64N(1<<48))
}

func (l logs) address() string {
	return fmt.Sprintf("10.%d.%d.%d", l.IntN(4), l.IntN(256), l.IntN(256))
}

func (l logs) time() time.Time {
	return time.UnixMilli(1_760_000_000_000 + l.Int64N(86_400_000)).UTC()
}

var logKinds = map[string]func(logs) string{
	"console": func(l logs) string {
		return l.time().Format("2006-01-02T15:04:05.000Z") + "\t" + l.uuid() + "\tINFO\t" + l.words(4+l.IntN(12)) + "\n"
	},
	"platform": func(l logs) string {
		return fmt.Sprintf("REPORT RequestId: %s\tDuration: %d.%02d ms\tBilled Duration: %d ms\tMemory Size: 256 MB\tMax Memory Used: %d MB\t\n",
			l.uuid(), l.IntN(900), l.IntN(100), l.IntN(900), l.IntN(256))
	},
	"json": func(l logs) string {
		b, _ := json.Marshal(map[string]any{
			"time": l.time().Format(time.RFC3339Nano), "level": l.pick("info", "warn", "error"), "msg": l.words(6),
			"http":  map[string]any{"method": l.pick("GET", "POST"), "path": "/v1/orders/" + l.uuid(), "status": 200 + l.IntN(300), "ms": l.Float64() * 100},
			"trace": l.uuid(), "tags": []string{l.pick("a", "b"), l.pick("eu", "us")},
		})
		return string(b)
	},
	"access": func(l logs) string {
		return fmt.Sprintf(`%s - - [%s] "%s /%s?q=%s HTTP/1.1" %d %d "https://shop.example/%s" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"`,
			l.address(), l.time().Format("02/Jan/2006:15:04:05 -0700"), l.pick("GET", "POST", "PUT"), l.pick("cart", "orders", "items/9"), l.pick("shoes", "hats"), 200+l.IntN(304), l.IntN(90000), l.pick("", "home"))
	},
	"stack": func(l logs) string {
		var b strings.Builder
		b.WriteString(l.time().Format("2006-01-02 15:04:05.000") + " ERROR [worker-" + fmt.Sprint(l.IntN(20)) + "] " + l.words(5) + "\njava.lang.IllegalStateException: " + l.words(3))
		for range 4 + l.IntN(16) {
			fmt.Fprintf(&b, "\n\tat com.example.%s.%s.%s(%s.java:%d)", l.pick("order", "billing"), l.pick("Controller", "Filter"), l.pick("invoke", "doFilter"), l.pick("Controller", "Filter"), l.IntN(999))
		}
		return b.String()
	},
	"flow": func(l logs) string {
		return fmt.Sprintf("2 123456789012 eni-0%015x %s %s %d %d 6 %d %d %d %d ACCEPT OK",
			l.Int64N(1<<59), l.address(), l.address(), l.IntN(65536), l.IntN(65536), l.IntN(90), l.IntN(90000), 1_760_000_000+l.IntN(86400), 1_760_000_060+l.IntN(86400))
	},
	"unicode": func(l logs) string {
		return l.pick("zażółć gęślą jaźń ", "Übergrößenträger ", "注文が完了しました ", "🚚 shipped ") + l.words(5)
	},
}

// mixedKinds are the kinds of mixed, in turn.
var mixedKinds = []string{"console", "json", "access", "stack", "flow", "unicode", "json", "access"}

// payload returns an event of CloudWatch Logs with n log events of a kind, or
// mixed, and the document in it.
func payload(kind string, n int) (event, doc []byte) {
	l := newLogs(uint64(n))
	var b bytes.Buffer
	b.WriteString(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/ecs/shop","logStream":"shop/web/0123456789abcdef0123456789abcdef","subscriptionFilters":["sumoship"],"logEvents":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		k := kind
		if k == "mixed" {
			k = mixedKinds[i%len(mixedKinds)]
		}
		message := new(bytes.Buffer)
		enc := json.NewEncoder(message)
		enc.SetEscapeHTML(false) // CloudWatch Logs does not
		enc.Encode(logKinds[k](l))
		fmt.Fprintf(&b, `{"id":"%056d","timestamp":%d,"message":%s}`, l.Uint64(), l.time().UnixMilli(), bytes.TrimSpace(message.Bytes()))
	}
	b.WriteString(`]}`)
	return transform.Pack(b.Bytes()), b.Bytes()
}

// swallow is a network that reads requests and answers 200.
type swallow struct{ bodies atomic.Int64 }

func (s *swallow) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	s.bodies.Add(1)
	return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
}

// loads are the invocations to measure.
var loads = []struct {
	name, kind string
	events     int
	vars       map[string]string
}{
	{"small", "mixed", 10, nil},
	{"typical", "mixed", 500, nil},
	{"large", "mixed", 10_000, nil},
	{"ids", "console", 10_000, map[string]string{"INCLUDE_LOG_INFO": "true"}}, // a request id in every line
}

func newBenchForwarder(b testing.TB, vars map[string]string, net http.RoundTripper) *ship.Forwarder {
	f, err := ship.NewForwarder(ship.Options{
		Env: function.Env{Getenv: func(name string) string {
			if name == "SUMO_ENDPOINT" {
				return endpoint
			}
			return vars[name]
		}, Out: io.Discard},
		HTTP: &http.Client{Transport: net}, Queue: new(dlqtest.Queue),
	})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// codec is the least work of a forwarder: base64, gunzip and gzip, with our
// library, our level and reused buffers.
type codec struct {
	packed []byte
	doc    bytes.Buffer
	in     *gzip.Reader
	out    *gzip.Writer
}

func (c *codec) run(b testing.TB, event []byte) {
	var data struct {
		AWSLogs struct{ Data json.RawMessage }
	}
	_ = data
	raw := event[len(`{"awslogs":{"data":"`) : len(event)-len(`"}}`)]
	c.packed = c.packed[:0]
	var err error
	if c.packed, err = base64.StdEncoding.AppendDecode(c.packed, raw); err != nil {
		b.Fatal(err)
	}
	if c.in == nil {
		c.in = new(gzip.Reader)
		c.out, _ = gzip.NewWriterLevel(io.Discard, sumo.DefaultLevel)
	}
	if err := c.in.Reset(bytes.NewReader(c.packed)); err != nil {
		b.Fatal(err)
	}
	c.doc.Reset()
	if _, err := c.doc.ReadFrom(c.in); err != nil {
		b.Fatal(err)
	}
	c.out.Reset(io.Discard)
	c.out.Write(c.doc.Bytes())
	c.out.Close()
}

// BenchmarkInvocation measures an invocation without its network, and the codec
// alone.
func BenchmarkInvocation(b *testing.B) {
	for _, l := range loads {
		event, doc := payload(l.kind, l.events)
		b.Run(l.name+"/forwarder", func(b *testing.B) {
			f := newBenchForwarder(b, l.vars, new(swallow))
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Invoke(context.Background(), event); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(l.name+"/codec", func(b *testing.B) {
			var c codec
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				c.run(b, event)
			}
		})
	}
}

// streamBatch returns an event of n records of a Kinesis stream, each with as many mixed
// log events, and their events and the size of their documents in bytes.
func streamBatch(n, events int) (batch []byte, each [][]byte, size int) {
	const different = 16 // to write more would take longer than to ship them
	var list []string
	var sizes []int
	for i := range n {
		if i < different {
			event, doc := payload("mixed", events+i) // which is also its seed
			each, sizes = append(each, event), append(sizes, len(doc))
		} else {
			each, sizes = append(each, each[i-different]), append(sizes, sizes[i-different])
		}
		list = append(list, streamRecord(i, data(each[i])))
		size += sizes[i]
	}
	return records(list...), each, size
}

func newBenchStream(b testing.TB, net http.RoundTripper) *ship.StreamForwarder {
	f, err := ship.NewStreamForwarder(ship.Options{
		Env: function.Env{Getenv: func(name string) string {
			if name == "SUMO_ENDPOINT" {
				return endpoint
			}
			return ""
		}, Out: io.Discard},
		HTTP: &http.Client{Transport: net}, Queue: new(dlqtest.Queue),
	})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkStream measures an invocation with a batch of the size that Lambda gives,
// without its network, and the codec alone.
func BenchmarkStream(b *testing.B) {
	batch, each, size := streamBatch(160, 350)
	b.Logf("a batch of %d bytes, %d inflated", len(batch), size)
	b.Run("stream", func(b *testing.B) {
		f := newBenchStream(b, new(swallow))
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			if answer, err := f.Invoke(context.Background(), batch); err != nil || len(answer) != len(`{"batchItemFailures":[]}`) {
				b.Fatal(string(answer), err)
			}
		}
	})
	b.Run("codec", func(b *testing.B) {
		var c codec
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			for _, event := range each {
				c.run(b, event)
			}
		}
	})
}

// BenchmarkGrowth measures the cost of more log events in a payload.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{10, 100, 1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			event, doc := payload("mixed", n)
			net := new(swallow)
			f := newBenchForwarder(b, nil, net)
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Invoke(context.Background(), event); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(net.bodies.Load())/float64(b.N), "bodies/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
			b.ReportMetric(float64(len(doc))/1e6, "doc-MB")
			b.ReportMetric(float64(m.HeapAlloc)/1e6, "kept-MB") // including the event and document of the test
			runtime.KeepAlive(f)
		})
	}
}

// tenRules are ten rules with three masks each; the last is that of the benchmarks'
// log group.
func tenRules() string {
	var rules []string
	for i := range 10 {
		group := fmt.Sprintf("^/ecs/other-%d", i)
		if i == 9 {
			group = "^/ecs/shop"
		}
		rules = append(rules, fmt.Sprintf(`{"rule":"r%d","match":{"logGroup":%q},"category":"c/{container}","mask":["email","card","ipv4"]}`, i, group))
	}
	return `{"version":1,"rules":[` + strings.Join(rules, ",") + `]}`
}

// BenchmarkRules measures what rules cost an invocation without its network.
func BenchmarkRules(b *testing.B) {
	for _, l := range loads[1:3] {
		event, doc := payload(l.kind, l.events)
		for name, vars := range map[string]map[string]string{"without": nil, "ten rules": {"RULES": tenRules()}} {
			b.Run(l.name+"/"+name, func(b *testing.B) {
				f := newBenchForwarder(b, vars, new(swallow))
				b.SetBytes(int64(len(doc)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := f.Invoke(context.Background(), event); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
