package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// WentBackError says why a cut-over went back. The old version has all requests.
type WentBackError struct{ Why string }

func (e *WentBackError) Error() string { return "went back to the old version: " + e.Why }

// blind is how many looks in a row may fail before the cut-over goes back.
const blind = 4

// Run moves the requests to the new version, from wherever an earlier run left them.
// When it returns nil the new version has all requests, and the old one has no tasks.
//
// Errors: *[WentBackError]; those of the interfaces, or of ctx, with the shares as
// they are. Run it again to go on.
func (c *Cutover) Run(ctx context.Context) error {
	e, err := c.Store.Load(ctx)
	if err != nil {
		return err
	}
	switch e.Phase {
	case Done:
		return nil
	case Back:
		return c.goBack(ctx, e, "an earlier run had begun to")
	case Idle, Stopped:
		if e, err = c.begin(ctx); err != nil {
			return err
		}
	}
	for {
		why, err := c.take(ctx, &e)
		if err != nil {
			return err
		}
		if why != "" {
			return c.goBack(ctx, e, why)
		}
		if e.Step >= 100 {
			return c.finish(ctx, e)
		}
		e.Step, e.Since = c.after(e.Step), time.Time{}
	}
}

// after returns the step after a share.
func (c *Cutover) after(share int) int {
	for _, step := range c.steps() {
		if step > share {
			return min(step, 100)
		}
	}
	return 100
}

// begin notes how the old version is before the first step.
func (c *Cutover) begin(ctx context.Context) (e Entry, err error) {
	shares, err := c.Router.Shares(ctx)
	if err != nil {
		return e, err
	}
	if len(shares) == 0 {
		return e, errors.New("nothing sends requests to both versions")
	}
	e = Entry{Phase: Forward, Step: c.after(0)}
	if share := slices.Max(shares); share > 0 {
		e.Step = share // somebody moved it by hand: watch that first
	}
	if e.Tasks, err = c.Fleets[Old].Desired(ctx); err != nil {
		return e, err
	}
	now := time.Now()
	if e.Before, err = c.Monitor.Sample(ctx, Old, now.Add(-or(c.Bake, defaultBake)), now); err != nil {
		return e, err
	}
	c.report("the old version has %d tasks, %.0f requests in %s, %.2f %% errors, p99 %s", e.Tasks, e.Before.Requests, or(c.Bake,
		defaultBake), e.Before.errorRate(), e.Before.Latency.Round(time.Millisecond))
	return e, nil
}

// take takes one step: it waits for the tasks that it needs, sets the share of each
// route, and watches. It returns why the cut-over must go back, "" if it must not.
func (c *Cutover) take(ctx context.Context, e *Entry) (why string, err error) {
	shares, err := c.Router.Shares(ctx)
	if err != nil {
		return "", err
	}
	there := !slices.ContainsFunc(shares, func(s int) bool { return s != e.Step })
	if !there || e.Since.IsZero() {
		if why, err = c.prepare(ctx, New, Need(e.Tasks, e.Step)); why != "" || err != nil {
			return why, err
		}
		e.Since = time.Now().Truncate(time.Second)
		if err := c.Store.Save(ctx, *e); err != nil {
			return "", err
		}
		for route, share := range shares {
			if share == e.Step {
				continue
			}
			if err := c.Router.SetShare(ctx, route, e.Step); err != nil {
				if ctx.Err() != nil {
					return "", err
				}
				return fmt.Sprintf("route %d: %v", route+1, err), nil
			}
		}
		c.report("%d %% of the requests go to the new version", e.Step)
	}
	return c.watch(ctx, e)
}

// prepare waits until a version has as many healthy tasks, and starts them where it
// has fewer.
func (c *Cutover) prepare(ctx context.Context, side Side, tasks int) (why string, err error) {
	desired, err := c.Fleets[side].Desired(ctx)
	if err != nil {
		return "", err
	}
	if desired < tasks {
		c.report("start %d tasks of the %s version, which has %d", tasks, side, desired)
		if err := c.Fleets[side].Scale(ctx, tasks); err != nil {
			return "", err
		}
	}
	deadline := time.Now().Add(or(c.HealthWait, defaultHealthWait))
	for said := false; ; said = true {
		h, err := c.Fleets[side].Health(ctx)
		if err == nil && h.Healthy >= tasks {
			return "", nil
		}
		if !time.Now().Before(deadline) {
			return fmt.Sprintf("after %s, %d tasks of the %s version are healthy, and %d must be", or(c.HealthWait,
				defaultHealthWait), h.Healthy, side, tasks), nil
		}
		if !said {
			c.report("wait for healthy tasks of the %s version: %d of %d", side, h.Healthy, tasks)
		}
		if err := sleep(ctx, or(c.Poll, defaultPoll)); err != nil {
			return "", err
		}
	}
}

// watch watches a step until it has baked. It returns why the cut-over must go back.
func (c *Cutover) watch(ctx context.Context, e *Entry) (why string, err error) {
	bake := max(or(c.Bake, defaultBake), or(c.LogWait, defaultLogWait))
	o := Observation{Before: e.Before}
	failures := 0
	for {
		o.Share, o.Need = e.Step, Need(e.Tasks, e.Step)
		o.LogsDue = time.Since(e.Since) >= or(c.LogWait, defaultLogWait)
		switch err := c.look(ctx, *e, &o); {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil:
			if failures++; failures >= blind {
				return fmt.Sprintf("cannot see how it is: %v", err), nil
			}
		case e.Step < 100 && o.Health[Old].Healthy == 0 && o.Health[New].Healthy > 0:
			if err := c.rescue(ctx, e); err != nil {
				return "", err
			}
			o = Observation{Before: e.Before}
		default:
			failures = 0
			if why := c.Limits.Worse(o); why != "" {
				return why, nil
			}
			if time.Since(e.Since) >= bake {
				return "", nil
			}
		}
		if err := sleep(ctx, or(c.Poll, defaultPoll)); err != nil {
			return "", err
		}
	}
}

// rescue gives all requests to the new version, because the old one has no healthy
// task. What the new version lacks is started at the same time.
func (c *Cutover) rescue(ctx context.Context, e *Entry) error {
	c.report("no task of the old version is healthy: the new one gets all requests")
	e.Step, e.Since = 100, time.Now().Truncate(time.Second)
	if err := c.insist(ctx, func() error { return c.Store.Save(ctx, *e) }); err != nil {
		return err
	}
	var shares []int
	if err := c.insist(ctx, func() (err error) { shares, err = c.Router.Shares(ctx); return err }); err != nil {
		return err
	}
	for route := range shares {
		if err := c.insist(ctx, func() error { return c.Router.SetShare(ctx, route, 100) }); err != nil {
			return err
		}
	}
	return c.insist(ctx, func() error {
		desired, err := c.Fleets[New].Desired(ctx)
		if err == nil && desired < e.Tasks {
			err = c.Fleets[New].Scale(ctx, e.Tasks)
		}
		return err
	})
}

// look looks at both versions.
func (c *Cutover) look(ctx context.Context, e Entry, o *Observation) (err error) {
	for _, side := range []Side{Old, New} {
		if o.Health[side], err = c.Fleets[side].Health(ctx); err != nil {
			return err
		}
		if o.Health[side].Unhealthy > 0 || side == New && o.Health[New].Healthy < o.Need {
			o.Sick[side]++
		} else {
			o.Sick[side] = 0
		}
		if o.Samples[side], err = c.Monitor.Sample(ctx, side, e.Since, time.Now()); err != nil {
			return err
		}
		if o.LogsDue && !o.Logs[side] {
			if o.Logs[side], err = c.Monitor.Logs(ctx, side, e.Since); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish lets the old version end what it has, and stops it.
func (c *Cutover) finish(ctx context.Context, e Entry) error {
	c.report("the new version has all requests; the old one ends what it has, for %s", or(c.Drain, defaultDrain))
	if err := sleep(ctx, or(c.Drain, defaultDrain)); err != nil {
		return err
	}
	if err := c.Fleets[Old].Scale(ctx, 0); err != nil {
		return err
	}
	e.Phase = Done
	if err := c.Store.Save(ctx, e); err != nil {
		return err
	}
	c.report("the old version has no tasks")
	return nil
}

// Back moves all requests to the old version, also after it was stopped.
//
// Errors: those of the interfaces, or of ctx; nil when the old version has all
// requests.
func (c *Cutover) Back(ctx context.Context) error {
	e, err := c.Store.Load(ctx)
	if err != nil {
		return err
	}
	if e.Tasks == 0 {
		if e.Tasks, err = c.Fleets[Old].Desired(ctx); err != nil {
			return err
		}
	}
	if err := c.goBack(ctx, e, "it was asked to"); err != nil {
		if _, ok := errors.AsType[*WentBackError](err); !ok {
			return err
		}
	}
	return nil
}

// tries is how often each part of the way back is tried.
const tries = 20

// goBack gives all requests to the old version, as soon as that has a healthy task.
// It tries for long: there is nothing better to do.
func (c *Cutover) goBack(ctx context.Context, e Entry, why string) error {
	c.report("go back: %s", why)
	e.Phase, e.Step = Back, 0
	if err := c.insist(ctx, func() error { return c.Store.Save(ctx, e) }); err != nil {
		return fmt.Errorf("going back (%s): %w", why, err)
	}
	if err := c.wake(ctx, e); err != nil {
		return fmt.Errorf("going back (%s): %w", why, err)
	}
	var shares []int
	err := c.insist(ctx, func() (err error) { shares, err = c.Router.Shares(ctx); return err })
	for route, share := range shares {
		if err == nil && share != 0 {
			err = c.insist(ctx, func() error { return c.Router.SetShare(ctx, route, 0) })
		}
	}
	if err == nil {
		e.Phase = Stopped
		err = c.insist(ctx, func() error { return c.Store.Save(ctx, e) })
	}
	if err != nil {
		return fmt.Errorf("going back (%s): %w", why, err)
	}
	c.report("the old version has all requests")
	return &WentBackError{why}
}

// wake makes sure that the old version can take the requests: it starts its tasks if
// they were stopped, and waits for a healthy one while the new version has any.
func (c *Cutover) wake(ctx context.Context, e Entry) error {
	tasks, enough := max(1, e.Tasks), 1
	err := c.insist(ctx, func() error {
		desired, err := c.Fleets[Old].Desired(ctx)
		if err != nil || desired >= tasks {
			return err
		}
		enough = tasks
		c.report("start %d tasks of the old version, which has %d", tasks, desired)
		return c.Fleets[Old].Scale(ctx, tasks)
	})
	if err != nil {
		return err
	}
	deadline := time.Now().Add(or(c.HealthWait, defaultHealthWait))
	for {
		old, err := c.Fleets[Old].Health(ctx)
		current, err2 := c.Fleets[New].Health(ctx)
		late := !time.Now().Before(deadline)
		switch err := errors.Join(err, err2); {
		case err == nil && (old.Healthy >= enough || old.Healthy > 0 && current.Healthy == 0):
			return nil
		case err == nil && late && old.Healthy >= current.Healthy:
			return nil // neither is well, and the old one no worse
		case late && err != nil:
			return err
		case late:
			return fmt.Errorf("after %s, %d tasks of the old version are healthy and %d of the new one: look at the old service, then go back again",
				or(c.HealthWait, defaultHealthWait), old.Healthy, current.Healthy)
		}
		if err := sleep(ctx, or(c.Poll, defaultPoll)); err != nil {
			return err
		}
	}
}

// insist tries until it succeeds, or ctx ends, or it was tried often.
func (c *Cutover) insist(ctx context.Context, do func() error) error {
	wait := time.Second
	for i := 1; ; i++ {
		err := do()
		if err == nil || ctx.Err() != nil || i == tries {
			return err
		}
		c.report("try again: %v", err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, or(c.Poll, defaultPoll))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
