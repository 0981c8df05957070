package transform

import (
	"encoding/json"
	"testing"
)

// interfaces are network interfaces by their IDs.
type interfaces map[string]*Interface

func (m interfaces) Interface(id string) *Interface { return m[id] }

func (m interfaces) SubnetOf(address string) string {
	for _, i := range m {
		for _, a := range i.Addresses {
			if a == address {
				return i.Subnet
			}
		}
	}
	return ""
}

func TestReadFlowRecord(t *testing.T) {
	for _, tt := range []struct {
		line    string
		columns *[2]int
		want    FlowRecord
	}{
		{"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6", nil, FlowRecord{"eni-1", "10.0.0.1", "10.0.0.2"}},
		{"2 1 eni-1 10.0.0.1", nil, FlowRecord{"eni-1", "10.0.0.1", ""}},
		{"10.0.0.1 10.0.0.2 6 eni-1", &[2]int{1, 0}, FlowRecord{"eni-1", "10.0.0.2", "10.0.0.1"}},
		{"a eni-1 b eni-2", &[2]int{0, 2}, FlowRecord{"eni-1", "a", "b"}}, // the first one
		{"eni-1 eni-2 eni-3", &[2]int{0, 1}, FlowRecord{"eni-3", "eni-1", "eni-2"}},
		{"a b c d e", nil, FlowRecord{"", "d", "e"}},
		{"a  b c", nil, FlowRecord{"", "c", ""}}, // two blanks are an empty word
		{"a b c d -", nil, FlowRecord{"", "d", "-"}},
		{"an eniac", nil, FlowRecord{}},
		{"", nil, FlowRecord{}},
	} {
		if got := ReadFlowRecord([]byte(tt.line), tt.columns); got != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.line, got, tt.want)
		}
	}
}

func TestFlowRecordsGetTheirInterface(t *testing.T) {
	known := interfaces{
		"eni-1": {Subnet: "subnet-1", VPC: "vpc-1", SecurityGroups: []string{"sg-1", "sg-2"}, Addresses: []string{"10.0.0.1", "2001:db8::1"}},
		"eni-2": {Subnet: "subnet-1", VPC: "vpc-1", Addresses: []string{"10.0.0.2"}},
	}
	const groups, rest = `,"security-group-ids":["sg-1","sg-2"]`, `,"subnet-id":"subnet-1","vpc-id":"vpc-1","aws-region":"eu-west-1"`
	for _, tt := range []struct {
		line    string
		columns *[2]int
		want    string
	}{
		{"2 1 eni-1 8.8.8.8 10.0.0.1 1 2 6", nil, groups + `,"direction":"inbound"` + rest},
		{"2 1 eni-1 10.0.0.1 8.8.8.8 1 2 6", nil, groups + `,"direction":"outbound"` + rest},
		{"2 1 eni-1 2001:db8::1 2001:db8::9 1 2 6", nil, groups + `,"direction":"outbound"` + rest},
		{"2 1 eni-1 10.0.0.2 10.0.0.1 1 2 6", nil, groups + `,"direction":"internal"` + rest},
		{"2 1 eni-1 8.8.8.8 9.9.9.9 1 2 6", nil, groups + rest},
		{"10.0.0.1 8.8.8.8 eni-1", &[2]int{0, 1}, groups + `,"direction":"outbound"` + rest},
		{"2 1 eni-2 10.0.0.2 8.8.8.8 1", nil, `,"security-group-ids":[],"direction":"outbound"` + rest},
		{"2 1 eni-3 10.0.0.2 8.8.8.8 1", nil, ""},
		{"2 1 eni-1 - - - - - - - 1 2 - NODATA", nil, ""},
		{"2 1 - - - NODATA", nil, ""},
		{"eni-1 - -", &[2]int{1, 2}, ""},
		{"eni-1 - 10.0.0.1", &[2]int{1, 2}, groups + `,"direction":"inbound"` + rest},
		{"NODATA eni-2", &[2]int{4, 5}, `,"security-group-ids":[]` + rest},
		{"", nil, ""},
	} {
		if tt.line == "" {
			continue
		}
		o := Options{Region: "eu-west-1", Format: VPCJSON, Interfaces: known}
		if tt.columns != nil {
			o.Rule = func(Origin) *Rule { return &Rule{Format: VPCJSON, Columns: tt.columns} }
		}
		got := string(records(o, documentOf(t, "s", tt.line))[0].Line)
		if want := `{"message":"` + tt.line + `"` + tt.want + `}`; got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s:\n%s, want\n%s", tt.line, got, want)
		}
		o.Format, o.Rule = Others, nil
		if got, want := string(records(o, documentOf(t, "s", tt.line))[0].Line), `{"timestamp":7,"message":"`+tt.line+`"}`; got != want {
			t.Errorf("another format: %s, want %s", got, want)
		}
	}
}
