package estate

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Prices are those of a Region, per hour, as of a date.
type Prices struct {
	Date     string           `json:"date"`   // YYYY-MM-DD
	Source   string           `json:"source"` // where they are from
	Region   string           `json:"region"`
	Currency string           `json:"currency"`
	Fargate  Rate             `json:"fargate"`
	Arm      Rate             `json:"fargateArm"`
	Spot     Rate             `json:"fargateSpot"`
	Windows  Rate             `json:"fargateWindows"`      // with the licence
	Fee      float64          `json:"managedInstancesFee"` // share on top of the instance
	EC2      map[string]Price `json:"ec2"`                 // by instance type
}

// Rate is the price of a vCPU and of a GiB for an hour.
type Rate struct {
	VCPU float64 `json:"vcpu"`
	GB   float64 `json:"gb"`
}

// Price is an instance type: what it has, and its price for an hour.
type Price struct {
	VCPU float64 `json:"vcpu"`
	GB   float64 `json:"gb"`
	Hour float64 `json:"hour"`
}

//go:embed prices.json
var builtIn []byte

// DefaultPrices returns the prices of the file that is part of the command.
func DefaultPrices() *Prices {
	p, err := ReadPrices(builtIn)
	if err != nil {
		panic(err) // a test reads it
	}
	return p
}

// ReadPrices reads a price file, in JSON. Unknown members are errors, so that a
// misspelt one is noticed.
func ReadPrices(src []byte) (*Prices, error) {
	var p Prices
	d := json.NewDecoder(strings.NewReader(string(src)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("read the prices: %w", err)
	}
	switch {
	case len(p.Date) != len("2006-01-02"):
		return nil, fmt.Errorf("date: %q: want the day of the prices, as in 2026-11-20", p.Date)
	case p.Fargate.VCPU <= 0 || p.Fargate.GB <= 0:
		return nil, fmt.Errorf("fargate: want vcpu and gb, the prices of both for an hour")
	}
	for kind, i := range p.EC2 {
		if i.VCPU <= 0 || i.GB <= 0 || i.Hour <= 0 {
			return nil, fmt.Errorf("ec2: %s: want vcpu, gb and hour, all above 0", kind)
		}
	}
	return &p, nil
}

// String says what the prices are.
func (p *Prices) String() string {
	return fmt.Sprintf("%s in %s of %s (%s)", p.Currency, p.Region, p.Date, p.Source)
}

// month is the price of tasks of a size for hours of a month, nil if it has none.
func (r Rate) month(s *Size, tasks int, hours float64) *float64 {
	if s == nil || r.VCPU == 0 && r.GB == 0 {
		return nil
	}
	v := float64(tasks) * hours * (r.VCPU*float64(s.CPU)/1024 + r.GB*float64(s.Memory)/1024)
	return &v
}

// price sets what a workload costs on Fargate and on Managed Instances.
func (p *Prices) price(r *Row, w *Workload) {
	if r.Size == nil {
		return
	}
	hours := w.hours()
	if r.Verdict != MustStay {
		rate := p.Fargate
		if windows(w) {
			rate = p.Windows
		}
		r.Costs.X86 = rate.month(r.Size, r.Tasks, hours)
		if !windows(w) {
			r.Costs.Arm, r.Costs.Spot = p.Arm.month(r.Size, r.Tasks, hours), p.Spot.month(r.Size, r.Tasks, hours)
		}
	}
	if r.Verdict != MustStay || r.Managed != "" {
		r.Costs.Managed = p.managed(r.Size, r.Tasks, hours)
	}
}

// managed is the price of tasks on the instance type of the file that holds them at the
// least, filled with tasks like these, and the fee.
func (p *Prices) managed(s *Size, tasks int, hours float64) *float64 {
	best := math.Inf(1)
	for _, i := range p.EC2 {
		fit := math.Floor(min(i.VCPU*1024/float64(s.CPU), i.GB*1024*0.9/float64(s.Memory))) // a tenth is the system's
		if fit >= 1 {
			best = min(best, i.Hour*(1+p.Fee)/fit)
		}
	}
	if math.IsInf(best, 1) {
		return nil
	}
	v := best * float64(tasks) * hours
	return &v
}

// shareInstances shares the price of each cluster's instances between its workloads
// there, by the larger of the shares of CPU and memory that they reserve. A cluster
// with an instance of unknown price has none.
func shareInstances(p *Plan, clusters []Cluster, workloads []Workload, prices *Prices) {
	for _, c := range clusters {
		var month, cpu, memory float64
		known := len(c.Instances) > 0
		for _, i := range c.Instances {
			price, ok := prices.EC2[i.Type]
			known = known && ok
			month += price.Hour * hoursOfMonth
			cpu, memory = cpu+float64(i.CPU), memory+float64(i.Memory)
		}
		if !known || cpu == 0 || memory == 0 {
			continue
		}
		weights, sum := map[int]float64{}, 0.0
		for i := range workloads {
			w := &workloads[i]
			if w.Cluster != c.Name || w.Launch == "FARGATE" || p.Rows[i].Limits == nil {
				continue
			}
			tasks := w.Tasks
			if w.Kind == Daemon {
				tasks = len(c.Instances)
			}
			size := reserved(w)
			share := max(float64(size.CPU)/cpu, float64(size.Memory)/memory) * float64(tasks) * w.hours() / hoursOfMonth
			weights[i] = share
			sum += share
		}
		for i, share := range weights {
			if sum > 0 {
				v := month * share / sum
				p.Rows[i].Costs.Now = &v
			}
		}
	}
}
