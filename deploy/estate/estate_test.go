package estate_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/estate"
	"sumoship/deploy/taskdef"
)

var update = flag.Bool("update", false, "write the pages in testdata")

func definition(t testing.TB, src string) *taskdef.Document {
	t.Helper()
	d, err := taskdef.Read("task.json", []byte(src), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// task is a definition for EC2 with more members.
func task(t testing.TB, name string, cpu, memory int, more string) *taskdef.Document {
	return definition(t, fmt.Sprintf(`{"family":%q,"networkMode":"bridge","containerDefinitions":[{"name":"app","image":"app","cpu":%d,"memory":%d,"portMappings":[{"containerPort":80,"hostPort":0}]%s}]}`, name, cpu, memory, more))
}

// account is a small account with a workload of each kind.
func account(t testing.TB) estate.Inventory {
	environment := func(value string) string { return `,"environment":[{"name":"URL","value":"` + value + `"}]` }
	return estate.Inventory{
		Account: "111122223333", Region: "us-east-1", Taken: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC),
		Clusters: []estate.Cluster{
			{Name: "prod", Instances: []estate.Instance{{"m5.large", 2048, 7680}, {"m5.large", 2048, 7680}, {"m5.large", 2048, 7680}}},
			{Name: "odd", Instances: []estate.Instance{{"z9.huge", 4096, 8192}}},
		},
		Workloads: []estate.Workload{
			{Kind: estate.Service, Cluster: "prod", Name: "web", Launch: "EC2", Tasks: 4, Balanced: true, Definition: task(t,
				"web", 256, 512, environment("http://api.shop.local:80/v1")), Groups: []string{"sg-web"}},
			{Kind: estate.Service, Cluster: "prod", Name: "api", Launch: "EC2", Tasks: 2, Definition: task(t, "api", 512, 1024,
				environment("postgres://u@db/api")), Names: []string{"api.shop.local"}, Groups: []string{"sg-api"},
				Usage: &estate.Usage{CPU: []float64{10, 12, 20, 15}, Memory: []float64{30, 31, 35}}},
			{Kind: estate.Service, Cluster: "prod", Name: "db", Launch: "EC2", Tasks: 1, Definition: definition(t, `{"family":"db","containerDefinitions":[{"name":"db","image":"postgres","cpu":512,"memory":2048}],"volumes":[{"name":"data","host":{"sourcePath":"/data"}}]}`), Names: []string{"db"}},
			{Kind: estate.Service, Cluster: "prod", Name: "cart", Launch: "EC2", Tasks: 1, Definition: task(t, "cart", 128, 256,
				""), Groups: []string{"sg-cart"}, AdmittedBy: []string{"sg-web"}, Controller: "CODE_DEPLOY"},
			{Kind: estate.Service, Cluster: "prod", Name: "train", Launch: "EC2", Tasks: 1, Definition: task(t, "train", 1024, 2048, `,"resourceRequirements":[{"type":"GPU","value":"1"}]`)},
			{Kind: estate.Daemon, Cluster: "prod", Name: "agent", Launch: "EC2", Tasks: 3, Definition: task(t, "agent", 64, 128, `,"privileged":true`)},
			{Kind: estate.Schedule, Cluster: "odd", Name: "nightly", Launch: "EC2", Tasks: 1, Hours: 15, Definition: task(t, "nightly", 1024, 2048, "")},
			{Kind: estate.Service, Cluster: "odd", Name: "new", Launch: "FARGATE", Tasks: 2, Definition: definition(t, `{"family":"new","requiresCompatibilities":["FARGATE"],"networkMode":"awsvpc","cpu":"256","memory":"512","runtimePlatform":{"cpuArchitecture":"ARM64"},"containerDefinitions":[{"name":"a","image":"a"}]}`)},
			{Kind: estate.Service, Cluster: "odd", Name: "gone", Launch: "EC2", Tasks: 1, DefinitionErr: "ECS has no gone:1"},
		},
	}
}

func plan(t testing.TB, in estate.Inventory) *estate.Plan {
	return estate.New(in, estate.Options{Prices: estate.DefaultPrices()})
}

func TestVerdicts(t *testing.T) {
	got := map[string]string{}
	for _, r := range plan(t, account(t)).Rows {
		var why []string
		for _, reason := range r.Why {
			why = append(why, reason.ID)
		}
		got[r.Name] = fmt.Sprintf("%s, wave %d: %s / %s", r.Verdict, r.Wave, strings.Join(why, " "), r.Managed)
	}
	want := map[string]string{
		"web":     "can move, wave 1:  / ",
		"api":     "can move, wave 2:  / ",
		"db":      "needs a choice, wave 3: volume-host-path / ",
		"cart":    "needs a choice, wave 2: service-deployment-controller / ",
		"train":   "must stay, wave 0: resource-requirements / ECS Managed Instances are a way out: they have instance types with GPUs.",
		"agent":   "must stay, wave 0: privileged service-daemon / ECS Managed Instances are a way out: they run privileged containers, and they run daemons, one on each instance.",
		"nightly": "can move, wave 1:  / ",
		"new":     "is on Fargate, wave 0:  / ",
		"gone":    "needs a choice, wave 1: definition / ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// The cost of a cluster is shared whole between what runs there.
func TestCosts(t *testing.T) {
	p := plan(t, account(t))
	const month = 730
	instances := 3 * 0.096 * month
	if got := *p.Total.Now; got < instances-0.01 || got > instances+0.01 {
		t.Errorf("now %.2f, want %.2f: the price of the other cluster is not known", got, instances)
	}
	if p.Staying == nil || *p.Staying <= 0 || *p.Staying >= instances {
		t.Errorf("what stays costs %v of %.2f", p.Staying, instances)
	}
	for _, r := range p.Rows {
		switch r.Name {
		case "web": // 4 tasks of 256/512
			if want := 4 * month * (0.25*0.04048 + 0.5*0.004445); *r.Costs.X86 < want-0.01 || *r.Costs.X86 > want+0.01 {
				t.Errorf("web costs %.2f, want %.2f", *r.Costs.X86, want)
			}
			if *r.Costs.Arm >= *r.Costs.X86 || *r.Costs.Spot >= *r.Costs.Arm || r.Costs.Managed == nil {
				t.Errorf("web: %+v", r.Costs)
			}
		case "train":
			if r.Costs.X86 != nil || r.Costs.Managed == nil {
				t.Errorf("train stays, and costs %+v", r.Costs)
			}
		case "nightly": // 15 hours
			if r.Costs.Now != nil || *r.Costs.X86 > 15 {
				t.Errorf("nightly: %+v", r.Costs)
			}
		}
	}
	if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, "z9.huge") }) {
		t.Errorf("no word of the unknown type: %q", p.Notes)
	}
}

// Sizes by usage are never below the p99.9 of what was used, and hold the maximum of
// the memory.
func TestUsageIsNeverBelowP999(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 27))
	for range 10_000 {
		u := &estate.Usage{CPU: series(r), Memory: series(r)}
		reserved := estate.Size{CPU: 64 + r.Int64N(4096), Memory: 64 + r.Int64N(16384)}
		headroom := 1 + r.Float64()
		need, ok := u.Need(reserved, headroom)
		if !ok {
			t.Fatal("no size")
		}
		if used := estate.Quantile(u.CPU, 0.999) * float64(reserved.CPU) / 100; float64(need.CPU) < used {
			t.Fatalf("%d CPU units, and p99.9 is %.1f", need.CPU, used)
		}
		if used := slices.Max(u.Memory) * float64(reserved.Memory) / 100; float64(need.Memory) < used {
			t.Fatalf("%d MiB, and the maximum is %.1f", need.Memory, used)
		}
	}
	for _, u := range []*estate.Usage{nil, {}, {CPU: []float64{1}}} {
		if _, ok := u.Need(estate.Size{CPU: 1, Memory: 1}, 1.3); ok {
			t.Errorf("%+v has a size", u)
		}
	}
}

// series is a day of a service: a level, a daily wave, noise, and now and then a burst.
func series(r *rand.Rand) []float64 {
	level, swing, burst := 5+60*r.Float64(), 20*r.Float64(), r.Float64()*0.01
	all := make([]float64, 288)
	for i := range all {
		all[i] = level + swing*float64(i%144)/144 + 5*r.NormFloat64()
		if r.Float64() < burst {
			all[i] *= 1 + 4*r.Float64()
		}
		all[i] = max(0, all[i])
	}
	return all
}

func TestQuantile(t *testing.T) {
	values := make([]float64, 1000)
	for i := range values {
		values[i] = float64(1000 - i)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		if got := estate.Quantile(values, q); got != want {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
}

// Who calls each other moves together, and everything that moves has a wave, whatever
// the calls are.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var in estate.Inventory
		n := 1 + r.IntN(12)
		for i := range n {
			calls := fmt.Sprintf(`,"environment":[{"name":"A","value":"http://s%d.local"},{"name":"B","value":"http://s%d.local"}]`, r.IntN(n), r.IntN(n))
			in.Workloads = append(in.Workloads, estate.Workload{Kind: estate.Service, Name: fmt.Sprintf("s%d", i),
				Names: []string{fmt.Sprintf("s%d.local", i)}, Launch: "EC2", Tasks: 1, Definition: task(t, "a", 64, 64, calls)})
		}
		p := plan(t, in)
		wave := map[string]int{}
		for _, row := range p.Rows {
			wave[row.Name] = row.Wave
			if row.Wave == 0 {
				t.Fatalf("%s has no wave", row.Name)
			}
		}
		for _, row := range p.Rows {
			for _, called := range row.Needs {
				if wave[called] < row.Wave {
					t.Errorf("%s moves in wave %d, before %s, which calls it, in wave %d", called, wave[called], row.Name, row.Wave)
				}
			}
		}
	}
}

func TestPagesAreGolden(t *testing.T) {
	in := account(t)
	in.Workloads[0].Name = "web <b>&"
	p := plan(t, in)
	var html bytes.Buffer
	if err := p.HTML(&html); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"plan.md": p.Markdown(), "plan.html": html.String()} {
		path := "testdata/" + name
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got), go test -update writes it:\n%s", name, diff)
		}
	}
	if strings.Contains(html.String(), "<b>&") {
		t.Error("a name is not escaped")
	}
	outside := regexp.MustCompile(`(?i)<script|<link|<img|url\(|@import|(src|href)=`)
	if m := outside.FindString(html.String()); m != "" {
		t.Errorf("the page needs something else: %s", m)
	}
	b, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(b), `"verdict":"must stay"`) {
		t.Errorf("%v: %s", err, b)
	}
}

func TestPrices(t *testing.T) {
	if p := estate.DefaultPrices(); p.Date == "" || p.Source == "" || len(p.EC2) < 20 {
		t.Errorf("%+v", p)
	}
	for _, bad := range []string{``, `{}`, `{"date":"2026-11-20"}`, `{"date":"2026-11-20","fargate":{"vcpu":1,"gb":1},"ec2":{"a":{"vcpu":1,"gb":1}}}`, `{"date":"2026-11-20","fargate":{"vcpu":1,"gb":1},"arm":{}}`} {
		if p, err := estate.ReadPrices([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, p)
		}
	}
}

// Account200 is an account of 200 services.
func account200(t testing.TB) estate.Inventory {
	r := rand.New(rand.NewPCG(200, 1))
	in := estate.Inventory{Account: "111122223333", Region: "us-east-1", Taken: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	kinds := []string{"m5.large", "m5.xlarge", "c5.xlarge", "r5.large", "m6g.large"}
	for c := range 8 {
		cluster := estate.Cluster{Name: fmt.Sprintf("cluster-%d", c)}
		for range 6 + r.IntN(8) {
			price := estate.DefaultPrices().EC2[kinds[c%len(kinds)]]
			cluster.Instances = append(cluster.Instances, estate.Instance{Type: kinds[c%len(kinds)],
				CPU: int64(price.VCPU * 1024), Memory: int64(price.GB * 970)})
		}
		in.Clusters = append(in.Clusters, cluster)
	}
	for i := range 200 {
		more := ""
		switch {
		case i%17 == 0:
			more = `,"privileged":true`
		case i%23 == 0:
			more = `,"resourceRequirements":[{"type":"GPU","value":"1"}]`
		case i > 20:
			more = fmt.Sprintf(`,"environment":[{"name":"UPSTREAM","value":"http://svc-%03d.local"}]`, r.IntN(20))
		}
		w := estate.Workload{Kind: estate.Service, Cluster: fmt.Sprintf("cluster-%d", i%8), Name: fmt.Sprintf("svc-%03d", i),
			Names: []string{fmt.Sprintf("svc-%03d.local", i)}, Launch: "EC2", Tasks: 1 + r.IntN(4),
			Definition: task(t, fmt.Sprintf("svc-%03d", i), 64<<r.IntN(4), 128<<r.IntN(4), more)}
		if i%9 == 0 {
			w.Controller = "CODE_DEPLOY"
		}
		in.Workloads = append(in.Workloads, w)
	}
	return in
}

func TestAccountOf200(t *testing.T) {
	start := time.Now()
	p := plan(t, account200(t))
	var page bytes.Buffer
	if err := p.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if len(p.Rows) != 200 || p.Counts[estate.CanMove] < 100 || p.Counts[estate.MustStay] < 10 || len(p.Waves) < 2 || p.Total.Now == nil {
		t.Errorf("%d rows, %v, %d waves", len(p.Rows), p.Counts, len(p.Waves))
	}
	if path := os.Getenv("SUMOSHIP_PLAN_PAGE"); path != "" { // to look at
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
