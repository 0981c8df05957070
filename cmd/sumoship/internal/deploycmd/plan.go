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

// writePlan says in words what a change set changes: what is new, what is changed in
// place, what is replaced, and what goes.
func writePlan(w io.Writer, c *changeSet) {
	added := map[string]int{}
	var lines [3][]string // changed, replaced, removed
	for _, r := range c.changes {
		name, kind := aws.ToString(r.LogicalResourceId), aws.ToString(r.ResourceType)
		switch {
		case r.Action == types.ChangeActionAdd:
			added[kind]++
		case r.Action == types.ChangeActionRemove:
			lines[2] = append(lines[2], fmt.Sprintf("%s (%s)%s", name, kind, fate(r)))
		case r.Replacement == types.ReplacementTrue || r.Replacement == types.ReplacementConditional:
			may := ""
			if r.Replacement == types.ReplacementConditional {
				may = ", perhaps"
			}
			lines[1] = append(lines[1], fmt.Sprintf("%s (%s)%s%s%s", name, kind, properties(r), may, fate(r)))
		default:
			lines[0] = append(lines[0], fmt.Sprintf("%s (%s)%s", name, kind, properties(r)))
		}
	}
	if len(added) > 0 {
		n := 0
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(added)) {
			n += added[kind]
			kinds = append(kinds, fmt.Sprintf("%d × %s", added[kind], kind))
		}
		fmt.Fprintf(w, "new: %s\n  %s\n", cli.Count(n, "resource"), strings.Join(kinds, "\n  "))
	}
	for i, title := range []string{"changed in place", "replaced", "removed"} {
		if len(lines[i]) > 0 {
			slices.Sort(lines[i])
			fmt.Fprintf(w, "%s: %s\n  %s\n", title, cli.Count(len(lines[i]), "resource"), strings.Join(lines[i], "\n  "))
		}
	}
}

// properties names what changes in a resource.
func properties(r types.ResourceChange) string {
	names := map[string]bool{}
	for _, d := range r.Details {
		if d.Target != nil && d.Target.Name != nil {
			names[*d.Target.Name] = true
		} else if d.Target != nil {
			names[string(d.Target.Attribute)] = true
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// fate says what becomes of a resource that goes.
func fate(r types.ResourceChange) string {
	kept := r.PolicyAction == types.PolicyActionRetain || r.PolicyAction == types.PolicyActionReplaceAndRetain
	switch {
	case kept && slices.Contains(holds, aws.ToString(r.ResourceType)):
		return "; the old one stays, with the log events in it: drain it"
	case kept:
		return "; the old one stays"
	case slices.Contains(holds, aws.ToString(r.ResourceType)):
		return "; LOST with the log events in it"
	}
	return ""
}
