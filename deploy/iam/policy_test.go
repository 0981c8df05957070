package iam_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func roles(t *testing.T, name, doc string, o iam.Options) *iam.Roles {
	t.Helper()
	d, err := taskdef.Read(name, []byte(doc), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := iam.New(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func grants(t *testing.T, all ...string) (gs []iam.Grant) {
	t.Helper()
	for _, s := range all {
		g, err := iam.ParseGrant(s)
		if err != nil {
			t.Fatal(err)
		}
		gs = append(gs, g)
	}
	return gs
}

// words is a string or a list of strings.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

type policyDocument struct {
	Version   string
	Statement []struct {
		Sid, Effect      string
		Principal        map[string]string
		Action, Resource words
		Condition        map[string]map[string]words
	}
}

// allows reports whether a policy allows an action on a resource, as IAM matches
// them. It leaves conditions to the caller.
func (p *policyDocument) allows(action, resource string) bool {
	if p == nil {
		return false
	}
	for _, s := range p.Statement {
		matches := func(pattern string) bool { return like(pattern, resource) }
		if s.Effect == "Allow" && slices.Contains(s.Action, action) && slices.ContainsFunc(s.Resource, matches) {
			return true
		}
	}
	return false
}

func like(pattern, s string) bool {
	return regexp.MustCompile("^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern)) + "$").MatchString(s)
}

type rolesDocument struct {
	ExecutionRole, TaskRole struct {
		Trust  policyDocument
		Policy *policyDocument
	}
	Notes []string
}

func decoded(t *testing.T, r *iam.Roles) (doc rolesDocument) {
	t.Helper()
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return doc
}
