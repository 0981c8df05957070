package function

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

// FitMemory makes the garbage collector keep to the memory that the function
// has, as Lambda says in the environment. What a function holds are a few large
// buffers, which it uses again: a heap that may double, as is usual, would
// double them for nothing. So the heap may grow by the same small part of the
// memory, however large it is. GOGC and GOMEMLIMIT, where they are set, stay in
// force.
//
// It is for a main function: it concerns the whole process, to its end.
func FitMemory(getenv func(string) string) {
	megabytes, err := strconv.ParseInt(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	if err != nil || megabytes <= 0 {
		return
	}
	memory := megabytes << 20
	if getenv("GOMEMLIMIT") == "" {
		// The rest is for the program itself, and for what the kernel holds for it.
		debug.SetMemoryLimit(memory * 2 / 3)
	}
	if getenv("GOGC") == "" {
		afterEachCollection(&pace{room: memory / 48})
	}
}

// pace keeps the room that the heap may grow by.
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

// afterEachCollection sets the pace now and when a collection is over: that is
// when something that nobody holds is found.
func afterEachCollection(p *pace) {
	p.set()
	runtime.AddCleanup(new([16]byte), afterEachCollection, p)
}
