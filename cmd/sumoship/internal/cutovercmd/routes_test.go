package cutovercmd

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A share changes the weights alone: what comes before the action, the stickiness and
// the secret of an OIDC provider stay.
func TestShift(t *testing.T) {
	p := pair{"old", "new"}
	stick := &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(60)}
	actions := []types.Action{
		{Type: types.ActionTypeEnumAuthenticateOidc, Order: aws.Int32(1), AuthenticateOidcConfig: &types.AuthenticateOidcActionConfig{Issuer: aws.String("i")}},
		{Type: types.ActionTypeEnumForward, Order: aws.Int32(2), TargetGroupArn: aws.String("old"), ForwardConfig: &types.ForwardActionConfig{
			TargetGroups: []types.TargetGroupTuple{{TargetGroupArn: aws.String("old")}}, TargetGroupStickinessConfig: stick,
		}},
	}
	want := []types.Action{
		{Type: types.ActionTypeEnumAuthenticateOidc, Order: aws.Int32(1),
			AuthenticateOidcConfig: &types.AuthenticateOidcActionConfig{Issuer: aws.String("i"),
				UseExistingClientSecret: aws.Bool(true)}},
		{Type: types.ActionTypeEnumForward, Order: aws.Int32(2),
			ForwardConfig: &types.ForwardActionConfig{TargetGroupStickinessConfig: stick,
				TargetGroups: []types.TargetGroupTuple{
					{TargetGroupArn: aws.String("old"), Weight: aws.Int32(75)}, {TargetGroupArn: aws.String("new"), Weight: aws.Int32(25)},
				}}},
	}
	got := shift(actions, p, 25)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(types.Action{}, types.ForwardActionConfig{},
		types.TargetGroupTuple{}, types.TargetGroupStickinessConfig{}, types.AuthenticateOidcActionConfig{})); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if actions[1].TargetGroupArn == nil || actions[0].AuthenticateOidcConfig.UseExistingClientSecret != nil {
		t.Error("the actions that were read are changed")
	}
	for _, percent := range []int{0, 5, 25, 50, 99, 100} {
		if got := shareOf(weights(shift(actions, p, percent), p)); got != percent {
			t.Errorf("%d %% is read back as %d", percent, got)
		}
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct{ old, fresh, want int }{
		{1, -1, 0}, {100, 0, 0}, {0, 100, 100}, {-1, 1, 100}, {999, 1, 1}, {1, 999, 99}, {1, 1, 50}, {0, 0, 0},
	} {
		if got := shareOf(c.old, c.fresh); got != c.want {
			t.Errorf("weights %d and %d are a share of %d, want %d", c.old, c.fresh, got, c.want)
		}
	}
}
