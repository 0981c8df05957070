package fargate

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// template wraps the properties of a definition.
func template(properties, around string) string {
	return fmt.Sprintf(`{%s "Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": %s}}}`, around, properties)
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		conditions, parameters, used string
		want                         []string // used conditions in order, 1 or 0
	}{
		"free":     {`"C": {"Fn::Equals": ["a", "b"]}`, ``, "C", []string{"1", "0"}},
		"unknown":  {``, ``, "C", []string{"1", "0"}},
		"opposite": {`"P": {"Fn::Equals": [{"Ref": "E"}, "prod"]}, "N": {"Fn::Not": [{"Condition": "P"}]}`, `"E": {"Default": "dev"}`, "N P", []string{"10", "01"}},
		"exclusive": {`"P": {"Fn::Equals": [{"Ref": "E"}, "prod"]}, "D": {"Fn::Equals": ["dev", {"Ref": "E"}]}`, `"E": {"Default": "dev"}`, "D P",
			[]string{"10", "00", "01"}},
		"allowed": {`"P": {"Fn::Equals": [{"Ref": "E"}, "prod"]}, "D": {"Fn::Equals": ["dev", {"Ref": "E"}]}`,
			`"E": {"Default": "dev", "AllowedValues": ["dev", "prod"]}`, "D P", []string{"10", "01"}},
		"and": {`"A": {"Fn::Equals": [{"Ref": "E"}, "1"]}, "B": {"Fn::Equals": [{"Ref": "F"}, "1"]}, "C": {"Fn::And": [{"Condition": "A"}, {"Condition": "B"}]}`,
			`"E": {"Default": "1", "AllowedValues": [1, 2]}, "F": {"Default": "1", "AllowedValues": ["1", "2"]}`, "A C", []string{"11", "00", "10"}},
		"cycle": {`"A": {"Condition": "B"}, "B": {"Condition": "A"}`, ``, "A", []string{"1", "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			var ifs []string
			names := strings.Fields(c.used)
			for i, n := range names {
				ifs = append(ifs, fmt.Sprintf(`"x%d": {"Fn::If": ["%s", 1, 2]}`, i, n))
			}
			d := read(t, "t.json", template(`{"ContainerDefinitions": [{"Name": "a"}], `+strings.Join(ifs, ", ")+`}`,
				fmt.Sprintf(`"Conditions": {%s}, "Parameters": {%s},`, c.conditions, c.parameters)))
			var got []string
			for _, o := range outcomes(d.Definition()) {
				s := ""
				for _, n := range names {
					s += map[bool]string{true: "1", false: "0"}[o[n]]
				}
				got = append(got, s)
			}
			if name == "cycle" {
				return // any end is right
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Conditions that name others many times are evaluated once each.
func TestOutcomesOfChainedConditions(t *testing.T) {
	conditions := []string{`"C0": {"Fn::Equals": [{"Ref": "P"}, "1"]}`}
	for i := 1; i < 19; i++ {
		name := fmt.Sprintf(`{"Condition": "C%d"}`, i-1)
		conditions = append(conditions, fmt.Sprintf(`"C%d": {"Fn::And": [%s]}`, i, strings.Join([]string{name, name, name, name, name, name, name, name}, ", ")))
	}
	d := read(t, "t.json", template(`{"ContainerDefinitions": [{"Name": "a"}], "x": {"Fn::If": ["C18", 1, 2]}}`,
		fmt.Sprintf(`"Conditions": {%s}, "Parameters": {"P": {"Type": "String"}},`, strings.Join(conditions, ", "))))
	if got := outcomes(d.Definition()); len(got) != 2 {
		t.Errorf("%d outcomes, want 2", len(got))
	}
}

// TestConvertGeneratedBranches puts generated values under conditions. Of what is
// converted, each outcome of the conditions passes Check, and a second conversion
// edits nothing.
func TestConvertGeneratedBranches(t *testing.T) {
	var converted int
	for seed := range uint64(400) {
		g := generator{rand.New(rand.NewPCG(seed, 7))}
		a, b := g.definition(), g.definition()
		delete(a, "compatibilities")
		g.branch(a, b, "A")
		g.branch(a, a, "B")
		properties, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		src := template(string(properties), `"Conditions": {"A": {"Fn::Equals": [{"Ref": "P"}, "1"]}, "B": {"Fn::Equals": [{"Ref": "Q"}, "1"]}},
			"Parameters": {"P": {"Type": "String", "Default": "1"}, "Q": {"Type": "String"}},`)
		d, err := taskdef.Read("t.json", []byte(src), taskdef.ReadOptions{})
		if err != nil {
			continue // both branches of the containers, in one list
		}
		o := Options{Region: "us-east-1", ExecutionRole: "exec", TaskRole: "task", Allow: allowable()}
		again := convertTwice(t, seed, src, d, o)
		if again == nil {
			continue
		}
		converted++
		out := d.Bytes()
		if diff := cmp.Diff(string(out), string(again.Bytes())); diff != "" {
			t.Fatalf("seed %d: the second conversion edited:\n%s", seed, diff)
		}
		for i := range 4 {
			def := read(t, "t.json", string(out)).Definition()
			def.Choose(func(condition string) bool { return i>>(condition[0]-'A')&1 == 1 })
			one := read(t, "t.json", template(string(def.JSON()), ""))
			checked, err := Check(one, o)
			if err != nil || hasError(checked) {
				t.Fatalf("seed %d: outcome %d does not pass: %v %s\n%s\n%s", seed, i, err, describe(checked), src, one.Bytes())
			}
		}
	}
	if converted < 100 {
		t.Errorf("only %d converted", converted)
	}
	t.Logf("%d converted", converted)
}

// branch puts some members of d under a condition, with those of other, or nothing,
// as the other branch.
func (g generator) branch(d, other jsonObject, condition string) {
	fnIf := func(a, b any) any { return jsonObject{"Fn::If": []any{condition, a, b}} }
	for _, name := range []string{"volumes", "cpu", "memory", "networkMode", "pidMode", "runtimePlatform", "placementConstraints"} {
		if v, ok := d[name]; ok && g.chance(25) && name != "cpu" && name != "memory" {
			d[name] = fnIf(v, one[any](g, or(other[name], noValue), noValue))
		}
	}
	containers, _ := d["containerDefinitions"].([]any)
	for i, v := range containers {
		c, ok := v.(jsonObject)
		if !ok || c["Fn::If"] != nil {
			continue
		}
		for _, name := range []string{"memory", "logConfiguration", "portMappings", "environment", "privileged", "mountPoints", "linuxParameters", "healthCheck", "user"} {
			if v, ok := c[name]; ok && g.chance(20) {
				c[name] = fnIf(v, one[any](g, noValue, v))
			}
		}
		if logs, ok := c["logConfiguration"].(jsonObject); ok && logs["logDriver"] == "awslogs" && g.chance(50) {
			logs["logDriver"] = fnIf("awslogs", "json-file")
		}
		if ports, ok := c["portMappings"].([]any); ok && len(ports) > 0 && g.chance(30) {
			ports[0] = fnIf(ports[0], noValue)
		}
		if i > 0 && g.chance(30) {
			containers[i] = fnIf(c, noValue)
		}
	}
}

var noValue = jsonObject{"Ref": "AWS::NoValue"}

func or(v, otherwise any) any {
	if v == nil {
		return otherwise
	}
	return v
}

// TestChooseRestores chooses branches and restores them without an edit: no byte
// changes.
func TestChooseRestores(t *testing.T) {
	src, err := os.ReadFile("testdata/convert/branches/in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := read(t, "in.yaml", string(src))
	for _, first := range []bool{true, false} {
		restore := d.Definition().Choose(func(string) bool { return first })
		if len(d.Definition().Conditions(nil)) > 0 {
			t.Errorf("a function is left: %s", d.Definition().Source())
		}
		restore()
		if diff := cmp.Diff(string(src), string(d.Bytes())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	var pointers int
	restore := d.Definition().Choose(func(string) bool { return true })
	walk(d.Definition(), func(n *tree.Node) {
		if strings.Contains(n.Pointer(), "/Fn::If/1") {
			pointers++
		}
	})
	restore()
	if pointers == 0 {
		t.Error("no pointer says which branch it is in")
	}
}
