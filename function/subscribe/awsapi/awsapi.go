// Package awsapi is what subscribing needs of CloudWatch Logs and Lambda: LogGroups
// and Functions, on the clients of the SDK. Its errors say what was tried, and
// wrap those of the SDK.
package awsapi

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"
)

func failed(what string, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("%s: %w", what, &apiError{api, err})
	}
	return fmt.Errorf("%s: %w", what, err)
}

// apiError is the code and the message of AWS, without the SDK's own words.
type apiError struct {
	smithy.APIError
	err error // of the SDK
}

func (e *apiError) Error() string { return e.ErrorCode() + ": " + e.ErrorMessage() }
func (e *apiError) Unwrap() error { return e.err }
