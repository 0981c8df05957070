package transform

import "strings"

// places are what an override may name in braces, each with its value for a
// batch. Other braces are text.
//
// A log stream of the awslogs driver is PREFIX/CONTAINER/TASK-ID on Fargate, and
// on EC2 where the driver has a stream prefix. Source: Amazon ECS Developer
// Guide, "Send Amazon ECS logs to CloudWatch", awslogs-stream-prefix.
func places(logGroup, logStream string) []string {
	container, taskID := awslogsStream(logStream)
	return []string{"{logGroup}", logGroup, "{logStream}", logStream, "{container}", container, "{taskID}", taskID}
}

// awslogsStream takes the name of a log stream of the awslogs driver apart. Both
// parts are "" where the name is of another form.
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

// isTaskID tells whether s is the id of an ECS task: 32 hexadecimal digits, or a
// UUID where the account has not opted in to long ARNs.
func isTaskID(s string) bool {
	if len(s) == uuidLen {
		return uuid([]byte(s)) != nil
	}
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// fill puts values in the place of what override names. Where the batch has no
// value for one of them, ok is false: the override then counts as not set.
func fill(override string, places []string) (value string, ok bool) {
	if !strings.Contains(override, "{") {
		return override, true
	}
	for i := 0; i < len(places); i += 2 {
		if places[i+1] == "" && strings.Contains(override, places[i]) {
			return "", false
		}
	}
	return strings.NewReplacer(places...).Replace(override), true
}
