package logstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"sumoship/function/awstest"
)

const functionsPath = "/2015-03-31/functions/"

// function is a Lambda function, as far as its policy and its events go.
type function struct {
	name     string
	logGroup string
	policy   []statement
	queue    [][]byte
	env      map[string]string
}

type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`

	added time.Time
}

// permits reports whether CloudWatch Logs may call the function for the events of
// a group, or for those of all groups if it is empty, by statements that are as
// old as delay at least.
func (f *function) permits(group string, delay time.Duration) bool {
	return slices.ContainsFunc(f.policy, func(s statement) bool {
		if time.Since(s.added) < delay {
			return false
		}
		pattern, limited := s.Condition["ArnLike"]["AWS:SourceArn"]
		covered := !limited
		if limited {
			// Stars in ARNs match slashes too, which those of path.Match do not.
			flat := func(arn string) string { return strings.ReplaceAll(arn, "/", "|") }
			source := groupARN(group) + ":*"
			if group == "" {
				source = groupARN("a/b") + ":*"
			}
			covered, _ = path.Match(flat(pattern), flat(source))
		}
		account, limited := s.Condition["StringEquals"]["AWS:SourceAccount"]
		return covered && (!limited || account == Account) &&
			strings.HasPrefix(s.Principal["Service"], "logs.") && s.Action == "lambda:InvokeFunction"
	})
}

// route finds the operation of a REST request.
func (x *exchange) route(r *http.Request) {
	function, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, functionsPath), "/")
	rest, sid, _ := strings.Cut(rest, "/")
	x.sid = sid
	x.name, _, _ = strings.Cut(function, ":")
	if part := strings.Split(function, ":"); len(part) >= 7 { // its ARN
		x.name = part[6]
	}
	x.op = map[string]string{
		"GET configuration": "GetFunctionConfiguration", "GET policy": "GetPolicy", "POST policy": "AddPermission",
		"DELETE policy": "RemovePermission", "POST invocations": "Invoke",
	}[r.Method+" "+rest]
	if x.op == "Invoke" && r.Header.Get("X-Amz-Invocation-Type") != "Event" {
		x.op = "" // the function does not run here
	}
}

func (x *exchange) lambda() (status int, out any, err error) {
	switch x.op {
	case "GetFunctionConfiguration":
		out, err = call(x, x.getConfiguration)
		return http.StatusOK, out, err
	case "GetPolicy":
		out, err = call(x, x.getPolicy)
		return http.StatusOK, out, err
	case "AddPermission":
		out, err = call(x, x.addPermission)
		return http.StatusCreated, out, err
	case "RemovePermission":
		out, err = call(x, x.removePermission)
		return http.StatusNoContent, out, err
	case "Invoke":
		out, err = call(x, x.invoke)
		return http.StatusAccepted, out, err
	}
	return 0, nil, fail("UnknownOperationException", "logstest does not know this operation of Lambda")
}

// function is that of the path. The lock is held.
func (x *exchange) function() (*function, error) {
	if f := x.s.functions[x.name]; f != nil {
		return f, nil
	}
	return nil, missing("Function not found: %s", FunctionARN(x.name))
}

func missing(format string, args ...any) error {
	return &awstest.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
}

func (x *exchange) getConfiguration(struct{}) (any, error) {
	f, err := x.function()
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"FunctionName": f.name, "FunctionArn": FunctionARN(f.name),
		"LoggingConfig": map[string]string{"LogGroup": f.logGroup, "LogFormat": "JSON"},
	}
	if f.env != nil {
		out["Environment"] = map[string]any{"Variables": f.env}
	}
	return out, nil
}

func (x *exchange) getPolicy(struct{}) (any, error) {
	f, err := x.function()
	if err != nil {
		return nil, err
	}
	if len(f.policy) == 0 {
		return nil, missing("The resource you requested does not exist.")
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Id": "default", "Statement": f.policy})
	if err != nil {
		return nil, err
	}
	return map[string]string{"Policy": string(policy), "RevisionId": fmt.Sprint(len(f.policy))}, nil
}

type addPermissionInput struct {
	Action, Principal, SourceAccount, SourceArn, StatementId string
}

func (x *exchange) addPermission(in addPermissionInput) (any, error) {
	f, err := x.function()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(f.policy, func(s statement) bool { return s.Sid == in.StatementId }) {
		return nil, fail("ResourceConflictException", "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", in.StatementId)
	}
	s := statement{Sid: in.StatementId, Effect: "Allow", Principal: map[string]string{"Service": in.Principal}, Action: in.Action,
		Resource: FunctionARN(f.name), Condition: map[string]map[string]string{}, added: time.Now()}
	if in.SourceAccount != "" {
		s.Condition["StringEquals"] = map[string]string{"AWS:SourceAccount": in.SourceAccount}
	}
	if in.SourceArn != "" {
		s.Condition["ArnLike"] = map[string]string{"AWS:SourceArn": in.SourceArn}
	}
	f.policy = append(f.policy, s)
	b, err := json.Marshal(s)
	return map[string]string{"Statement": string(b)}, err
}

func (x *exchange) removePermission(struct{}) (any, error) {
	f, err := x.function()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(f.policy, func(s statement) bool { return s.Sid == x.sid })
	if i < 0 {
		return nil, missing("Statement %s is not found in resource policy.", x.sid)
	}
	f.policy = slices.Delete(f.policy, i, i+1)
	return nil, nil
}

func (x *exchange) invoke(event json.RawMessage) (any, error) {
	f, err := x.function()
	if err != nil {
		return nil, err
	}
	f.queue = append(f.queue, event)
	return nil, nil
}
