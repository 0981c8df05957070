package sqstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// apiError is an error that the service answers with.
type apiError struct {
	code    string // of the SQS model, or of those that all services have
	message string
	status  int // 0: that of the code
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// The messages are the service's own, upper-case and all.
func fail(code, format string, args ...any) error {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error { return fail("InvalidParameterValue", format, args...) }

func missing(parameter string) error {
	return fail("MissingParameter", "The request must contain the parameter %s.", parameter)
}

// answer is the error as AWS JSON 1.0 sends it: the type in the body, and the
// code that the older query protocol had in a header, which SDKs prefer.
func (e *apiError) answer(n int) answer {
	if e.code == "" {
		h := http.Header{}
		h.Set("Content-Type", "text/html")
		return answer{e.status, h, fmt.Appendf(nil, "<html><h1>%d %s</h1></html>", e.status, http.StatusText(e.status))}
	}
	typ, query, status := e.wire()
	fault := "Sender"
	if status >= 500 {
		fault = "Receiver"
	}
	h := header(n)
	h.Set("X-Amzn-Query-Error", query+";"+fault)
	body, _ := json.Marshal(map[string]string{"__type": typ, "message": e.message})
	return answer{status, h, body}
}

func (e *apiError) wire() (typ, query string, status int) {
	typ, query, status = e.modelled()
	if typ == "" {
		name := e.code
		query, status = e.code, http.StatusBadRequest
		switch e.code {
		case "InvalidParameterValue":
			name = "InvalidParameterValueException"
		case "MissingParameter":
			name = "MissingRequiredParameterException"
		case "UnknownOperationException":
			query = "InvalidAction"
		case "SerializationException":
			query = "MalformedInput"
		case "AccessDenied", "AccessDeniedException":
			name, query, status = "AccessDeniedException", "AccessDenied", http.StatusForbidden
		case "InternalError", "InternalFailure":
			status = http.StatusInternalServerError
		case "ServiceUnavailable":
			name, status = "ServiceUnavailableException", http.StatusServiceUnavailable
		}
		typ = "com.amazon.coral.service#" + name
	}
	if e.status != 0 {
		status = e.status
	}
	return typ, query, status
}

// modelled finds the error in the model that the SDK carries, by its name or by
// its query code, so that the table of codes and statuses is AWS's own.
func (e *apiError) modelled() (typ, query string, status int) {
	for id, entry := range sqs.TypeRegistry.Entries {
		if _, ok := smithy.SchemaTrait[*traits.Error](entry.Schema); !ok {
			continue
		}
		_, name, _ := strings.Cut(id, "#")
		query = name
		if t, ok := smithy.SchemaTrait[*traits.AWSQueryError](entry.Schema); ok {
			query = t.ErrorCode
		}
		if e.code != name && e.code != query {
			continue
		}
		status = http.StatusBadRequest
		if t, ok := smithy.SchemaTrait[*traits.HTTPError](entry.Schema); ok {
			status = t.Code
		}
		return id, query, status
	}
	return "", "", 0
}
