package stack_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// source.yaml fits into a request and has no transform, so that a stack set takes it as
// it is; its policy is that of sumoship subscribe --account.
func TestSourceSubscribesAnAccount(t *testing.T) {
	b, err := os.ReadFile("../../source.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tmpl := readTemplateFile(t, "../../source.yaml")
	if len(b) > templateInRequest || tmpl["Transform"] != nil {
		t.Errorf("%d bytes, transform %v", len(b), tmpl["Transform"])
	}
	const destination = "arn:aws:logs:us-east-1:210987654321:destination:sumoship"
	for _, pattern := range []string{"", "?ERROR ?WARN", `{ $.path = "C:\\x" }`, `"a \" b"`} {
		s := tmpl.create(t, map[string]string{"DestinationArn": destination, "FilterPattern": pattern, "ExcludedLogGroups": "/vpc/flow,/trail"})
		role := s.attribute("Role", "Arn").(string)
		got := s.resources["Subscription"].Properties
		var document map[string]string
		if err := json.Unmarshal([]byte(text(got["PolicyDocument"])), &document); err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		// As package subscription writes it.
		want := map[string]string{"DestinationArn": destination, "RoleArn": role, "FilterPattern": pattern}
		if diff := cmp.Diff(want, document); diff != "" {
			t.Errorf("document (-want +got):\n%s", diff)
		}
		if got["SelectionCriteria"] != `LogGroupName NOT IN ["/vpc/flow","/trail"]` {
			t.Errorf("selection criteria %v", got["SelectionCriteria"])
		}
	}
	if c, there := tmpl.create(t, map[string]string{"DestinationArn": destination}).resources["Subscription"].Properties["SelectionCriteria"]; there {
		t.Errorf("selection criteria %v without ExcludedLogGroups", c)
	}
}

// The role has the path and the name that the policies of an account ask for.
func TestSourceNamesItsRole(t *testing.T) {
	tmpl := readTemplateFile(t, "../../source.yaml")
	given := map[string]string{"DestinationArn": "arn:aws:logs:us-east-1:210987654321:destination:sumoship"}
	r := tmpl.create(t, given).resources["Role"].Properties
	if name, named := r["RoleName"]; named || r["Path"] != "/" {
		t.Errorf("without parameters: path %v, name %v", r["Path"], name)
	}
	given["RolePath"], given["RoleNamePrefix"] = "/platform/", "acme"
	if r = tmpl.create(t, given).resources["Role"].Properties; r["RoleName"] != "acme-Source-us-east-1" || r["Path"] != "/platform/" {
		t.Errorf("path %v, name %v", r["Path"], r["RoleName"])
	}
}

// The parameters accept what works, and nothing else.
func TestSourceRefusesBadValues(t *testing.T) {
	tmpl := readTemplateFile(t, "../../source.yaml")
	for _, c := range []struct{ parameter, bad, good string }{
		{"DestinationArn", "arn:aws:kinesis:us-east-1:123456789012:stream/x", "arn:aws:logs:us-east-1:123456789012:destination:sumoship"},
		{"DestinationArn", "", "arn:aws-cn:logs:cn-north-1:123456789012:destination:a.b/c"},
		{"ExcludedLogGroups", "a, b", "/a,/b"},
		{"RolePath", "logs/", "/platform/logs/"},
		{"RoleNamePrefix", "a b", "acme-logs"},
	} {
		if tmpl.accepts(t, c.parameter, c.bad) || !tmpl.accepts(t, c.parameter, c.good) {
			t.Errorf("%s: %q or %q", c.parameter, c.bad, c.good)
		}
	}
}
