package stackcmd

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/doctor"
	"sumoship/version"
)

// Doctor is the verb.
type Doctor struct {
	flags
	LogGroup string        `help:"Also look whether this log group is shipped." placeholder:"NAME"`
	NoProbe  bool          `help:"Do not connect to Sumo Logic."`
	Canary   bool          `help:"Instead, send one marked log event the whole way, and show the milliseconds of each hop."`
	Wait     time.Duration `help:"With --canary, how long to wait for each hop." default:"60s" placeholder:"TIME"`
	SumoAPI  string        `name:"sumo-api" help:"With --canary, also search for the log event by this API of Sumo Logic, with SUMOLOGIC_ACCESSID and SUMOLOGIC_ACCESSKEY." placeholder:"https://api.DEPLOYMENT.sumologic.com"`
	JSON     bool          `name:"json" help:"Write the result as JSON."`
}

// Help is shown by --help.
func (c *Doctor) Help() string {
	return `Looks at a stack and its surroundings and changes nothing. Each line is a check:
✔ sound, ! doubtful, ✘ broken, with why it matters and what to do.
docs/troubleshooting.md lists what it finds.

To see whether the HTTP Source answers, it sends a request without a body, of which a
source stores nothing.

--canary writes one log event into the log group of the heartbeat, or into that of
--log-group, and follows it: log group, forwarder, Sumo Logic and, with --sumo-api,
search. As a monitor it also proves that Sumo Logic does not drop what it answers with
200.

  sumoship doctor --log-group /ecs/shop
  sumoship doctor --canary --json

Exit status: 0 nothing is broken, 1 something is, 2 the command is wrong, 3 AWS refused.`
}

// Outputs is what it writes as JSON.
func (c *Doctor) Outputs() []any { return []any{doctor.Report{}, doctor.Canary{}} }

// Run looks at the stack.
func (c *Doctor) Run(ctx context.Context, s cli.Streams) error {
	if err := c.Named("--log-group", &c.LogGroup); err != nil {
		return err
	}
	if c.Canary {
		_, err := c.canary(ctx, s)
		return err
	}
	cfg, clients, err := c.open(ctx)
	if err != nil {
		return err
	}
	bar := cli.NewBar(-1, "looking", s.Err)
	report, err := doctor.Examine(ctx, clients, doctor.Options{Stack: c.Stack, Region: cfg.Region, LogGroup: c.LogGroup, NoProbe: c.NoProbe, Command: version.Read().String(), Explain: cli.Plain,
		Near:     func(kind, name string) string { return cli.DidYouMean(ctx, cfg, cli.Missing{Kind: kind, Name: name}) },
		Progress: func(check string) { bar.Describe("looking at " + check) }})
	bar.Finish()
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if c.JSON {
		err = cli.WriteJSON(s.Out, report)
	} else {
		err = write(s, report)
	}
	if err == nil && report.Count(doctor.Broken) > 0 {
		return cli.Exit{Status: cli.ExitFound}
	}
	return err
}

var colours = map[doctor.Status]string{doctor.Sound: "\x1b[32m", doctor.Doubt: "\x1b[33m", doctor.Broken: "\x1b[31m"}

// mark is the sign of a status.
func mark(status doctor.Status, colour bool) string {
	if !colour {
		return status.Mark()
	}
	return colours[status] + status.Mark() + "\x1b[0m"
}

func write(s cli.Streams, r *doctor.Report) error {
	style := cli.Style(s.Out, s.Getenv)
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.Check))
	}
	put := func(first, indent, words string) {
		if style.Width > len(indent)+20 {
			words = text.WrapSoft(words, style.Width-len(indent))
		}
		fmt.Fprintln(s.Out, first+strings.ReplaceAll(words, "\n", "\n"+indent))
	}
	for _, f := range r.Findings {
		indent := strings.Repeat(" ", width+4)
		put(fmt.Sprintf("%s %-*s  ", mark(f.Status, style.Colour), width, f.Check), indent, f.Seen)
		if f.Status != doctor.Sound {
			put(indent, indent, f.Why)
			put(indent+"→ ", indent+"  ", f.Mend)
		}
	}
	_, err := fmt.Fprintf(s.Out, "\n%d sound, %d doubtful, %d broken\n", r.Count(doctor.Sound), r.Count(doctor.Doubt), r.Count(doctor.Broken))
	return err
}

// SendCanary is doctor --canary, for a stack that was just deployed. It also returns the
// way of the log event, as far as it is known.
func SendCanary(ctx context.Context, s cli.Streams, at cli.AWSFlags, stack string) (*doctor.Canary, error) {
	c := Doctor{Canary: true, Wait: time.Minute}
	c.AWSFlags, c.Stack = at, stack
	return c.canary(ctx, s)
}

// canary follows a log event and shows its way.
func (c *Doctor) canary(ctx context.Context, s cli.Streams) (*doctor.Canary, error) {
	o := doctor.CanaryOptions{Patience: c.Wait}
	if c.SumoAPI != "" {
		id, key := s.Getenv("SUMOLOGIC_ACCESSID"), s.Getenv("SUMOLOGIC_ACCESSKEY")
		if id == "" || key == "" {
			return nil, cli.Usagef("--sumo-api: set SUMOLOGIC_ACCESSID and SUMOLOGIC_ACCESSKEY to an access key of Sumo Logic")
		}
		o.Search = doctor.NewSumoAPI(c.SumoAPI, id, key)
	}
	cfg, clients, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	stack, err := c.stack(ctx, clients)
	if err != nil {
		return nil, err
	}
	o.Group, o.Forwarder = cmp.Or(c.LogGroup, stack.Outputs["HeartbeatLogGroup"]), stack.Outputs["ForwarderLogGroup"]
	if o.Group == "" {
		return nil, cli.Usagef("which log group? The stack has no heartbeat: give one that is shipped by --log-group")
	}
	bar := cli.NewBar(-1, "following the canary", s.Err)
	o.Progress = func(hop string) { bar.Describe("waiting for " + hop) }
	canary, err := doctor.Follow(ctx, doctor.LogsFromAWS(cfg), o)
	bar.Finish()
	if ctx.Err() != nil {
		return canary, cli.Interrupted(ctx, "the log event %s may still arrive", canary.ID)
	}
	if err != nil {
		return canary, cli.Fail(cli.ExitAWS, err)
	}
	if c.JSON {
		err = cli.WriteJSON(s.Out, canary)
	} else {
		style := cli.Style(s.Out, s.Getenv)
		var rows []cli.Row
		for _, h := range canary.Hops {
			rows = append(rows, cli.Row{mark(h.Status, style.Colour), h.Name, fmt.Sprintf("%d ms", h.Millis), h.Seen})
		}
		err = cli.WriteTable(s.Out, nil, rows)
	}
	if err == nil && !canary.Arrived() {
		return canary, cli.Exit{Status: cli.ExitFound}
	}
	return canary, err
}
