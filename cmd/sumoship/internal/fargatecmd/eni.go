package fargatecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/eni"
)

type eniCmd struct {
	cli.AWSFlags
	InstanceType []string `help:"EC2 instance types, separated by commas. Repeatable." placeholder:"TYPE"`
	Cluster      string   `help:"Also count the container instances of this ECS cluster." placeholder:"NAME|ARN"`
	Tasks        *int     `help:"Show how many instances this many tasks need, and whether the cluster holds them." placeholder:"N"`
	Trunking     bool     `help:"Show how to enable awsvpcTrunking, and whether the cluster holds the tasks with it."`
	JSON         bool     `name:"json" help:"Write the result as JSON."`
}

func (c *eniCmd) Help() string {
	return `  sumoship fargate eni --instance-type c5.large --tasks 20
  sumoship fargate eni --cluster prod

A task in network mode awsvpc takes an elastic network interface of its own. The
figures are those of ENIs alone: CPU and memory may set a lower limit. They come
from a built-in table of AWS's, which needs no account. A type that is not in it
is looked up in EC2, if there are credentials; EC2 does not say what it holds with
trunking.

--cluster needs ecs:ListContainerInstances and ecs:DescribeContainerInstances.

Exit status: 0 the tasks fit, 1 the cluster or a type does not hold that many, 2
the command is wrong or a type is unknown, 3 AWS refused.`
}

// Outputs is what it writes as JSON.
func (c *eniCmd) Outputs() []any { return []any{eni.Report{}} }

func (c *eniCmd) Run(ctx context.Context, s cli.Streams) error {
	names := slices.DeleteFunc(slices.Clone(c.InstanceType), func(name string) bool { return strings.TrimSpace(name) == "" })
	switch {
	case len(names) == 0 && c.Cluster == "":
		return cli.Usagef("which instance type? Give --instance-type, such as c5.large, or --cluster")
	case c.Tasks != nil && *c.Tasks < 1:
		return cli.Usagef("--tasks: %d: want 1 or more", *c.Tasks)
	}
	q := eni.Question{Trunking: c.Trunking}
	if c.Tasks != nil {
		q.Tasks = *c.Tasks
	}
	var err error
	if c.Cluster != "" {
		if q.Cluster, err = c.survey(ctx, s); err != nil {
			return err
		}
	}
	q.Types, err = eni.Lookup(names, q.Cluster, func(types []string) (map[string]int, error) { return c.askEC2(ctx, types) })
	switch {
	case errors.Is(err, errNotAsked) || errors.Is(err, errNotKnown):
		return cli.Fail(cli.ExitUsage, err)
	case err != nil:
		return cli.Fail(cli.ExitAWS, err)
	}
	r := eni.NewReport(q)
	if c.JSON {
		err = cli.WriteJSON(s.Out, r)
	} else {
		err = writeENIs(s.Out, r)
	}
	if err != nil {
		return err
	}
	if err := r.Shortage(); err != nil {
		return cli.Fail(cli.ExitFound, err)
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
	fmt.Fprintf(w, "\nTasks in network mode awsvpc on one instance, by its ENIs alone; CPU and memory may set a lower limit.\n"+
		"Table of AWS's VPC controller, generated %s.\n", r.Table)
	if r.Cluster != nil && r.Cluster.External > 0 {
		fmt.Fprintf(w, "Not counted: %s outside of EC2, which awsvpc tasks cannot use.\n", cli.Count(r.Cluster.External, "instance"))
	}
	for _, t := range r.Types {
		if t.Note != "" {
			fmt.Fprintf(w, "%s: %s.\n", t.Type, t.Note)
		}
	}
	all := ""
	if r.Tasks > 0 {
		all = fmt.Sprintf(", %d in all", r.Tasks)
	}
	fmt.Fprintf(w, "\nOn Fargate each task has its own ENI, and no instance limits their number.\n"+
		"The next limit, there as here, is the free addresses of the subnets: one for each task%s.\n", all)
	if r.Enable == nil {
		_, err := fmt.Fprintln(w, "--trunking shows how to enable awsvpcTrunking.")
		return err
	}
	fmt.Fprint(w, "\nTo enable trunking:\n")
	for _, step := range r.Enable {
		if err := cli.WriteIndented(w, "  ", step.Why); err != nil {
			return err
		}
		fmt.Fprintf(w, "    %s\n", step.Command)
	}
	_, err := fmt.Fprintln(w, strings.Join(r.Limits, "\n"))
	return err
}

// writeTypes shows what one instance of each type holds, and how many of them
// hold all tasks.
func writeTypes(w io.Writer, r *eni.Report) error {
	head, fargate := cli.Row{"INSTANCE TYPE", "TASKS", "WITH TRUNKING"}, cli.Row{"Fargate", "any", "any"}
	if r.Tasks > 0 {
		head = append(head, fmt.Sprintf("INSTANCES FOR %d", r.Tasks), "WITH TRUNKING")
		fargate = append(fargate, "none", "none")
	}
	var rows []cli.Row
	for _, t := range r.Types {
		about := ""
		if t.Approximate {
			about = "~"
		}
		trunked := figure(t.Trunked)
		if t.Trunking == eni.Unsupported {
			trunked = "no"
		}
		of := cli.Row{t.Type, about + strconv.Itoa(t.Tasks), about + trunked}
		if r.Tasks > 0 {
			of = append(of, about+figure(t.Needed), about+figure(t.NeededTrunked))
		}
		rows = append(rows, of)
	}
	return cli.WriteTable(w, head, append(rows, fargate))
}

// writeCluster shows what the instances of a cluster hold.
func writeCluster(w io.Writer, c *eni.ClusterReport) error {
	var rows []cli.Row
	instances, trunks := 0, 0
	for _, g := range c.Groups {
		name := g.Type
		if g.Windows {
			name += " (Windows)"
		}
		rows = append(rows, cli.Row{name, g.Instances, g.Trunks, g.Tasks, g.Trunked})
		instances += g.Instances
		trunks += g.Trunks
	}
	rows = append(rows, cli.Row{"in all", instances, trunks, c.Tasks, c.Trunked})
	fmt.Fprintf(w, "\ncluster %s\n\n", c.Name)
	return cli.WriteTable(w, cli.Row{"INSTANCE TYPE", "INSTANCES", "WITH A TRUNK", "TASKS", "ALL WITH TRUNKS"}, rows)
}

// figure is a number, or "?" if it is not known.
func figure(n *int) string {
	if n == nil {
		return "?"
	}
	return strconv.Itoa(*n)
}

// survey counts the active container instances of the cluster: draining ones take
// no more tasks.
func (c *eniCmd) survey(ctx context.Context, s cli.Streams) (*eni.Cluster, error) {
	if err := c.Named("--cluster", &c.Cluster); err != nil {
		return nil, err
	}
	cfg, err := c.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	bar := cli.NewBar(-1, "looking at instances", s.Err)
	instances, err := containerInstances(ctx, ecs.NewFromConfig(cfg), c.Cluster, bar.Add)
	bar.Finish()
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("cluster %s: %w", c.Cluster, err))
	}
	return newCluster(c.Cluster, instances), nil
}

// containerInstances goes from page to page by hand, as askEC2 does: the SDK's
// paginators take their client as an interface, and then the linker keeps all of
// its methods, 30 MB of them in the case of EC2.
func containerInstances(ctx context.Context, client *ecs.Client, cluster string, looked func(n int)) ([]ecstypes.ContainerInstance, error) {
	var all []ecstypes.ContainerInstance
	for in := (&ecs.ListContainerInstancesInput{Cluster: &cluster, Status: ecstypes.ContainerInstanceStatusActive}); ; {
		page, err := client.ListContainerInstances(ctx, in)
		if err != nil {
			return nil, err
		}
		// A page has at most 100, as many as can be described at once.
		if len(page.ContainerInstanceArns) > 0 {
			described, err := client.DescribeContainerInstances(ctx,
				&ecs.DescribeContainerInstancesInput{Cluster: &cluster, ContainerInstances: page.ContainerInstanceArns})
			if err != nil {
				return nil, err
			}
			for _, f := range described.Failures {
				if reason := aws.ToString(f.Reason); reason != "MISSING" { // gone since it was listed
					return nil, fmt.Errorf("container instance %s: %s", aws.ToString(f.Arn), reason)
				}
			}
			all = append(all, described.ContainerInstances...)
			looked(len(described.ContainerInstances))
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}

func newCluster(name string, described []ecstypes.ContainerInstance) *eni.Cluster {
	var instances []eni.Instance
	for _, d := range described {
		attributes := map[string]string{}
		for _, a := range d.Attributes {
			attributes[aws.ToString(a.Name)] = aws.ToString(a.Value)
		}
		instances = append(instances, eni.Instance{
			Type:    attributes["ecs.instance-type"],
			Windows: attributes["ecs.os-type"] == "windows",
			Trunk:   attributes["ecs.awsvpc-trunk-id"] != "",
		})
	}
	return eni.NewCluster(name, instances)
}

// Reasons why EC2 does not say how many interfaces a type has.
var (
	errNotAsked = errors.New("EC2 was not asked: there are no AWS credentials, or no Region")
	errNotKnown = errors.New("EC2 does not know it in this Region either")
)

// credentialsWait bounds the search for credentials: the SDK's last resort is a
// metadata service, which outside of EC2 does not answer.
const credentialsWait = 2 * time.Second

// askEC2 returns how many interfaces each of the types can have, and why the
// result lacks those that it lacks.
func (c *eniCmd) askEC2(ctx context.Context, types []string) (interfaces map[string]int, why error) {
	cfg, err := c.Load(ctx)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, credentialsWait)
	defer cancel()
	if cfg.Region == "" || cfg.Credentials == nil {
		return nil, errNotAsked
	}
	if _, err := cfg.Credentials.Retrieve(waiting); err != nil {
		return nil, errNotAsked
	}
	// By a filter: by name, one unknown type would fail the call for all.
	filter := ec2types.Filter{Name: aws.String("instance-type"), Values: types}
	interfaces = map[string]int{}
	client := ec2.NewFromConfig(cfg)
	for in := (&ec2.DescribeInstanceTypesInput{Filters: []ec2types.Filter{filter}}); ; {
		page, err := client.DescribeInstanceTypes(ctx, in)
		if err != nil {
			return interfaces, fmt.Errorf("EC2 could not be asked: %w", err)
		}
		for _, t := range page.InstanceTypes {
			if t.NetworkInfo != nil && t.NetworkInfo.MaximumNetworkInterfaces != nil {
				interfaces[string(t.InstanceType)] = int(*t.NetworkInfo.MaximumNetworkInterfaces)
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return interfaces, errNotKnown
		}
	}
}
