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
	Name     string
	Groups   []Group // by type, then Linux before Windows; of Density only Type is set
	External int     // instances outside of EC2, which awsvpc tasks cannot use
}

// NewCluster counts instances.
func NewCluster(name string, instances []Instance) *Cluster {
	c := &Cluster{Name: name}
	for _, instance := range instances {
		if instance.Type == "" {
			c.External++
			continue
		}
		i := slices.IndexFunc(c.Groups, func(g Group) bool { return g.Type == instance.Type && g.Windows == instance.Windows })
		if i < 0 {
			i = len(c.Groups)
			c.Groups = append(c.Groups, Group{Density: Density{Type: instance.Type}, Windows: instance.Windows})
		}
		c.Groups[i].Instances++
		if instance.Trunk {
			c.Groups[i].Trunks++
		}
	}
	slices.SortFunc(c.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(strconv.FormatBool(a.Windows), strconv.FormatBool(b.Windows)))
	})
	return c
}

// types returns the instance types of the cluster, none for a nil cluster.
func (c *Cluster) types() (types []string) {
	if c != nil {
		for _, g := range c.Groups {
			types = append(types, g.Type)
		}
	}
	return slices.Compact(types)
}

// Group is instances of one type in a cluster.
type Group struct {
	Density
	Instances int
	Trunks    int  // those of them that have a trunk
	Windows   bool // no trunk, ever
}

// Holds returns how many tasks the instances hold as they are, and how many once
// each has been replaced by one launched with trunking.
func (g Group) Holds() (now, trunked int) {
	now = g.Trunks*g.Density.Holds(true) + (g.Instances-g.Trunks)*g.Density.Holds(false)
	return now, g.Instances * g.Density.Holds(!g.Windows)
}
