package transform

import (
	"fmt"
	"strconv"
	"strings"
)

// placeholders returns what an override may name in braces, each followed by its
// value for events of an origin. Of {logGroup.N} and {tag:KEY} there are as many as
// one likes, see lookup.
//
// A log stream of the awslogs driver is PREFIX/CONTAINER/TASK-ID on Fargate, and
// on EC2 if the driver has a stream prefix. Source: Amazon ECS Developer
// Guide, "Send Amazon ECS logs to CloudWatch", awslogs-stream-prefix.
func placeholders(b *Batch, from *origin) placeholderValues {
	prefix, container, taskID := awslogsStream(b.LogStream)
	function, version := lambdaNames(from.group, b.LogStream)
	return placeholderValues{pairs: []string{
		"logGroup", b.LogGroup, "logStream", b.LogStream, "prefix", prefix, "container", container, "taskID", taskID,
		"function", function, "version", version, "account", from.account, "region", from.region, "sourceGroup", from.group,
	}}
}

// CheckOverride returns an error if an override of Options.Source names a
// placeholder that does not exist. Braces around anything but a word are literal.
func CheckOverride(override string) error { return checkPlaceholders(override, false) }

// CheckTemplate is CheckOverride for a text of a Rule, which may also name
// {tag:KEY} and {json:PATH}.
func CheckTemplate(text string) error { return checkPlaceholders(text, true) }

func checkPlaceholders(text string, ofRule bool) error {
	known := placeholders(new(Batch), new(origin))
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return nil
		}
		rest = after
		word, _, found := strings.Cut(after, "}")
		family, key, isFamily := strings.Cut(word, ":")
		if isFamily = isFamily && (family == "tag" || family == "json"); !found || !isFamily && !namesPlaceholder(word) {
			continue
		}
		if isFamily && ofRule && key != "" {
			continue
		}
		if _, ok := known.lookup(word); ok && !isFamily {
			continue
		}
		var names []string
		for i := 0; i < len(known.pairs); i += 2 {
			names = append(names, "{"+known.pairs[i]+"}")
		}
		names = append(names, "{logGroup.N}")
		if ofRule {
			names = append(names, "{tag:KEY}", "{json:PATH}")
		}
		return fmt.Errorf("unknown placeholder {%s}; want one of %s, case-sensitive", word, strings.Join(names, ", "))
	}
}

// namesPlaceholder reports whether a placeholder could have that name.
func namesPlaceholder(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// lambdaNames returns the function and the version that write to a log stream of
// Lambda, 2026/11/27/[VERSION]0123…; "" if it is of another form.
//
// Source: AWS Lambda Developer Guide, "Viewing CloudWatch logs".
func lambdaNames(group, stream string) (function, version string) {
	if !byLambda("", stream) {
		return "", ""
	}
	_, bracket, _ := strings.Cut(stream, "[")
	version, _, _ = strings.Cut(bracket, "]")
	if name, ok := strings.CutPrefix(group, "/aws/lambda/"); ok {
		function = name
	}
	return function, version
}

// awslogsStream splits the name of a log stream of the awslogs driver. All parts
// are "" if the name has another form.
func awslogsStream(name string) (prefix, container, taskID string) {
	rest, taskID := cutLast(name)
	prefix, container = cutLast(rest)
	if container == "" || !isTaskID(taskID) {
		return "", "", ""
	}
	return prefix, container, taskID
}

// cutLast cuts s around its last slash, if there is something before it.
func cutLast(s string) (before, after string) {
	if i := strings.LastIndexByte(s, '/'); i > 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// isTaskID reports whether s is the id of an ECS task: 32 hexadecimal digits, or a
// UUID if the account has not opted in to long ARNs.
func isTaskID(s string) bool {
	if len(s) == uuidLen {
		return uuid([]byte(s)) != nil
	}
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// placeholderValues are the values of placeholders.
type placeholderValues struct {
	pairs []string                 // names, each followed by its value
	tags  map[string]string        // of the log group
	json  func(path string) string // of the message; nil means it is not known yet
	field bool                     // values may stand in a list of fields
	loose bool                     // what has no value is empty, instead of the whole override not being set
}

// lookup returns the value of a placeholder; ok is false if there is none of this
// name. {logGroup.N} is part N of a name with slashes, from 1.
func (p placeholderValues) lookup(name string) (value string, ok bool) {
	for i := 0; i < len(p.pairs); i += 2 {
		if p.pairs[i] == name {
			return p.pairs[i+1], true
		}
	}
	if number, found := strings.CutPrefix(name, "logGroup."); found {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 99 || number[0] == '+' {
			return "", false
		}
		group, _ := p.lookup("logGroup")
		parts := strings.FieldsFunc(group, func(r rune) bool { return r == '/' })
		if n > len(parts) {
			return "", true
		}
		return parts[n-1], true
	}
	if key, found := strings.CutPrefix(name, "tag:"); found && key != "" && p.loose {
		return p.tags[key], true
	}
	if path, found := strings.CutPrefix(name, "json:"); found && path != "" && p.loose {
		if p.json == nil {
			return "", true
		}
		return p.json(path), true
	}
	return "", false
}

// fieldText replaces what a field cannot hold: a comma or an equals sign in the
// name of a log stream would add a field.
var fieldText = strings.NewReplacer(",", "_", "=", "_")

// expand replaces the placeholders in override by their values; text in
// other braces is literal. ok is false if there is no value for one of them: the
// override then counts as not set.
func (p placeholderValues) expand(override string) (value string, ok bool) {
	if !strings.Contains(override, "{") {
		return override, true
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(override, "{")
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		name, rest, closed := strings.Cut(after, "}")
		value, known := p.lookup(name)
		if !closed || !known {
			out.WriteByte('{')
			override = after
			continue
		}
		if value == "" && !p.loose {
			return "", false
		}
		if p.field {
			value = fieldText.Replace(value)
		}
		out.WriteString(value)
		override = rest
	}
}
