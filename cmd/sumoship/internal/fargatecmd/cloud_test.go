package fargatecmd

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// The same with moto's CloudWatch Logs and Lambda. It has no policies of
// the account; these come from here.
func TestLogsOnMoto(t *testing.T) {
	clitest.StartMoto(t)
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
	status, out, errs := command(t, nil, "fargate", "logs", file(t, "shop.json", twoGroups("eu-west-1")), "--subscribe", arn, "--retention", "14", "--yes")
	if status != cli.ExitOK || errs != "" || !strings.Contains(out, "2 log groups: 7 changes done, 0 failed.") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	logs := cloudwatchlogs.NewFromConfig(cfg)
	for _, name := range []string{"/ecs/shop", "/ecs/side"} {
		groups, err := logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
		if err != nil || len(groups.LogGroups) != 1 || aws.ToInt32(groups.LogGroups[0].RetentionInDays) != 14 {
			t.Errorf("%s: %v, %+v", name, err, groups)
		}
		filters, err := logs.DescribeSubscriptionFilters(t.Context(), &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &name})
		if err != nil || len(filters.SubscriptionFilters) != 1 || aws.ToString(filters.SubscriptionFilters[0].DestinationArn) != arn ||
			aws.ToString(filters.SubscriptionFilters[0].FilterName) != "sumoship" {
			t.Errorf("%s: %v, %+v", name, err, filters)
		}
	}
	policy, err := lambda.NewFromConfig(cfg).GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: &arn})
	if err != nil || !strings.Contains(aws.ToString(policy.Policy), "logs.amazonaws.com") || !strings.Contains(aws.ToString(policy.Policy), ":log-group:*") {
		t.Errorf("%v, %+v", err, policy)
	}
	status, out, errs = command(t, nil, "fargate", "logs", file(t, "shop.json", twoGroups("eu-west-1")), "--subscribe", arn, "--retention", "14")
	if status != cli.ExitOK || errs != "" || strings.Count(out, "subscribed already") != 2 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}

	// An EC2 definition gets the group of its Fargate version; without a function
	// no filter is looked at.
	status, out, errs = command(t, nil, "fargate", "logs", file(t, "ec2.json", ec2Shop), "--log-group", "/ecs/new", "--yes")
	if status != cli.ExitOK || errs != "" || !strings.Contains(squeezed(out), "create /ecs/new for web, redis\n1 log group: 1 change done, 0 failed.") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// motoFunction creates a function on moto, with a role that moto wants.
func motoFunction(t *testing.T, name string) (arn string) {
	t.Helper()
	form := url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {name},
		"AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}}
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
	in, err := json.Marshal(map[string]any{"FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap",
		"Role": "arn:aws:iam::123456789012:role/" + name, "Code": map[string]any{"ZipFile": emptyZip}})
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
