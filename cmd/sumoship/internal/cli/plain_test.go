package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// What a verb says of each way in which a call can fail: one line, with the words of
// the verb and none of the SDK's.
func TestPlain(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	api := func(status int, code, message string) http.HandlerFunc {
		return answer(status, "application/x-amz-json-1.0", fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message))
	}
	for name, c := range map[string]struct {
		server http.HandlerFunc
		env    map[string]string
		want   string
	}{
		"refused with the action": {api(400, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: sqs:listqueues on resource: arn:aws:sqs:eu-west-1:123456789012: because no identity-based policy allows the sqs:listqueues action"), nil,
			"list: access denied: arn:aws:iam::123456789012:user/ann may not sqs:listqueues on arn:aws:sqs:eu-west-1:123456789012:, because no identity-based policy allows the sqs:listqueues action"},
		"refused without it": {api(403, "AccessDenied", "Access to the resource is denied."), nil, "list: access denied: sqs:ListQueues (Access to the resource is denied.)"},
		"expired":            {api(403, "ExpiredToken", "The security token included in the request is expired"), nil, "the AWS credentials have expired (ExpiredToken): renew them, or run aws sso login"},
		"not accepted": {api(403, "InvalidClientTokenId", "The security token included in the request is invalid."), nil,
			"AWS does not accept the credentials (InvalidClientTokenId): set AWS_PROFILE or give --profile, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws sso login"},
		"another error": {api(400, "InvalidAddress", "The address is invalid."), nil, "list: InvalidAddress: The address is invalid."},
		"server error":  {api(500, "InternalError", "We failed."), nil, "list: SQS answered 500 Internal Server Error (InternalError: We failed.): try again later"},
		"a proxy":       {answer(502, "text/html", "<html>Bad gateway</html>"), nil, "list: SQS answered 502 Bad Gateway, and not as AWS does; see the proxy and AWS_ENDPOINT_URL"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"QueueUrls":[`)
		}, nil, "list: the answer of SQS broke off (unexpected EOF): try again, or see the network and the proxy"},
		"a web page":    {answer(200, "text/html", "<html>Log in</html>"), nil, "list: SQS answered 200 OK, and not as AWS does; see the proxy and AWS_ENDPOINT_URL"},
		"nothing there": {nil, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "list: cannot reach SQS at 127.0.0.1:1: connect: connection refused; see the Region, the network and AWS_ENDPOINT_URL"},
		"no host":       {nil, map[string]string{"AWS_ENDPOINT_URL": "http://nowhere.invalid"}, "list: cannot reach SQS: no host nowhere.invalid; see the Region, the network and AWS_ENDPOINT_URL"},
		"no credentials": {nil, map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
			"no AWS credentials: set AWS_PROFILE or give --profile, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws sso login"},
		"no profile": {nil, map[string]string{"AWS_PROFILE": "nobody"}, "no profile nobody in the AWS configuration: give another by --profile or AWS_PROFILE"},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := ""
			if c.server != nil {
				server := httptest.NewServer(c.server)
				defer server.Close()
				endpoint = server.URL
			}
			clitest.SetAWS(t, endpoint)
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			var f cli.ProfileFlag
			cfg, err := f.Load(t.Context(), "eu-west-1")
			if err == nil {
				_, err = sqs.NewFromConfig(cfg).ListQueues(t.Context(), &sqs.ListQueuesInput{})
				err = fmt.Errorf("list: %w", err)
			}
			if got := cli.Plain(err).Error(); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			// What is joined is explained part by part.
			joined := fmt.Errorf("a: %w; b: %w", err, err)
			if got, want := cli.Plain(joined).Error(), "a: "+c.want+"; b: "+c.want; c.want != err.Error() && got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
	if err := fmt.Errorf("of another kind"); cli.Plain(err) != err || cli.Plain(nil) != nil {
		t.Error("errors of others are changed")
	}
}

func TestNearest(t *testing.T) {
	names := []string{"sumoship-dead-letters", "sumoship-quarantine", "orders", "order"}
	for name, want := range map[string]string{
		"sumoship-dead-leters": "sumoship-dead-letters", "ordrs": "orders order", "sumoship": "sumoship-quarantine sumoship-dead-letters", "x": "", "Orders": "orders order",
	} {
		if got := strings.Join(cli.Nearest(name, names), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
