package subscribecmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/delivery"
	"sumoship/deploy/subscription"
	"sumoship/function/subscribe"
)

// result is the result of a call.
type result struct {
	Destination string              `json:"destination"`
	DryRun      bool                `json:"dryRun,omitempty"`
	Steps       []change            `json:"steps"`
	WayBack     []string            `json:"wayBack,omitempty"` // from a take-over, commands of a shell
	Permission  delivery.Permission `json:"permission,omitempty"`
	Report      *subscribe.Report   `json:"report,omitempty"` // not of the policy of an account
}

// Outputs is what both verbs write as JSON.
func (f *flags) Outputs() []any { return []any{result{}} }

type change struct {
	LogGroup string              `json:"logGroup,omitempty"`
	Policy   string              `json:"policy,omitempty"`
	Action   subscription.Action `json:"action"`
	Reason   subscription.Reason `json:"reason,omitempty"`
	Detail   string              `json:"detail,omitempty"`
	Criteria string              `json:"selectionCriteria,omitempty"`
	Error    string              `json:"error,omitempty"`
}

// table shows a plan: the steps, and what the user should know.
func (x *subscribing) table(out io.Writer, plan []subscribe.Outcome) error {
	var rows []cli.Row
	for _, o := range plan {
		if !x.shows(o) {
			continue
		}
		action, why := string(o.Action), string(o.Reason)
		if o.Detail != "" {
			why += ": " + o.Detail
		}
		if o.Err != nil {
			action, why = "failed", cli.Plain(o.Err).Error()
		}
		rows = append(rows, cli.Row{action, o.Group, why})
	}
	return cli.WriteTable(out, cli.Row{"ACTION", "LOG GROUP", "WHY"}, rows)
}

// shows reports whether a log group is named, and not just counted.
func (x *subscribing) shows(o subscribe.Outcome) bool {
	return x.All || o.Err != nil || o.Action != subscription.Skip || o.Reason.Warning() || o.Reason == subscription.Delivered
}

// finish writes the result. todo is how many steps a dry run has left undone.
func (x *subscribing) finish(s cli.Streams, outcomes []subscribe.Outcome, todo int) error {
	report := subscribe.Report{Left: -1}
	failed, warned := 0, 0
	var first error
	for _, o := range outcomes {
		report.Add(o)
		step := change{LogGroup: o.Group, Action: o.Action, Reason: o.Reason, Detail: o.Detail}
		if o.Err != nil {
			step.Error = cli.Plain(o.Err).Error()
			if failed++; first == nil {
				first = fmt.Errorf("%s: %w", o.Group, o.Err)
			}
		}
		if o.Reason.Warning() {
			warned++
		}
		if x.shows(o) {
			x.result.Steps = append(x.result.Steps, step)
		}
	}
	if x.rule.Replaces.ARN != "" { // a log group may have two filters
		groups := map[string]bool{}
		for _, o := range outcomes {
			groups[o.Group] = true
		}
		report.Seen = len(groups)
	}
	x.result.Report = &report
	var err error
	if x.JSON {
		err = cli.WriteJSON(s.Out, x.result)
	} else {
		err = x.summary(s.Out, &report, todo)
	}
	switch {
	case err != nil:
		return err
	case failed > 0:
		return cli.Fail(cli.ExitAWS, fmt.Errorf("%s failed, the first: %w\n"+
			"sumoship: what was done stays done; run it again to do the rest", cli.Count(failed, "log group"), first))
	case warned > 0:
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s cannot be subscribed", cli.Count(warned, "log group")))
	}
	return nil
}

func (x *subscribing) summary(out io.Writer, r *subscribe.Report, todo int) error {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	would := ""
	if todo > 0 {
		would = "to be "
	}
	if x.rule.Replaces.ARN != "" {
		add(r.Subscribed, would+"taken over")
	} else {
		add(r.Subscribed, would+"subscribed")
	}
	add(r.Removed, would+"unsubscribed")
	add(r.Failed, "failed")
	add(r.Already, "already subscribed")
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		add(r.Skipped[reason], reason)
	}
	if len(parts) == 0 {
		parts = []string{"there is nothing to do"}
	}
	text := fmt.Sprintf("%s: %s.\n", cli.Count(r.Seen, "log group"), strings.Join(parts, ", ")) + x.permissionText()
	if x.DryRun {
		text += "Nothing was changed.\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

// permissionText says what was done about the permission, if anything.
func (x *subscribing) permissionText() string {
	if x.result.Permission == "" {
		return ""
	}
	return fmt.Sprintf("Permission of CloudWatch Logs to call the function: %s.\n", x.result.Permission)
}
