package fargatecmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/finding"
	"sumoship/deploy/service"
)

type serviceCmd struct {
	fileArg
	inputFlags  `group:"Input"`
	ruleFlags   `group:"Conversion"`
	reportFlags `group:"Findings"`
	roleFlags   `group:"Roles"`

	Service     string `option:"Name" help:"Name of the service. Default: that of --from-service, with -fargate behind it if that runs in the same cluster." placeholder:"NAME" group:"Service"`
	FromService string `help:"Keep the valid settings of an existing service: a file with the output of describe-services, or an ARN, with which its listeners and its scaling are read too." placeholder:"FILE|ARN" group:"Service"`
	Cluster     string `option:"Cluster" help:"Cluster. Default: that of --from-service, or default." placeholder:"NAME|ARN" group:"Service"`
	Count       *int   `option:"DesiredCount" help:"Number of tasks. Default: that of --from-service, or 1." placeholder:"N" group:"Service"`
	Spot        bool   `option:"Spot" help:"Run on Fargate Spot." group:"Service"`
	OnDemand    int    `option:"OnDemand" help:"With --spot, number of tasks that run on demand." placeholder:"N" group:"Service"`

	VPC           string   `option:"VPC" name:"vpc" help:"VPC of the tasks." placeholder:"vpc-ID" group:"Network"`
	Subnets       []string `option:"Subnets" help:"Subnets of the tasks." placeholder:"subnet-ID" group:"Network"`
	SecurityGroup []string `option:"SecurityGroups" help:"Additional security group of the tasks. Repeatable." placeholder:"sg-ID" group:"Network"`
	ClientSG      []string `option:"Clients" name:"client-sg" help:"Security group that reaches the ports of the tasks, such as that of clients by service discovery. Repeatable." placeholder:"sg-ID" group:"Network"`
	PublicIP      bool     `option:"PublicIP" name:"public-ip" help:"Give tasks a public address, for public subnets without NAT." group:"Network"`
	DatabaseSG    string   `option:"DatabaseSG" name:"database-sg" help:"Security group of a database that lets the tasks in." placeholder:"sg-ID" group:"Network"`
	DatabasePort  int      `option:"DatabasePort" help:"Port of the database." placeholder:"PORT" group:"Network"`

	Path             []string `option:"Paths" help:"Put the service behind an Application Load Balancer, for requests with this path pattern. Repeatable." placeholder:"PATTERN" group:"Load balancer"`
	Host             []string `option:"Hosts" help:"The same for requests to this host. Repeatable." placeholder:"NAME" group:"Load balancer"`
	Listener         string   `option:"Listener" help:"Listener that gets the rule." placeholder:"ARN" group:"Load balancer"`
	Priority         int      `option:"Priority" help:"Priority of the rule, 1 to 50000." placeholder:"N" group:"Load balancer"`
	ALBSG            string   `option:"LoadBalancerSG" name:"alb-sg" help:"Security group of the load balancer." placeholder:"sg-ID" group:"Load balancer"`
	Container        string   `option:"Container" help:"Container that gets the requests. Default: the first essential one with a port." placeholder:"NAME" group:"Load balancer"`
	Port             int      `option:"Port" help:"Port of the container. Default: its first." placeholder:"PORT" group:"Load balancer"`
	HealthCheckPath  string   `option:"HealthCheckPath" help:"Path of the health check. Default: /." placeholder:"PATH" group:"Load balancer"`
	HealthCheckGrace *int     `option:"HealthCheckGrace" help:"Seconds after the start of a task in which failed health checks do not count. Default: that of --from-service, or 60." placeholder:"N" group:"Load balancer"`
	DNSName          string   `option:"RecordName" name:"dns-name" help:"Create a Route 53 alias record of this name for the load balancer." placeholder:"NAME" group:"Load balancer"`
	HostedZone       string   `option:"HostedZone" help:"Hosted zone of the record." placeholder:"ID" group:"Load balancer"`
	ALBDNS           string   `option:"LoadBalancerDNS" name:"alb-dns" help:"DNS name of the load balancer." placeholder:"NAME" group:"Load balancer"`
	ALBZone          string   `option:"LoadBalancerZone" name:"alb-zone" help:"Canonical hosted zone ID of the load balancer." placeholder:"ID" group:"Load balancer"`

	Forwarder         string `option:"Forwarder" help:"Function to subscribe the log groups to." placeholder:"ARN" group:"Logs"`
	Subscribe         bool   `help:"Subscribe the log groups to the forwarder." default:"true" negatable:"" group:"Logs"`
	Retention         int    `option:"Retention" help:"Retention of the log groups. Default: 30." placeholder:"DAYS" group:"Logs"`
	PermitForwarder   bool   `option:"PermitForwarder" help:"Permit CloudWatch Logs to call the function, for all log groups of the account. Not needed if the forwarder's stack or sumoship subscribe did." group:"Logs"`
	ExistingLogGroups bool   `option:"ExistingLogGroups" help:"The log groups exist: subscribe them, and do not create them." group:"Logs"`

	NewRoles bool `option:"NewRoles" help:"Create both roles, even if the definition names one." group:"Roles"`

	As     string `help:"Write a CloudFormation template (cfn), or ecs-task-def.json and ecs-service-def.json for ecspresso." enum:"cfn,ecspresso" default:"cfn"`
	Format string `help:"Write the template in yaml or json." enum:"yaml,json" default:"yaml"`
	Out    string `short:"o" help:"Write to this file instead of standard output; for ecspresso, a directory." placeholder:"FILE|DIR"`
}

func (c *serviceCmd) Help() string {
	return `Writes a complete CloudFormation template: the log groups, with their retention
and their subscription to the forwarder; the task execution role and the task
role; the task definition; the security group of the tasks; the ECS service, which
rolls back deployments that fail; with --path or --host, behind a load balancer, a
target group of type ip, a rule of an existing listener, and the rules of both
security groups; with --database-sg, access to a database; with --dns-name, a DNS
record. What differs by account is a parameter; flags set its default.

Beside a running service, the rule has the conditions of the old one, right before
it, and forwards by weights: 100 to the old target group and 0 to the new one. The
header X-Sumoship-Target reaches the new service first. sumoship fargate cutover
moves the weights.

A definition for EC2 is converted first, as convert does with the same flags. One
with errors is refused, with its findings.

  sumoship fargate service shop.json --service shop -o shop.yaml
  sumoship fargate service shop.json --service shop --path '/shop/*' -o shop.yaml
  aws ecs describe-services --services shop --include TAGS > service.json
  sumoship fargate service shop.json --from-service service.json --path '/*'

Exit status: 0 written, 1 refused, or findings at or above --fail-on, 2 the
command or its input is wrong, 3 AWS refused.`
}

func (c *serviceCmd) Run(ctx context.Context, s cli.Streams) error {
	findings, err := c.place(s, "template", c.Out)
	if err != nil {
		return err
	}
	if c.As == "ecspresso" && c.Out == "" {
		return cli.Usagef("--as ecspresso writes two files: give their directory with -o")
	}
	o, err := c.serviceOptions()
	if err != nil {
		return err
	}
	d, in, err := c.one(ctx, s, c.File, c.Region)
	if err != nil {
		return err
	}
	var existing *service.Existing
	if c.FromService != "" {
		if existing, err = c.existing(ctx, s); err != nil {
			return err
		}
	}
	service, err := service.New(d, existing, o)
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	refused := service.Refused()
	if !refused {
		if err := c.write(s, service); err != nil {
			return err
		}
	}
	report := finding.Report{Inputs: []finding.Input{{Name: in.name, Resource: d.Resource(), Findings: service.Findings}}}
	if existing != nil {
		report.Inputs = append(report.Inputs, finding.Input{Name: c.FromService, Findings: service.ServiceFindings})
	}
	if err := c.reportFlags.write(s, report, findings); err != nil {
		return err
	}
	if refused {
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s is refused, and nothing was written: %s", in.name, cli.Count(report.Summary().Errors, "error")))
	}
	for _, note := range service.Notes {
		fmt.Fprintf(s.Err, "sumoship: %s\n", note)
	}
	return c.status(report)
}

func (c *serviceCmd) serviceOptions() (o service.Options, err error) {
	cli.SetOptions(&o, c)
	o.Conversion, o.Ecspresso, o.NoSubscription = c.ruleFlags.options(""), c.As == "ecspresso", !c.Subscribe
	o.Roles, err = c.roleFlags.options()
	return o, err
}

// existing reads the service of --from-service.
func (c *serviceCmd) existing(ctx context.Context, s cli.Streams) (*service.Existing, error) {
	if !strings.HasPrefix(c.FromService, "arn:") {
		if c.FromService == cli.Stdin && c.File == cli.Stdin {
			return nil, cli.Usagef("--from-service -: standard input is the task definition already")
		}
		in, err := readInput(ctx, s, c.FromService)
		if err != nil {
			return nil, err
		}
		e, err := service.ReadExisting(in.name, in.doc, c.Service)
		if err != nil {
			return nil, cli.Fail(cli.ExitUsage, err)
		}
		return e, nil
	}
	doc, err := c.describeService(ctx, s)
	if err != nil {
		return nil, err
	}
	e, err := service.ReadExisting(c.FromService, indent(doc), c.Service)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, err)
	}
	return e, nil
}

// describeService returns the response of DescribeServices as ECS wrote it, and beside
// it what sends the service requests and what scales it.
func (c *serviceCmd) describeService(ctx context.Context, s cli.Streams) (doc []byte, err error) {
	name, err := arn.Parse(c.FromService)
	parts := strings.Split(name.Resource, "/")
	if err != nil || name.Service != "ecs" || parts[0] != "service" || len(parts) < 2 || len(parts) > 3 {
		return nil, cli.Usagef("--from-service: %q: want a file, or the ARN of a service, such as arn:aws:ecs:us-east-1:111122223333:service/CLUSTER/NAME", c.FromService)
	}
	// ARNs in the old format do not name the cluster.
	cluster := c.Cluster
	if len(parts) == 3 {
		cluster = parts[1]
	}
	cfg, err := c.ProfileFlag.Load(ctx, name.Region)
	if err != nil {
		return nil, err
	}
	in := &ecs.DescribeServicesInput{Services: []string{c.FromService}, Include: []types.ServiceField{types.ServiceFieldTags}}
	if cluster != "" {
		in.Cluster = &cluster
	}
	out, err := ecs.NewFromConfig(cfg).DescribeServices(ctx, in, withResponse(&doc))
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("describe service %s: %w", c.FromService, err))
	}
	if len(out.Services) == 0 {
		return nil, cli.Fail(cli.ExitAWS, &cli.Missing{Kind: "service", Name: parts[len(parts)-1], In: cluster})
	}
	return readAround(ctx, s, cfg, doc)
}

// write writes the template, or the files of ecspresso.
func (c *serviceCmd) write(s cli.Streams, service *service.Service) error {
	if c.As == "ecspresso" {
		task, definition := service.Ecspresso()
		if err := os.MkdirAll(c.Out, 0o755); err != nil {
			return cli.Fail(cli.ExitUsage, err)
		}
		if err := cli.WriteFile(filepath.Join(c.Out, "ecs-task-def.json"), task); err != nil {
			return err
		}
		return cli.WriteFile(filepath.Join(c.Out, "ecs-service-def.json"), definition)
	}
	return cli.WriteResult(s, c.Out, service.CloudFormation(c.Format == "json"))
}
