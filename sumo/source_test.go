package sumo_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

func sumoHeaders(h http.Header) map[string]string {
	out := map[string]string{}
	for name, values := range h {
		if strings.HasPrefix(name, "X-Sumo-") {
			out[name] = strings.Join(values, " AND ")
		}
	}
	return out
}

func pairs(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

func TestMetadataBecomesHeaders(t *testing.T) {
	long := strings.Repeat("é", 1024)
	key, value := strings.Repeat("k", 255), strings.Repeat("ü", 200)
	for _, tt := range []struct {
		name    string
		source  sumo.Source
		want    map[string]string
		clipped bool
	}{
		{"all", sumo.Source{"n", "c", "h", "f=1"}, map[string]string{"Name": "n", "Category": "c", "Host": "h", "Fields": "f=1"}, false},
		{"empty is not sent", sumo.Source{}, map[string]string{}, false},
		{"blank is not sent", sumo.Source{" ", "\t", "\r\n", "\x00"}, map[string]string{}, false},
		{"line ends", sumo.Source{Name: "a\r\nX-Sumo-Host: b", Host: "c\n d"}, map[string]string{"Name": "a  X-Sumo-Host: b", "Host": "c  d"}, false},
		{"control characters", sumo.Source{Name: "a\x00b\x1bc\x7fd", Fields: "f=1\n,g=2"}, map[string]string{"Name": "a b c d", "Fields": "f=1 ,g=2"}, false},
		{"tabs stay inside", sumo.Source{Name: "\ta\tb\t"}, map[string]string{"Name": "a\tb"}, false},
		{"space around goes", sumo.Source{Name: "  a b \n"}, map[string]string{"Name": "a b"}, false},
		{"UTF-8 stays", sumo.Source{Category: "prod/größe/日本"}, map[string]string{"Category": "prod/größe/日本"}, false},
		{"not UTF-8", sumo.Source{Name: "a\xffb"}, map[string]string{"Name": "a\uFFFDb"}, false},
		{"at the limit", sumo.Source{Name: long, Category: long, Host: long}, map[string]string{"Name": long, "Category": long, "Host": long}, false},
		{"name cut", sumo.Source{Name: long + "é"}, map[string]string{"Name": long}, true},
		{"category cut", sumo.Source{Category: long + "x"}, map[string]string{"Category": long}, true},
		{"host cut", sumo.Source{Host: long + "日本"}, map[string]string{"Host": long}, true},
		{"cut at a space", sumo.Source{Name: strings.Repeat("a", 1023) + "  b"}, map[string]string{"Name": strings.Repeat("a", 1023)}, true},
		{"space does not count", sumo.Source{Name: " " + long + " "}, map[string]string{"Name": long}, false},
		{"30 fields", sumo.Source{Fields: pairs(30, "k%d=v")}, map[string]string{"Fields": pairs(30, "k%d=v")}, false},
		{"31 fields", sumo.Source{Fields: pairs(31, "k%d=v")}, map[string]string{"Fields": pairs(30, "k%d=v")}, true},
		{"key at the limit", sumo.Source{Fields: "a=1," + key + "=2"}, map[string]string{"Fields": "a=1," + key + "=2"}, false},
		{"key too long", sumo.Source{Fields: "a=1,k" + key + "=2,b=3"}, map[string]string{"Fields": "a=1,b=3"}, true},
		{"key alone too long", sumo.Source{Fields: "k" + key}, map[string]string{}, true},
		{"value at the limit", sumo.Source{Fields: "a=" + value}, map[string]string{"Fields": "a=" + value}, false},
		{"value cut", sumo.Source{Fields: "a=" + value + "ü,b=3"}, map[string]string{"Fields": "a=" + value + ",b=3"}, true},
		{"value cut at a space", sumo.Source{Fields: "a=" + value[2:] + "  b"}, map[string]string{"Fields": "a=" + value[2:]}, true},
		{"value with an equals sign", sumo.Source{Fields: "a=b=c"}, map[string]string{"Fields": "a=b=c"}, false},
		{"a long key makes room", sumo.Source{Fields: "k" + key + "=1," + pairs(30, "k%d=v")}, map[string]string{"Fields": pairs(30, "k%d=v")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := sumotest.New()
			d := (&sumo.Client{HTTP: over(source)}).Begin(t.Context(), endpoint(t, address, ""))
			d.Add(tt.source, 0, []byte("a"))
			o := d.Wait()
			if o.Confirmed != 1 || (o.Clipped == 1) != tt.clipped {
				t.Errorf("%+v, want clipped %t", o, tt.clipped)
			}
			want := map[string]string{}
			for name, value := range tt.want {
				want["X-Sumo-"+name] = value
			}
			if d := cmp.Diff(want, sumoHeaders(source.Requests()[0].Header)); d != "" {
				t.Errorf("headers (-want +got):\n%s", d)
			}
		})
	}
}

func TestClippedCountsBodies(t *testing.T) {
	long := strings.Repeat("a", 1025)
	for _, status := range []int{200, 400} {
		source := sumotest.New(sumotest.Statuses(status, status, status)...)
		d := (&sumo.Client{HTTP: over(source)}).Begin(t.Context(), endpoint(t, address, ""))
		for i, s := range []sumo.Source{{Name: long}, {Name: long}, {Name: long, Host: long}, {Name: "short"}} {
			d.Add(s, i, []byte("a"))
		}
		if o := d.Wait(); o.Clipped != 2 {
			t.Errorf("answers %d: %d of 2 bodies counted", status, o.Clipped)
		}
	}
}

// Whatever the strings are, a server sees the intended headers and no others.
// Metadata comes from names that other people give to their log groups.
func FuzzHeader(f *testing.F) {
	f.Add("n", "c", "h", "a=1,b=2", "client")
	f.Add("a\r\nX-Sumo-Token: b", "c\nd: e\r\n\r\nbody", "\x00\x7f\t ", "a=1\n,b\r=2", "client")
	f.Add("a", "b", "c", "d", "e\r\nX-Sumo-Host: f")
	f.Add(strings.Repeat("é", 1025), "\xff\xfe", "\u0085\u2028", pairs(40, "k%d=v"), "")
	f.Add(strings.Repeat("a", 1023)+" b", "", " b ", strings.Repeat("k", 300)+"=1,a="+strings.Repeat("v", 300), "")
	f.Add("", "", "", ",,=,", "")
	var seen http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }))
	f.Cleanup(server.Close)
	ep := endpoint(f, server.URL+"/S3CRET", "")
	h := sumo.NewHTTP(1)
	f.Fuzz(func(t *testing.T, name, category, host, fields, client string) {
		d := (&sumo.Client{HTTP: h, Name: client, Attempts: 1}).Begin(t.Context(), ep)
		d.Add(sumo.Source{Name: name, Category: category, Host: host, Fields: fields}, 0, []byte("a"))
		if o := d.Wait(); o.Confirmed != 1 {
			t.Fatal(o.Err)
		}
		texts := map[string]string{"X-Sumo-Name": name, "X-Sumo-Category": category, "X-Sumo-Host": host, "X-Sumo-Client": client}
		for key, values := range seen {
			switch key {
			case "User-Agent", "Content-Length", "Content-Encoding", "Accept-Encoding":
				continue
			}
			v := values[0]
			if _, text := texts[key]; !text && key != "X-Sumo-Fields" || len(values) != 1 || v == "" {
				t.Errorf("a header %s: %q", key, values)
			}
			if strings.ContainsFunc(v, func(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f) }) || !utf8.ValidString(v) {
				t.Errorf("%s: %q cannot stand in a header", key, v)
			}
			if key == "X-Sumo-Fields" && strings.Count(v, ",") >= 30 || key != "X-Sumo-Fields" && key != "X-Sumo-Client" && utf8.RuneCountInString(v) > 1024 {
				t.Errorf("%s: %q is over a limit", key, v)
			}
		}
		for key, text := range texts {
			if len(text) > 1024 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				continue
			}
			if want := strings.Trim(text, " "); seen.Get(key) != want {
				t.Errorf("%s is %q, want %q", key, seen.Get(key), want)
			}
		}
	})
}
