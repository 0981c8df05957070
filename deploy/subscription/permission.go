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
	Action        string
	Principal     string
	SourceARN     string
	SourceAccount string
}

// PermissionID is the ID of our statement.
const PermissionID = "sumoship-all-log-groups"

// Permission returns what a function needs: one statement for all log groups.
// One for each would fill the policy of the function, which has 20 KB, at about
// 50.
//
// Source: AWS Lambda Developer Guide, "Resource-based policies" and "Lambda
// quotas".
func (d Destination) Permission() Permission {
	return Permission{
		ID: PermissionID, Action: "lambda:InvokeFunction", Principal: d.principal(), SourceAccount: d.Account,
		SourceARN: fmt.Sprintf("arn:%s:logs:%s:%s:log-group:*", d.Partition, d.Region, d.Account),
	}
}

// NeedsPermission reports whether CloudWatch Logs has to be permitted to deliver
// there by the policy of a function. Streams have roles, and logical destinations
// have policies of their own.
func (d Destination) NeedsPermission() bool { return d.Service == "lambda" }

// ClashError reports that a policy has a statement with our ID that does not
// permit what ours does. Ours can only be added after its removal.
type ClashError struct{ Function, StatementID string }

func (e *ClashError) Error() string {
	return fmt.Sprintf("function %[1]s: its policy has a statement %[2]s that permits something else: remove it with aws lambda remove-permission --function-name %[1]s --statement-id %[2]s", e.Function, e.StatementID)
}

// principal is CloudWatch Logs, whose name has the suffix of its partition.
func (d Destination) principal() string {
	if d.Partition == "aws-cn" {
		return "logs.amazonaws.com.cn"
	}
	return "logs.amazonaws.com"
}

// list is a JSON string or a list of them, as policies have it.
type list []string

func (w *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// Permitted reports whether the policy of a function lets CloudWatch Logs call it
// for all log groups already, by whatever statement. An empty policy permits
// nothing.
//
// Errors: [*ClashError] if our statement could not be added.
func (d Destination) Permitted(policy string) (bool, error) {
	if policy == "" {
		return false, nil
	}
	var doc struct {
		Statement []struct {
			Sid       string
			Effect    string
			Principal json.RawMessage
			Action    list
			Condition map[string]map[string]list
		}
	}
	if err := json.Unmarshal([]byte(policy), &doc); err != nil {
		return false, fmt.Errorf("the policy of %s cannot be read: %w", d.ARN, err)
	}
	clash := false
	for _, s := range doc.Statement {
		if s.Effect == "Allow" && d.isLogs(s.Principal) && d.covers(s.Condition) &&
			slices.ContainsFunc(s.Action, func(a string) bool { return a == "lambda:InvokeFunction" || a == "lambda:*" || a == "*" }) {
			return true, nil
		}
		clash = clash || s.Sid == PermissionID
	}
	if clash {
		return false, &ClashError{d.ARN, PermissionID}
	}
	return false, nil
}

func (d Destination) isLogs(principal json.RawMessage) bool {
	var p struct{ Service list }
	if json.Unmarshal(principal, &p) != nil {
		return false
	}
	regional := strings.Replace(d.principal(), "logs.", "logs."+d.Region+".", 1) // as it was once
	return slices.ContainsFunc(p.Service, func(s string) bool { return s == "logs.amazonaws.com" || s == d.principal() || s == regional })
}

// covers reports whether conditions hold for all log groups. A condition that is
// not known does not.
func (d Destination) covers(conditions map[string]map[string]list) bool {
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
