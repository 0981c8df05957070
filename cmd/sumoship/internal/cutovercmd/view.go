package cutovercmd

import (
	"context"
	"fmt"
	"io"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/cutover"
)

// document is a cut-over in JSON.
type document struct {
	Old      string       `json:"old"`
	New      string       `json:"new"`
	State    string       `json:"state"`
	Versions []running    `json:"versions"`
	Shares   []share      `json:"shares"`             // by what shares the requests
	Steps    []planned    `json:"steps,omitempty"`    // of a plan
	Missing  []string     `json:"missing,omitempty"`  // of a plan: why it cannot begin
	Since    *time.Time   `json:"since,omitempty"`    // of a status: the last step
	Measured []comparison `json:"measured,omitempty"` // of a status, since then
}

// running is a version and its tasks.
type running struct {
	Version   string `json:"version"` // old or new
	Service   string `json:"service"`
	Tasks     int    `json:"tasks"` // that it should have
	Healthy   int    `json:"healthy"`
	Unhealthy int    `json:"unhealthy"`
}

// share is how requests are shared.
type share struct {
	By  string `json:"by"`  // a rule, a listener, or the number of tasks
	New int    `json:"new"` // percent of the new version
}

// planned is a step.
type planned struct {
	New     int   `json:"new"`     // percent of the new version
	Healthy int   `json:"healthy"` // tasks that it takes first
	Millis  int64 `json:"ms"`      // that it is watched for
}

// comparison is what was measured of a version.
type comparison struct {
	Version  string  `json:"version"`
	Requests float64 `json:"requests"`
	Errors   float64 `json:"errors"` // answers with 5xx
	Millis   int64   `json:"ms"`     // the p99 of the time to answer
}

// Outputs is what the verbs of a service write as JSON.
func (f *serviceFlags) Outputs() []any { return []any{document{}} }

// look reads both versions, and what shares the requests.
func (v *versions) look(ctx context.Context) (*document, error) {
	e, err := v.Load(ctx)
	if err != nil {
		return nil, v.fail(ctx, err)
	}
	shares, err := v.cutover(true).Router.Shares(ctx)
	if err != nil {
		return nil, v.fail(ctx, err)
	}
	d := &document{Old: v.fleets[cutover.Old].name, New: v.fleets[cutover.New].name, Versions: []running{}, Shares: []share{}, State: map[cutover.Phase]string{
		cutover.Idle: "not begun", cutover.Forward: "under way", cutover.Back: "going back", cutover.Stopped: "went back", cutover.Done: "done",
	}[e.Phase]}
	for side, f := range v.fleets {
		h, err := f.Health(ctx)
		if err != nil {
			return nil, v.fail(ctx, err)
		}
		desired, err := f.Desired(ctx)
		if err != nil {
			return nil, v.fail(ctx, err)
		}
		d.Versions = append(d.Versions, running{fmt.Sprint(cutover.Side(side)), f.name, desired, h.Healthy, h.Unhealthy})
	}
	for i, new := range shares {
		what := "number of tasks"
		if len(v.routes) > 0 {
			what = v.routes[i].String()
		}
		d.Shares = append(d.Shares, share{what, new})
	}
	return d, nil
}

// end writes how it stands at the end of a verb: as JSON, or in words.
func (f *serviceFlags) end(ctx context.Context, s cli.Streams, v *versions, words string) error {
	if !f.JSON {
		_, err := fmt.Fprintln(s.Out, words)
		return err
	}
	d, err := v.look(ctx)
	if err != nil {
		return err
	}
	return cli.WriteJSON(s.Out, d)
}

// write shows both versions and what shares the requests.
func (d *document) write(w io.Writer) error {
	fmt.Fprintf(w, "Cut-over of %s to %s: %s.\n\n", d.Old, d.New, d.State)
	var rows []cli.Row
	for _, r := range d.Versions {
		unhealthy := fmt.Sprint(r.Unhealthy)
		if r.Unhealthy > 0 {
			unhealthy = cli.Paint(w, cli.Bad, unhealthy)
		}
		rows = append(rows, cli.Row{r.Version, r.Service, r.Tasks, r.Healthy, unhealthy})
	}
	if err := cli.WriteTable(w, cli.Row{"version", "service", "tasks", "healthy", "unhealthy"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, s := range d.Shares {
		rows = append(rows, cli.Row{s.By, 100 - s.New, s.New})
	}
	fmt.Fprintln(w)
	return cli.WriteTable(w, cli.Row{"requests by", "old %", "new %"}, rows)
}
