package deploycmd

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Who interrupts the command while CloudFormation works is told that it goes on.
func TestInterruptionOfWhatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{states: []types.StackStatus{types.StackStatusUpdateInProgress}, events: [][]types.StackEvent{nil}}
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		_, err := follow(ctx, f, io.Discard, "arn:aws:cloudformation:eu-west-1:123456789012:stack/logs/1", map[string]bool{})
		if err == nil || !strings.Contains(err.Error(), "interrupted; CloudFormation goes on with stack logs without this command") {
			t.Errorf("error %v", err)
		}
	})
}
