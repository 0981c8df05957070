package eni

import (
	"cmp"
	"slices"
	"strconv"
)

// Instance is a container instance, as ECS describes it.
type Instance struct {
	Type    string // "" outside of EC2
	Windows bool
	Trunk   bool
}

// Cluster is the container instances of an ECS cluster, counted.
type Cluster struct {
	name     string
	groups   []group // by type, then Linux before Windows; of Density only Type is set
	external int     // instances outside of EC2, which awsvpc tasks cannot use
}

// NewCluster counts instances.
func NewCluster(name string, instances []Instance) *Cluster {
	c := &Cluster{name: name}
	for _, instance := range instances {
		if instance.Type == "" {
			c.external++
			continue
		}
		i := slices.IndexFunc(c.groups, func(g group) bool { return g.Type == instance.Type && g.Windows == instance.Windows })
		if i < 0 {
			i = len(c.groups)
			c.groups = append(c.groups, group{Density: Density{Type: instance.Type}, Windows: instance.Windows})
		}
		c.groups[i].Instances++
		if instance.Trunk {
			c.groups[i].Trunks++
		}
	}
	slices.SortFunc(c.groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(strconv.FormatBool(a.Windows), strconv.FormatBool(b.Windows)))
	})
	return c
}

// types returns the instance types of the cluster, none for a nil cluster.
func (c *Cluster) types() (types []string) {
	if c != nil {
		for _, g := range c.groups {
			types = append(types, g.Type)
		}
	}
	return slices.Compact(types)
}

// group is instances of one type in a cluster.
type group struct {
	Density
	Instances int
	Trunks    int  // those of them that have a trunk
	Windows   bool // no trunk, ever
}

// holds returns how many tasks the instances hold as they are, and how many once
// each has been replaced by one launched with trunking.
func (g group) holds() (now, trunked int) {
	now = g.Trunks*g.Density.holds(true) + (g.Instances-g.Trunks)*g.Density.holds(false)
	return now, g.Instances * g.Density.holds(!g.Windows)
}
