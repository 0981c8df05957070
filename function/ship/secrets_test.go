package ship_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"

	"sumoship/sumo/leaktest"
)

// An error of a store may quote what it holds. Its code is enough to know what to do.
func TestErrorsOfStoresQuoteNoSecret(t *testing.T) {
	const quoted = "https://collectors.example.com/receiver/v1/http/" + leaktest.Secret
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"denied": {&smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User: arn:aws:sts::123456789012:assumed-role/r/" + quoted + " is not authorized to perform: kms:Decrypt on resource: " + quoted},
			"AccessDeniedException: not authorized to perform kms:Decrypt"},
		"denied, briefly":  {&smithy.GenericAPIError{Code: "AccessDeniedException", Message: quoted}, "AccessDeniedException"},
		"validation":       {&smithy.GenericAPIError{Code: "ValidationException", Message: "1 validation error detected: Value '" + quoted + "' at 'name' failed"}, "ValidationException"},
		"not found":        {&smithy.GenericAPIError{Code: "ParameterNotFound"}, "ParameterNotFound"},
		"a secret as code": {&smithy.GenericAPIError{Code: leaktest.Secret, Message: quoted}, "answered with an error"},
		"a code with one":  {&smithy.GenericAPIError{Code: leaktest.Secret + "Exception", Message: quoted}, "answered with an error"},
		"not decoded":      {&smithy.DeserializationError{Err: fmt.Errorf("parsing %q: invalid syntax", quoted)}, "the response cannot be read"},
		"anything else":    {errors.New(quoted), "no response; check the credentials, the Region and the network"},
		"no route":         {&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}, Err: syscall.EHOSTUNREACH}, "dial tcp 10.0.0.1:443: no route to host"},
		"too late":         {fmt.Errorf("%s: %w", quoted, context.DeadlineExceeded), "no answer in time"},
	} {
		for _, wrapped := range []bool{false, true} {
			err := c.err
			if wrapped {
				err = &smithy.OperationError{ServiceID: "SSM", OperationName: "GetParameter", Err: err}
			}
			w := newFixture()
			w.secrets = &secrets{err: err}
			delete(w.vars, "SUMO_ENDPOINT")
			r, shipErr := w.forwarder(t).Ship(t.Context(), event("a"))
			if shipErr != nil || !strings.HasSuffix(r.Error, "reading ssm SUMO_ENDPOINT: "+c.want) {
				t.Errorf("%s: %q, want %q at its end; %v", name, r.Error, c.want, shipErr)
			}
			if all := w.log.String() + fmt.Sprint(w.queue.Entries()); leaktest.Find(all) != "" {
				t.Errorf("%s: a secret in %s", name, all)
			}
		}
	}
}
