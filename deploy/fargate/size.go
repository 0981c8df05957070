package fargate

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// tier is the memory that Fargate offers for one amount of CPU, in the API's units:
// 1024 CPU units are a vCPU, memory is in MiB.
type tier struct {
	cpu     int64
	memory  []int64
	windows bool // offered for Windows too
}

// tiers are all 77 sizes of a Fargate task, in order.
//
// Source: Amazon ECS Developer Guide, "Task definition differences for Fargate",
// task CPU and memory. The tier of 32 vCPU came in mid-2026 and may be missing in
// a region.
var tiers = []tier{
	{256, []int64{512, 1024, 2048}, false},
	{512, steps(1024, 4096, 1024), false},
	{1024, steps(2048, 8192, 1024), true},
	{2048, steps(4096, 16384, 1024), true},
	{4096, steps(8192, 30720, 1024), true},
	{8192, steps(16384, 61440, 4096), false},
	{16384, steps(32768, 122880, 8192), false},
	{largestCPU, []int64{61440, 122880, 249856}, false},
}

const largestCPU = 32768

func steps(from, to, step int64) (all []int64) {
	for m := from; m <= to; m += step {
		all = append(all, m)
	}
	return all
}

// pick returns the smallest Fargate size with at least cpu units and memory MiB, in
// the first tier that has both. At Fargate's prices no other such size costs less.
func pick(cpu, memory int64, windows bool) (gotCPU, gotMemory int64, ok bool) {
	for _, t := range tiers {
		if t.cpu < cpu || windows && !t.windows {
			continue
		}
		for _, m := range t.memory {
			if m >= memory {
				return t.cpu, m, true
			}
		}
	}
	return 0, 0, false
}

// parseCPU reads task CPU as ECS does: "256", ".25 vCPU", "1vcpu".
func parseCPU(s string) (units int64, ok bool) { return parseAmount(s, "vcpu") }

// parseMemory reads task memory as ECS does: "512", "0.5GB", "1 GB".
func parseMemory(s string) (mib int64, ok bool) { return parseAmount(s, "gb") }

// parseAmount reads a whole number, or a number in units of 1024.
func parseAmount(s, unit string) (int64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	number, isUnit := strings.CutSuffix(s, unit)
	if !isUnit {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && n > 0 && n < 1<<40
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	f *= 1024
	if err != nil || f != math.Trunc(f) || f <= 0 || f >= 1<<40 {
		return 0, false
	}
	return int64(f), true
}

// need is the sum of what the containers ask for.
type need struct {
	cpu         int64 // sum
	memory      int64 // sum of limits, or of reservations where there is none (or the other way round)
	largest     int64 // largest limit of one container
	reservation int64 // sum of reservations
	partly      bool  // a value is known only at deployment
}

func (c *converter) need() (n need) {
	const most = int64(1) << 40 // so that sums do not overflow
	for _, container := range c.containers {
		get := func(member string) int64 {
			v := container.Get(member)
			if v.Opaque() {
				n.partly = true
				c.unknown(v)
				v = literal(v)
			}
			i, _ := v.Int()
			return min(max(i, 0), most)
		}
		cpu, limit, reservation := get("cpu"), get("memory"), get("memoryReservation")
		n.cpu += cpu
		n.largest = max(n.largest, limit)
		n.reservation += reservation
		if limit == 0 || c.MemoryBasis == "reservation" && reservation > 0 {
			limit = reservation
		}
		n.memory += limit
	}
	n.memory = max(n.memory, n.largest)
	n.partly = n.partly || c.containersUnknown
	return n
}

var taskSizeUnknown = finding.Rule{
	ID: "task-size-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "One of the task's cpu and memory is known only at deployment, and the other is missing.",
	Help:    finding.Advice{"Give both."},
}

var memoryUnknown = finding.Rule{
	ID: "memory-unknown", Severity: finding.Warning, Action: finding.Keep, Source: apiContainer,
	Summary: "Nothing in the definition gives its memory, so it gets the smallest size for its CPU.",
	Help:    finding.Advice{"Measure it, and set memory."},
}

var taskSizeNone = finding.Rule{
	ID: "task-size-none", Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "No Fargate size is large enough.",
	Help:    finding.Advice{"Ask for less, or split the task; --memory-basis reservation adds up reservations instead of limits."},
}

var taskSize32vcpu = finding.Rule{
	ID: "task-size-32vcpu", Severity: finding.Info, Action: finding.Keep, Source: guideFargate,
	Summary: "32 vCPU are new on Fargate and may not be available in every region.",
	Help:    finding.Advice{"Register the definition in your region to find out."},
}

var taskCPU = finding.Rule{
	ID: "task-cpu", Usual: true, Severity: finding.Info, Action: finding.Set, Source: guideFargate,
	Summary: "Fargate runs tasks in fixed sizes only.",
	Refusal: "No Fargate configuration exists for given values, or the containers ask for more than the task has.",
}

var taskMemory = finding.Rule{
	ID: "task-memory", Usual: true, Severity: finding.Info, Action: finding.Set, Source: guideFargate,
	Summary: "Fargate runs tasks in fixed sizes only.",
	Refusal: "No Fargate configuration exists for given values, or the containers ask for more than the task has.",
}

var taskSizeParameter = finding.Rule{
	ID: "task-size-parameter", Severity: finding.Warning, Action: finding.Set, Source: guideFargate,
	Summary: "The task's size comes from parameters or mappings that do not give a size of Fargate large enough; it is written out now.",
	Help:    finding.Advice{"Correct the parameters instead, or remove them if nothing else uses them."},
	Refusal: "No Fargate configuration exists for given values, or the containers ask for more than the task has.",
}

// size sets the smallest Fargate size that holds the containers and what the task
// asks for. The default of a parameter counts as its value.
func (c *converter) size() {
	cpuNode, memoryNode := c.def.Get("cpu"), c.def.Get("memory")
	cpuValue, memoryValue := literal(cpuNode), literal(memoryNode)
	if cpuNode != nil && cpuValue == nil || memoryNode != nil && memoryValue == nil {
		c.unknown(cpuNode)
		c.unknown(memoryNode)
		if cpuNode == nil || memoryNode == nil {
			c.Fail(taskSizeUnknown, c.def, "one of the task's cpu and memory is known only at deployment, and the other is missing; Fargate needs both")
		}
		return
	}
	cpu, cpuOK := c.amount(cpuValue, parseCPU)
	memory, memoryOK := c.amount(memoryValue, parseMemory)
	if !cpuOK || !memoryOK {
		return
	}
	n := c.need()
	c.unreserved(n)
	wantCPU, wantMemory := max(cpu, n.cpu), max(memory, n.memory)
	if c.fargate && cpu >= n.cpu && memory >= max(n.largest, n.reservation) {
		// ECS accepts limits that add up to more than the task has.
		wantCPU, wantMemory = cpu, memory
	}
	if wantMemory == 0 && !n.partly {
		c.Note(memoryUnknown, c.def, "")
	}
	newCPU, newMemory, ok := pick(wantCPU, wantMemory, c.windows)
	if !ok {
		os := ""
		if c.windows {
			os = " for Windows"
		}
		c.Fail(taskSizeNone, c.def, "the task needs %d CPU units and %d MiB; no Fargate size%s is that large", wantCPU, wantMemory, os)
		return
	}
	if newCPU == largestCPU {
		c.Note(taskSize32vcpu, c.def, "")
	}
	why := fmt.Sprintf("Fargate runs tasks in fixed sizes only; the containers ask for %s", n)
	if cpu > 0 || memory > 0 {
		why += fmt.Sprintf(", the task for %s", asked(cpu, memory))
	}
	if n.partly {
		why += "; some values are known only at deployment, so this is the minimum"
	}
	c.sized(taskCPU, "cpu", cpuNode, cpu, newCPU, why)
	c.sized(taskMemory, "memory", memoryNode, memory, newMemory, why)
}

// sized sets cpu or memory of the task, unless it is right.
func (c *converter) sized(rule finding.Rule, member string, n *tree.Node, have, want int64, why string) {
	if have == want {
		c.unknown(n)
		return
	}
	if n.Opaque() {
		rule = taskSizeParameter
		why += "; " + cmp.Or(references(n), "the value") + " gives " + strconv.FormatInt(have, 10)
	}
	c.set(rule, c.def, member, tree.NewString(strconv.FormatInt(want, 10)), "%s", why)
}

func (n need) String() string { return asked(n.cpu, n.memory) }

func asked(cpu, memory int64) string {
	switch {
	case cpu == 0 && memory == 0:
		return "nothing"
	case memory == 0:
		return fmt.Sprintf("%d CPU units", cpu)
	case cpu == 0:
		return fmt.Sprintf("%d MiB", memory)
	}
	return fmt.Sprintf("%d CPU units and %d MiB", cpu, memory)
}

var taskSizeInvalid = finding.Rule{
	ID: "task-size-invalid", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "The task's cpu or memory is not a valid amount.",
	Help:    finding.Advice{`Write CPU units and MiB, such as "256" and "512", or ".25 vCPU" and "0.5 GB".`},
}

// amount reads cpu or memory of the task, 0 if absent.
func (c *converter) amount(n *tree.Node, parse func(string) (int64, bool)) (v int64, ok bool) {
	if n == nil {
		return 0, true
	}
	if i, isInt := n.Int(); isInt {
		v, ok = i, i > 0 && i < 1<<40
	} else if s, isText := n.Text(); isText {
		if s == "" {
			return 0, true
		}
		v, ok = parse(s)
	} else {
		return 0, false // of the wrong type, and reported
	}
	if !ok {
		c.Fail(taskSizeInvalid, n, "%s is not an amount that ECS knows", n.Source())
	}
	return v, ok
}

var cpuUnreserved = finding.Rule{
	ID: "cpu-unreserved", Usual: true, Severity: finding.Info, Action: finding.Keep, Source: apiContainer,
	Summary: "No container reserves CPU. On EC2 they could use all the instance's spare CPU; on Fargate the task's CPU is the limit.",
	Help:    finding.Advice{"Measure what they use, and set the task's cpu."},
}

var containerCPUUnreserved = finding.Rule{
	ID: "container-cpu-unreserved", Usual: true, Severity: finding.Info, Action: finding.Keep, Source: apiContainer,
	Summary: "This container reserves no CPU, so it gets what the other containers leave.",
	Help:    finding.Advice{"Set its cpu if it needs a share."},
}

// unreserved notes containers without reserved CPU, which on EC2 could use the
// instance's spare CPU.
func (c *converter) unreserved(n need) {
	if c.fargate || n.partly {
		return
	}
	if n.cpu == 0 && len(c.containers) > 0 {
		c.Note(cpuUnreserved, c.def, "")
		return
	}
	for _, container := range c.containers {
		if c.number(container.Get("cpu")) == 0 {
			c.Note(containerCPUUnreserved, container, "")
		}
	}
}

// Fit returns the smallest size of a Fargate task with at least cpu units and memory
// MiB, and reports whether there is one. At Fargate's prices no other costs less.
//
// Source: Amazon ECS Developer Guide, "Task definition differences for Fargate",
// task CPU and memory.
func Fit(cpu, memory int64, windows bool) (gotCPU, gotMemory int64, ok bool) {
	return pick(cpu, memory, windows)
}
