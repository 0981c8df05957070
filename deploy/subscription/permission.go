package subscription

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Permission is a statement in the policy of a function that lets CloudWatch
// Logs call it for every log group of the account.
type Permission struct {
	ID            string // of the statement
	Principal     string
	SourceARN     string
	SourceAccount string
}

// PermissionID is the id of our statement.
const PermissionID = "sumoship-all-log-groups"

// Permission is what a function needs: one statement for all log groups, for a
// statement for each would soon fill its policy, which has 20 KB.
//
// Source: AWS Lambda Developer Guide, "Resource-based policies" and "Quotas".
func (d Destination) Permission() Permission {
	return Permission{
		ID: PermissionID, Principal: d.principal(), SourceAccount: d.Account,
		SourceARN: fmt.Sprintf("arn:%s:logs:%s:%s:log-group:*", d.Partition, d.Region, d.Account),
	}
}

// principal is CloudWatch Logs, whose name has the suffix of its partition.
func (d Destination) principal() string {
	if d.Partition == "aws-cn" {
		return "logs.amazonaws.com.cn"
	}
	return "logs.amazonaws.com"
}

// words is a JSON string or a list of them, as policies have it.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// Permitted tells whether the policy of a function lets CloudWatch Logs call it
// for all log groups already, by a statement that is ours or anybody's. An empty
// policy permits nothing.
func (d Destination) Permitted(policy string) (bool, error) {
	if policy == "" {
		return false, nil
	}
	var doc struct {
		Statement []struct {
			Effect    string
			Principal json.RawMessage
			Action    words
			Condition map[string]map[string]words
		}
	}
	if err := json.Unmarshal([]byte(policy), &doc); err != nil {
		return false, fmt.Errorf("the policy of %s cannot be read: %w", d.ARN, err)
	}
	for _, s := range doc.Statement {
		if s.Effect == "Allow" && d.isLogs(s.Principal) && d.covers(s.Condition) &&
			slices.ContainsFunc(s.Action, func(a string) bool { return a == "lambda:InvokeFunction" || a == "lambda:*" || a == "*" }) {
			return true, nil
		}
	}
	return false, nil
}

func (d Destination) isLogs(principal json.RawMessage) bool {
	var p struct{ Service words }
	if json.Unmarshal(principal, &p) != nil {
		return false
	}
	regional := strings.Replace(d.principal(), "logs.", "logs."+d.Region+".", 1) // as it was once
	return slices.ContainsFunc(p.Service, func(s string) bool { return s == "logs.amazonaws.com" || s == d.principal() || s == regional })
}

// covers tells whether conditions hold for all log groups. A condition that is
// not known does not.
func (d Destination) covers(conditions map[string]map[string]words) bool {
	group := fmt.Sprintf("arn:%s:logs:%s:%s:log-group:", d.Partition, d.Region, d.Account)
	all := []string{"*", strings.TrimSuffix(group, "log-group:") + "*", group + "*", group + "*:*"}
	for operator, keys := range conditions {
		for key, values := range keys {
			switch strings.ToLower(key) {
			case "aws:sourceaccount":
				if (operator != "StringEquals" && operator != "StringLike") || !slices.Contains(values, d.Account) {
					return false
				}
			case "aws:sourcearn":
				if (operator != "ArnLike" && operator != "StringLike") ||
					!slices.ContainsFunc(values, func(v string) bool { return slices.Contains(all, v) }) {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}
