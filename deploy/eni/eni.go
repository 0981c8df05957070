// Package eni knows how many ECS tasks in network mode awsvpc an EC2 instance
// holds: each takes an elastic network interface (ENI), and an instance has few.
// It reports on instance types and clusters, and asks nobody: it does no I/O.
//
// With the account setting awsvpcTrunking one ENI of the instance becomes a
// trunk, and tasks take branch interfaces of it, of which there are more.
package eni

import (
	"fmt"
	"strings"

	"github.com/aws/amazon-vpc-resource-controller-k8s/pkg/aws/vpc"
)

// TableDate is the day on which AWS generated the table of interfaces that this
// package uses.
//
// Source: github.com/aws/amazon-vpc-resource-controller-k8s, pkg/aws/vpc.
const TableDate = "2026-09-02"

// Trunking is whether ECS gives a trunk to instances of a type.
type Trunking string

// The values of Trunking.
const (
	Supported   Trunking = "supported"
	Unsupported Trunking = "unsupported"
	Unknown     Trunking = "unknown" // of types that the table does not have
)

// Density is how many awsvpc tasks one instance of a type holds by its ENIs. CPU
// and memory may set a lower limit.
type Density struct {
	Type        string
	Tasks       int      // without trunking
	Trunked     int      // with a trunk; 0 unless Trunking is Supported
	Trunking    Trunking // by ECS, on Linux: Windows has none
	Approximate bool     // AWS's own sources differ, and these are the smaller figures
	Note        string   // what is special about the figures, one line; mostly ""
}

// of returns the density of an instance type, such as "c5.large".
//
// An instance that has n interfaces and b branch interfaces holds n-1 tasks, as
// its own interface counts, and with trunking b+n-2, as the trunk counts too.
// Where ECS's guide differs, Approximate is set and the smaller figure counts: a
// plan made with it holds either way.
//
// The error is an *unknownTypeError.
func of(instanceType string) (Density, error) {
	name := strings.ToLower(strings.TrimSpace(instanceType))
	limits, ok := vpc.Limits[name]
	if !ok {
		return Density{}, &unknownTypeError{Type: instanceType, Nearest: nearest(name)}
	}
	d := count(name, limits)
	if guide, ok := guideDiffers[name]; ok {
		d.Approximate = true
		d.Note = fmt.Sprintf("%s by the VPC controller's table, %s by ECS's guide", figures(d.Tasks, d.Trunked), guide)
		if guide != (limit{}) {
			d.Tasks, d.Trunked = min(d.Tasks, guide.tasks), min(d.Trunked, guide.trunked)
		}
	}
	if d.Trunking == Supported && (guideRefuses[name] || guideRefuses[family(name)]) {
		d.Approximate = true
		d.Note = fmt.Sprintf("%s by the VPC controller's table, but ECS's guide says that it has no trunking", figures(d.Tasks, d.Trunked))
		d.Trunking, d.Trunked = Unsupported, 0
	}
	return d, nil
}

// ofInterfaces returns the density of a type that the table does not have, by the
// number of interfaces that EC2 says it can have, the primary one included
// (NetworkInfo.MaximumNetworkInterfaces of DescribeInstanceTypes). EC2 does not
// say how many branch interfaces there are.
func ofInterfaces(instanceType string, n int) Density {
	return Density{Type: instanceType, Tasks: max(n-1, 0), Trunking: Unknown,
		Note: "not in the table of " + TableDate + "; EC2 does not say what it holds with trunking"}
}

// holds returns how many tasks one instance holds. A type without trunking, or of
// which that is not known, counts as without: ECS takes such instances too, with
// ordinary interfaces.
func (d Density) holds(trunking bool) int {
	if trunking && d.Trunking == Supported {
		return d.Trunked
	}
	return d.Tasks
}

// instances returns how many instances hold so many tasks, 0 if no number does.
func (d Density) instances(tasks int, trunking bool) int {
	holds := d.holds(trunking)
	if holds == 0 {
		return 0
	}
	return (tasks + holds - 1) / holds
}

// unknownTypeError is about a type that the table does not have.
type unknownTypeError struct {
	Type    string
	Nearest []string // types with a similar spelling, the nearest first, at most 3
}

func (e *unknownTypeError) Error() string {
	s := fmt.Sprintf("instance type %q is not in the table of %s", e.Type, TableDate)
	if len(e.Nearest) > 0 {
		s += "; similar are " + strings.Join(e.Nearest, ", ")
	}
	return s
}

// count does ECS's arithmetic on a row of the table.
func count(name string, l *vpc.VPCLimits) Density {
	d := Density{Type: name, Tasks: l.Interface - 1, Trunking: Unsupported}
	if l.IsTrunkingCompatible {
		d.Trunking, d.Trunked = Supported, l.BranchInterface+l.Interface-2
	}
	return d
}

func figures(tasks, trunked int) string {
	if trunked == 0 {
		return fmt.Sprintf("%d tasks and no trunk", tasks)
	}
	return fmt.Sprintf("%d tasks and %d with trunking", tasks, trunked)
}

func family(instanceType string) string {
	f, _, _ := strings.Cut(instanceType, ".")
	return f
}
