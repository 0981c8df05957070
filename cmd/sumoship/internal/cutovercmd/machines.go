package cutovercmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"sumoship/deploy/tree"
)

// machine is a state machine of Step Functions with states that start tasks of the
// family.
type machine struct {
	arn, name  string
	definition *tree.Node
	states     []*tree.Node // the arguments of RunTask in each
}

// findMachines lists the state machines that start tasks of the family.
func (c *targetsCmd) findMachines(ctx context.Context, client *sfn.Client) (found []*machine, err error) {
	if len(c.Rule) > 0 {
		return nil, nil // only the targets of these rules
	}
	pages := sfn.NewListStateMachinesPaginator(client, &sfn.ListStateMachinesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, m := range page.StateMachines {
			out, err := client.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: m.StateMachineArn})
			if err != nil {
				return nil, err
			}
			definition, err := tree.ParseJSON([]byte(aws.ToString(out.Definition)), nil)
			if err != nil {
				return nil, fmt.Errorf("state machine %s: %w", aws.ToString(m.Name), err)
			}
			if states := runTasks(definition, c.Family); len(states) > 0 {
				found = append(found, &machine{aws.ToString(m.StateMachineArn), aws.ToString(m.Name), definition, states})
			}
		}
	}
	return found, nil
}

// runTasks returns the arguments of each RunTask of a family in a definition, at any
// depth: states of Parallel and Map hold states themselves.
//
// Source: AWS Step Functions Developer Guide, "Run Amazon ECS or Fargate tasks with
// Step Functions".
func runTasks(n *tree.Node, family string) (all []*tree.Node) {
	if strings.Contains(n.Key("Resource").Str(), ":ecs:runTask") {
		for _, member := range []string{"Parameters", "Arguments"} {
			if arguments := n.Key(member); familyOf(arguments.Key("TaskDefinition").Str()) == family {
				all = append(all, arguments)
			}
		}
	}
	for _, v := range n.Members() {
		all = append(all, runTasks(v, family)...)
	}
	for _, v := range n.Elements() {
		all = append(all, runTasks(v, family)...)
	}
	return all
}

// edit changes the arguments of RunTask. All else in the definition stays, byte for
// byte.
func (c *targetsCmd) edit(arguments *tree.Node) {
	list := func(values []string) *tree.Node {
		n := tree.NewArray()
		for _, v := range values {
			n.Append(tree.NewString(v))
		}
		return n
	}
	public := "DISABLED"
	if c.PublicIP {
		public = "ENABLED"
	}
	arguments.SetKey("TaskDefinition", tree.NewString(c.To))
	arguments.SetKey("LaunchType", tree.NewString("FARGATE"))
	for _, name := range []string{"CapacityProviderStrategy", "PlacementConstraints", "PlacementStrategy"} {
		arguments.DeleteKey(name)
	}
	arguments.SetKey("NetworkConfiguration", tree.NewObject(tree.Member{Name: "AwsvpcConfiguration", Value: tree.NewObject(
		tree.Member{Name: "Subnets", Value: list(c.Subnets)},
		tree.Member{Name: "SecurityGroups", Value: list(c.SecurityGroup)},
		tree.Member{Name: "AssignPublicIp", Value: tree.NewString(public)},
	)}))
}

// update changes a state machine. Executions that run keep the definition they began
// with.
func (c *targetsCmd) update(ctx context.Context, client *sfn.Client, m *machine) error {
	for _, s := range m.states {
		c.edit(s)
	}
	_, err := client.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &m.arn, Definition: aws.String(string(m.definition.Bytes()))})
	return err
}
