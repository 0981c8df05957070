// Package docs_test follows the runbook.
package docs_test

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sumoship/function/awstest/moto"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// before sets up what docs/operations.md assumes: a log group that is subscribed to
// Sumo Logic's function, with a log event in it, and that function's queue and
// worker.
const before = `set -euo pipefail
cd "$WORK"
# For SQS version 1 of the AWS CLI does not look at AWS_ENDPOINT_URL.
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
quiet() { "$@" > /dev/null; }
OLD_ROLE=$(aws iam create-role --role-name old --assume-role-policy-document '{}' --query Role.Arn --output text)
python3 -c "import zipfile; zipfile.ZipFile('old.zip', 'w').writestr('index.js', '')"
# Sumo Logic's template ends these names with the id of its stack.
SUMO=51af3dc0-468c-4b4a-b6fd-0a2d0b6b8b11
for f in SumoCWLogsLambda SumoCWProcessDLQLambda; do
  quiet aws lambda create-function --function-name $f-$SUMO --runtime nodejs20.x --handler index.handler --role "$OLD_ROLE" \
    --zip-file fileb://old.zip --environment 'Variables={SOURCE_CATEGORY_OVERRIDE=aws/ecs}'
done
quiet aws events put-rule --name SumoCWProcessDLQScheduleRule --schedule-expression 'rate(5 minutes)'
quiet aws events put-targets --rule SumoCWProcessDLQScheduleRule --targets "Id=1,Arn=arn:aws:lambda:us-east-1:123456789012:function:SumoCWProcessDLQLambda-$SUMO"
OLD=$(aws sqs create-queue --queue-name SumoCWDeadLetterQueue-$SUMO --query QueueUrl --output text)
quiet aws sqs send-message --queue-url "$OLD" --message-body file://message.json
quiet aws sqs send-message --queue-url "$DeadLetterQueueUrl" --message-body file://message.json
aws logs create-log-group --log-group-name /ecs/api
aws logs create-log-group --log-group-name /ecs/web
aws logs create-log-stream --log-group-name /ecs/web --log-stream-name web/app/1
aws logs put-log-events --log-group-name /ecs/web --log-stream-name web/app/1 --log-events "timestamp=$(date +%s)000,message=missed" > /dev/null
aws logs put-subscription-filter --log-group-name /ecs/web --filter-name SumoLGLBDFilter --filter-pattern '?ERROR ?WARN' \
  --destination-arn arn:aws:lambda:us-east-1:123456789012:function:SumoCWLogsLambda-$SUMO
`

var shellBlock = regexp.MustCompile("(?ms)^(\\*Not on moto: [^\n]+\\*\n)?```sh\n(.*?)^```$")

// The commands of docs/operations.md run one by one in one shell. Those that moto
// does not support are marked there, with the reason, and skipped here.
func TestOperationsAreFollowed(t *testing.T) {
	if os.Getenv("CI") == "" {
		t.Skip("takes minutes: fifty commands of the AWS CLI; set CI to run it")
	}
	interpreter := moto.Python(t)
	moto.Tool(t, "aws", "pip install awscli")
	document, err := os.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	script := before
	run, skipped := 0, 0
	for _, m := range shellBlock.FindAllStringSubmatch(string(document), -1) {
		if m[1] != "" {
			skipped++
			continue
		}
		run++
		script += fmt.Sprintf("echo '== block %d'\n%s", run, m[2])
	}
	if run < 25 || strings.Count(string(document), "```sh") != run+skipped {
		t.Fatalf("%d blocks run, %d marked, of %d", run, skipped, strings.Count(string(document), "```sh"))
	}

	// The stack's endpoint, and the one to which it is rotated.
	sumo := sumotest.New()
	srv := httptest.NewTLSServer(sumo)
	defer srv.Close()
	certificate := filepath.Join(work, "ca.pem")
	message := transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"/ecs/web","logStream":"web/app/1","logEvents":[
		{"id":"1","timestamp":1767323045000,"message":"dead-lettered"}]}`))
	for name, b := range map[string][]byte{
		certificate:                          pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}),
		filepath.Join(work, "message.json"):  message,
		filepath.Join(work, "operations.sh"): []byte(script),
	} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What make release writes, with the true template: moto refuses none for its size, so
	// the test of package release holds the limits.
	bucket := filepath.Join(work, "dist/release/bucket/sumoship/0123456789abcdef")
	if err := os.MkdirAll(bucket, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(interpreter, "../release/expand.py", "../template.yaml", "sumoship/0123456789abcdef/", "v1.2.3", filepath.Join(bucket, "template.json")).CombinedOutput(); err != nil {
		t.Fatalf("expand.py: %v\n%s", err, out)
	}
	source, err := os.ReadFile("../source.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{filepath.Join(bucket, "forwarder-arm64.zip"): []byte("PK"), filepath.Join(work, "source.yaml"): source} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-o", work+"/", "../cmd/sumoship").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(interpreter, "../testdata/template/stack.py", "with", "../template.yaml",
		"SumoEndpoint="+srv.URL+"/receiver/v1/http/FIRST", "Subscription=pattern", "LogGroupPattern=^/ecs/", "OrganizationId=o-a1b2c3d4e5",
		"--", "bash", filepath.Join(work, "operations.sh"))
	cmd.Env = append(os.Environ(), "WORK="+work, "SSL_CERT_FILE="+certificate, "PATH="+work+":"+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(srv.URL + "/receiver/v1/http/SECOND\n") // for the script's read
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		"https://sqs.us-east-1.amazonaws.com/", "done       1  deleted from the queue", "SOURCE_CATEGORY_OVERRIDE", ":function:sumoship-Forwarder-", `"State": "Disabl`,
		"sumoship-SubscriberAllLogGroups-", "DISABLED", "delete  /ecs/api   unsubscribed",
		": 1 taken over,", "Way back:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	// Taken over, given back by the commands that lead back, and taken over again.
	if n := strings.Count(text, `taken over: SumoLGLBDFilter, pattern "?ERROR ?WARN"`); n != 3 {
		t.Errorf("%d plans of a take-over with the pattern, want 3", n)
	}
	var uris []string
	for _, r := range sumo.Requests() {
		uris = append(uris, r.URI)
		if !strings.Contains(string(r.Body), `"dead-lettered"`) && !strings.Contains(string(r.Body), `"missed"`) {
			t.Errorf("sent %s", r.Body)
		}
	}
	if got := strings.Join(uris, " "); !strings.Contains(got, "/FIRST") || !strings.HasSuffix(got, "/SECOND") {
		t.Errorf("sent to %s: want the first endpoint, and after the rotation the second", got)
	}
	t.Log(text)
}
