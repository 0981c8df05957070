package eni

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Question says what a [Report] is about.
type Question struct {
	Types    []Density // as Lookup returns them: all of the cluster are among them
	Cluster  *Cluster  // nil for none
	Tasks    int       // how many tasks there are to place, 0 if that is not asked
	Trunking bool      // whether they may count with trunking
}

// Report is the answer, in the form it has in JSON.
type Report struct {
	Table    string         `json:"table"` // TableDate
	Tasks    int            `json:"tasks,omitempty"`
	Trunking bool           `json:"trunking"` // whether Cluster.Fits counts with it
	Types    []TypeReport   `json:"types"`
	Cluster  *ClusterReport `json:"cluster,omitempty"`
	Enable   []Step         `json:"enableTrunking,omitempty"`
	Limits   []string       `json:"trunkingLimits,omitempty"`
}

// TypeReport is about one instance of a type, and how many of them hold all
// tasks.
type TypeReport struct {
	Type          string   `json:"instanceType"`
	Tasks         int      `json:"tasks"`
	Trunked       *int     `json:"trunkedTasks"` // nil without a trunk, or if that is not known
	Trunking      Trunking `json:"trunking"`
	Approximate   bool     `json:"approximate"`
	Note          string   `json:"note,omitempty"`
	Needed        *int     `json:"instancesNeeded,omitempty"`        // 0: no number would do
	NeededTrunked *int     `json:"instancesNeededTrunked,omitempty"` // nil if that is not known
}

// ClusterReport is about what a cluster holds.
type ClusterReport struct {
	Name     string        `json:"name"`
	Groups   []GroupReport `json:"instances"`
	Tasks    int           `json:"tasks"`
	Trunked  int           `json:"trunkedTasks"` // once all instances are replaced
	External int           `json:"externalInstances,omitempty"`
	Fits     *bool         `json:"fits,omitempty"`
}

// GroupReport is about the instances of a cluster that have one type and one
// operating system.
type GroupReport struct {
	Type      string `json:"instanceType"`
	Windows   bool   `json:"windows,omitempty"`
	Instances int    `json:"count"`
	Trunks    int    `json:"withTrunk"`
	Tasks     int    `json:"tasks"`
	Trunked   int    `json:"trunkedTasks"`
}

// NewReport answers a question.
func NewReport(q Question) *Report {
	r := &Report{Table: TableDate, Tasks: q.Tasks, Trunking: q.Trunking, Types: []TypeReport{}}
	for _, d := range q.Types {
		t := TypeReport{Type: d.Type, Tasks: d.Tasks, Trunking: d.Trunking, Approximate: d.Approximate, Note: d.Note}
		if d.Trunking == Supported {
			t.Trunked = &d.Trunked
		}
		if q.Tasks > 0 {
			now, trunked := d.instances(q.Tasks, false), d.instances(q.Tasks, true)
			t.Needed = &now
			if d.Trunking != Unknown {
				t.NeededTrunked = &trunked
			}
		}
		r.Types = append(r.Types, t)
	}
	if q.Cluster != nil {
		r.Cluster = newClusterReport(q)
	}
	if q.Trunking {
		name := "CLUSTER"
		if q.Cluster != nil {
			name = cmp.Or(q.Cluster.name, name)
		}
		r.Enable, r.Limits = trunkingSteps(name), trunkingLimits()
	}
	return r
}

func newClusterReport(q Question) *ClusterReport {
	r := &ClusterReport{Name: q.Cluster.name, Groups: []GroupReport{}, External: q.Cluster.external}
	for _, g := range q.Cluster.groups {
		if i := slices.IndexFunc(q.Types, func(d Density) bool { return d.Type == g.Type }); i >= 0 {
			g.Density = q.Types[i]
		}
		now, trunked := g.holds()
		r.Tasks += now
		r.Trunked += trunked
		r.Groups = append(r.Groups, GroupReport{g.Type, g.Windows, g.Instances, g.Trunks, now, trunked})
	}
	if q.Tasks > 0 {
		fits := r.holds(q.Trunking) >= q.Tasks
		r.Fits = &fits
	}
	return r
}

func (c *ClusterReport) holds(trunking bool) int {
	if trunking {
		return c.Trunked
	}
	return c.Tasks
}

// Shortage returns an error that says what does not hold the tasks: the cluster
// or, without one, each type that holds none at all. It is nil if no tasks were
// asked for.
func (r *Report) Shortage() error {
	if r.Tasks == 0 {
		return nil
	}
	if c := r.Cluster; c != nil {
		holds := c.holds(r.Trunking)
		if holds >= r.Tasks {
			return nil
		}
		plural := "s"
		if holds == 1 {
			plural = ""
		}
		return fmt.Errorf("cluster %s holds %d awsvpc task%s, %d too few for %d", c.Name, holds, plural, r.Tasks-holds, r.Tasks)
	}
	var errs []error
	for _, t := range r.Types {
		if *t.Needed == 0 {
			errs = append(errs, fmt.Errorf("%s holds no awsvpc task", t.Type))
		}
	}
	return errors.Join(errs...)
}
