package doctor

import (
	"context"
	"errors"
	"strings"

	"sumoship/deploy/subscription"
)

var stackFaults = []Fault{stackUnknown, stackFailed, stackForeign}

var stackUnknown = Fault{"stack-unknown", Broken,
	"Nothing is shipped, or sumoship runs somewhere else.",
	"Without a stack in this Region nothing ships its log groups: CloudWatch Logs delivers within a Region.",
	"Name the stack by --stack and its Region by --region, or deploy one there: `sumoship deploy --stack {stack}{region}`."}

var stackFailed = Fault{"stack-failed", Broken,
	"A deployment ended with an error, and changes are not there.",
	"A stack in this state may be half of what its template says.",
	"See why: `aws cloudformation describe-stack-events --stack-name {stack}{region}`; then deploy again: `sumoship deploy --stack {stack}{region}`."}

var stackForeign = Fault{"stack-foreign", Broken,
	"The stack is there, but it is not one of sumoship.",
	"Its outputs name no forwarder.",
	"Name the stack of sumoship by --stack."}

func (x *exam) stackThere(ctx context.Context) error {
	account, err := x.Account(ctx)
	if err != nil {
		return err
	}
	x.report.Account = account
	x.stack, err = x.Stacks.Stack(ctx, x.Options.Stack)
	switch {
	case errors.Is(err, ErrNotFound):
		x.finds(stackUnknown, "no stack %s in %s of account %s%s", x.Options.Stack, x.Region, account, x.Near("stack", x.Options.Stack))
		return nil
	case err != nil:
		return err
	}
	arn := x.stack.Outputs["ForwarderArn"]
	if arn == "" {
		x.finds(stackForeign, "stack %s has no output ForwarderArn", x.Options.Stack)
		return nil
	}
	if x.to, err = subscription.ParseDestination(arn); err != nil {
		return err
	}
	if s := x.stack.Status; strings.Contains(s, "FAILED") || strings.Contains(s, "ROLLBACK") && s != "UPDATE_ROLLBACK_COMPLETE" || strings.HasPrefix(s, "DELETE") {
		x.finds(stackFailed, "%s", strings.TrimSuffix(s+": "+x.stack.Reason, ": "))
	}
	x.sound("%s in %s of account %s is %s", x.Options.Stack, x.Region, account, x.stack.Status)
	return nil
}
