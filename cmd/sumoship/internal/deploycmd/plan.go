package deploycmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"sumoship/cmd/sumoship/internal/cli"
)

// holds are the types whose resources hold log events.
var holds = []string{"AWS::SQS::Queue", "AWS::Kinesis::Stream", "AWS::S3::Bucket"}

// Kinds of a change.
const (
	added    = "added"
	changed  = "changed in place"
	replaced = "replaced"
	perhaps  = "perhaps replaced"
	removed  = "removed"
)

// Effects of a change on a resource that goes.
const (
	stays  = "stays"
	drains = "stays with its log events" // which nothing ships any more
	loses  = "lost with its log events"
)

// planned is a change of a resource.
type planned struct {
	Kind       string   `json:"kind"` // added, changed in place, replaced, perhaps replaced, removed
	LogicalID  string   `json:"logicalId"`
	Type       string   `json:"type"`
	Properties []string `json:"properties,omitempty"` // that change
	Effect     string   `json:"effect,omitempty"`     // on what goes, if it stays or holds log events: stays, stays with its log events, lost with its log events
}

// plan returns the changes of a change set.
func plan(changes []types.ResourceChange) []planned {
	all := []planned{}
	for _, r := range changes {
		p := planned{LogicalID: aws.ToString(r.LogicalResourceId), Type: aws.ToString(r.ResourceType)}
		switch {
		case r.Action == types.ChangeActionAdd:
			p.Kind = added
		case r.Action == types.ChangeActionRemove:
			p.Kind, p.Effect = removed, effect(r)
		case r.Replacement == types.ReplacementTrue:
			p.Kind, p.Properties, p.Effect = replaced, properties(r), effect(r)
		case r.Replacement == types.ReplacementConditional:
			p.Kind, p.Properties, p.Effect = perhaps, properties(r), effect(r)
		default:
			p.Kind, p.Properties = changed, properties(r)
		}
		all = append(all, p)
	}
	return all
}

// withEffect names the resources that a change has an effect on.
func withEffect(changes []planned, effect string) (names []string) {
	for _, p := range changes {
		if p.Effect == effect {
			names = append(names, p.LogicalID)
		}
	}
	return names
}

// writePlan says in words what a change set changes: what is new, what is changed in
// place, what is replaced, and what goes.
func writePlan(w io.Writer, changes []planned) {
	news := map[string]int{}
	var lines [3][]string // changed, replaced, removed
	for _, p := range changes {
		line := fmt.Sprintf("%s (%s)", p.LogicalID, p.Type)
		if len(p.Properties) > 0 {
			line += ": " + strings.Join(p.Properties, ", ")
		}
		if p.Kind == perhaps {
			line += ", perhaps"
		}
		line += fate(w, p.Effect)
		switch p.Kind {
		case added:
			news[p.Type]++
		case changed:
			lines[0] = append(lines[0], line)
		case removed:
			lines[2] = append(lines[2], line)
		default:
			lines[1] = append(lines[1], line)
		}
	}
	if len(news) > 0 {
		n := 0
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(news)) {
			n += news[kind]
			kinds = append(kinds, fmt.Sprintf("%d × %s", news[kind], kind))
		}
		fmt.Fprintf(w, "%s: %s\n  %s\n", cli.Paint(w, cli.Good, "new"), cli.Count(n, "resource"), strings.Join(kinds, "\n  "))
	}
	for i, title := range []string{changed, cli.Paint(w, cli.Doubt, replaced), cli.Paint(w, cli.Doubt, removed)} {
		if len(lines[i]) > 0 {
			slices.Sort(lines[i])
			fmt.Fprintf(w, "%s: %s\n  %s\n", title, cli.Count(len(lines[i]), "resource"), strings.Join(lines[i], "\n  "))
		}
	}
}

// properties names what changes in a resource.
func properties(r types.ResourceChange) []string {
	names := map[string]bool{}
	for _, d := range r.Details {
		if d.Target != nil && d.Target.Name != nil {
			names[*d.Target.Name] = true
		} else if d.Target != nil {
			names[string(d.Target.Attribute)] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// effect is that of a change on a resource that goes.
func effect(r types.ResourceChange) string {
	kept := r.PolicyAction == types.PolicyActionRetain || r.PolicyAction == types.PolicyActionReplaceAndRetain
	switch held := slices.Contains(holds, aws.ToString(r.ResourceType)); {
	case kept && held:
		return drains
	case kept:
		return stays
	case held:
		return loses
	}
	return ""
}

// fate says an effect in words.
func fate(w io.Writer, effect string) string {
	switch effect {
	case drains:
		return "; the old one stays, with the log events in it: drain it"
	case stays:
		return "; the old one stays"
	case loses:
		return "; " + cli.Paint(w, cli.Bad, "LOST") + " with the log events in it"
	}
	return ""
}
