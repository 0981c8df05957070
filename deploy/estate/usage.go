package estate

import (
	"math"
	"slices"
)

// Usage is what the tasks of a workload used, in percent of what the task reserves:
// points of the busiest task, over two weeks.
type Usage struct {
	CPU, Memory []float64
}

// Need returns the least CPU units and MiB of a task that reserves size, by what it
// used: the p99 of its CPU with headroom, but never less than its p99.9, and the
// maximum of its memory with headroom. CPU that is short slows a task down; memory that
// is short kills it.
func (u *Usage) Need(reserved Size, headroom float64) (Size, bool) {
	if u == nil || len(u.CPU) == 0 || len(u.Memory) == 0 || headroom < 1 {
		return Size{}, false
	}
	cpu := max(Quantile(u.CPU, 0.99)*headroom, Quantile(u.CPU, 0.999))
	memory := slices.Max(u.Memory) * headroom
	return Size{units(cpu, reserved.CPU), units(memory, reserved.Memory)}, true
}

// units is a percentage of an amount, rounded up.
func units(percent float64, of int64) int64 { return int64(math.Ceil(percent * float64(of) / 100)) }

// Quantile returns the smallest value that the share q of all values does not exceed.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(q*float64(len(sorted))))-1))]
}
