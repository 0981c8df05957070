package subscription

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// AccountPolicy is a subscription filter policy of a whole account: one filter
// for all its log groups of a Region, those also those created later. There can
// be one in each Region.
type AccountPolicy struct {
	Name     string
	Document string // JSON: destination, pattern, role
	Criteria string // which groups are not in it
}

// maxCriteria is the limit of the selection criteria, in bytes.
//
// Source: Amazon CloudWatch Logs API Reference, PutAccountPolicy.
const maxCriteria = 25 << 10

type policyDocument struct {
	DestinationArn string
	RoleArn        string `json:",omitempty"`
	FilterPattern  string
}

// accountPolicy returns the rule as the policy of an account. Its criteria leave
// out the groups that our delivery writes to, which would make a loop.
func (r *Rule) accountPolicy() (AccountPolicy, error) {
	if len(r.Names) > 0 || len(r.Include) > 0 || len(r.Exclude) > 0 || len(r.Tags) > 0 {
		return AccountPolicy{}, errors.New("the policy of an account takes all its log groups but those it names: it cannot choose by patterns or tags")
	}
	if !r.Options.isZero() {
		return AccountPolicy{}, errors.New("the policy of an account has no member for system fields, field selection criteria or transformed logs: only a filter of each log group has")
	}
	want := r.filter(Options{})
	document, err := json.Marshal(policyDocument{want.Destination, want.Role, want.Pattern})
	if err != nil {
		return AccountPolicy{}, err
	}
	own := slices.Concat(r.Own, r.Destination.logGroups())
	slices.Sort(own)
	own = slices.Compact(own)
	p := AccountPolicy{Name: want.Name, Document: string(document)}
	if len(own) > 0 {
		list, err := json.Marshal(own)
		if err != nil {
			return AccountPolicy{}, err
		}
		p.Criteria = notIn + string(list)
	}
	if len(p.Criteria) > maxCriteria {
		return AccountPolicy{}, fmt.Errorf("the selection criteria, which name %d log groups, have %d bytes; CloudWatch Logs takes at most %d", len(own), len(p.Criteria), maxCriteria)
	}
	return p, nil
}

const notIn = "LogGroupName NOT IN "

// except are the groups that criteria leave out. ok is false if they are not of
// the form that is known.
func (p AccountPolicy) except() (groups []string, ok bool) {
	list, found := strings.CutPrefix(strings.TrimSpace(p.Criteria), strings.TrimSpace(notIn))
	if !found {
		return nil, strings.TrimSpace(p.Criteria) == ""
	}
	if json.Unmarshal([]byte(list), &groups) != nil {
		return nil, false
	}
	slices.Sort(groups)
	return slices.Compact(groups), true
}

func (p AccountPolicy) equal(o AccountPolicy) bool {
	var a, b policyDocument
	if json.Unmarshal([]byte(p.Document), &a) != nil || json.Unmarshal([]byte(o.Document), &b) != nil || a != b {
		return false
	}
	x, ok1 := p.except()
	y, ok2 := o.except()
	return ok1 && ok2 && slices.Equal(x, y)
}

// DeliversTo reports whether the policy delivers to a destination.
func (p AccountPolicy) DeliversTo(d Destination) bool {
	var doc policyDocument
	return json.Unmarshal([]byte(p.Document), &doc) == nil && d.is(doc.DestinationArn)
}

// Covers reports whether the policy delivers a log group to a destination. Criteria
// of an unknown form are taken to leave out no group.
func (p AccountPolicy) Covers(d Destination, group string) bool {
	except, _ := p.except()
	return p.DeliversTo(d) && !slices.Contains(except, group)
}

// AccountStep is what to do with the policy of the account.
type AccountStep struct {
	Action Action
	Reason Reason
	Detail string
	Policy AccountPolicy // to put; to delete only its name counts
}

// PlanAccount compares the rule with the subscription policies that the account
// has. A policy without our name and destination is left alone, and leaves no
// room for ours.
//
// Errors: what the policy of an account cannot express.
func (r *Rule) PlanAccount(have []AccountPolicy) (AccountStep, error) {
	want, err := r.accountPolicy()
	if err != nil {
		return AccountStep{}, err
	}
	for _, p := range have {
		ours := p.Name == want.Name && p.DeliversTo(r.Destination)
		switch {
		case ours && r.Unsubscribe:
			return AccountStep{Action: Delete, Reason: Unsubscribed, Policy: p}, nil
		case r.Unsubscribe:
			continue
		case ours && p.equal(want):
			return AccountStep{Action: Skip, Reason: Already, Policy: p}, nil
		case ours:
			return AccountStep{Action: Put, Reason: Changed, Detail: fmt.Sprintf("%s except %s", p.Document, cmp.Or(p.Criteria, "nothing")), Policy: want}, nil
		case p.DeliversTo(r.Destination):
			return AccountStep{Action: Skip, Reason: Delivered, Detail: p.Name}, nil
		case p.Name == want.Name:
			return AccountStep{Action: Skip, Reason: NameTaken, Detail: p.Document}, nil
		default:
			return AccountStep{Action: Skip, Reason: AccountTaken, Detail: fmt.Sprintf("%s: %s", p.Name, p.Document)}, nil
		}
	}
	if r.Unsubscribe {
		return AccountStep{Action: Skip, Reason: NotThere}, nil
	}
	return AccountStep{Action: Put, Reason: New, Policy: want}, nil
}
