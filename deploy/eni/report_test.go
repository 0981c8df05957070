package eni

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewCluster(t *testing.T) {
	got := NewCluster("shop", []Instance{
		{Type: "m5.large", Windows: true}, {Type: "m5.large"}, {}, {Type: "c5.large"}, {Type: "m5.large", Trunk: true}, {},
	})
	want := &Cluster{name: "shop", external: 2, groups: []group{
		{Density: Density{Type: "c5.large"}, Instances: 1},
		{Density: Density{Type: "m5.large"}, Instances: 2, Trunks: 1},
		{Density: Density{Type: "m5.large"}, Instances: 1, Windows: true},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Cluster{}, group{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Types come once, in order; those that the table does not have are asked for at
// once.
func TestLookup(t *testing.T) {
	cluster := NewCluster("shop", []Instance{{Type: "x9.huge"}, {Type: "t3.large"}, {Type: "c5.large"}, {Type: "c5.large", Windows: true}})
	var asked [][]string
	got, err := Lookup([]string{" T3.Large", "x9.large"}, cluster, func(types []string) (map[string]int, error) {
		asked = append(asked, types)
		return map[string]int{"x9.large": 4}, errors.New("EC2 does not know it")
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Density{
		{Type: "t3.large", Tasks: 2, Trunking: Unsupported},
		ofInterfaces("x9.large", 4),
		{Type: "c5.large", Tasks: 2, Trunked: 10, Trunking: Supported},
		{Type: "x9.huge", Trunking: Unknown, Approximate: true, Note: "counted as 0: not in the table of " + TableDate + "; EC2 does not know it"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("densities (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"x9.large", "x9.huge"}}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestLookupAsksForNothingThatTheTableHas(t *testing.T) {
	got, err := Lookup([]string{"c5.large"}, nil, func([]string) (map[string]int, error) {
		t.Error("asked")
		return nil, nil
	})
	if err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestLookupNamesAllThatAreUnknown(t *testing.T) {
	why := errors.New("not asked")
	ask := func([]string) (map[string]int, error) { return map[string]int{"x9.large": 2}, why }
	got, err := Lookup([]string{"c5.larg", "c5.large", "x9.large", "xyz"}, nil, ask)
	unknown, ok := errors.AsType[*lookupError](err)
	if !ok || got != nil || !errors.Is(err, why) {
		t.Fatalf("%v, %v", got, err)
	}
	var names []string
	for _, e := range unknown.Types {
		names = append(names, e.Type)
	}
	if diff := cmp.Diff([]string{"c5.larg", "xyz"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 || lines[2] != "not asked" {
		t.Errorf("%q", lines)
	}
}

// densities looks up types that the table has, or that have one interface.
func densities(t *testing.T, names ...string) []Density {
	t.Helper()
	all, err := Lookup(names, nil, func(types []string) (map[string]int, error) {
		known := map[string]int{}
		for _, name := range types {
			known[name] = 1
		}
		return known, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReport(t *testing.T) {
	for name, c := range map[string]struct {
		q    Question
		want string
	}{
		"a type": {Question{Types: densities(t, "c5.large")},
			`{"trunking":false,"types":[{"instanceType":"c5.large","tasks":2,"trunkedTasks":10,"trunking":"supported","approximate":false}]}`},
		"instances of a type": {Question{Types: densities(t, "t3.large"), Tasks: 3},
			`{"tasks":3,"trunking":false,"types":[{"instanceType":"t3.large","tasks":2,"trunkedTasks":null,"trunking":"unsupported","approximate":false,` +
				`"instancesNeeded":2,"instancesNeededTrunked":2}]}`},
		"an empty cluster": {Question{Cluster: NewCluster("empty", nil)},
			`{"trunking":false,"types":[],"cluster":{"name":"empty","instances":[],"tasks":0,"trunkedTasks":0}}`},
		"a cluster that holds them": {Question{Types: densities(t, "c5.large"), Tasks: 12,
			Cluster: NewCluster("shop", []Instance{{Type: "c5.large", Trunk: true}, {Type: "c5.large"}, {}})},
			`{"tasks":12,"trunking":false,"types":[{"instanceType":"c5.large","tasks":2,"trunkedTasks":10,"trunking":"supported","approximate":false,` +
				`"instancesNeeded":6,"instancesNeededTrunked":2}],` +
				`"cluster":{"name":"shop","instances":[{"instanceType":"c5.large","count":2,"withTrunk":1,"tasks":12,"trunkedTasks":20}],` +
				`"tasks":12,"trunkedTasks":20,"externalInstances":1,"fits":true}}`},
	} {
		got, err := json.Marshal(NewReport(c.q))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(c.want, "{", `{"table":"`+TableDate+`",`, 1)
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReportOfTrunking(t *testing.T) {
	for cluster, q := range map[string]Question{
		"CLUSTER": {Trunking: true},
		"shop":    {Trunking: true, Cluster: NewCluster("shop", nil)},
	} {
		r := NewReport(q)
		if len(r.Limits) == 0 || len(r.Enable) == 0 || !strings.HasSuffix(r.Enable[len(r.Enable)-1].Command, " --cluster "+cluster) {
			t.Errorf("%s: %+v", cluster, r)
		}
	}
	if r := NewReport(Question{}); r.Enable != nil || r.Limits != nil {
		t.Errorf("%+v", r)
	}
}

func TestShortage(t *testing.T) {
	one := NewCluster("shop", []Instance{{Type: "c5.large"}, {Type: "x9.nano"}})
	types := densities(t, "c5.large", "x9.nano", "x8.nano")
	for name, c := range map[string]struct {
		q    Question
		want string
	}{
		"not asked":             {Question{Types: types}, ""},
		"types that hold none":  {Question{Types: types, Tasks: 1}, "x9.nano holds no awsvpc task\nx8.nano holds no awsvpc task"},
		"it fits":               {Question{Types: types, Cluster: one, Tasks: 2}, ""},
		"it does not":           {Question{Types: types, Cluster: one, Tasks: 3}, "cluster shop holds 2 awsvpc tasks, 1 too few for 3"},
		"it does, with a trunk": {Question{Types: types, Cluster: one, Tasks: 10, Trunking: true}, ""},
		"not even with a trunk": {Question{Types: types, Cluster: one, Tasks: 11, Trunking: true}, "cluster shop holds 10 awsvpc tasks, 1 too few for 11"},
		"an empty cluster":      {Question{Cluster: NewCluster("empty", nil), Tasks: 1}, "cluster empty holds 0 awsvpc tasks, 1 too few for 1"},
	} {
		got := ""
		if err := NewReport(c.q).Shortage(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
