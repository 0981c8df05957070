package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/rogpeppe/go-internal/testscript"
)

// twoGroups is a Fargate definition with two log groups.
const twoGroups = `{
  "family": "shop", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512", "executionRoleArn": "exec", "taskRoleArn": "task",
  "containerDefinitions": [
    {"name": "web", "image": "web", "essential": true, "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}}},
    {"name": "side", "image": "side", "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/side", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}}}
  ]
}
`

// logsRegion is a Region with log groups and functions. It has what the verb uses
// of CloudWatch Logs and Lambda, in pages of one.
type logsRegion struct {
	t        *testing.T
	groups   map[string]*fakeGroup
	function string            // ARN
	own      string            // log group of the function
	policy   []string          // statements of its policy
	account  []map[string]any  // policies of the account
	refuse   map[string]string // error codes by operation
	unsure   int               // how often a filter is refused for the permission
	calls    []string          // that change something
	after    func(call string) // each of them, nil for nothing
}

type fakeGroup struct {
	Class     string
	Retention int
	Filters   []map[string]any
}

func (r *logsRegion) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, operation, ok := strings.Cut(req.Header.Get("X-Amz-Target"), "."); ok {
		r.logs(w, req, operation)
		return
	}
	fail := func(status int, code string) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"Message":%q}`, "no "+code)
	}
	path, err := url.PathUnescape(req.URL.EscapedPath())
	if err != nil {
		r.t.Error(err)
	}
	_, rest, _ := strings.Cut(path, "/functions/")
	i := strings.LastIndex(rest, "/")
	name, what := rest[:i], rest[i+1:]
	if code := r.refuse[req.Method+" "+what]; code != "" {
		fail(http.StatusForbidden, code)
		return
	}
	if name != r.function {
		fail(http.StatusNotFound, "ResourceNotFoundException")
		return
	}
	switch {
	case what == "configuration":
		json.NewEncoder(w).Encode(map[string]any{"FunctionArn": r.function, "LoggingConfig": map[string]any{"LogGroup": r.own}})
	case req.Method == http.MethodPost:
		var in struct{ StatementId, Principal, SourceArn, SourceAccount string }
		if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
			r.t.Error(err)
		}
		r.calls = append(r.calls, fmt.Sprintf("AddPermission %+v", in))
		r.policy = append(r.policy, fmt.Sprintf(`{"Effect":"Allow","Principal":{"Service":%q},"Action":"lambda:InvokeFunction","Condition":{"ArnLike":{"AWS:SourceArn":%q},"StringEquals":{"AWS:SourceAccount":%q}}}`, in.Principal, in.SourceArn, in.SourceAccount))
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{}`)
	case len(r.policy) == 0:
		fail(http.StatusNotFound, "ResourceNotFoundException")
	default:
		json.NewEncoder(w).Encode(map[string]string{"Policy": `{"Statement":[` + strings.Join(r.policy, ",") + `]}`})
	}
}

func (r *logsRegion) logs(w http.ResponseWriter, req *http.Request, operation string) {
	var in struct {
		LogGroupNamePrefix, LogGroupName, FilterName, FilterPattern, DestinationArn, NextToken string
		RetentionInDays                                                                        int
	}
	if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
		r.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	fail := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, code)
	}
	if code := r.refuse[operation]; code != "" {
		if code == "ResourceAlreadyExistsException" {
			r.groups[in.LogGroupName] = &fakeGroup{}
		}
		fail(code)
		return
	}
	// page answers with the element that the token names, and the token of the next.
	page := func(name string, all []any) {
		at := 0
		fmt.Sscan(in.NextToken, &at)
		out := map[string]any{name: all[min(at, len(all)):min(at+1, len(all))]}
		if at+1 < len(all) {
			out["nextToken"] = fmt.Sprint(at + 1)
		}
		json.NewEncoder(w).Encode(out)
	}
	group := r.groups[in.LogGroupName]
	switch operation {
	case "DescribeLogGroups":
		var names []string
		for name := range r.groups {
			if strings.HasPrefix(name, in.LogGroupNamePrefix) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		slices.Reverse(names) // the one that is looked for comes last
		var all []any
		for _, name := range names {
			g := map[string]any{"logGroupName": name, "logGroupClass": r.groups[name].Class}
			if n := r.groups[name].Retention; n > 0 {
				g["retentionInDays"] = n
			}
			all = append(all, g)
		}
		page("logGroups", all)
		return
	case "DescribeSubscriptionFilters":
		var all []any
		for _, f := range group.Filters {
			all = append(all, f)
		}
		page("subscriptionFilters", all)
		return
	case "DescribeAccountPolicies":
		json.NewEncoder(w).Encode(map[string]any{"accountPolicies": r.account})
		return
	case "CreateLogGroup":
		r.groups[in.LogGroupName] = &fakeGroup{}
	case "PutRetentionPolicy":
		group.Retention = in.RetentionInDays
	case "PutSubscriptionFilter":
		if len(r.policy) == 0 || r.unsure > 0 {
			r.unsure--
			fail("InvalidParameterException")
			return
		}
		group.Filters = append(group.Filters, map[string]any{"filterName": in.FilterName, "destinationArn": in.DestinationArn, "filterPattern": in.FilterPattern})
	default:
		r.t.Errorf("operation %s", operation)
	}
	r.calls = append(r.calls, strings.TrimSpace(fmt.Sprintln(operation, in.LogGroupName, in.FilterName, in.DestinationArn)))
	if r.after != nil {
		r.after(r.calls[len(r.calls)-1])
	}
	io.WriteString(w, `{}`)
}

const logsForwarder = "arn:aws:lambda:eu-west-1:123456789012:function:forwarder"

func newLogsRegion(t *testing.T) *logsRegion {
	t.Helper()
	r := &logsRegion{t: t, groups: map[string]*fakeGroup{}, function: logsForwarder, own: "/aws/lambda/forwarder", refuse: map[string]string{}}
	api := httptest.NewServer(r)
	t.Cleanup(api.Close)
	atEndpoint(t, api.URL)
	t.Setenv("AWS_REGION", "eu-west-1")
	return r
}

func someFilter(name, arn string) map[string]any {
	return map[string]any{"filterName": name, "destinationArn": arn, "filterPattern": ""}
}

func TestLogsMakesWhatIsMissingAndNothingElse(t *testing.T) {
	region := newLogsRegion(t)
	region.groups["/ecs/shop-old"] = &fakeGroup{}
	region.groups["/ecs/side"] = &fakeGroup{Retention: 7, Filters: []map[string]any{someFilter("theirs", "arn:aws:lambda:eu-west-1:123456789012:function:theirs")}}
	doc := file(t, "shop.json", twoGroups)
	args := []string{"fargate", "logs", doc, "--subscribe", logsForwarder, "--retention", "30"}

	// Without a terminal nothing is done unless it is asked for.
	status, out, errs := command(t, nil, args...)
	if status != exitUsage || !strings.Contains(errs, "give --yes to go ahead, or --dry-run") || len(region.calls) > 0 {
		t.Errorf("status %d, %q\n%s%s", status, region.calls, out, errs)
	}
	status, out, errs = command(t, nil, append(args, "--dry-run")...)
	plan := `ACTION     OF                                                       WHAT
create     /ecs/shop                                                for web
retain     /ecs/shop                                                30 days, not for ever
retain     /ecs/side                                                30 days, not 7
permit     arn:aws:lambda:eu-west-1:123456789012:function:forwarder CloudWatch Logs calls it, for the log groups of account 123456789012
subscribe  /ecs/shop                                                by filter sumoship, all to arn:aws:lambda:eu-west-1:123456789012:function:forwarder
subscribe  /ecs/side                                                by filter sumoship, all to arn:aws:lambda:eu-west-1:123456789012:function:forwarder
`
	if squeezed(out) != squeezed(plan+"Nothing was changed.\n") || status != exitOK || errs != "" || len(region.calls) > 0 {
		t.Errorf("status %d, %q\n%s%s", status, region.calls, out, errs)
	}

	region.unsure = 2 // CloudWatch Logs does not know of the permission at once
	start := time.Now()
	status, out, errs = command(t, nil, append(args, "--yes")...)
	if squeezed(out) != squeezed(plan+"2 log groups: 6 changes done, 0 failed.\n") || status != exitOK || errs != "" || time.Since(start) < permissionWait {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	want := []string{
		"CreateLogGroup /ecs/shop", "PutRetentionPolicy /ecs/shop", "PutRetentionPolicy /ecs/side",
		"AddPermission {StatementId:sumoship-all-log-groups Principal:logs.amazonaws.com SourceArn:arn:aws:logs:eu-west-1:123456789012:log-group:* SourceAccount:123456789012}",
		"PutSubscriptionFilter /ecs/shop sumoship " + logsForwarder, "PutSubscriptionFilter /ecs/side sumoship " + logsForwarder,
	}
	if !slices.Equal(want, region.calls) {
		t.Errorf("%q", region.calls)
	}
	if g := region.groups["/ecs/side"]; len(g.Filters) != 2 || g.Filters[0]["filterName"] != "theirs" || g.Retention != 30 || len(region.groups["/ecs/shop-old"].Filters) != 0 {
		t.Errorf("%+v", g)
	}

	// Once more there is nothing to do, and nothing to ask.
	status, out, errs = command(t, nil, args...)
	if status != exitOK || errs != "" || len(region.calls) != len(want) || strings.Count(out, "subscribed already") != 2 {
		t.Errorf("status %d, %q\n%s%s", status, region.calls[len(want):], out, errs)
	}
	status, out, errs = command(t, nil, append(args, "--json")...)
	var result struct {
		DryRun bool
		Steps  []struct {
			LogGroup, Region, Action, Why string
			Done                          bool
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || status != exitOK || len(result.Steps) != 2 || result.Steps[0].Action != "keep" || result.Steps[0].Region != "eu-west-1" {
		t.Errorf("status %d: %v\n%s%s", status, err, out, errs)
	}
}

// squeezed leaves one space of each gap between columns.
func squeezed(s string) string {
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// A group that cannot be subscribed is an error, and the others are done.
func TestLogsDoesTheOthersWhenOneIsFull(t *testing.T) {
	region := newLogsRegion(t)
	full := &fakeGroup{Filters: []map[string]any{someFilter("a", "arn:aws:lambda:eu-west-1:123456789012:function:a"), someFilter("b", "arn:aws:lambda:eu-west-1:123456789012:function:b")}}
	region.groups["/ecs/shop"] = full
	status, out, errs := command(t, nil, "fargate", "logs", file(t, "shop.json", twoGroups), "--subscribe", logsForwarder, "--yes")
	if status != exitFound || errs != "sumoship: 1 log group cannot be subscribed, as the plan tells\n" || !strings.Contains(out, "it has the filters a and b already, and a log group can have 2: delete one") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if len(full.Filters) != 2 || region.groups["/ecs/side"] == nil || len(region.groups["/ecs/side"].Filters) != 1 {
		t.Errorf("%q", region.calls)
	}
}

// What AWS refuses for one group does not keep others from being done; what needs
// it is not tried.
func TestLogsTellsWhatAWSRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		refuse map[string]string
		prep   func(*logsRegion)
		status int
		want   []string // on standard output and error
		calls  int
	}{
		"no right to look":       {map[string]string{"DescribeLogGroups": "AccessDeniedException"}, nil, exitAWS, []string{"log group /ecs/shop: AccessDeniedException: no"}, 0},
		"no function":            {nil, func(r *logsRegion) { r.function = "other" }, exitAWS, []string{"there is no function " + logsForwarder}, 0},
		"no right to create":     {map[string]string{"CreateLogGroup": "AccessDeniedException"}, nil, exitAWS, []string{"create /ecs/shop: AccessDeniedException", "subscribe /ecs/shop: not tried, for an earlier step failed"}, 1},
		"made meanwhile":         {map[string]string{"CreateLogGroup": "ResourceAlreadyExistsException"}, nil, exitOK, []string{"5 changes done, 0 failed"}, 3},
		"no permission":          {map[string]string{"POST policy": "AccessDeniedException"}, nil, exitAWS, []string{"permit " + logsForwarder + ": AccessDeniedException", "subscribe /ecs/side: not tried"}, 2},
		"another statement":      {map[string]string{"POST policy": "ResourceConflictException"}, nil, exitAWS, []string{"its policy has a statement sumoship-all-log-groups that permits something else"}, 2},
		"policy unknown":         {map[string]string{"GET policy": "AccessDeniedException"}, func(r *logsRegion) { r.policy = []string{"{}"} }, exitOK, []string{"whether CloudWatch Logs may call the function cannot be looked up"}, 4},
		"account policy unknown": {map[string]string{"DescribeAccountPolicies": "AccessDeniedException"}, nil, exitOK, []string{"whether a policy of the account delivers there too cannot be looked up: AccessDeniedException"}, 5},
		"delivered by a policy": {nil, func(r *logsRegion) {
			r.account = []map[string]any{{"policyName": "everything", "policyDocument": `{"DestinationArn":"` + logsForwarder + `"}`, "selectionCriteria": `LogGroupName NOT IN ["/ecs/side"]`}}
			r.groups["/ecs/shop"] = &fakeGroup{}
		}, exitOK, []string{"the policy everything of the account delivers it there", "subscribe /ecs/side"}, 3},
		"a loop": {nil, func(r *logsRegion) { r.own = "/ecs/side" }, exitFound, []string{"subscribing it would make a loop"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			region := newLogsRegion(t)
			if c.refuse != nil {
				region.refuse = c.refuse
			}
			if c.prep != nil {
				c.prep(region)
			}
			status, out, errs := command(t, nil, "fargate", "logs", file(t, "shop.json", twoGroups), "--subscribe", logsForwarder, "--yes")
			if status != c.status || c.calls > 0 && len(region.calls) != c.calls {
				t.Errorf("status %d, %q\n%s%s", status, region.calls, out, errs)
			}
			for _, want := range c.want {
				if !strings.Contains(squeezed(out+errs), want) {
					t.Errorf("nobody says %q in\n%s%s", want, out, errs)
				}
			}
		})
	}
}

// Ctrl-C leaves the rest for the next run.
func TestLogsInterrupted(t *testing.T) {
	region := newLogsRegion(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	region.after = func(call string) {
		if strings.HasPrefix(call, "CreateLogGroup") {
			cancel()
		}
	}
	var out, errs bytes.Buffer
	doc := file(t, "shop.json", twoGroups)
	args := []string{"fargate", "logs", doc, "--subscribe", logsForwarder, "--yes"}
	status := run(ctx, args, streams{strings.NewReader(""), &out, &errs, os.Getenv})
	if status != exitFound || !strings.Contains(errs.String(), "interrupted before it; the next run goes on with it") || len(region.calls) != 1 {
		t.Errorf("status %d, %q\n%s%s", status, region.calls, out.String(), errs.String())
	}
	region.after = nil
	if status, out, errs := command(t, nil, args...); status != exitOK || len(region.groups) != 2 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// The same on somebody else's CloudWatch Logs and Lambda. It has no policies of
// the account; these come from here.
func TestLogsOnMoto(t *testing.T) {
	startMoto(t)
	behind, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeAccountPolicies") {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			io.WriteString(w, `{"accountPolicies":[]}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)

	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	arn := motoFunction(t, "forwarder")
	status, out, errs := command(t, nil, "fargate", "logs", file(t, "shop.json", twoGroups), "--subscribe", arn, "--retention", "14", "--yes")
	if status != exitOK || errs != "" || !strings.Contains(out, "2 log groups: 7 changes done, 0 failed.") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	logs := cloudwatchlogs.NewFromConfig(cfg)
	for _, name := range []string{"/ecs/shop", "/ecs/side"} {
		groups, err := logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
		if err != nil || len(groups.LogGroups) != 1 || aws.ToInt32(groups.LogGroups[0].RetentionInDays) != 14 {
			t.Errorf("%s: %v, %+v", name, err, groups)
		}
		filters, err := logs.DescribeSubscriptionFilters(t.Context(), &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &name})
		if err != nil || len(filters.SubscriptionFilters) != 1 || aws.ToString(filters.SubscriptionFilters[0].DestinationArn) != arn || aws.ToString(filters.SubscriptionFilters[0].FilterName) != "sumoship" {
			t.Errorf("%s: %v, %+v", name, err, filters)
		}
	}
	policy, err := lambda.NewFromConfig(cfg).GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: &arn})
	if err != nil || !strings.Contains(aws.ToString(policy.Policy), "logs.amazonaws.com") || !strings.Contains(aws.ToString(policy.Policy), ":log-group:*") {
		t.Errorf("%v, %+v", err, policy)
	}
	status, out, errs = command(t, nil, "fargate", "logs", file(t, "shop.json", twoGroups), "--subscribe", arn, "--retention", "14")
	if status != exitOK || errs != "" || strings.Count(out, "subscribed already") != 2 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}

	// An EC2 definition gets the group of its Fargate version; without a function
	// no filter is looked at.
	status, out, errs = command(t, nil, "fargate", "logs", file(t, "ec2.json", ec2Shop), "--log-group", "/ecs/new", "--yes")
	if status != exitOK || errs != "" || !strings.Contains(squeezed(out), "create /ecs/new for web, redis\n1 log group: 1 change done, 0 failed.") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// motoFunction makes a function on moto, with a role that moto wants.
func motoFunction(t *testing.T, name string) (arn string) {
	t.Helper()
	form := url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {name},
		"AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}}
	request := func(method, path, service, kind string, body []byte) []byte {
		req, err := http.NewRequestWithContext(t.Context(), method, os.Getenv("AWS_ENDPOINT_URL")+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		// moto finds the service by the scope of the credentials and checks nothing else.
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=id/20260101/eu-west-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode >= 300 {
			t.Fatalf("%s: %s %v\n%s", path, resp.Status, err, b)
		}
		return b
	}
	request(http.MethodPost, "/", "iam", "application/x-www-form-urlencoded", []byte(form.Encode()))
	in, err := json.Marshal(map[string]any{"FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": "arn:aws:iam::123456789012:role/" + name, "Code": map[string]any{"ZipFile": emptyZip}})
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ FunctionArn string }
	if err := json.Unmarshal(request(http.MethodPost, "/2015-03-31/functions", "lambda", "application/json", in), &out); err != nil {
		t.Fatal(err)
	}
	return out.FunctionArn
}

// emptyZip is an archive without a file, which JSON writes in base64.
var emptyZip = append([]byte("PK\x05\x06"), make([]byte, 18)...)

// On a terminal the command shows its plan and asks.
func TestLogsAsks(t *testing.T) {
	region := newLogsRegion(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/logs", RequireExplicitExec: true, Setup: func(e *testscript.Env) error {
		for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
			e.Setenv(name, os.Getenv(name))
		}
		e.Setenv("FORWARDER", region.function)
		return nil
	}})
}
