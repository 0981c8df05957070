package cfn

import "testing"

// Strings that are something else in YAML 1.1, which CloudFormation reads, are
// quoted.
func TestMarshal(t *testing.T) {
	n := parse(t, `{"Resources": {"T": {"Type": "A::B::C", "Properties": {
		"Ref": {"Ref": "X"}, "Att": {"Fn::GetAtt": ["R", "Arn"]}, "Sub": {"Fn::Sub": "${A}-x"},
		"Nested": {"Fn::Select": [0, {"Fn::Split": ["/", {"Ref": "X"}]}]}, "Base": {"Fn::Base64": {"Ref": "X"}},
		"No": "no", "Time": "22:30", "Number": "012", "Date": "2012-10-17", "Int": 1, "Bool": true}}}}`)
	const want = `Resources:
  T:
    Type: A::B::C
    Properties:
      Ref: !Ref X
      Att: !GetAtt R.Arn
      Sub: !Sub ${A}-x
      Nested: !Select
        - 0
        - !Split
          - /
          - !Ref X
      Base:
        Fn::Base64: !Ref X
      "No": "no"
      Time: "22:30"
      Number: "012"
      Date: "2012-10-17"
      Int: 1
      Bool: true
`
	if got := string(Marshal(n, false)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := string(Marshal(n, true)); parse(t, got).Source() != n.Source() {
		t.Errorf("in JSON it is %s", got)
	}
}
