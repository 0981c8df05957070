package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"sumoship/deploy/eni"
)

type fargateENICmd struct {
	awsFlags
	InstanceType []string `help:"EC2 instance types, separated by commas or each with a flag of its own." placeholder:"TYPE"`
	Cluster      string   `help:"Count the container instances of this ECS cluster, too." placeholder:"NAME|ARN"`
	Tasks        *int     `help:"Tell how many instances hold this many tasks, and whether they fit on the cluster." placeholder:"N"`
	Trunking     bool     `help:"Tell what enabling awsvpcTrunking takes, and whether the tasks fit on the cluster with it."`
	JSON         bool     `name:"json" help:"Write the result as JSON."`
}

func (c *fargateENICmd) Help() string {
	return `A task in network mode awsvpc takes an elastic network interface of its own. The
figures are those of ENIs alone: CPU and memory may set a lower limit. They come
from a table of AWS's that is built in and needs no account. A type that is not
in it is asked of EC2, if there are credentials; EC2 does not tell what it holds
with trunking.

--cluster needs ecs:ListContainerInstances and ecs:DescribeContainerInstances.

Exit status: 0 it can be done, 1 the cluster or a type does not hold that many
tasks, 2 the command is wrong or a type is unknown, 3 AWS refused.`
}

// eniReport is the result, and its form in JSON.
type eniReport struct {
	Table    string      `json:"table"` // when AWS generated it
	Tasks    *int        `json:"tasks,omitempty"`
	Trunking bool        `json:"trunking"` // whether instancesNeeded and fits count with it
	Types    []eniType   `json:"types"`
	Cluster  *eniCluster `json:"cluster,omitempty"`
	Fargate  eniFargate  `json:"fargate"`
	Enable   []eniStep   `json:"enableTrunking,omitempty"`
	Limits   []string    `json:"trunkingLimits,omitempty"`
}

type eniType struct {
	Type        string       `json:"instanceType"`
	Tasks       int          `json:"tasks"`
	Trunked     *int         `json:"trunkedTasks"` // null without a trunk, or if that is not known
	Trunking    eni.Trunking `json:"trunking"`
	Approximate bool         `json:"approximate"`
	Note        string       `json:"note,omitempty"`
	Needed      *int         `json:"instancesNeeded,omitempty"`        // 0: no number would do
	NeededThen  *int         `json:"instancesNeededTrunked,omitempty"` // with trunking, if that is known
}

type eniCluster struct {
	Name    string     `json:"name"`
	Groups  []eniGroup `json:"instances"`
	Holds   int        `json:"tasks"`
	Trunked int        `json:"trunkedTasks"` // once all are launched anew
	Foreign int        `json:"externalInstances,omitempty"`
	Fits    *bool      `json:"fits,omitempty"`
}

type eniGroup struct {
	Type      string `json:"instanceType"`
	Windows   bool   `json:"windows,omitempty"`
	Instances int    `json:"count"`
	Trunks    int    `json:"withTrunk"`
	Holds     int    `json:"tasks"`
	Trunked   int    `json:"trunkedTasks"`
}

// eniFargate stands beside the instances: there are none to run out of ENIs.
type eniFargate struct {
	ENIs      int  `json:"enisPerTask"`
	Limit     *int `json:"instanceLimit"`             // always null
	Addresses *int `json:"subnetAddresses,omitempty"` // for all tasks
}

type eniStep struct {
	Why     string `json:"why"`
	Command string `json:"command,omitempty"`
}

func (c *fargateENICmd) Run(ctx context.Context, s streams) error {
	names := slices.DeleteFunc(slices.Clone(c.InstanceType), func(name string) bool { return strings.TrimSpace(name) == "" })
	switch {
	case len(names) == 0 && c.Cluster == "":
		return usage("which instance type? Give --instance-type, such as c5.large, or --cluster")
	case c.Tasks != nil && *c.Tasks < 1:
		return usage("--tasks: %d is not a number of tasks", *c.Tasks)
	}
	var found survey
	if c.Cluster != "" {
		var err error
		if found, err = c.survey(ctx); err != nil {
			return err
		}
	}
	types, err := c.densities(ctx, names, found)
	if err != nil {
		return err
	}
	r := c.report(types, found)
	if c.JSON {
		err = writeJSON(s.out, r)
	} else {
		err = r.write(s.out)
	}
	return cmp.Or(err, r.trouble())
}

// densities are those of the types that were named, and of the cluster's.
//
// A wrong name is an error. What is in a cluster exists, so it is in the result
// even if nothing is known of it.
func (c *fargateENICmd) densities(ctx context.Context, names []string, found survey) ([]eni.Density, error) {
	var types []eni.Density
	var unknown []*eni.UnknownTypeError
	seen := map[string]bool{}
	for _, name := range append(names, found.types()...) {
		name = strings.ToLower(strings.TrimSpace(name))
		if seen[name] {
			continue
		}
		seen[name] = true
		d, err := eni.Of(name)
		if e, ok := errors.AsType[*eni.UnknownTypeError](err); ok {
			unknown = append(unknown, e)
			d = eni.Density{Type: name, Trunking: eni.Unknown}
		}
		types = append(types, d)
	}
	if len(unknown) == 0 {
		return types, nil
	}

	interfaces, why := c.askEC2(ctx, unknown)
	var wrong []string
	for _, e := range unknown {
		i := slices.IndexFunc(types, func(d eni.Density) bool { return d.Type == e.Type })
		if n, ok := interfaces[e.Type]; ok {
			types[i] = eni.OfInterfaces(e.Type, n)
		} else if slices.Contains(found.types(), e.Type) {
			types[i].Approximate = true
			types[i].Note = fmt.Sprintf("counted as 0: not in the table of %s; %v", eni.TableDate, why)
		} else {
			wrong = append(wrong, e.Error())
		}
	}
	if len(wrong) == 0 {
		return types, nil
	}
	err := fmt.Errorf("%s\n%w", strings.Join(wrong, "\n"), why)
	if errors.Is(why, errNotAsked) || errors.Is(why, errNotKnown) {
		return nil, exit{exitUsage, err}
	}
	return nil, exit{exitAWS, err}
}

func (c *fargateENICmd) report(types []eni.Density, found survey) eniReport {
	r := eniReport{Table: eni.TableDate, Tasks: c.Tasks, Trunking: c.Trunking, Types: []eniType{}, Fargate: eniFargate{ENIs: 1, Addresses: c.Tasks}}
	for _, d := range types {
		t := eniType{Type: d.Type, Tasks: d.Tasks, Trunking: d.Trunking, Approximate: d.Approximate, Note: d.Note}
		if d.Trunking == eni.Supported {
			t.Trunked = &d.Trunked
		}
		if c.Tasks != nil {
			now, then := d.Instances(*c.Tasks, false), d.Instances(*c.Tasks, true)
			t.Needed = &now
			if d.Trunking != eni.Unknown {
				t.NeededThen = &then
			}
		}
		r.Types = append(r.Types, t)
	}
	if c.Cluster != "" {
		r.Cluster = &eniCluster{Name: c.Cluster, Groups: []eniGroup{}, Foreign: found.foreign}
		for _, g := range found.groups {
			g.Density = types[slices.IndexFunc(types, func(d eni.Density) bool { return d.Type == g.Type })]
			now, trunked := g.Holds()
			r.Cluster.Holds += now
			r.Cluster.Trunked += trunked
			r.Cluster.Groups = append(r.Cluster.Groups, eniGroup{g.Type, g.Windows, g.Instances, g.Trunks, now, trunked})
		}
		if c.Tasks != nil {
			fits := r.Cluster.holds(c.Trunking) >= *c.Tasks
			r.Cluster.Fits = &fits
		}
	}
	if c.Trunking {
		r.Enable, r.Limits = trunkingSteps(cmp.Or(c.Cluster, "CLUSTER")), trunkingLimits
	}
	return r
}

func (c *eniCluster) holds(trunking bool) int {
	if trunking {
		return c.Trunked
	}
	return c.Holds
}

// trouble is what --tasks asks for and there is no room for.
func (r *eniReport) trouble() error {
	if r.Tasks == nil {
		return nil
	}
	var errs []error
	for _, t := range r.Types {
		if *t.Needed == 0 && r.Cluster == nil {
			errs = append(errs, fmt.Errorf("%s holds no awsvpc task", t.Type))
		}
	}
	if r.Cluster != nil && !*r.Cluster.Fits {
		holds := r.Cluster.holds(r.Trunking)
		errs = append(errs, fmt.Errorf("cluster %s holds %s, %d too few for %d", r.Cluster.Name, count(holds, "awsvpc task"), *r.Tasks-holds, *r.Tasks))
	}
	if len(errs) == 0 {
		return nil
	}
	return exit{exitFound, errors.Join(errs...)}
}

// trunkingSteps is what enabling it takes.
//
// Source: Amazon ECS Developer Guide, "Elastic network interface trunking".
func trunkingSteps(cluster string) []eniStep {
	return []eniStep{
		{"the service-linked role of ECS, if the account has none yet",
			"aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"},
		{"the setting, for all users and roles of the account in the Region",
			"aws ecs put-account-setting-default --name awsvpcTrunking --value enabled"},
		{"or, as the account's root user, for the role of the instances alone",
			"aws ecs put-account-setting --name awsvpcTrunking --value enabled --principal-arn arn:aws:iam::ACCOUNT:role/INSTANCE-ROLE"},
		{"new instances: those launched before never get a trunk, whatever is set",
			"aws autoscaling start-instance-refresh --auto-scaling-group-name GROUP"},
		{"to see which instances have a trunk",
			"aws ecs list-attributes --target-type container-instance --attribute-name ecs.awsvpc-trunk-id --cluster " + cluster},
	}
}

// Source: the same page; that the types are Nitro's is the table's.
var trunkingLimits = []string{
	"Linux only, on Nitro instances, with container agent 1.28.1 and ecs-init 1.28.1-2 or later; Windows has no trunk.",
	"Resource-name DNS A records of the instance have to be off (aws ec2 modify-private-dns-name-options --instance-id ID --no-enable-resource-name-dns-a-record).",
	"Instances in shared subnets do not register; tasks run in the VPC of their instance.",
	"Fargate needs none of this.",
}

func (r *eniReport) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "INSTANCE TYPE\tTASKS\tWITH TRUNKING")
	if r.Tasks != nil {
		fmt.Fprintf(w, "\tINSTANCES FOR %d\tWITH TRUNKING", *r.Tasks)
	}
	fmt.Fprintln(w)
	for _, t := range r.Types {
		about := ""
		if t.Approximate {
			about = "~"
		}
		trunked := figure(t.Trunked)
		if t.Trunking == eni.Unsupported {
			trunked = "no"
		}
		fmt.Fprintf(w, "%s\t%s%d\t%s%s", t.Type, about, t.Tasks, about, trunked)
		if r.Tasks != nil {
			fmt.Fprintf(w, "\t%s%s\t%s%s", about, figure(t.Needed), about, figure(t.NeededThen))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "Fargate\tany\tany")
	if r.Tasks != nil {
		fmt.Fprint(w, "\tnone\tnone")
	}
	fmt.Fprintln(w)
	if c := r.Cluster; c != nil {
		// A blank line ends the columns of the table above.
		fmt.Fprintf(w, "\ncluster %s\n\nINSTANCE TYPE\tINSTANCES\tWITH A TRUNK\tTASKS\tALL WITH TRUNKS\n", c.Name)
		instances, trunks := 0, 0
		for _, g := range c.Groups {
			name := g.Type
			if g.Windows {
				name += " (Windows)"
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", name, g.Instances, g.Trunks, g.Holds, g.Trunked)
			instances += g.Instances
			trunks += g.Trunks
		}
		fmt.Fprintf(w, "in all\t%d\t%d\t%d\t%d\n", instances, trunks, c.Holds, c.Trunked)
	}
	fmt.Fprintf(w, "\nTasks in network mode awsvpc on one instance, by its ENIs alone; CPU and memory may\nset a lower limit. Table of AWS's VPC controller, generated %s.\n", r.Table)
	if r.Cluster != nil && r.Cluster.Foreign > 0 {
		fmt.Fprintf(w, "Not counted: %s outside of EC2, which awsvpc tasks cannot use.\n", count(r.Cluster.Foreign, "instance"))
	}
	for _, t := range r.Types {
		if t.Note != "" {
			fmt.Fprintf(w, "%s: %s.\n", t.Type, t.Note)
		}
	}
	fmt.Fprint(w, "\nOn Fargate each task has its own ENI and no instance limits how many there are. The\nnext limit, there as here, is the free addresses of the subnets: one for each task")
	if r.Tasks != nil {
		fmt.Fprintf(w, ", %d in all", *r.Tasks)
	}
	fmt.Fprintln(w, ".")
	if r.Enable == nil {
		fmt.Fprintln(w, "--trunking tells what enabling awsvpcTrunking takes.")
		return w.Flush()
	}
	fmt.Fprint(w, "\nTo enable trunking:\n")
	for _, step := range r.Enable {
		fmt.Fprintf(w, "  %s\n    %s\n", step.Why, step.Command)
	}
	for _, limit := range r.Limits {
		fmt.Fprintln(w, limit)
	}
	return w.Flush()
}

func figure(n *int) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}
