package deploycmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
)

// Who interrupts the command while CloudFormation works is told what goes on, and which
// command shows it or goes on with it.
func TestInterruptionOfWhatGoesOn(t *testing.T) {
	const (
		look     = "; aws cloudformation describe-stack-events --stack-name logs --region eu-west-1 shows what becomes of it"
		followed = "; sumoship destroy --stack logs --region eu-west-1 follows it to its end"
	)
	set := func(ctx context.Context, c *cloud, create bool) error {
		s := cli.Streams{In: strings.NewReader(""), Out: new(bytes.Buffer), Err: io.Discard}
		_, err := c.apply(ctx, s, new(result), change{stack: &types.Stack{}, name: "logs", create: create, yes: true})
		return err
	}
	create := func(ctx context.Context, c *cloud) error { return set(ctx, c, true) }
	update := func(ctx context.Context, c *cloud) error { return set(ctx, c, false) }
	destroy := func(ctx context.Context, c *cloud) error {
		return c.delete(ctx, io.Discard, &types.Stack{StackName: aws.String("logs"), StackId: aws.String("arn")})
	}
	for name, c := range map[string]struct {
		run   func(context.Context, *cloud) error
		hangs string
		state types.StackStatus
		want  string
		calls []string
	}{
		"a creation":               {create, "", types.StackStatusCreateInProgress, "CloudFormation goes on with the creation of stack logs by itself" + look, []string{"create", "execute"}},
		"an update":                {update, "", types.StackStatusUpdateInProgress, "CloudFormation goes on with the update of stack logs by itself" + look, []string{"create", "execute"}},
		"an update that goes back": {update, "", types.StackStatusUpdateRollbackInProgress, "CloudFormation goes on with the update of stack logs by itself" + look, []string{"create", "execute"}},
		"a deletion":               {destroy, "", types.StackStatusDeleteInProgress, "CloudFormation goes on with the deletion of stack logs by itself" + followed, []string{"delete stack"}},
		// What has begun before its answer came is not known.
		"an update without an answer":  {update, "execute", "", "the update of stack logs may have begun, and goes on by itself then" + look, []string{"create", "execute", "delete change set"}},
		"a deletion without an answer": {destroy, "delete stack", "", "the deletion of stack logs may have begun, and goes on by itself then" + followed, []string{"delete stack"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{states: []types.StackStatus{c.state}, events: [][]types.StackEvent{nil}, sets: []cloudformation.DescribeChangeSetOutput{ready1}, hangs: c.hangs}
				ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
				defer cancel()
				err := c.run(ctx, &cloud{stacks: f, region: "eu-west-1", account: "123456789012"})
				if e, ok := errors.AsType[cli.Exit](err); !ok || e.Status != 130 || err.Error() != "interrupted; "+c.want {
					t.Errorf("%+v, want\n%s", err, c.want)
				}
				if diff := cmp.Diff(c.calls, f.calls); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What was interrupted is followed to its end when the command is run again.
func TestDeletionIsFollowedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{states: []types.StackStatus{types.StackStatusDeleteInProgress, types.StackStatusDeleteComplete},
			events: [][]types.StackEvent{{event("1", "Forwarder", "DELETE_IN_PROGRESS", "")}, {event("2", "Forwarder", "DELETE_COMPLETE", ""), event("1", "Forwarder", "DELETE_IN_PROGRESS", "")}}}
		var shown bytes.Buffer
		err := (&cloud{stacks: f}).delete(t.Context(), &shown, &types.Stack{StackName: aws.String("logs"), StackId: aws.String("arn"), StackStatus: types.StackStatusDeleteInProgress})
		if err != nil || shown.String() != "03:04:05  DELETE_COMPLETE              Forwarder\n" {
			t.Errorf("%v, shown\n%s", err, shown.String())
		}
	})
}
