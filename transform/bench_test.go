package transform

import (
	"fmt"
	"testing"
)

// mixed is a batch of n events as they come: text, JSON, access logs, stack
// traces and lines of Lambda.
func mixed(n int) string { return withMessages(mixedMessages(n)...) }

func mixedMessages(n int) []string {
	kinds := []string{
		"2026-01-02T03:04:05.678+00:00 INFO  [worker-7] c.e.orders.Checkout - order 4711 taken, 3 items, 17 ms",
		`{"level":"info","time":"2026-01-02T03:04:05.678Z","msg":"request",` +
			`"http":{"method":"GET","path":"/cart/items?id=17","status":200,"ms":12.5},"tags":["a","b"]}`,
		`203.0.113.7 - - [02/Jan/2026:03:04:05 +0000] "GET /cart HTTP/1.1" 200 5316 "https://shop.example.com/" "Mozilla/5.0 (X11; Linux x86_64)" 0.012` + "\n",
		stamp + "\t" + id + "\tINFO\tcart has 3 items\n",
		"java.lang.IllegalStateException: no stock\n\tat com.example.Orders.take(Orders.java:42)\n" +
			"\tat com.example.Main.main(Main.java:7)\nCaused by: java.io.IOException: closed\n\t... 12 more\n",
		"Zahlung für Auftrag 4711 bestätigt – 17 €",
	}
	messages := make([]string, n)
	for i := range messages {
		messages[i] = kinds[i%len(kinds)]
	}
	return messages
}

var sizes = []int{10, 500, 10_000}

// BenchmarkSystemFields measures a payload whose events say where they came from,
// beside one of the same messages whose events do not.
func BenchmarkSystemFields(b *testing.B) {
	messages := mixedMessages(10_000)
	for _, l := range []struct{ name, doc string }{
		{"none", withMessages(messages...)},
		{"one origin", withFields(func(int) string { return saying("111122223333", "eu-west-1", "/ecs/shop") }, messages...)},
		{"ten in turn", withFields(func(n int) string { return saying(fmt.Sprint(111122223330+n%10), "eu-west-1", "/ecs/shop") }, messages...)},
	} {
		event := Pack([]byte(l.doc))
		for _, o := range []struct {
			name string
			Options
		}{{"default", Options{}}, {"fields", Options{Source: Source{Fields: "account={account},region={region}"}}}} {
			b.Run(l.name+"/"+o.name, func(b *testing.B) {
				var d Decoder
				b.SetBytes(int64(len(l.doc)))
				b.ReportAllocs()
				for b.Loop() {
					batch, err := d.Decode(event, DefaultLimit)
					if err != nil {
						b.Fatal(err)
					}
					for range o.Records(batch) {
					}
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			doc := mixed(n)
			event := Pack([]byte(doc))
			var d Decoder
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(event, DefaultLimit); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRecords(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch := decode(b, mixed(n))
			b.SetBytes(int64(batch.Size()))
			b.ReportAllocs()
			for b.Loop() {
				for r := range (Options{}).Records(batch) {
					if r.Dropped != Kept {
						b.Fatal(r.Dropped)
					}
				}
			}
		})
	}
}

// Memory is bounded by the payload, not by the number of its events.
func TestAllocationsDoNotGrowWithEvents(t *testing.T) {
	for name, messages := range map[string][]string{
		"text": {"a line of text, as long as any other"},
		"all": {
			`{"a": 1, "b": "c"}`, stamp + "\t" + id + "\tINFO\tmessage\n", "RequestId: " + id, `{"_sumo_metadata":{"category":"c"},"a":1}`,
			"to be rewritten: \u2028 <", "\x1f", "",
		},
	} {
		allocations := func(events int) float64 {
			all := make([]string, events)
			for i := range all {
				all[i] = messages[i%len(messages)]
			}
			event := Pack([]byte(withMessages(all...)))
			var d Decoder
			return testing.AllocsPerRun(2, func() {
				b, err := d.Decode(event, DefaultLimit)
				if err != nil {
					t.Fatal(err)
				}
				for range (Options{}).Records(b) {
				}
			})
		}
		if few, many := allocations(500), allocations(10_000); many > few+2 { // a buffer may grow once more
			t.Errorf("%s: %.0f allocations for 500 events, %.0f for 10000", name, few, many)
		}
	}
}
