package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// explained is an error with a text for people.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// Plain replaces what the SDK says of a call in an error by one line: what AWS, or
// the way to it, has refused, and what to do. The words around it stay. It returns any
// other error as it is.
func Plain(err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		text := err.Error()
		for _, e := range joined.Unwrap() {
			text = strings.Replace(text, e.Error(), Plain(e).Error(), 1)
		}
		if text == err.Error() {
			return err
		}
		return &explained{text, err}
	}
	said, plain := said(err), plainly(err)
	switch {
	case said == "" || plain == "":
		return err
	case ofCredentials(err):
		return &explained{plain, err} // what was to be done does not matter
	}
	return &explained{strings.Replace(err.Error(), said, plain, 1), err}
}

// said is the part of the text of err that the SDK wrote, "" if there is none.
func said(err error) string {
	text := err.Error()
	if op, ok := errors.AsType[*smithy.OperationError](err); ok && strings.Contains(text, op.Error()) {
		return op.Error()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok { // already without the SDK's own words
		if short := api.ErrorCode() + ": " + api.ErrorMessage(); strings.Contains(text, short) {
			return short
		}
	}
	return ""
}

// Kinds of error codes of AWS.
var (
	deniedCodes  = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"}
	expiredCodes = []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidGrantException"}
	unknownCodes = []string{"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
		"AuthFailure", "InvalidAccessKeyId", "IncompleteSignature", "MissingAuthenticationToken"}
)

// setCredentials is what to do without credentials.
const setCredentials = "set AWS_PROFILE or give --profile, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws sso login"

// plainly says in one line why a call of AWS failed, "" if err is not of one.
func plainly(err error) string {
	op, _ := errors.AsType[*smithy.OperationError](err)
	service, operation := "AWS", ""
	if op != nil {
		service, operation = op.Service(), op.Operation()
	}
	api, ofAPI := errors.AsType[smithy.APIError](err)
	switch {
	case strings.Contains(err.Error(), "get credentials:") && (!ofAPI || slices.Contains(expiredCodes, api.ErrorCode())):
		if ofAPI || strings.Contains(strings.ToLower(err.Error()), "sso") {
			return "the login of the profile has ended: run aws sso login"
		}
		return "no AWS credentials: " + setCredentials
	case !ofAPI:
		return unanswered(service, err)
	}
	code, message := api.ErrorCode(), strings.TrimSpace(api.ErrorMessage())
	switch {
	case slices.Contains(deniedCodes, code):
		return "access denied: " + deniedAction(service, operation, message)
	case slices.Contains(expiredCodes, code):
		return fmt.Sprintf("the AWS credentials have expired (%s): renew them, or run aws sso login", code)
	case slices.Contains(unknownCodes, code):
		return fmt.Sprintf("AWS does not accept the credentials (%s): %s", code, setCredentials)
	}
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok && r.HTTPStatusCode() >= 500 {
		return fmt.Sprintf("%s answered %s (%s): try again later", service, status(r.HTTPStatusCode()), strings.TrimSuffix(code+": "+message, ": "))
	}
	if message == "" {
		message = "AWS gave no reason"
	}
	return code + ": " + message
}

// ofCredentials reports whether a call failed for its credentials.
func ofCredentials(err error) bool {
	code := Code(err)
	return strings.Contains(err.Error(), "get credentials:") || slices.Contains(expiredCodes, code) || slices.Contains(unknownCodes, code)
}

// unanswered says why there was no answer of AWS.
func unanswered(service string, err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("cannot reach %s: no host %s; see the Region, the network and AWS_ENDPOINT_URL", service, dns.Name)
	}
	r, answered := errors.AsType[*awshttp.ResponseError](err)
	if answered && r.Response != nil && r.HTTPStatusCode() != 0 {
		broken, ok := errors.AsType[net.Error](err)
		if ok || errors.Is(err, io.ErrUnexpectedEOF) {
			why := io.ErrUnexpectedEOF.Error()
			if ok {
				why = broken.Error()
			}
			return fmt.Sprintf("the answer of %s broke off (%s): try again, or see the network and the proxy", service, why)
		}
		if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
			return fmt.Sprintf("%s answered %s, and not as AWS does; see the proxy and AWS_ENDPOINT_URL", service, status(r.HTTPStatusCode()))
		}
		return fmt.Sprintf("%s answered %s: try again later, or see the proxy and AWS_ENDPOINT_URL", service, status(r.HTTPStatusCode()))
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		host := failed.URL
		if u, err := url.Parse(failed.URL); err == nil {
			host = u.Host
		}
		why := failed.Err.Error()
		if op, ok := errors.AsType[*net.OpError](failed.Err); ok {
			why = op.Err.Error()
		}
		if failed.Timeout() {
			why = "no answer in time"
		}
		return fmt.Sprintf("cannot reach %s at %s: %s; see the Region, the network and AWS_ENDPOINT_URL", service, host, why)
	}
	return ""
}

func status(code int) string { return strings.TrimSpace(fmt.Sprint(code, " ", http.StatusText(code))) }

var (
	deniedTo   = regexp.MustCompile(`not authorized to perform: ([\w-]+:\w+)`)
	deniedOn   = regexp.MustCompile(`on resource: (\S+)`)
	deniedFor  = regexp.MustCompile(`^User: (\S+) `)
	deniedBy   = regexp.MustCompile(`(?:because|with an explicit deny in) [^.]*`)
	iamService = map[string]string{"CloudWatch Logs": "logs", "Secrets Manager": "secretsmanager", "Elastic Load Balancing v2": "elasticloadbalancing",
		"Application Auto Scaling": "application-autoscaling"}
)

// deniedAction names what a caller may not do, and on what.
func deniedAction(service, operation, message string) string {
	find := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(message); m != nil {
			return strings.TrimRight(m[len(m)-1], ".,")
		}
		return ""
	}
	action := find(deniedTo)
	if action == "" && operation != "" {
		prefix := iamService[service]
		if prefix == "" {
			prefix = strings.ToLower(strings.ReplaceAll(service, " ", ""))
		}
		action = prefix + ":" + operation
	}
	text := action
	if on := find(deniedOn); on != "" {
		text += " on " + on
	}
	if caller := find(deniedFor); caller != "" {
		text = caller + " may not " + text
		if by := deniedBy.FindString(message); by != "" {
			text += ", " + strings.TrimSpace(by)
		}
		return text
	}
	if text == "" {
		return message
	}
	return strings.TrimSuffix(text+" ("+message+")", " ()")
}

// Nearest returns at most three of names that may be meant by name.
func Nearest(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var all []candidate
	for _, n := range names {
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(n))
		if d <= max(2, len(name)/3) || len(name) > 2 && strings.Contains(strings.ToLower(n), strings.ToLower(name)) {
			all = append(all, candidate{n, d})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.distance - b.distance })
	var near []string
	for _, c := range all[:min(3, len(all))] {
		near = append(near, c.name)
	}
	return near
}
