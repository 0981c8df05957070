// Package eni knows how many ECS tasks in network mode awsvpc an EC2 instance
// holds: each takes an elastic network interface (ENI), and an instance has few.
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
// package counts with.
//
// Source: github.com/aws/amazon-vpc-resource-controller-k8s, pkg/aws/vpc.
const TableDate = "2026-09-02"

// Trunking tells whether ECS gives a trunk to instances of a type.
type Trunking string

const (
	Supported   Trunking = "supported"
	Unsupported Trunking = "unsupported"
	Unknown     Trunking = "unknown" // of types that the table does not have
)

// Density is how many awsvpc tasks one instance of a type holds, as far as ENIs
// go: CPU and memory may set a lower limit.
type Density struct {
	Type        string
	Tasks       int      // without trunking
	Trunked     int      // with a trunk; 0 unless Trunking is Supported
	Trunking    Trunking // by ECS, on Linux: there is none on Windows
	Approximate bool     // AWS's own sources differ; the smaller figures are given
	Note        string   // what is special about the figures, one line; mostly ""
}

// Of looks a type up, such as "c5.large".
//
// ECS gives an instance that has n interfaces and b branch interfaces n-1 tasks,
// as its own interface counts, and with trunking b+n-2, as the trunk counts too.
// Where ECS's guide says otherwise, Approximate is set and the smaller figure
// stands: a plan that is made with it holds either way.
//
// Errors: *UnknownTypeError.
func Of(instanceType string) (Density, error) {
	name := strings.ToLower(strings.TrimSpace(instanceType))
	limits, ok := vpc.Limits[name]
	if !ok {
		return Density{}, &UnknownTypeError{Type: instanceType, Nearest: nearest(name)}
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

// OfInterfaces is for a type that the table does not have: n is what EC2 says it
// can have, its primary interface included (NetworkInfo.MaximumNetworkInterfaces
// of DescribeInstanceTypes). EC2 does not tell branch interfaces.
func OfInterfaces(instanceType string, n int) Density {
	return Density{Type: instanceType, Tasks: max(n-1, 0), Trunking: Unknown,
		Note: "not in the table of " + TableDate + "; EC2 does not tell what it holds with trunking"}
}

// Holds is how many tasks one instance holds. A type without trunking, or of
// which that is not known, is counted as it is without: ECS takes such instances
// too, with ordinary interfaces.
func (d Density) Holds(trunking bool) int {
	if trunking && d.Trunking == Supported {
		return d.Trunked
	}
	return d.Tasks
}

// Instances is how many instances hold so many tasks, or 0 where none ever do.
func (d Density) Instances(tasks int, trunking bool) int {
	holds := d.Holds(trunking)
	if holds == 0 {
		return 0
	}
	return (tasks + holds - 1) / holds
}

// UnknownTypeError says that the table does not have a type, and which it has
// that are spelt much like it, nearest first; there may be none.
type UnknownTypeError struct {
	Type    string
	Nearest []string
}

func (e *UnknownTypeError) Error() string {
	s := fmt.Sprintf("instance type %q is not in the table of %s", e.Type, TableDate)
	if len(e.Nearest) > 0 {
		s += "; near it are " + strings.Join(e.Nearest, ", ")
	}
	return s
}

// count is ECS's arithmetic on a row of the table.
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
