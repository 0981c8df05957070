package cutovercmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"sumoship/cmd/sumoship/internal/cli"
)

type targetsCmd struct {
	Family        string   `arg:"" help:"Family of the task definition that schedules start today."`
	To            string   `required:"" help:"ARN of the Fargate task definition, with its revision." placeholder:"ARN"`
	Subnets       []string `required:"" help:"Subnets of the tasks." placeholder:"subnet-ID"`
	SecurityGroup []string `required:"" help:"Security group of the tasks. Repeatable." placeholder:"sg-ID"`
	PublicIP      bool     `name:"public-ip" help:"Give tasks a public address, for public subnets without NAT."`
	Rule          []string `help:"Only the targets of this rule. Repeatable." placeholder:"NAME"`
	DryRun        bool     `help:"Only list the targets."`
	Yes           bool     `short:"y" help:"Do not ask."`
	JSON          bool     `name:"json" help:"Write the result as JSON."`
	cli.AWSFlags
}

func (c *targetsCmd) Help() string {
	return `Lists the targets of EventBridge rules, and the states of Step Functions, that start
a task definition of this family, and changes them one by one to the Fargate version:
the definition, the launch type and the network. All else stays. Executions that run
keep the definition they began with.

  sumoship fargate cutover targets nightly --to arn:aws:ecs:…:task-definition/nightly-fargate:1 \
    --subnets subnet-… --security-group sg-… --dry-run

Code that calls RunTask names the definition itself, as do schedules of EventBridge
Scheduler: change these by hand.`
}

// pointed are the targets in JSON.
type pointed struct {
	Family  string    `json:"family"`
	To      string    `json:"to"`
	Targets []pointer `json:"targets"`
}

// pointer is what starts a task definition.
type pointer struct {
	Rule    string `json:"rule"`   // with its bus, or a state machine
	Target  string `json:"target"` // of the rule, or a state
	Starts  string `json:"starts"` // before
	Changed bool   `json:"changed"`
}

// Outputs is what it writes as JSON.
func (c *targetsCmd) Outputs() []any { return []any{pointed{}} }

// target is a target of a rule that starts tasks of the family.
type target struct {
	bus, rule string
	types.Target
}

func (c *targetsCmd) Run(ctx context.Context, s cli.Streams) error {
	cfg, err := c.AWSFlags.LoadRegion(ctx)
	if err != nil {
		return err
	}
	client, machines := eventbridge.NewFromConfig(cfg), sfn.NewFromConfig(cfg)
	found, err := c.find(ctx, client)
	if err != nil {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("list the targets of rules: %w", cli.Plain(err)))
	}
	flows, err := c.findMachines(ctx, machines)
	if err != nil {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("list the state machines: %w", cli.Plain(err)))
	}
	all := pointed{c.Family, c.To, []pointer{}}
	for _, t := range found {
		all.Targets = append(all.Targets, pointer{Rule: t.bus + "/" + t.rule, Target: aws.ToString(t.Id), Starts: *t.EcsParameters.TaskDefinitionArn})
	}
	for _, m := range flows {
		for _, state := range m.states {
			all.Targets = append(all.Targets, pointer{Rule: "state machine " + m.name, Target: state.Parent().Name(), Starts: state.Key("TaskDefinition").Str()})
		}
	}
	err = c.change(ctx, s, all, func(done func()) error {
		// One by one: what is wrong with one is wrong with the next.
		for _, t := range found {
			if err := c.put(ctx, client, t); err != nil {
				return cli.Fail(cli.ExitAWS, fmt.Errorf("target %s of rule %s: %w", aws.ToString(t.Id), t.rule, cli.Plain(err)))
			}
			done()
			fmt.Fprintf(s.Err, "%s/%s starts %s\n", t.rule, aws.ToString(t.Id), cli.NameOf(c.To))
		}
		for _, m := range flows {
			if err := c.update(ctx, machines, m); err != nil {
				return cli.Fail(cli.ExitAWS, fmt.Errorf("state machine %s: %w", m.name, cli.Plain(err)))
			}
			for range m.states {
				done()
			}
			fmt.Fprintf(s.Err, "state machine %s starts %s\n", m.name, cli.NameOf(c.To))
		}
		return nil
	})
	if c.JSON {
		if e := cli.WriteJSON(s.Out, all); err == nil {
			err = e
		}
	}
	return err
}

// change shows the targets, asks, and changes them. apply says of each in turn that it
// is done.
func (c *targetsCmd) change(ctx context.Context, s cli.Streams, all pointed, apply func(done func()) error) error {
	var rows []cli.Row
	for _, t := range all.Targets {
		rows = append(rows, cli.Row{t.Rule, t.Target, cli.NameOf(t.Starts), cli.NameOf(c.To)})
	}
	if c.JSON && (len(rows) == 0 || c.DryRun) {
		return nil
	}
	if len(rows) == 0 {
		fmt.Fprintf(s.Out, "No target of a rule, and no state machine, starts a task definition of family %s.\n", c.Family)
		return nil
	}
	if !c.JSON {
		if err := cli.WriteTable(s.Out, cli.Row{"rule", "target", "starts", "will start"}, rows); err != nil {
			return err
		}
	}
	if c.DryRun {
		return nil
	}
	if err := cli.Consent(ctx, s, c.Yes, fmt.Sprintf("Change %s?", cli.Count(len(rows), "target"))); err != nil {
		return err
	}
	n := 0
	err := apply(func() {
		all.Targets[n].Changed = true
		n++
	})
	if err != nil && ctx.Err() != nil {
		return cli.Interrupted(ctx, "%s of %d changed, and the next may be; run it again for the others", cli.Count(n, "target"), len(rows))
	}
	return err
}

// find lists the targets, in the order of their rules.
func (c *targetsCmd) find(ctx context.Context, client *eventbridge.Client) (found []target, err error) {
	buses, err := client.ListEventBuses(ctx, &eventbridge.ListEventBusesInput{})
	if err != nil {
		return nil, err
	}
	for _, bus := range buses.EventBuses {
		in := &eventbridge.ListRulesInput{EventBusName: bus.Name}
		for {
			rules, err := client.ListRules(ctx, in)
			if err != nil {
				return nil, err
			}
			for _, r := range rules.Rules {
				if len(c.Rule) > 0 && !slices.Contains(c.Rule, aws.ToString(r.Name)) {
					continue
				}
				targets, err := client.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: r.Name, EventBusName: bus.Name})
				if err != nil {
					return nil, err
				}
				for _, t := range targets.Targets {
					if t.EcsParameters != nil && familyOf(aws.ToString(t.EcsParameters.TaskDefinitionArn)) == c.Family {
						found = append(found, target{aws.ToString(bus.Name), aws.ToString(r.Name), t})
					}
				}
			}
			if rules.NextToken == nil {
				break
			}
			in.NextToken = rules.NextToken
		}
	}
	return found, nil
}

// put changes a target.
func (c *targetsCmd) put(ctx context.Context, client *eventbridge.Client, t target) error {
	to := t.Target
	ecs := *t.EcsParameters
	ecs.TaskDefinitionArn, ecs.LaunchType, ecs.CapacityProviderStrategy = &c.To, types.LaunchTypeFargate, nil
	ecs.PlacementConstraints, ecs.PlacementStrategy = nil, nil
	public := types.AssignPublicIpDisabled
	if c.PublicIP {
		public = types.AssignPublicIpEnabled
	}
	ecs.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: c.Subnets,
		SecurityGroups: c.SecurityGroup, AssignPublicIp: public}}
	to.EcsParameters = &ecs
	out, err := client.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &t.rule, EventBusName: &t.bus, Targets: []types.Target{to}})
	if err != nil {
		return err
	}
	for _, f := range out.FailedEntries {
		return fmt.Errorf("%s: %s", aws.ToString(f.ErrorCode), aws.ToString(f.ErrorMessage))
	}
	return nil
}

// familyOf is the family of a task definition.
func familyOf(arn string) string {
	family, _, _ := strings.Cut(cli.NameOf(arn), ":")
	return family
}
