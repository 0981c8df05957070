package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"sumoship/deploy/eni"
)

type fargateENICmd struct {
	awsFlags
	InstanceType []string `help:"EC2 instance types, separated by commas. Repeatable." placeholder:"TYPE"`
	Cluster      string   `help:"Also count the container instances of this ECS cluster." placeholder:"NAME|ARN"`
	Tasks        *int     `help:"Show how many instances this many tasks need, and whether the cluster holds them." placeholder:"N"`
	Trunking     bool     `help:"Show how to enable awsvpcTrunking, and whether the cluster holds the tasks with it."`
	JSON         bool     `name:"json" help:"Write the result as JSON."`
}

func (c *fargateENICmd) Help() string {
	return `A task in network mode awsvpc takes an elastic network interface of its own. The
figures are those of ENIs alone: CPU and memory may set a lower limit. They come
from a built-in table of AWS's, which needs no account. A type that is not in it
is looked up in EC2, if there are credentials; EC2 does not say what it holds with
trunking.

--cluster needs ecs:ListContainerInstances and ecs:DescribeContainerInstances.

Exit status: 0 the tasks fit, 1 the cluster or a type does not hold that many, 2
the command is wrong or a type is unknown, 3 AWS refused.`
}

func (c *fargateENICmd) Run(ctx context.Context, s streams) error {
	names := slices.DeleteFunc(slices.Clone(c.InstanceType), func(name string) bool { return strings.TrimSpace(name) == "" })
	switch {
	case len(names) == 0 && c.Cluster == "":
		return usage("which instance type? Give --instance-type, such as c5.large, or --cluster")
	case c.Tasks != nil && *c.Tasks < 1:
		return usage("--tasks: %d: want 1 or more", *c.Tasks)
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

func writeENIs(w io.Writer, r *eni.Report) error {
	if err := writeTypes(w, r); err != nil {
		return err
	}
	if r.Cluster != nil {
		if err := writeCluster(w, r.Cluster); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\nTasks in network mode awsvpc on one instance, by its ENIs alone; CPU and memory may\n"+
		"set a lower limit. Table of AWS's VPC controller, generated %s.\n", r.Table)
	if r.Cluster != nil && r.Cluster.External > 0 {
		fmt.Fprintf(w, "Not counted: %s outside of EC2, which awsvpc tasks cannot use.\n", count(r.Cluster.External, "instance"))
	}
	for _, t := range r.Types {
		if t.Note != "" {
			fmt.Fprintf(w, "%s: %s.\n", t.Type, t.Note)
		}
	}
	fmt.Fprint(w, "\nOn Fargate each task has its own ENI, and no instance limits their number. The next\n"+
		"limit, there as here, is the free addresses of the subnets: one for each task")
	if r.Tasks > 0 {
		fmt.Fprintf(w, ", %d in all", r.Tasks)
	}
	fmt.Fprintln(w, ".")
	if r.Enable == nil {
		_, err := fmt.Fprintln(w, "--trunking shows how to enable awsvpcTrunking.")
		return err
	}
	fmt.Fprint(w, "\nTo enable trunking:\n")
	for _, step := range r.Enable {
		fmt.Fprintf(w, "  %s\n    %s\n", step.Why, step.Command)
	}
	_, err := fmt.Fprintln(w, strings.Join(r.Limits, "\n"))
	return err
}

// writeTypes shows what one instance of each type holds, and how many of them
// hold all tasks.
func writeTypes(w io.Writer, r *eni.Report) error {
	head, fargate := row{"INSTANCE TYPE", "TASKS", "WITH TRUNKING"}, row{"Fargate", "any", "any"}
	if r.Tasks > 0 {
		head = append(head, fmt.Sprintf("INSTANCES FOR %d", r.Tasks), "WITH TRUNKING")
		fargate = append(fargate, "none", "none")
	}
	var rows []row
	for _, t := range r.Types {
		about := ""
		if t.Approximate {
			about = "~"
		}
		trunked := figure(t.Trunked)
		if t.Trunking == eni.Unsupported {
			trunked = "no"
		}
		of := row{t.Type, about + strconv.Itoa(t.Tasks), about + trunked}
		if r.Tasks > 0 {
			of = append(of, about+figure(t.Needed), about+figure(t.NeededTrunked))
		}
		rows = append(rows, of)
	}
	return writeTable(w, head, append(rows, fargate))
}

// writeCluster shows what the instances of a cluster hold.
func writeCluster(w io.Writer, c *eni.ClusterReport) error {
	var rows []row
	instances, trunks := 0, 0
	for _, g := range c.Groups {
		name := g.Type
		if g.Windows {
			name += " (Windows)"
		}
		rows = append(rows, row{name, g.Instances, g.Trunks, g.Tasks, g.Trunked})
		instances += g.Instances
		trunks += g.Trunks
	}
	rows = append(rows, row{"in all", instances, trunks, c.Tasks, c.Trunked})
	fmt.Fprintf(w, "\ncluster %s\n\n", c.Name)
	return writeTable(w, row{"INSTANCE TYPE", "INSTANCES", "WITH A TRUNK", "TASKS", "ALL WITH TRUNKS"}, rows)
}

// figure is a number, or "?" if it is not known.
func figure(n *int) string {
	if n == nil {
		return "?"
	}
	return strconv.Itoa(*n)
}
