package transform

import (
	"fmt"
	"slices"
	"strings"
)

// placeholders returns what an override may name in braces, each followed by its
// value for events of an origin.
//
// A log stream of the awslogs driver is PREFIX/CONTAINER/TASK-ID on Fargate, and
// on EC2 if the driver has a stream prefix. Source: Amazon ECS Developer
// Guide, "Send Amazon ECS logs to CloudWatch", awslogs-stream-prefix.
func placeholders(b *Batch, from *origin) placeholderValues {
	container, taskID := awslogsStream(b.LogStream)
	return placeholderValues{
		"{logGroup}", b.LogGroup, "{logStream}", b.LogStream, "{container}", container, "{taskID}", taskID,
		"{account}", from.account, "{region}", from.region, "{sourceGroup}", from.group,
	}
}

// CheckOverride returns an error if an override of Options.Source names a
// placeholder that does not exist. Braces around anything but a word are literal.
func CheckOverride(override string) error {
	known := placeholders(new(Batch), new(origin))
	for rest := override; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return nil
		}
		rest = after
		word, _, found := strings.Cut(after, "}")
		if !found || !namesPlaceholder(word) || slices.Contains(known, "{"+word+"}") {
			continue
		}
		var names []string
		for i := 0; i < len(known); i += 2 {
			names = append(names, known[i])
		}
		return fmt.Errorf("unknown placeholder {%s}; want one of %s, case-sensitive", word, strings.Join(names, ", "))
	}
}

// namesPlaceholder reports whether a placeholder could have that name.
func namesPlaceholder(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// awslogsStream splits the name of a log stream of the awslogs driver. Both parts
// are "" if the name has another form.
func awslogsStream(name string) (container, taskID string) {
	rest, taskID, found := cutLast(name, "/")
	prefix, container, named := cutLast(rest, "/")
	if !found || !named || prefix == "" || container == "" || !isTaskID(taskID) {
		return "", ""
	}
	return container, taskID
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// isTaskID reports whether s is the id of an ECS task: 32 hexadecimal digits, or a
// UUID if the account has not opted in to long ARNs.
func isTaskID(s string) bool {
	if len(s) == uuidLen {
		return uuid([]byte(s)) != nil
	}
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// placeholderValues are placeholders, each followed by its value.
type placeholderValues []string

// forFields returns the values as they may stand in a list of fields: a comma or an
// equals sign in the name of a log stream would add a field.
func (p placeholderValues) forFields() placeholderValues {
	p = slices.Clone(p)
	for i := 1; i < len(p); i += 2 {
		p[i] = fieldText.Replace(p[i])
	}
	return p
}

var fieldText = strings.NewReplacer(",", "_", "=", "_")

// expand replaces the placeholders in override by their values. ok is false if the
// batch has no value for one of them: the override then counts as not set.
func expand(override string, placeholders placeholderValues) (value string, ok bool) {
	if !strings.Contains(override, "{") {
		return override, true
	}
	for i := 0; i < len(placeholders); i += 2 {
		if placeholders[i+1] == "" && strings.Contains(override, placeholders[i]) {
			return "", false
		}
	}
	return strings.NewReplacer(placeholders...).Replace(override), true
}
