package deploycmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/cmd/sumoship/internal/cli"
)

type Destroy struct {
	target
	DryRun bool `help:"Show what would go and what would stay, and change nothing."`
	Yes    bool `short:"y" help:"Do not ask."`
}

func (c *Destroy) Help() string {
	return `  sumoship destroy --dry-run

Deletes the stack. What holds log events stays: the queues, and the stream and the
bucket of a central account. It shows what is in the queues, and how to drain them
first; and how to remove the subscriptions that would deliver to nothing.`
}

func (c *Destroy) Run(ctx context.Context, s cli.Streams) error {
	return c.report(s, func(s cli.Streams, r *result) error { return c.destroy(ctx, s, r) })
}

func (c *Destroy) destroy(ctx context.Context, s cli.Streams, r *result) error {
	c.Stack = cmp.Or(c.Stack, "sumoship")
	at, err := c.open(ctx)
	if err != nil {
		return err
	}
	stack, err := find(ctx, at, c.Stack)
	if err != nil {
		return err
	}
	if stack == nil {
		return cli.Fail(cli.ExitFound, &cli.Missing{Kind: "stack", Name: c.Stack})
	}
	if err := ours(stack); err != nil {
		return err
	}
	if aws.ToBool(stack.EnableTerminationProtection) {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("stack %s is protected against termination", c.Stack))
	}
	out, err := at.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &c.Stack, TemplateStage: types.TemplateStageProcessed})
	if err != nil {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("get the template of stack %s: %w", c.Stack, cli.Plain(err)))
	}
	var t template
	if err := json.Unmarshal([]byte(aws.ToString(out.TemplateBody)), &t); err != nil {
		return fmt.Errorf("the template of stack %s: %w", c.Stack, err)
	}
	r.Stack, r.Region, r.Account, r.DryRun, r.Before, r.Changes = c.Stack, at.region, at.account, c.DryRun, deploymentOf(stack), t.held()
	fmt.Fprintf(s.Out, "delete stack %s in %s, account %s\n", c.Stack, at.region, at.account)
	if kept := withEffect(r.Changes, drains); len(kept) > 0 {
		fmt.Fprintf(s.Out, "%s, with what is in them: %s\n", cli.Paint(s.Out, cli.Good, "these stay"), strings.Join(kept, ", "))
	}
	if lost := withEffect(r.Changes, loses); len(lost) > 0 {
		fmt.Fprintf(s.Out, "%s with the log events in them: %s\n", cli.Paint(s.Out, cli.Bad, "LOST"), strings.Join(lost, ", "))
	}
	cfg, err := c.LoadRegion(ctx)
	if err != nil {
		return err
	}
	if r.Queues, err = queues(ctx, s, sqs.NewFromConfig(cfg), stack); err != nil {
		return err
	}
	if arn := output(stack, "ForwarderArn"); arn != "" {
		fmt.Fprintf(s.Out, "filters that are not of the stack would deliver to nothing; this removes them first:\n"+
			"  sumoship unsubscribe --region %s --destination %s --filter-name %s\n", at.region, arn, c.Stack)
	}
	if c.DryRun {
		fmt.Fprintln(s.Out, "dry run: nothing was changed")
		r.Action = deleted
		return nil
	}
	if err := cli.Consent(ctx, s, c.Yes, "Delete?"); err != nil {
		return err
	}
	if err := at.delete(ctx, s.Err, stack); err != nil {
		return err
	}
	r.Action = deleted
	fmt.Fprintf(s.Out, "stack %s is deleted\n", c.Stack)
	return nil
}

// delete deletes a stack, and writes what happens until it is gone. One that is being
// deleted is followed.
func (c *cloud) delete(ctx context.Context, w io.Writer, stack *types.Stack) error {
	name, arn := aws.ToString(stack.StackName), aws.ToString(stack.StackId)
	_, err := c.carryOut(ctx, w, work{
		arn: arn, what: "deletion of stack " + name, next: fmt.Sprintf("sumoship destroy --stack %s --region %s follows it to its end", name, c.region),
		begin: func() error {
			if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &arn}); err != nil {
				return cli.Fail(cli.ExitAWS, fmt.Errorf("delete stack %s: %w", name, cli.Plain(err)))
			}
			return nil
		},
	})
	return err
}

// held returns the resources that hold log events, and what becomes of them with their
// stack.
func (t template) held() []planned {
	all := []planned{}
	for _, name := range slices.Sorted(maps.Keys(t.Resources)) {
		r := t.Resources[name]
		if !slices.Contains(holds, r.Type) {
			continue
		}
		p := planned{Kind: removed, LogicalID: name, Type: r.Type, Effect: loses}
		if strings.HasPrefix(r.DeletionPolicy, "Retain") {
			p.Effect = drains
		}
		all = append(all, p)
	}
	return all
}

// depths is what is asked of Amazon SQS.
type depths interface {
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// queues writes how many messages are in the queues of a stack, and how to drain them.
func queues(ctx context.Context, s cli.Streams, api depths, stack *types.Stack) (all []depthOf, err error) {
	for _, name := range []string{"DeadLetterQueueUrl", "QuarantineQueueUrl"} {
		url := output(stack, name)
		if url == "" {
			continue
		}
		out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
		if err != nil {
			return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("how deep is %s? %w", url, cli.Plain(err)))
		}
		depth := 0
		for _, state := range []string{"", "NotVisible", "Delayed"} {
			n, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"+state])
			depth += n
		}
		all = append(all, depthOf{url, depth})
		messages := cli.Count(depth, "message")
		if depth > 0 {
			messages = cli.Paint(s.Out, cli.Doubt, messages)
		}
		fmt.Fprintf(s.Out, "%s has %s\n", url, messages)
		switch {
		case depth == 0:
		case name == "DeadLetterQueueUrl":
			fmt.Fprintf(s.Out, "  drain it first: sumoship dlq replay --queue %s\n", url)
		default:
			fmt.Fprintf(s.Out, "  see what they are: sumoship dlq peek --queue %s; SQS deletes them after 14 days\n", url)
		}
	}
	return all, nil
}
