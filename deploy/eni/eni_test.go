package eni

import (
	"bufio"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/amazon-vpc-resource-controller-k8s/pkg/aws/vpc"
	"github.com/google/go-cmp/cmp"
)

// guideRows reads what ECS's guide says of each type.
func guideRows(t *testing.T) map[string]limit {
	t.Helper()
	f, err := os.Open("testdata/ecs-limits.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows := map[string]limit{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) != 3 {
			t.Fatalf("%q is not a row", lines.Text())
		}
		tasks, err1 := strconv.Atoi(cells[1])
		trunked, err2 := strconv.Atoi(cells[2])
		if _, twice := rows[cells[0]]; twice || errors.Join(err1, err2) != nil {
			t.Fatalf("%q is not a row", lines.Text())
		}
		rows[cells[0]] = limit{tasks, trunked}
	}
	return rows
}

// The formulas give what ECS's guide says, in both columns, for every type but
// those that are named here.
func TestFormulasAgreeWithTheGuide(t *testing.T) {
	same := 0
	var absent []string
	differ := map[string]limit{}
	for name, guide := range guideRows(t) {
		limits, ok := vpc.Limits[name]
		if !ok {
			absent = append(absent, name)
			continue
		}
		if d := count(name, limits); (limit{d.Tasks, d.Trunked}) != guide {
			differ[name] = guide
		} else {
			same++
		}
	}
	slices.Sort(absent)
	if diff := cmp.Diff([]string{"hpc6a.48xlarge", "hpc6id.32xlarge", "u-18tb1.metal", "u-24tb1.metal"}, absent); diff != "" {
		t.Errorf("absent from the table (-want +got):\n%s", diff)
	}
	want := maps.Clone(guideDiffers)
	delete(want, "trn1n.32xlarge")   // not in this revision of the guide
	want["i4i.large"] = limit{2, -2} // nothing to plan with
	if diff := cmp.Diff(want, differ, cmp.AllowUnexported(limit{})); diff != "" {
		t.Errorf("known to differ (-want +got):\n%s", diff)
	}
	if same != 408 || len(differ) != 18 {
		t.Errorf("%d agree and %d differ, want 408 and 18", same, len(differ))
	}
}

func TestOf(t *testing.T) {
	for _, want := range []Density{
		{Type: "c5.large", Tasks: 2, Trunked: 10, Trunking: Supported},
		{Type: "m5.xlarge", Tasks: 3, Trunked: 20, Trunking: Supported},
		{Type: "t3.large", Tasks: 2, Trunking: Unsupported},
		{Type: "c6in.metal", Tasks: 13, Trunked: 120, Trunking: Supported, Approximate: true,
			Note: "15 tasks and 120 with trunking by the VPC controller's table, 13 tasks and 120 with trunking by ECS's guide"},
		{Type: "i4i.32xlarge", Tasks: 14, Trunked: 133, Trunking: Supported, Approximate: true,
			Note: "14 tasks and 133 with trunking by the VPC controller's table, 14 tasks and 498 with trunking by ECS's guide"},
		{Type: "p3.2xlarge", Tasks: 3, Trunking: Unsupported, Approximate: true,
			Note: "3 tasks and no trunk by the VPC controller's table, 3 tasks and 40 with trunking by ECS's guide"},
		{Type: "trn1n.32xlarge", Tasks: 79, Trunked: 198, Trunking: Supported, Approximate: true,
			Note: "79 tasks and 198 with trunking by the VPC controller's table, other figures by ECS's guide"},
		{Type: "c5n.large", Tasks: 2, Trunking: Unsupported, Approximate: true,
			Note: "2 tasks and 10 with trunking by the VPC controller's table, but ECS's guide says that it has no trunking"},
	} {
		got, err := of(" " + strings.ToUpper(want.Type))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", want.Type, err, diff)
		}
	}
}

// No type of the table gives figures that a plan would trip over.
func TestEveryTypeHasSaneFigures(t *testing.T) {
	for name := range vpc.Limits {
		d, err := of(name)
		if err != nil || d.Type != name || d.Tasks < 1 || d.Trunking == Unknown ||
			d.Trunking == Supported && d.Trunked < d.Tasks || d.Trunking == Unsupported && d.Trunked != 0 ||
			d.Approximate && d.Note == "" {
			t.Errorf("%+v, %v", d, err)
		}
	}
	for name := range guideDiffers {
		if vpc.Limits[name] == nil {
			t.Errorf("%s differs, but is not in the table", name)
		}
	}
	for name := range guideRefuses {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(vpc.Limits)), func(known string) bool { return known == name || family(known) == name }) {
			t.Errorf("%s is refused, but not in the table", name)
		}
	}
}

func TestInstances(t *testing.T) {
	c5, _ := of("c5.large")
	t3, _ := of("t3.large")
	for _, c := range []struct {
		d                     Density
		tasks, plain, trunked int
	}{
		{c5, 0, 0, 0},
		{c5, 1, 1, 1},
		{c5, 2, 1, 1},
		{c5, 3, 2, 1},
		{c5, 30, 15, 3},
		{c5, 31, 16, 4},
		{t3, 30, 15, 15}, // it runs with ordinary interfaces
		{ofInterfaces("x9.large", 4), 30, 10, 10},
		{ofInterfaces("x9.nano", 1), 30, 0, 0},
		{ofInterfaces("x9.nano", 0), 30, 0, 0},
	} {
		if plain, trunked := c.d.instances(c.tasks, false), c.d.instances(c.tasks, true); plain != c.plain || trunked != c.trunked {
			t.Errorf("%d tasks on %s: %d and %d instances, want %d and %d", c.tasks, c.d.Type, plain, trunked, c.plain, c.trunked)
		}
	}
}

func TestGroupHolds(t *testing.T) {
	c5, _ := of("c5.large")
	t3, _ := of("t3.large")
	for _, c := range []struct {
		g            group
		now, trunked int
	}{
		{group{Density: c5, Instances: 4}, 8, 40},
		{group{Density: c5, Instances: 4, Trunks: 1}, 16, 40},
		{group{Density: c5, Instances: 4, Trunks: 4}, 40, 40},
		{group{Density: c5, Instances: 4, Windows: true}, 8, 8},
		{group{Density: t3, Instances: 4}, 8, 8},
		{group{Density: c5}, 0, 0},
	} {
		if now, trunked := c.g.holds(); now != c.now || trunked != c.trunked {
			t.Errorf("%+v holds %d and %d, want %d and %d", c.g, now, trunked, c.now, c.trunked)
		}
	}
}

func TestUnknownTypes(t *testing.T) {
	for name, want := range map[string][]string{
		"c5.larg":    {"c5.large", "c5.xlarge", "c3.large"},
		"c5large":    {"c5.large", "c3.large", "c4.large"},
		"m5.3xlarge": {"m5.2xlarge", "m5.4xlarge", "m5.8xlarge"},
		"t3.huge":    {"t3.large", "t3.nano", "t3.xlarge"},
		"xyz":        nil,
		"":           nil,
	} {
		_, err := of(name)
		unknown, ok := errors.AsType[*unknownTypeError](err)
		if !ok || unknown.Type != name {
			t.Fatalf("%q: %v", name, err)
		}
		if diff := cmp.Diff(want, unknown.Nearest); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
		if !strings.Contains(err.Error(), strconv.Quote(name)) || !strings.Contains(err.Error(), strings.Join(want, ", ")) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TableDate is that of the module that is built in.
func TestTableDate(t *testing.T) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/aws/amazon-vpc-resource-controller-k8s/pkg/aws/vpc").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "limits.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), "// This file was generated at "+TableDate+"T") {
		t.Errorf("the table is not of %s", TableDate)
	}
}

func FuzzOf(f *testing.F) {
	for _, name := range []string{"c5.large", "c5.larg", "", ".", "u-6tb1.56xlarge", "\xff", "é.large"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		d, err := of(name)
		unknown, ok := errors.AsType[*unknownTypeError](err)
		if err == nil && d.Tasks < 1 || err != nil && (!ok || len(unknown.Nearest) > 3 || d != Density{}) {
			t.Errorf("%q: %+v, %v", name, d, err)
		}
	})
}
