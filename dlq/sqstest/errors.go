package sqstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"

	"sumoship/function/awstest"
)

// The messages are the service's own, upper-case and all.
func fail(code, format string, args ...any) error { return awstest.Fail(code, format, args...) }

func invalid(format string, args ...any) error { return fail("InvalidParameterValue", format, args...) }

func missing(parameter string) error {
	return fail("MissingParameter", "The request must contain the parameter %s.", parameter)
}

// answerError is an error as AWS JSON 1.0 sends it: the type in the body, and
// the code that the older query protocol had in a header, which SDKs prefer.
func answerError(e *awstest.Error, id string) awstest.Reply {
	if e.Code == "" {
		h := http.Header{}
		h.Set("Content-Type", "text/html")
		return awstest.Reply{Status: e.Status, Header: h, Body: fmt.Appendf(nil, "<html><h1>%d %s</h1></html>", e.Status, http.StatusText(e.Status))}
	}
	typ, query, status := wire(e)
	fault := "Sender"
	if status >= 500 {
		fault = "Receiver"
	}
	h := header(id)
	h.Set("X-Amzn-Query-Error", query+";"+fault)
	body, _ := json.Marshal(map[string]string{"__type": typ, "message": e.Message})
	return awstest.Reply{Status: status, Header: h, Body: body}
}

// wire returns how an error is written: its type, the code of the query protocol
// and the HTTP status.
func wire(e *awstest.Error) (typ, query string, status int) {
	typ, query, status = modelled(e.Code)
	if typ == "" {
		name := e.Code
		query, status = e.Code, http.StatusBadRequest
		switch e.Code {
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
	if e.Status != 0 {
		status = e.Status
	}
	return typ, query, status
}

// modelled finds the error in the SDK's own model, by its name or its query code, so
// that the table of codes and statuses is AWS's.
func modelled(code string) (typ, query string, status int) {
	for id, entry := range sqs.TypeRegistry.Entries {
		if _, ok := smithy.SchemaTrait[*traits.Error](entry.Schema); !ok {
			continue
		}
		_, name, _ := strings.Cut(id, "#")
		query = name
		if t, ok := smithy.SchemaTrait[*traits.AWSQueryError](entry.Schema); ok {
			query = t.ErrorCode
		}
		if code != name && code != query {
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
