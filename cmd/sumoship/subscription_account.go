package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"sumoship/deploy/subscription"
)

// account puts or removes the policy of the account.
func (x *subscribing) account(ctx context.Context, s streams) error {
	if !x.rule.Unsubscribe {
		// A policy names what it leaves out; other stacks of sumoship are known by
		// the names of their groups.
		own, err := x.groups.Named(ctx, subscription.OwnPrefix)
		if err != nil {
			return exit{exitAWS, err}
		}
		x.rule.Own = append(x.rule.Own, own...)
	}
	have, err := x.groups.Policies(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	step, err := x.rule.PlanAccount(have)
	if err != nil {
		return usage("--account: %w", err)
	}
	p := step.Policy
	x.result.Steps = append(x.result.Steps,
		subscriptionStep{Policy: p.Name, Action: step.Action, Reason: step.Reason, Detail: step.Detail, Criteria: p.Criteria})
	if !x.JSON {
		text := fmt.Sprintf("%s  the policy of the account: %s\n", step.Action, strings.TrimSuffix(string(step.Reason)+": "+step.Detail, ": "))
		if step.Action == subscription.Put {
			text += fmt.Sprintf("     %s\n     %s\n", p.Document, p.Criteria)
		}
		if _, err := io.WriteString(s.out, text); err != nil {
			return err
		}
	}
	if step.Action != subscription.Skip && !x.DryRun {
		question := "Subscribe all log groups of the account but these?"
		if step.Action == subscription.Delete {
			question = "Remove the policy of the account?"
		}
		if err := x.ask(s, question); err != nil {
			return err
		}
	}
	if x.to.NeedsPermission() && !x.rule.Unsubscribe && !step.Reason.Warning() {
		if err := x.permit(ctx, s); err != nil {
			return err
		}
	}
	if !x.DryRun {
		if err := x.subs.Do(ctx, func() error { return x.groups.ApplyAccount(ctx, step) }); err != nil {
			return exit{exitAWS, err}
		}
	}
	if x.JSON {
		err = writeJSON(s.out, x.result)
	} else {
		end := "Done. CloudWatch Logs takes some minutes to follow."
		if x.DryRun || step.Action == subscription.Skip {
			end = "Nothing was changed."
		}
		_, err = fmt.Fprintf(s.out, "%s%s\n", x.permissionText(), end)
	}
	if err == nil && step.Reason.Warning() {
		return exit{exitFound, fmt.Errorf("the account has one policy already, which is not ours: %s", step.Detail)}
	}
	return err
}
