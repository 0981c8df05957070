package transform

import (
	"fmt"
	"strings"
	"testing"
)

func TestOverridesExpandPlaceholders(t *testing.T) {
	const task, old = "0123456789abcdef0123456789abcdef", "0f6c1d2e-3b4a-4968-8776-655443322110"
	for _, tt := range []struct {
		stream, override string
		want             string // _sourceCategory; - if the override counts as not set
	}{
		{"shop/web/" + task, "ecs/{container}", "ecs/web"},
		{"shop/web/" + task, "{taskID}", task},
		{"shop/web/" + old, "{container}/{taskID}", "web/" + old},
		{"a/b/web/" + task, "{container}", "web"}, // a prefix may hold slashes
		{"shop/web/" + task, "aws{logGroup}:{logStream}", "aws/ecs/shop:shop/web/" + task},
		{"shop/web/" + task, "{container}{container}", "webweb"},
		{"shop/web/" + task, "{Container} {} {x}", "{Container} {} {x}"},
		{"plain", "{logGroup.1}:{logGroup.02}", "ecs:shop"},
		{"plain", "{logGroup.+1} {logGroup.-1} {logGroup.0} {logGroup.100} {logGroup.} {logGroup.1 }", "{logGroup.+1} {logGroup.-1} {logGroup.0} {logGroup.100} {logGroup.} {logGroup.1 }"},
		{"plain", "{logGroup.99}", "-"},
		{"shop/{logGroup}/" + task, "{container}", "{logGroup}"}, // values are not expanded again
		{"web/" + task, "ecs/{container}", "-"},
		{"/web/" + task, "ecs/{container}", "-"},
		{"shop//" + task, "ecs/{container}", "-"},
		{"shop/web/" + task[1:], "ecs/{container}", "-"},
		{"shop/web/" + task + "0", "{taskID}", "-"},
		{"2026/01/02/[$LATEST]" + task, "fn/{container}", "-"},
		{"2026/01/[$LATEST]" + task, "fn/{taskID}", "-"},
		{"", "{logStream}", "-"},
		{"plain", "{logStream}", "plain"},
	} {
		b := decode(t, fmt.Sprintf(`{"logGroup":"/ecs/shop","logStream":%q,"logEvents":[{"message":"x"}]}`, tt.stream))
		if got := records(Options{Source: Source{Category: tt.override}}, b)[0].Source.Category; got != tt.want && !(tt.want == "-" && got == "") {
			t.Errorf("stream %s, override %s: %q, want %q", tt.stream, tt.override, got, tt.want)
		}
		want := tt.want
		if want == "-" {
			want = tt.stream // the default
		}
		if got := records(Options{Source: Source{Name: tt.override}}, b)[0].Source.Name; got != want {
			t.Errorf("stream %s, name %s: %q, want %q", tt.stream, tt.override, got, want)
		}
	}
	b := decode(t, `{"logGroup":"none","logStream":"s","logEvents":[{"message":"x"}]}`)
	if got := records(Options{Source: Source{Host: "{logGroup}"}}, b)[0].Source.Host; got != "none" {
		t.Errorf("a log group named none: %q", got)
	}
}

// The name of a log stream adds no field and ends no value.
func TestPlaceholdersInFieldsStayInTheirValue(t *testing.T) {
	const task = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct{ group, stream, fields, want string }{
		{"/ecs/shop", "p/c,role=admin/" + task, "container={container},task={taskID}", "container=c_role_admin,task=" + task},
		{"/ecs/shop", "p/c,role=admin/" + task, "s={logStream}", "s=p/c_role_admin/" + task},
		{"/g,a=b", "s", "group={logGroup}", "group=/g_a_b"},
		{"/ecs/shop", "p/web/" + task, "a={container}=x,{container}=b", "a=web=x,web=b"},
	} {
		b := decode(t, fmt.Sprintf(`{"logGroup":%q,"logStream":%q,"logEvents":[{"message":"x"}]}`, tt.group, tt.stream))
		o := Options{Source: Source{Fields: tt.fields, Category: "{logStream}", Name: "{logStream}", Host: "{logStream}"}}
		if got := records(o, b)[0].Source; got.Fields != tt.want || got.Category != tt.stream || got.Name != tt.stream || got.Host != tt.stream {
			t.Errorf("stream %s, fields %s: %+v, want %s", tt.stream, tt.fields, got, tt.want)
		}
	}
}

func TestCheckOverride(t *testing.T) {
	for _, good := range []string{"", "aws/ecs", "{logGroup}", "a={account},r={region},g={sourceGroup},s={logStream},c={container},t={taskID}",
		"{}", "{ x }", "{{account}}", "{a,b}", "}account{", "{", "{account", `{"a":1}`, "{ünknown}"} {
		if err := CheckOverride(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"{accountId}":           "unknown placeholder {accountId}; want one of {logGroup}, {logStream}, {prefix}, {container}, {taskID}, {function}, {version}, {account}, {region}, {sourceGroup}, {logGroup.N}, case-sensitive",
		"x/{account}/{Region}":  "{Region}",
		"{{loggroup}}":          "{loggroup}",
		"{} {x} {account}":      "{x}",
		"{@aws.account}{owner}": "{owner}",
	} {
		if err := CheckOverride(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", bad, err, want)
		}
	}
}
