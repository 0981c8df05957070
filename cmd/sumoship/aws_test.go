package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

const accountID = "123456789012"

// callers are verbs that call AWS. FILES is a directory, FN, QUEUE and so on what they
// name.
var callers = []string{
	"dlq status --queue QUEUE", "dlq stats --queue QUEUE", "dlq peek --queue QUEUE", "dlq export FILES/new --queue QUEUE", "dlq redrive --queue QUEUE", "dlq purge --queue QUEUE --undecodable --save FILES/saved",
	"dlq replay --queue QUEUE --endpoint https://127.0.0.1:1/receiver/v1/http/SECRET",
	"backfill --log-group GROUP --since 1h --endpoint https://127.0.0.1:1/receiver/v1/http/SECRET --yes", "backfill s3://BUCKET/logs --endpoint https://127.0.0.1:1/receiver/v1/http/SECRET --yes",
	"backfill FILES/a.json --like FN --yes",
	"rules try FILES/rules.yaml --log-group GROUP --yes",
	"subscribe --destination FN --include x --yes", "unsubscribe --destination FN --include x --yes",
	"rollback --stack STACK", "destroy --stack STACK", "doctor --stack STACK", "doctor --canary --stack STACK", "status --stack STACK", "tail --stack STACK --no-follow",
	"fargate check --from-ecs TASK", "fargate convert --from-ecs TASK", "fargate iam --from-ecs TASK", "fargate service --from-service SERVICE FILES/task.json",
	"fargate register FILES/task.json", "fargate logs FILES/task.json --subscribe FN --yes", "fargate plan --cluster CLUSTER", "fargate eni --cluster CLUSTER",
	"fargate cutover status old new --cluster CLUSTER",
}

// files writes what the verbs read.
func files(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string]string{
		"a.json": `{"logGroup":"/ecs/shop","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"x"}]}`, "rules.yaml": "version: 1\nrules: []\n",
		"task.json": `{"family":"shop","requiresCompatibilities":["FARGATE"],"networkMode":"awsvpc","cpu":"256","memory":"512","executionRoleArn":"arn:aws:iam::` + accountID + `:role/x","containerDefinitions":[{"name":"a","image":"a","essential":true,"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"/ecs/shop","awslogs-region":"eu-west-1","awslogs-stream-prefix":"a"}}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// argv puts names, or ARNs, into the words of a verb.
func argv(dir, line string, arns bool) []string {
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":eu-west-1:" + accountID + ":" + resource
	}
	names := []string{"FILES", dir, "FN", arn("lambda", "function:shop"), "SERVICE", arn("ecs", "service/prod/shop"),
		"QUEUE", "https://sqs.eu-west-1.amazonaws.com/" + accountID + "/shop", "GROUP", "/ecs/shop", "s3://BUCKET", "s3://shop", "STACK", "shop", "TASK", "shop", "CLUSTER", "prod"}
	if arns {
		names = append([]string{"QUEUE", arn("sqs", "shop"), "GROUP", arn("logs", "log-group:/ecs/shop:*"), "s3://BUCKET", "arn:aws:s3:::shop", "STACK", arn("cloudformation", "stack/shop/1"),
			"TASK", arn("ecs", "task-definition/shop:3"), "CLUSTER", arn("ecs", "cluster/prod"), " old new", " " + arn("ecs", "service/prod/old") + " " + arn("ecs", "service/prod/new")}, names...)
	}
	return strings.Fields(strings.NewReplacer(names...).Replace(line))
}

// Words that only the SDK says.
var sdkWords = regexp.MustCompile(`operation error|https response error|exceeded maximum number|deserialization failed|RequestID|api error|invalid character|StatusCode|SDK `)

// Each verb says each failure of AWS in one line, without the words of the SDK.
func TestFailuresOfAWSInAllVerbs(t *testing.T) {
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>Bad gateway</html>")
	}
	refused := func(w http.ResponseWriter, r *http.Request) {
		const message = "User: arn:aws:iam::" + accountID + ":user/ann is not authorized to perform: some:Action on resource: some-resource because no identity-based policy allows it"
		refuse(w, r, http.StatusForbidden, "AccessDeniedException", message)
	}
	for _, fault := range []struct {
		name   string
		server http.HandlerFunc
		env    map[string]string
		status int
		want   string
	}{
		{"no credentials", html, map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}, cli.ExitAWS, `no AWS credentials: set AWS_PROFILE or give --profile,`},
		{"a proxy", html, nil, cli.ExitAWS, `answered 502 Bad Gateway`},
		{"unreachable", nil, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, cli.ExitAWS, `cannot reach .* at 127.0.0.1:1: connect: connection refused; see the Region, the network and AWS_ENDPOINT_URL`},
		{"no scheme", nil, map[string]string{"AWS_ENDPOINT_URL": "localhost:5000"}, cli.ExitUsage, `sumoship: AWS_ENDPOINT_URL: "localhost:5000" is not the URL of an endpoint; want http`},
		{"denied", refused, nil, cli.ExitAWS, `arn:aws:iam::` + accountID + `:user/ann may not some:Action on some-resource`},
	} {
		t.Run(fault.name, func(t *testing.T) {
			endpoint := ""
			if fault.server != nil {
				server := httptest.NewServer(fault.server)
				defer server.Close()
				endpoint = server.URL
			}
			clitest.SetAWS(t, endpoint)
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			for name, value := range fault.env {
				t.Setenv(name, value)
			}
			dir := files(t)
			for _, line := range callers {
				status, out, errs := command(t, nil, argv(dir, line, false)...)
				last := strings.TrimSpace(errs[strings.LastIndexByte(strings.TrimSpace(errs), '\n')+1:])
				if status != fault.status || !regexp.MustCompile(fault.want).MatchString(last) || sdkWords.MatchString(errs) || !strings.HasPrefix(last, "sumoship: ") || strings.Contains(out+errs, "/SECRET") {
					t.Errorf("%s: status %d\n%s%s", line, status, out, errs)
				}
			}
		})
	}
}

// refuse answers with an error of AWS in the protocol of the call.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(r.URL.Path, "/20"): // JSON; Lambda
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, message)
	case strings.Contains(string(body), "Action="):
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
	default: // Amazon S3
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	}
}

// missing is an account without what verbs name, but with something of nearly the same
// name.
func missing(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(b)))
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if m := regexp.MustCompile(`Action=(\w+)`).FindStringSubmatch(string(b)); m != nil {
		op = m[1]
	}
	xml := func(format string, args ...any) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, format, args...)
	}
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":eu-west-1:" + accountID + ":" + resource
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch op {
	case "GetCallerIdentity":
		xml("<GetCallerIdentityResponse><GetCallerIdentityResult><Account>%s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>", accountID)
	case "DescribeStacks":
		refuse(w, r, 400, "ValidationError", "Stack with id shop does not exist")
	case "ListStacks":
		xml("<ListStacksResponse><ListStacksResult><StackSummaries><member><StackName>shop-prod</StackName></member></StackSummaries></ListStacksResult></ListStacksResponse>")
	case "GetQueueUrl", "GetQueueAttributes", "ReceiveMessage":
		refuse(w, r, 400, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
	case "ListQueues":
		fmt.Fprintf(w, `{"QueueUrls":["https://sqs.eu-west-1.amazonaws.com/%s/shop-prod"]}`, accountID)
	case "FilterLogEvents":
		refuse(w, r, 400, "ResourceNotFoundException", "The specified log group does not exist.")
	case "DescribeLogGroups":
		names := ""
		if !strings.Contains(string(b), `"/ecs/shop"`) { // those that begin with /ecs/
			names = `{"logGroupName":"/ecs/shop-prod"}`
		}
		fmt.Fprintf(w, `{"logGroups":[%s]}`, names)
	case "DescribeTaskDefinition":
		refuse(w, r, 400, "ClientException", "Unable to describe task definition.")
	case "ListTaskDefinitionFamilies":
		fmt.Fprint(w, `{"families":["shop-prod"]}`)
	case "DescribeServices":
		if strings.Contains(string(b), "old") || strings.Contains(string(b), `"shop"`) || strings.Contains(string(b), "service/prod/shop") {
			fmt.Fprint(w, `{"services":[],"failures":[{"arn":"x","reason":"MISSING"}]}`)
			return
		}
		fmt.Fprint(w, `{"services":[]}`)
	case "ListServices", "ListContainerInstances":
		if op == "ListServices" && !strings.Contains(r.UserAgent(), "Paginator") {
			fmt.Fprintf(w, `{"serviceArns":[%q,%q]}`, arn("ecs", "service/prod/older"), arn("ecs", "service/prod/shop-prod"))
			return
		}
		refuse(w, r, 400, "ClusterNotFoundException", "Cluster not found.")
	case "ListClusters":
		fmt.Fprintf(w, `{"clusterArns":[%q]}`, arn("ecs", "cluster/prod-1"))
	case "":
		switch {
		case strings.HasSuffix(r.URL.Path, "/functions") || strings.HasSuffix(r.URL.Path, "/functions/"):
			fmt.Fprint(w, `{"Functions":[{"FunctionName":"shop-prod"}]}`)
		case strings.HasPrefix(r.URL.Path, "/20"):
			refuse(w, r, 404, "ResourceNotFoundException", "Function not found: shop")
		case r.URL.Path == "/":
			xml("<ListAllMyBucketsResult><Buckets><Bucket><Name>shop-prod</Name></Bucket></Buckets></ListAllMyBucketsResult>")
		default:
			refuse(w, r, 404, "NoSuchBucket", "The specified bucket does not exist")
		}
	default:
		refuse(w, r, 400, "UnknownOperation", op)
	}
}

// What AWS does not have is said with the Region, the account and the nearest names,
// whether it is named by its name or its ARN.
func TestNotFoundInAllVerbs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(missing))
	defer server.Close()
	clitest.SetAWS(t, server.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	dir := files(t)
	for _, arns := range []bool{false, true} {
		for _, line := range callers {
			if strings.HasPrefix(line, "fargate register") || strings.HasPrefix(line, "unsubscribe") {
				continue // what they name need not be there
			}
			args := argv(dir, line, arns)
			if arns && slices.Equal(args, argv(dir, line, false)) {
				continue
			}
			status, out, errs := command(t, map[string]string{"AWS_ENDPOINT_URL": server.URL}, args...)
			last := errs[strings.LastIndexByte(strings.TrimSpace(errs), '\n')+1:]
			if line == "doctor --stack STACK" {
				last = strings.SplitN(out, "\n", 2)[0]
			}
			want := regexp.MustCompile(`in eu-west-1 of account ` + accountID + `\)?; did you mean (shop-prod|/ecs/shop-prod|prod-1|older)\?`)
			if status == 0 || !want.MatchString(last) || sdkWords.MatchString(out+errs) {
				t.Errorf("%q: status %d\n%s%s", args, status, out, errs)
			}
		}
	}
}
