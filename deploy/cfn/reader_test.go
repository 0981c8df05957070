package cfn

import (
	"testing"

	"sumoship/deploy/tree"
)

func parse(t *testing.T, source string) *tree.Node {
	t.Helper()
	n, err := tree.ParseJSON([]byte(source), nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A Fn::Join and the variables of a Fn::Sub become part of one text; the value of
// any other function becomes a variable.
func TestReadFunctions(t *testing.T) {
	for source, want := range map[string]string{
		`{"Fn::Join": ["/", ["", "ecs", {"Ref": "AWS::StackName"}]]}`:    `{"Fn::Sub":"/ecs/${AWS::StackName}"}`,
		`{"Fn::Join": ["", ["a", "b"]]}`:                                 `"ab"`,
		`{"Fn::Join": ["", {"Ref": "List"}]}`:                            `{"Fn::Join":["",{"Ref":"List"}]}`,
		`{"Fn::Sub": ["${A}/${B}/${C}", {"A": "x", "B": {"Ref": "Y"}}]}`: `{"Fn::Sub":"x/${Y}/${C}"}`,
		`{"Fn::Sub": ["${A}/b", {"A": {"Fn::ImportValue": "shared"}}]}`:  `{"Fn::Sub":["${Part1}/b",{"Part1":{"Fn::ImportValue":"shared"}}]}`,
		`{"Fn::Sub": ["${A}", {"A": {"Fn::ImportValue": "shared"}}]}`:    `{"Fn::ImportValue":"shared"}`,
		`{"Fn::GetAtt": ["Logs", "Arn"]}`:                                `{"Fn::GetAtt":["Logs","Arn"]}`,
		`"{{resolve:ssm:/shop/arn}}"`:                                    `"{{resolve:ssm:/shop/arn}}"`,
	} {
		r := &Reader{template: true}
		e, err := r.Expression(parse(t, source))
		if got := e.Node().Source(); err != nil || got != want {
			t.Errorf("%s: %s, want %s (%v)", source, got, want, err)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for _, source := range []string{`"\udb80\udc00"`, `{"Fn::Sub": "${A}\udb80\udc00"}`, `"${A}"`, `["a"]`} {
		r := &Reader{template: true}
		if e, err := r.Expression(parse(t, source)); err == nil {
			t.Errorf("%s: no error, %s", source, e.Node().Source())
		}
	}
}

// An error is reported once, also where a value is read twice.
func TestReaderCollectsErrors(t *testing.T) {
	r := &Reader{name: "a.json"}
	n := parse(t, `{"a": "${A}", "b": "${B}"}`)
	for range 2 {
		r.Read(n.Key("a"))
		r.Read(n.Key("b"))
	}
	joined, ok := r.Err().(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("got %v, want 2 errors", r.Err())
	}
}
