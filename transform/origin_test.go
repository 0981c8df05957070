package transform

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// central is a document of a log group that collects those of other accounts.
func central(events ...string) string {
	return `{"messageType":"DATA_MESSAGE","owner":"999999999999","logGroup":"/central/all","logStream":"s","logEvents":[` + strings.Join(events, ",") + `]}`
}

// An event says where it came from in extractedFields; else its payload says so.
func TestOriginOfAnEvent(t *testing.T) {
	const all = `{"@aws.account":"111122223333","@aws.region":"eu-west-1","@source.log":"/ecs/shop"}`
	for _, tt := range []struct{ fields, want, info string }{
		{all, "111122223333|eu-west-1|/ecs/shop", `,"account":"111122223333","region":"eu-west-1","sourceGroup":"/ecs/shop"`},
		{``, "999999999999|us-east-1|/central/all", ""},
		{`{}`, "999999999999|us-east-1|/central/all", ""},
		{`{"@aws.account":"1"}`, "1|us-east-1|/central/all", `,"account":"1"`},
		{`{"@aws.region":"eu-west-1"}`, "999999999999|eu-west-1|/central/all", `,"region":"eu-west-1"`},
		{`{"@source.log":"111122223333:/ecs/shop"}`, "999999999999|us-east-1|/ecs/shop", `,"sourceGroup":"/ecs/shop"`},
		{`{"@source.log":"11112222333:/ecs/shop"}`, "999999999999|us-east-1|11112222333:/ecs/shop", `,"sourceGroup":"11112222333:/ecs/shop"`},
		{`{"@source.log":"11112222333x:/ecs/shop"}`, "999999999999|us-east-1|11112222333x:/ecs/shop", `,"sourceGroup":"11112222333x:/ecs/shop"`},
		{`{"@source.log":"111122223333"}`, "999999999999|us-east-1|111122223333", `,"sourceGroup":"111122223333"`},
		// Fields of the filter's pattern are beside them, and are not records' business.
		{`{"status":"200","@aws.account":"1","$.a":"b"}`, "1|us-east-1|/central/all", `,"account":"1"`},
		{`{"aws.account":"1","account":"2","@AWS.region":"r","x":{"@aws.account":"3"}}`, "999999999999|us-east-1|/central/all", ""},
		// What is not a text, or empty, says nothing. Of two members the last counts.
		{`{"@aws.account":1,"@aws.region":null,"@source.log":["x"]}`, "999999999999|us-east-1|/central/all", ""},
		{`{"@aws.account":"","@aws.region":""}`, "999999999999|us-east-1|/central/all", ""},
		{`{"@aws.account":"1","@aws.account":"2"}`, "2|us-east-1|/central/all", `,"account":"2"`},
		{`{"@aws.account":"1","@aws.account":null}`, "999999999999|us-east-1|/central/all", ""},
		{`{"\u0040aws.account":"\u0031\/"}`, "1/|us-east-1|/central/all", `,"account":"1/"`},
		{`"@aws.account"`, "999999999999|us-east-1|/central/all", ""},
		{`["@aws.account","1"]`, "999999999999|us-east-1|/central/all", ""},
		{`7`, "999999999999|us-east-1|/central/all", ""},
	} {
		for _, form := range []string{
			`{"id":"1","timestamp":7,"message":"hello","extractedFields":%s}`,
			`{ "id" : "1" , "timestamp" : 7 , "extractedFields" : %s , "message" : "hello" }`,
		} {
			event := fmt.Sprintf(form, tt.fields)
			if tt.fields == "" {
				event = `{"id":"1","timestamp":7,"message":"hello"}`
			}
			const every = "{account}|{region}|{sourceGroup}"
			o := Options{Region: "us-east-1", LogInfo: true, Source: Source{Category: every, Name: every}}
			// The event before and the one after have other origins.
			b := decode(t, central(`{"message":"x"}`, event, `{"message":"y","extractedFields":{"@aws.account":"7"}}`, event))
			for _, i := range []int{1, 3} {
				got := records(o, b)[i]
				group := tt.want[strings.LastIndex(tt.want, "|")+1:]
				if want := (Source{Name: tt.want, Category: tt.want, Host: group}); got.Source != want || got.Usual != want {
					t.Errorf("%s: %+v, want %+v", event, got.Source, want)
				}
				if want := `{"timestamp":7,"message":"hello","logStream":"s","logGroup":"/central/all"` + tt.info + `}`; string(got.Line) != want {
					t.Errorf("%s:\n%s, want\n%s", event, got.Line, want)
				}
			}
			if got := string(records(Options{}, b)[1].Line); got != `{"timestamp":7,"message":"hello"}` {
				t.Errorf("%s: without INCLUDE_LOG_INFO %s", event, got)
			}
		}
	}
}

// A payload without owner and a function without Region have no value, so that an
// override which names them does not count.
func TestOriginThatIsUnknown(t *testing.T) {
	b := decode(t, document(`{"message":"x"}`, `{"message":"y","extractedFields":{"@aws.account":"1","@aws.region":"r"}}`))
	o := Options{Source: Source{Category: "{account}", Name: "{region}", Fields: "a={account},r={region}"}}
	got := records(o, b)
	if of := o.SourceOf(b); of != got[0].Source {
		t.Errorf("of the batch %+v, of an event that says nothing %+v", of, got[0].Source)
	}
	if d := cmp.Diff([]Source{{Name: "web/app/1", Host: "/ecs/web"}, {Name: "r", Category: "1", Host: "/ecs/web", Fields: "a=1,r=r"}},
		[]Source{got[0].Source, got[1].Source}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What a message chooses is on top of the origin of its own event.
func TestMetadataOfMessagesKeepsTheOrigin(t *testing.T) {
	const chosen = `"message":"{\"_sumo_metadata\":{\"category\":\"c\"}}"`
	b := decode(t, central(
		`{`+chosen+`,"extractedFields":`+saying("1", "r1", "/a")+`}`,
		`{`+chosen+`,"extractedFields":`+saying("2", "r2", "/b")+`}`,
		`{`+chosen+`}`,
	))
	var got []Source
	for _, r := range records(Options{Source: Source{Fields: "account={account}"}}, b) {
		got = append(got, r.Source, r.Usual)
	}
	if d := cmp.Diff([]Source{
		{"s", "c", "/a", "account=1"}, {"s", "", "/a", "account=1"},
		{"s", "c", "/b", "account=2"}, {"s", "", "/b", "account=2"},
		{"s", "c", "/central/all", "account=999999999999"}, {"s", "", "/central/all", "account=999999999999"},
	}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A log event that has a member of its own by one of the names keeps it, unless its
// origin says more.
// Without LogInfo a record has what its event has under those names, and nothing else.
func TestMembersStayWithoutLogInfo(t *testing.T) {
	const own = `"logStream":"own","logGroup":"own","account":"own","region":"own","sourceGroup":"own"`
	b := decode(t, document(`{`+own+`,"extractedFields":`+saying("111", "eu-west-1", "/ecs/a")+`,"message":"x"}`, `{"message":"y"}`))
	if diff := cmp.Diff([]string{`{` + own + `,"message":"x"}`, `{"message":"y"}`}, lines(Options{}, b)); diff != "" {
		t.Error(diff)
	}
}

func TestLogInfoReplacesMembersOfItsNames(t *testing.T) {
	b := decode(t, central(`{"region":"mine","message":"x"}`, `{"region":"mine","message":"x","extractedFields":`+saying("1", "r", "")+`}`))
	want := []string{
		`{"region":"mine","message":"x","logStream":"s","logGroup":"/central/all"}`,
		`{"region":"r","message":"x","logStream":"s","logGroup":"/central/all","account":"1"}`,
	}
	if d := cmp.Diff(want, lines(Options{LogInfo: true}, b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// An event is read by its index as it is read without. It has one only if each of its
// members is where CloudWatch Logs puts it.
func TestIndexedEventsAreReadAsOthers(t *testing.T) {
	const message = `{"id":"1","timestamp":7,"message":"a\"}"`
	for event, indexed := range map[string]bool{
		message + `}`: true,
		message + `,"extractedFields":{"a":{"b":[1,"}"]}}}`: true,
		message + `,"extractedFields":null}`:                true,
		message + `,"extractedFields":{},"x":1}`:            false,
		message + `,"extractedFields":{} }`:                 false,
		message + `,"extractedfields":{}}`:                  false,
		message + ` }`:                                      false,
		`{"ID":"1","timestamp":7,"message":"x"}`:            false,
		`{"id":"1","timeStamp":7,"message":"x"}`:            false,
		`{"id":"1","timestamp":7,"Message":"x"}`:            false,
		`{"id":"1","timestamp":7}`:                          false,
		`{"id":"1","message":"x","timestamp":7}`:            false,
		`{"id":"1" ,"timestamp":7,"message":"x"}`:           false,
		`{"id":"1","timestamp":7 ,"message":"x"}`:           false,
		`{"id":7,"timestamp":7,"message":"x"}`:              false,
		`{"id":"1","timestamp":"7","message":"x"}`:          false,
		`{"id":"1","timestamp":7,"message":7}`:              false,
		`{"id":"1","timestamp":7,"message":null}`:           false,
		`"{"`: false,
		`7`:   false,
	} {
		b := decode(t, document(event))
		if got := b.index[0].end != 0; got != indexed {
			t.Errorf("%s: indexed: %v", event, got)
		}
		whole := *b
		whole.index = nil
		o := Options{EventID: true, LogInfo: true}
		if d := cmp.Diff(records(o, &whole), records(o, b)); d != "" {
			t.Errorf("%s: (-read +indexed):\n%s", event, d)
		}
	}
}
