package cutover

import (
	"context"
	"fmt"
)

// Counts is the Router of versions without a load balancer, that share the work by the
// number of their tasks: both are registered in service discovery, or consume the same
// queue.
type Counts struct {
	Fleets [2]Fleet // by Side
	Tasks  int      // of both together
}

// Shares returns the share of the new version among the tasks, in percent: what
// [Counts.SetShare] set, as far as whole tasks tell.
func (c *Counts) Shares(ctx context.Context) ([]int, error) {
	n, err := c.desired(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case n[New] == 0:
		return []int{0}, nil
	case n[Old] == 0:
		return []int{100}, nil
	}
	return []int{min(99, max(1, 100*n[New]/(n[Old]+n[New])))}, nil
}

func (c *Counts) desired(ctx context.Context) (n [2]int, err error) {
	for side, fleet := range c.Fleets {
		if n[side], err = fleet.Desired(ctx); err != nil {
			return n, err
		}
	}
	return n, nil
}

// SetShare scales one version down: the other has the tasks that its share takes. It
// refuses to stop the last healthy task.
func (c *Counts) SetShare(ctx context.Context, _, percent int) error {
	down, tasks := Old, c.Tasks-Need(c.Tasks, percent)
	switch {
	case percent == 0:
		down, tasks = New, 0
	case percent < 100:
		tasks = max(1, tasks)
	}
	other, err := c.Fleets[1-down].Health(ctx)
	if err != nil {
		return err
	}
	if other.Healthy == 0 && tasks == 0 {
		return fmt.Errorf("no task of the %s version is healthy", 1-down)
	}
	return c.Fleets[down].Scale(ctx, tasks)
}
