// Package cutovercmd is sumoship fargate cutover: it looks up both versions of a
// service and what shares the requests between them, and leaves the decisions to
// deploy/cutover.
package cutovercmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/cutover"
)

// Cmd moves the requests of a running service to its Fargate version.
type Cmd struct {
	Plan    planCmd    `cmd:"" help:"Show what shares the requests, the steps, and what is missing. Changes nothing."`
	Run     runCmd     `cmd:"" help:"Move the requests step by step, from wherever an earlier run left them."`
	Status  statusCmd  `cmd:"" help:"Show the shares, the tasks and what was measured since the last step."`
	Back    backCmd    `cmd:"" help:"Give all requests back to the old service, also after it was stopped."`
	Targets targetsCmd `cmd:"" help:"Point schedules at the Fargate version of a task definition, one by one."`
}

// serviceFlags name both versions.
type serviceFlags struct {
	Old     string `arg:"" help:"Name of the service that has the requests."`
	New     string `arg:"" help:"Name of its Fargate version, in the same cluster."`
	Cluster string `help:"Cluster of both." default:"default" placeholder:"NAME|ARN"`
	JSON    bool   `name:"json" help:"Write the result as JSON."`
	cli.AWSFlags
}

// paceFlags say how to move.
type paceFlags struct {
	Steps      []int         `help:"Shares of the new service, in percent, rising to 100. Default: 5,25,50,100." placeholder:"PERCENT"`
	Bake       time.Duration `help:"How long to watch each step." default:"5m"`
	Poll       time.Duration `help:"Time between two looks." default:"15s"`
	HealthWait time.Duration `help:"How long to wait for healthy tasks." default:"15m"`
	LogWait    time.Duration `help:"How long logs may take to arrive at the forwarder." default:"5m"`
	Drain      time.Duration `help:"How long the old service ends what it has, before it is stopped." default:"5m"`
	MaxErrors  float64       `help:"Go back at this many percentage points of 5xx above the old service." default:"1"`
	MaxLatency float64       `help:"Go back at this multiple of the old service's p99 latency." default:"1.5"`
	Logs       bool          `help:"Go back if the logs of a version do not arrive." default:"true" negatable:""`
}

func (f *paceFlags) check() error {
	last := 0
	for _, s := range f.Steps {
		if s <= last || s > 100 {
			return cli.Usagef("--steps %v: want shares that rise to 100, such as 5,25,50,100", f.Steps)
		}
		last = s
	}
	if len(f.Steps) > 0 && last != 100 {
		return cli.Usagef("--steps %v: the last one must be 100", f.Steps)
	}
	for _, flag := range []struct {
		name string
		d    time.Duration
	}{{"bake", f.Bake}, {"poll", f.Poll}, {"health-wait", f.HealthWait}, {"log-wait", f.LogWait}, {"drain", f.Drain}} {
		if flag.d <= 0 {
			return cli.Usagef("--%s %s: want more than 0", flag.name, flag.d)
		}
	}
	if f.MaxErrors <= 0 || f.MaxLatency < 1 {
		return cli.Usagef("--max-errors wants more than 0, and --max-latency at least 1")
	}
	return nil
}

// cutover returns the move of the services as the flags have it.
func (f *paceFlags) cutover(s cli.Streams, v *versions) *cutover.Cutover {
	c := v.cutover(f.Logs)
	c.Steps, c.Bake, c.Poll, c.HealthWait, c.LogWait, c.Drain = f.Steps, f.Bake, f.Poll, f.HealthWait, f.LogWait, f.Drain
	c.Limits = cutover.Limits{Errors: f.MaxErrors, Latency: f.MaxLatency}
	c.Report = func(format string, args ...any) {
		fmt.Fprintf(s.Err, "%s  %s\n", time.Now().UTC().Format("15:04:05"), fmt.Sprintf(format, args...))
	}
	return c
}

type planCmd struct {
	serviceFlags
	paceFlags `group:"Steps"`
}

func (c *planCmd) Help() string {
	return `  sumoship fargate cutover plan shop shop-fargate --cluster prod

Exit status: 0 it can begin, 1 something is missing, 2 the command is wrong, 3 AWS refused.`
}

func (c *planCmd) Run(ctx context.Context, s cli.Streams) error {
	if err := c.paceFlags.check(); err != nil {
		return err
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	d, err := v.look(ctx)
	if err != nil {
		return err
	}
	steps := c.Steps
	if len(steps) == 0 {
		steps = cutover.DefaultSteps()
	}
	tasks, err := v.fleets[cutover.Old].Desired(ctx)
	if err != nil {
		return v.fail(ctx, err)
	}
	watched := max(c.Bake, c.LogWait)
	var rows []cli.Row
	for _, step := range steps {
		d.Steps = append(d.Steps, planned{step, cutover.Need(tasks, step), watched.Milliseconds()})
		rows = append(rows, cli.Row{fmt.Sprintf("%d %%", step), cutover.Need(tasks, step), watched.String()})
	}
	for _, missing := range v.missing {
		d.Missing = append(d.Missing, missing.Error())
	}
	if c.JSON {
		if err := cli.WriteJSON(s.Out, d); err != nil || len(v.missing) == 0 {
			return err
		}
		return cli.Exit{Status: cli.ExitFound}
	}
	if err := d.write(s.Out); err != nil {
		return err
	}
	fmt.Fprintln(s.Out)
	if err := cli.WriteTable(s.Out, cli.Row{"step", "healthy tasks first", "watched for"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(s.Out,
		"\nIt goes back by itself at %g percentage points of 5xx, or %g times the p99 latency, above the old service;\nat unhealthy tasks of either; and when logs do not arrive at the forwarder.\n",
		c.MaxErrors, c.MaxLatency)
	if len(v.missing) > 0 {
		return cli.Fail(cli.ExitFound, errors.Join(v.missing...))
	}
	return nil
}

type runCmd struct {
	serviceFlags
	paceFlags `group:"Steps"`
	Yes       bool `short:"y" help:"Do not ask."`
}

func (c *runCmd) Help() string {
	return `The new service gets 5, 25, 50 and 100 % of the requests. Each step waits for the
healthy tasks that its share takes, is watched, and is followed by the next one only
if the new service is no worse. At the end the old service has no tasks.

State is in the rules and in a tag of the new service: a run that was interrupted or
killed leaves the shares as they are, and the next one goes on.

  sumoship fargate service shop.json --from-service ARN -o shop.yaml   # and deploy it
  sumoship fargate cutover plan shop shop-fargate --cluster prod
  sumoship fargate cutover run shop shop-fargate --cluster prod

Services without a load balancer share the work by the number of their tasks.

Exit status: 0 the new service has all requests, 1 it went back, 2 the command is
wrong, 3 AWS refused, 130 after Ctrl-C.`
}

func (c *runCmd) Run(ctx context.Context, s cli.Streams) error {
	if err := c.paceFlags.check(); err != nil {
		return err
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	if len(v.missing) > 0 {
		return cli.Fail(cli.ExitUsage, errors.Join(v.missing...))
	}
	if err := cli.Consent(ctx, s, c.Yes, fmt.Sprintf("Move the requests of %s to %s?", c.Old, c.New)); err != nil {
		return err
	}
	if err := c.paceFlags.cutover(s, v).Run(ctx); err != nil {
		return v.fail(ctx, err)
	}
	return c.end(ctx, s, v, fmt.Sprintf("%s has all requests, and %s has no tasks. %s", c.New, c.Old, v.removal()))
}

type statusCmd struct {
	serviceFlags
}

func (c *statusCmd) Help() string {
	return `  sumoship fargate cutover status shop shop-fargate --cluster prod

Exit status: 0, 2 the command is wrong, 3 AWS refused.`
}

func (c *statusCmd) Run(ctx context.Context, s cli.Streams) error {
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	d, err := v.look(ctx)
	if err != nil {
		return err
	}
	e, err := v.Load(ctx)
	if err != nil {
		return v.fail(ctx, err)
	}
	since := e.Since
	if since.IsZero() {
		since = time.Now().Add(-5 * time.Minute)
	}
	var rows []cli.Row
	for _, side := range []cutover.Side{cutover.Old, cutover.New} {
		sample, err := v.Sample(ctx, side, since, time.Now())
		if err != nil {
			return v.fail(ctx, err)
		}
		d.Measured = append(d.Measured, comparison{fmt.Sprint(side), sample.Requests, sample.Errors, sample.Latency.Milliseconds()})
		rows = append(rows, cli.Row{side, fmt.Sprintf("%.0f", sample.Requests), fmt.Sprintf("%.0f", sample.Errors), sample.Latency.Round(time.Millisecond)})
	}
	if d.Since = &since; c.JSON {
		return cli.WriteJSON(s.Out, d)
	}
	if err := d.write(s.Out); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "\nSince %s:\n", since.UTC().Format(time.RFC3339))
	return cli.WriteTable(s.Out, cli.Row{"version", "requests", "5xx", "p99"}, rows)
}

type backCmd struct {
	serviceFlags
	Yes bool `short:"y" help:"Do not ask."`
}

func (c *backCmd) Help() string {
	return `  sumoship fargate cutover back shop shop-fargate --cluster prod

Works at any time, also after a run was interrupted. The new service keeps its tasks.

Exit status: 0 the old service has all requests, 1 you said no, 2 the command is wrong,
3 AWS refused.`
}

func (c *backCmd) Run(ctx context.Context, s cli.Streams) error {
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := cli.Consent(ctx, s, c.Yes, fmt.Sprintf("Give all requests back to %s?", c.Old)); err != nil {
		return err
	}
	pace := paceFlags{HealthWait: 15 * time.Minute, Poll: 5 * time.Second}
	if err := pace.cutover(s, v).Back(ctx); err != nil {
		return v.fail(ctx, err)
	}
	return c.end(ctx, s, v, fmt.Sprintf("%s has all requests. %s still runs; it can be tried again with sumoship fargate cutover run.", c.Old, c.New))
}
