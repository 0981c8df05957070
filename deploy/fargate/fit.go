package fargate

// Fit returns the smallest size of a Fargate task with at least cpu units and memory
// MiB, and reports whether there is one. At Fargate's prices no other costs less.
//
// Source: Amazon ECS Developer Guide, "Task definition differences for Fargate",
// task CPU and memory.
func Fit(cpu, memory int64, windows bool) (gotCPU, gotMemory int64, ok bool) {
	return pick(cpu, memory, windows)
}
