package main

import (
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

func (c *fargateENICmd) Run(ctx context.Context, s streams) error {
	names := slices.DeleteFunc(slices.Clone(c.InstanceType), func(name string) bool { return strings.TrimSpace(name) == "" })
	switch {
	case len(names) == 0 && c.Cluster == "":
		return usage("which instance type? Give --instance-type, such as c5.large, or --cluster")
	case c.Tasks != nil && *c.Tasks < 1:
		return usage("--tasks: %d is not a number of tasks", *c.Tasks)
	}
	q := eni.Question{Trunking: c.Trunking}
	if c.Tasks != nil {
		q.Tasks = *c.Tasks
	}
	var err error
	if c.Cluster != "" {
		if q.Cluster, err = c.survey(ctx); err != nil {
			return err
		}
	}
	q.Types, err = eni.Lookup(names, q.Cluster, func(types []string) (map[string]int, error) { return c.askEC2(ctx, types) })
	switch {
	case errors.Is(err, errNotAsked) || errors.Is(err, errNotKnown):
		return exit{exitUsage, err}
	case err != nil:
		return exit{exitAWS, err}
	}
	r := eni.NewReport(q)
	if c.JSON {
		err = writeJSON(s.out, r)
	} else {
		err = writeENIs(s.out, r)
	}
	if err != nil {
		return err
	}
	if err := r.Shortage(); err != nil {
		return exit{exitFound, err}
	}
	return nil
}

func writeENIs(out io.Writer, r *eni.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "INSTANCE TYPE\tTASKS\tWITH TRUNKING")
	if r.Tasks > 0 {
		fmt.Fprintf(w, "\tINSTANCES FOR %d\tWITH TRUNKING", r.Tasks)
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
		if r.Tasks > 0 {
			fmt.Fprintf(w, "\t%s%s\t%s%s", about, figure(t.Needed), about, figure(t.NeededTrunked))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "Fargate\tany\tany")
	if r.Tasks > 0 {
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
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", name, g.Instances, g.Trunks, g.Tasks, g.Trunked)
			instances += g.Instances
			trunks += g.Trunks
		}
		fmt.Fprintf(w, "in all\t%d\t%d\t%d\t%d\n", instances, trunks, c.Tasks, c.Trunked)
	}
	fmt.Fprintf(w, "\nTasks in network mode awsvpc on one instance, by its ENIs alone; CPU and memory may\nset a lower limit. Table of AWS's VPC controller, generated %s.\n", r.Table)
	if r.Cluster != nil && r.Cluster.External > 0 {
		fmt.Fprintf(w, "Not counted: %s outside of EC2, which awsvpc tasks cannot use.\n", count(r.Cluster.External, "instance"))
	}
	for _, t := range r.Types {
		if t.Note != "" {
			fmt.Fprintf(w, "%s: %s.\n", t.Type, t.Note)
		}
	}
	fmt.Fprint(w, "\nOn Fargate each task has its own ENI and no instance limits how many there are. The\nnext limit, there as here, is the free addresses of the subnets: one for each task")
	if r.Tasks > 0 {
		fmt.Fprintf(w, ", %d in all", r.Tasks)
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
