package transform

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMetadataOverridesTheSource(t *testing.T) {
	base := Source{Name: "n", Category: "c", Host: "h", Fields: "f"}
	for _, tt := range []struct {
		metadata string
		want     Source
	}{
		{`{}`, base},
		{`null`, base},
		{`7`, base},
		{`"category"`, base},
		{`[{"category":"x"}]`, base},
		{`{"sourceName":"1","category":"2","sourceHost":"3","sourceFieldsOverride":"4"}`, Source{"1", "2", "3", "4"}},
		{`{"source":"1","category":"2","host":"3"}`, Source{"1", "2", "3", "f"}},
		{`{"X-Sumo-Name":"1","X-Sumo-Category":"2","X-Sumo-Host":"3","X-Sumo-Fields":"4"}`, Source{"1", "2", "3", "4"}},
		{`{"Category":"x","SOURCEHOST":"x","x-sumo-name":"x","fields":"x","name":"x","_sourceCategory":"x"}`, base},
		{`{ "category" : "x" , "other" : { "category" : "y" } }`, Source{"n", "x", "h", "f"}},
		{`{"c\u0061tegory":"\u0078\n\/é😀"}`, Source{"n", "x\n/é😀", "h", "f"}},

		// Of several keys for one field the later wins, in all spellings.
		{`{"sourceName":"1","source":"2","X-Sumo-Name":"3"}`, Source{"3", "c", "h", "f"}},
		{`{"X-Sumo-Name":"3","source":"2","sourceName":"1"}`, Source{"1", "c", "h", "f"}},
		{`{"X-Sumo-Category":"x","category":null}`, Source{"n", "x", "h", "f"}},
		{`{"category":"","X-Sumo-Category":"x"}`, Source{"n", "x", "h", "f"}},
		// A key that is there twice stands where it is first and says what it says last.
		{`{"category":"1","category":"2"}`, Source{"n", "2", "h", "f"}},
		{`{"category":"1","category":null}`, base},
		{`{"category":"1","X-Sumo-Category":"2","category":"3"}`, Source{"n", "2", "h", "f"}},
		{`{"category":"1","X-Sumo-Category":"2","c\u0061tegory":"3"}`, Source{"n", "2", "h", "f"}},

		{`{"category":"none"}`, Source{"n", "", "h", "f"}},
		{`{"category":" NoNe\t"}`, Source{"n", "", "h", "f"}},
		{`{"category":"none/such"}`, Source{"n", "none/such", "h", "f"}},
		{`{"category":""}`, Source{"n", "", "h", "f"}},
		{`{"category":" x "}`, Source{"n", " x ", "h", "f"}},
		{`{"category":-1.50e3}`, Source{"n", "-1.50e3", "h", "f"}},
		{`{"category":false}`, Source{"n", "false", "h", "f"}},
		{`{"sourceFieldsOverride":[ "a=1" , "b=2" ]}`, Source{"n", "c", "h", "a=1,b=2"}},
		{`{"sourceFieldsOverride":["none"]}`, Source{"n", "c", "h", ""}},
		{`{"sourceFieldsOverride":[]}`, Source{"n", "c", "h", ""}},
		{`{"sourceFieldsOverride":["a",["b"]]}`, base},
		{`{"sourceFieldsOverride":[null]}`, base},
	} {
		if got := base.override([]byte(tt.metadata)); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.metadata, got, tt.want)
		}
	}
}

// Who may write log lines chooses their source only as far as the options say.
func TestMetadataOfMessagesIsAsAllowed(t *testing.T) {
	const (
		all  = `{"_sumo_metadata":{"category":"c","sourceName":"n","host":"h","sourceFieldsOverride":"role=admin"},"a":1}`
		head = `{"_sumo_metadata":{"X-Sumo-Name":"n","X-Sumo-Category":"c"},"a":1}`
		list = `{"_sumo_metadata":{"X-Sumo-Fields":["a=1","b=2"],"source":"n"}}`
	)
	base := Source{Name: "web/app/1", Host: "/ecs/web", Category: "mine", Fields: "team=x"}
	fields := func(f string) Source { s := base; s.Fields = f; return s }
	for _, tt := range []struct {
		metadata Metadata
		message  string
		want     Source
		line     string // the message in the record
	}{
		{AllMetadata, all, Source{"n", "c", "h", "role=admin"}, `{"a":1}`},
		{FieldsMetadata, all, fields("role=admin"), `{"a":1}`},
		{FieldsMetadata, head, base, `{"a":1}`},
		{FieldsMetadata, list, fields("a=1,b=2"), `{}`},
		{NoMetadata, all, base, all},
		{NoMetadata, head, base, head},
		{NoMetadata, list, base, list},
	} {
		for _, f := range []Format{Others, Raw} {
			o := Options{Format: f, Metadata: tt.metadata, Source: Source{Category: "mine", Fields: "team=x"}}
			want := tt.line
			if f == Others {
				want = `{"timestamp":0,"message":` + tt.line + `}`
			}
			got := records(o, decode(t, withMessages(tt.message, "plain")))
			if got[0].Source != tt.want || string(got[0].Line) != want || got[1].Source != base {
				t.Errorf("%v, %s: %+v, %s; want %+v, %s", tt.metadata, tt.message, got[0].Source, got[0].Line, tt.want, want)
			}
		}
	}
}

func TestParseMetadata(t *testing.T) {
	for name, want := range map[string]Metadata{"": AllMetadata, "all": AllMetadata, "fields": FieldsMetadata, "none": NoMetadata} {
		if got, err := ParseMetadata(name); got != want || err != nil {
			t.Errorf("ParseMetadata(%q) = %v, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"All", "false", "category", " none"} {
		if _, err := ParseMetadata(name); err == nil || !strings.Contains(err.Error(), "want all, fields or none") {
			t.Errorf("ParseMetadata(%q): %v", name, err)
		}
	}
}

// Metadata is written by the author of a log line: no line may take the time of
// all the others.
func TestMetadataOfManyKeysTakesLinearTime(t *testing.T) {
	var keys strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&keys, `,"%d":0`, i)
	}
	b := decode(t, withMessages(`{"_sumo_metadata":{"category":"c"`+keys.String()+`,"sourceName":"n"},"a":1}`))
	start := time.Now()
	got := records(Options{}, b)
	if d := time.Since(start); d > time.Second {
		t.Errorf("one line of %d bytes took %v", b.Size(), d)
	}
	if want := (Source{Name: "n", Category: "c", Host: "/ecs/web"}); got[0].Source != want || string(got[0].Line) != `{"timestamp":0,"message":{"a":1}}` {
		t.Errorf("%+v, %s", got[0].Source, got[0].Line)
	}
}
