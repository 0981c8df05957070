package estate

import (
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// settled are findings that the new version's own template answers, so that they are
// no choice: it creates roles and log groups.
var settled = map[string]bool{"execution-role-missing": true, "log-region-unknown": true, "log-group-unknown": true, "family-missing": true}

// hopeless are refusals that no change to the definition lifts.
var hopeless = map[string]bool{
	"privileged": true, "resource-requirements": true, "accelerator": true, "inference-accelerators": true, "volume-fsx": true,
	"credential-spec-windows": true, "windows-arm64": true, "task-size-none": true, "pid-mode-host": true, "devices": true,
}

// judge judges a workload, and finds its sizes.
func judge(w *Workload, o Options) Row {
	r := Row{Kind: w.Kind, Cluster: w.Cluster, Name: w.Name, Tasks: w.Tasks, Verdict: CanMove}
	if w.Definition == nil {
		r.Verdict = NeedsChoice
		r.Why = []Reason{{ID: "definition", Why: "Its task definition cannot be read: " + w.DefinitionErr, Do: "Check it with sumoship fargate check."}}
		return r
	}
	r.Arm = arm(w)
	if w.Launch == "FARGATE" {
		r.Verdict = Moved
		d := w.Definition.Definition()
		cpu, _ := d.Get("cpu").Int()
		memory, _ := d.Get("memory").Int()
		if cpu > 0 && memory > 0 {
			r.Limits = &Size{cpu, memory}
		}
		r.sizes(w, o)
		return r
	}
	converted := w.Definition.With(w.Definition.Definition().Clone())
	findings, err := fargate.Convert(converted, fargate.Options{Region: "us-east-1", ExecutionRole: "role", TaskRole: "role"})
	if err != nil {
		r.Verdict, r.Why = NeedsChoice, []Reason{{ID: "definition", Why: err.Error()}}
		return r
	}
	for _, f := range findings {
		if f.Severity != finding.Error || settled[f.ID] {
			continue
		}
		if hopeless[f.ID] {
			r.Verdict = MustStay
		} else if r.Verdict == CanMove {
			r.Verdict = NeedsChoice
		}
		if !slices.ContainsFunc(r.Why, func(other Reason) bool { return other.ID == f.ID }) {
			r.Why = append(r.Why, Reason{f.ID, f.Why, f.Help.String()})
		}
	}
	r.around(w)
	r.managed()
	d := converted.Definition()
	cpu, _ := d.Get("cpu").Int()
	memory, _ := d.Get("memory").Int()
	if cpu > 0 && memory > 0 {
		r.Limits = &Size{cpu, memory}
	} else if size := reserved(w); size.CPU+size.Memory > 0 {
		r.Limits = &size
	}
	r.sizes(w, o)
	return r
}

// around judges what is around the definition.
func (r *Row) around(w *Workload) {
	choose := func(id, why, do string) {
		if r.Verdict == CanMove {
			r.Verdict = NeedsChoice
		}
		r.Why = append(r.Why, Reason{id, why, do})
	}
	switch {
	case w.Kind == Daemon:
		r.Verdict = MustStay
		r.Why = append(r.Why, Reason{"service-daemon", "A daemon runs one task on each instance, and Fargate has no instances.", "Run it as a container of each task that needs it, or let it go with the instances."})
	case w.Launch == "EXTERNAL":
		choose("launch-external", "It runs on machines of your own, with ECS Anywhere.", "Decide whether it needs to run there.")
	}
	if w.Classic {
		choose("service-classic-load-balancer", "It is behind a Classic Load Balancer, which Fargate tasks cannot be.", "Put it behind an Application or Network Load Balancer.")
	}
	if w.Controller != "" && w.Controller != "ECS" {
		choose("service-deployment-controller", w.Controller+" deploys it.", "Let the pipeline deploy the Fargate version, or ECS.")
	}
}

// managed says what ECS Managed Instances make of a workload that must stay: nothing,
// if there is one reason that they do not lift.
func (r *Row) managed() {
	if r.Verdict != MustStay {
		return
	}
	var how []string
	for _, why := range r.Why {
		if !hopeless[why.ID] && why.ID != "service-daemon" {
			continue
		}
		text, ok := fargate.OnManagedInstances(why.ID)
		if !ok {
			return
		}
		how = append(how, text)
	}
	r.Managed = finding.Sentence("ECS Managed Instances are a way out: " + strings.Join(how, ", and "))
}

// sizes finds the size by what was used, and chooses one.
func (r *Row) sizes(w *Workload, o Options) {
	r.Size = r.Limits
	if need, ok := w.Usage.Need(reserved(w), o.Headroom); ok && need.CPU+need.Memory > 0 {
		if cpu, memory, fits := fargate.Fit(need.CPU, need.Memory, windows(w)); fits {
			r.Usage = &Size{cpu, memory}
		}
	}
	if o.ByUsage && r.Usage != nil {
		r.Size = r.Usage
	}
}

// reserved is what a task reserves on an instance: what its definition says, or the sum
// of its containers.
func reserved(w *Workload) (s Size) {
	d := w.Definition.Definition()
	var containers Size
	for _, c := range d.Get("containerDefinitions").Elements() {
		cpu, _ := c.Get("cpu").Int()
		memory, ok := c.Get("memoryReservation").Int()
		if limit, has := c.Get("memory").Int(); !ok && has {
			memory = limit
		}
		containers.CPU, containers.Memory = containers.CPU+cpu, containers.Memory+memory
	}
	s.CPU, _ = d.Get("cpu").Int()
	s.Memory, _ = d.Get("memory").Int()
	if s.CPU == 0 {
		s.CPU = containers.CPU
	}
	if s.Memory == 0 {
		s.Memory = containers.Memory
	}
	return s
}

func windows(w *Workload) bool {
	if w.Definition == nil {
		return false
	}
	return strings.HasPrefix(w.Definition.Definition().Get("runtimePlatform").Get("operatingSystemFamily").Str(), "WINDOWS")
}

// arm reports whether a definition says that its images run on ARM.
func arm(w *Workload) bool {
	d := w.Definition.Definition()
	if d.Get("runtimePlatform").Get("cpuArchitecture").Str() == "ARM64" {
		return true
	}
	for _, c := range d.Get("placementConstraints").Elements() {
		if strings.Contains(c.Get("expression").Str(), "arm64") {
			return true
		}
	}
	return false
}

// texts are the values in a definition that may name another workload.
func texts(d *taskdef.Document) (all []string) {
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		if s, ok := n.Text(); ok {
			all = append(all, s)
		}
		for _, v := range n.Members() {
			walk(v)
		}
		for _, v := range n.Elements() {
			walk(v)
		}
	}
	for _, c := range d.Definition().Get("containerDefinitions").Elements() {
		for _, member := range []string{"environment", "command", "entryPoint"} {
			walk(c.Get(member))
		}
	}
	return all
}

// String is a size as people say it.
func (s *Size) String() string {
	if s == nil {
		return "–"
	}
	return fmt.Sprintf("%g vCPU, %g GB", float64(s.CPU)/1024, float64(s.Memory)/1024)
}
