package subscribecmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/subscription"
)

// account puts or removes the policy of the account.
func (x *subscribing) account(ctx context.Context, s cli.Streams) error {
	if !x.rule.Unsubscribe {
		// A policy names what it leaves out; other stacks of sumoship are known by
		// the names of their groups.
		own, err := x.Groups.Named(ctx, subscription.OwnPrefix)
		if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		x.rule.Own = append(x.rule.Own, own...)
	}
	have, err := x.Groups.Policies(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	step, err := x.rule.PlanAccount(have)
	if err != nil {
		return cli.Usagef("--account: %w", err)
	}
	p := step.Policy
	x.result.Steps = append(x.result.Steps,
		change{Policy: p.Name, Action: step.Action, Reason: step.Reason, Detail: step.Detail, Criteria: p.Criteria})
	if !x.JSON {
		text := fmt.Sprintf("%s  the policy of the account: %s\n", step.Action, strings.TrimSuffix(string(step.Reason)+": "+step.Detail, ": "))
		if step.Action == subscription.Put {
			text += fmt.Sprintf("     %s\n     %s\n", p.Document, p.Criteria)
		}
		if _, err := io.WriteString(s.Out, text); err != nil {
			return err
		}
	}
	if step.Action != subscription.Skip && !x.DryRun {
		question := "Subscribe all log groups of the account except these?"
		if step.Action == subscription.Delete {
			question = "Remove the policy of the account?"
		}
		if err := x.ask(ctx, s, question); err != nil {
			return err
		}
	}
	if x.To.NeedsPermission() && !x.rule.Unsubscribe && !step.Reason.Warning() {
		if err := x.permit(ctx, s); err != nil {
			return err
		}
	}
	if !x.DryRun {
		if err := x.subs.Do(ctx, func() error { return x.Groups.ApplyAccount(ctx, step) }); ctx.Err() != nil {
			return cli.Interrupted(ctx, "the policy of the account may be changed; run it again to see")
		} else if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
	}
	if x.JSON {
		err = cli.WriteJSON(s.Out, x.result)
	} else {
		end := "Done. CloudWatch Logs takes a few minutes to apply it."
		if x.DryRun || step.Action == subscription.Skip {
			end = "Nothing was changed."
		}
		_, err = fmt.Fprintf(s.Out, "%s%s\n", x.permissionText(), end)
	}
	if err == nil && step.Reason.Warning() {
		return cli.Fail(cli.ExitFound, fmt.Errorf("the account has one policy already, which is not ours: %s", step.Detail))
	}
	return err
}
