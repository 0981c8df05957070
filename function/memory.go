package function

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

// FitMemory fits the garbage collector to the memory of the function, which
// Lambda sets in the environment. A function holds a few large buffers that it
// reuses; by default the heap may double, and would double them for nothing. So
// the heap may grow by a small, fixed part of the memory, however large it is.
// GOGC and GOMEMLIMIT take precedence.
//
// It is for main functions: it changes the whole process, for good.
func FitMemory(getenv func(string) string) {
	megabytes, err := strconv.ParseInt(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	if err != nil || megabytes <= 0 {
		return
	}
	memory := megabytes << 20
	if getenv("GOMEMLIMIT") == "" {
		// The rest is for the binary and for the kernel.
		debug.SetMemoryLimit(memory * 2 / 3)
	}
	if getenv("GOGC") == "" {
		afterEachCollection(&pace{room: memory / 48})
	}
}

// pace is how much the heap may grow.
type pace struct {
	room    int64 // in bytes
	percent int
}

func (p *pace) set() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := int(min(max(p.room*100/int64(live[0].Value.Uint64()+1), 10), 100))
	if percent != p.percent {
		debug.SetGCPercent(percent)
		p.percent = percent
	}
}

// afterEachCollection sets the pace now and after each garbage collection, which
// is when an unreachable object is found.
func afterEachCollection(p *pace) {
	p.set()
	runtime.AddCleanup(new([16]byte), afterEachCollection, p)
}
