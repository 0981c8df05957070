// Package estate plans the move of an account's services to Fargate: what can move,
// what needs a choice, what must stay and why, in which order, in which sizes, and at
// what cost. It computes; what is in the account is read by its caller.
package estate

import (
	"cmp"
	"slices"
	"time"

	"sumoship/deploy/taskdef"
)

// Inventory is what there is in an account.
type Inventory struct {
	Account, Region string
	Taken           time.Time
	Clusters        []Cluster
	Workloads       []Workload
}

// Cluster is a cluster and the instances that it pays for.
type Cluster struct {
	Name      string
	Instances []Instance
}

// Instance is an instance of a cluster, with what it offers to tasks: CPU units and
// MiB.
type Instance struct {
	Type        string
	CPU, Memory int64
}

// Kind is what starts the tasks of a workload.
type Kind string

// The kinds.
const (
	Service  Kind = "service"
	Daemon   Kind = "daemon"
	Schedule Kind = "schedule"
)

// Workload is a service, a daemon or a scheduled task.
type Workload struct {
	Kind          Kind
	Cluster, Name string
	Launch        string // EC2, FARGATE, EXTERNAL or MANAGED_INSTANCES
	Tasks         int    // that should run; of a schedule, at one time
	Hours         float64
	Definition    *taskdef.Document

	Controller    string   // of deployments: ECS, CODE_DEPLOY, EXTERNAL
	Balanced      bool     // behind target groups
	Classic       bool     // behind a Classic Load Balancer
	Names         []string // that others reach it by: discovery, Service Connect, load balancers
	Groups        []string // its security groups
	AdmittedBy    []string // security groups that it lets in
	Usage         *Usage   // nil if nothing was measured
	DefinitionErr string   // why the definition cannot be read
}

// hours is how many hours of a month its tasks run.
func (w *Workload) hours() float64 { return cmp.Or(w.Hours, hoursOfMonth) }

const hoursOfMonth = 730

// Verdict is whether a workload can move.
type Verdict string

// The verdicts.
const (
	CanMove     Verdict = "can move"
	NeedsChoice Verdict = "needs a choice"
	MustStay    Verdict = "must stay"
	Moved       Verdict = "is on Fargate"
)

// Options say how to plan.
type Options struct {
	Prices   *Prices
	Headroom float64 // factor on what was used; 0 is 1.3
	ByUsage  bool    // choose sizes by usage where it was measured
	Arm      bool    // the images run on ARM too; otherwise only those that do now
}

// Plan is the plan of an account.
type Plan struct {
	Account string          `json:"account,omitempty"`
	Region  string          `json:"region,omitempty"`
	Taken   time.Time       `json:"taken"`
	Prices  string          `json:"prices"` // where they are from, and their date
	Rows    []Row           `json:"workloads"`
	Waves   [][]int         `json:"waves"` // indexes of rows, in the order to move
	Total   Costs           `json:"total"`
	Staying *float64        `json:"staying"` // what the workloads that must stay cost now
	Counts  map[Verdict]int `json:"counts"`
	Notes   []string        `json:"notes,omitempty"`
}

// Row is a workload of the plan.
type Row struct {
	Kind    Kind     `json:"kind"`
	Cluster string   `json:"cluster"`
	Name    string   `json:"name"`
	Tasks   int      `json:"tasks"`
	Verdict Verdict  `json:"verdict"`
	Why     []Reason `json:"why,omitempty"`
	Managed string   `json:"managedInstances,omitempty"` // what they make of it, if it must stay
	Wave    int      `json:"wave,omitempty"`             // from 1
	Needs   []string `json:"needs,omitempty"`            // workloads that it calls
	Size    *Size    `json:"size,omitempty"`             // chosen
	Limits  *Size    `json:"sizeByLimits,omitempty"`
	Usage   *Size    `json:"sizeByUsage,omitempty"`
	Arm     bool     `json:"arm"` // the images are known to run on ARM
	Costs   Costs    `json:"costs"`
}

// Reason is why a workload has its verdict.
type Reason struct {
	ID  string `json:"id"`
	Why string `json:"why"`
	Do  string `json:"do,omitempty"`
}

// Size is that of a task: CPU units and MiB.
type Size struct {
	CPU    int64 `json:"cpu"`
	Memory int64 `json:"memory"`
}

// Costs are those of a month. A figure that is not known is nil, and in a sum those
// that are not known do not count.
type Costs struct {
	Now     *float64 `json:"now"`
	X86     *float64 `json:"fargate"`
	Arm     *float64 `json:"fargateArm"`
	Spot    *float64 `json:"fargateSpot"`
	Managed *float64 `json:"managedInstances"`
}

// New plans the move of what is in an account.
func New(in Inventory, o Options) *Plan {
	o.Headroom = cmp.Or(o.Headroom, 1.3)
	p := &Plan{Account: in.Account, Region: in.Region, Taken: in.Taken, Prices: o.Prices.String(), Counts: map[Verdict]int{}}
	workloads := slices.Clone(in.Workloads)
	slices.SortStableFunc(workloads, func(a, b Workload) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	for i := range workloads {
		p.Rows = append(p.Rows, judge(&workloads[i], o))
	}
	shareInstances(p, in.Clusters, workloads, o.Prices)
	for i := range p.Rows {
		r := &p.Rows[i]
		p.Counts[r.Verdict]++
		o.Prices.price(r, &workloads[i])
		p.Total.add(r.Costs)
		if r.Verdict == MustStay {
			staying := Costs{Now: p.Staying}
			staying.add(Costs{Now: r.Costs.Now})
			p.Staying = staying.Now
		}
	}
	order(p, workloads)
	p.note(in, o)
	return p
}

func (c *Costs) add(other Costs) {
	for _, v := range []struct {
		to   **float64
		from *float64
	}{{&c.Now, other.Now}, {&c.X86, other.X86}, {&c.Arm, other.Arm}, {&c.Spot, other.Spot}, {&c.Managed, other.Managed}} {
		if v.from == nil {
			continue
		}
		if *v.to == nil {
			*v.to = new(float64)
		}
		**v.to += *v.from
	}
}

// note says what the figures leave out.
func (p *Plan) note(in Inventory, o Options) {
	if !o.Arm {
		p.Notes = append(p.Notes, "The figures for ARM count only if the images run on it: check each, or build for both.")
	}
	p.Notes = append(p.Notes,
		"The cost now is that of the instances, shared by what tasks reserve; what no task reserves is shared too. It stays until the instances go.",
		"The cost on Managed Instances is that of the cheapest type of the price file that holds the task, filled with tasks like it.",
		"Not counted: storage beyond 20 GiB, load balancers, data transfer, public addresses, and savings plans on either side.",
		"A workload moves after those that call it: a mistake then hits as few others as possible. Those of one wave can move together.")
	unknown := map[string]bool{}
	for _, c := range in.Clusters {
		for _, i := range c.Instances {
			if _, ok := o.Prices.EC2[i.Type]; !ok {
				unknown[i.Type] = true
			}
		}
	}
	for kind := range unknown {
		p.Notes = append(p.Notes, "The price file has no "+kind+", so clusters with it have no cost now: add it with --prices.")
	}
	slices.Sort(p.Notes[len(p.Notes)-len(unknown):])
}
