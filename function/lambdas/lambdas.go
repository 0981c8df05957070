// Package lambdas looks at Lambda functions, lets CloudWatch Logs call them, and
// calls them.
package lambdas

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"sumoship/deploy/subscription"
)

// Client are the Lambda functions of an account in a Region.
type Client struct{ api *lambda.Client }

// New makes a client on that of the SDK.
func New(api *lambda.Client) *Client { return &Client{api} }

func failed(what, arn string, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("function %s: %s: %w", arn, what, &apiError{api})
	}
	return fmt.Errorf("function %s: %s: %w", arn, what, err)
}

// apiError leaves out of the SDK's text what nobody reads.
type apiError struct{ smithy.APIError }

func (e *apiError) Error() string { return e.ErrorCode() + ": " + e.ErrorMessage() }
func (e *apiError) Unwrap() error { return e.APIError }

// LogGroup is the log group that a function writes to.
func (c *Client) LogGroup(ctx context.Context, arn string) (string, error) {
	out, err := c.api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &arn})
	if err != nil {
		return "", failed("get its configuration", arn, err)
	}
	if out.LoggingConfig == nil || aws.ToString(out.LoggingConfig.LogGroup) == "" {
		return "/aws/lambda/" + aws.ToString(out.FunctionName), nil
	}
	return *out.LoggingConfig.LogGroup, nil
}

// Invoke calls a function asynchronously.
func (c *Client) Invoke(ctx context.Context, arn string, event []byte) error {
	if _, err := c.api.Invoke(ctx, &lambda.InvokeInput{FunctionName: &arn, InvocationType: types.InvocationTypeEvent, Payload: event}); err != nil {
		return failed("invoke it", arn, err)
	}
	return nil
}

// Permitted tells whether CloudWatch Logs may call a function for all log
// groups of its account already, by whatever statement.
func (c *Client) Permitted(ctx context.Context, d subscription.Destination) (bool, error) {
	out, err := c.api.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: aws.String(function(d)), Qualifier: qualifier(d)})
	if _, none := errors.AsType[*types.ResourceNotFoundException](err); none {
		return false, nil
	}
	if err != nil {
		return false, failed("get its policy", d.ARN, err)
	}
	return d.Permitted(aws.ToString(out.Policy))
}

// Permit lets CloudWatch Logs call a function for all log groups of its account.
func (c *Client) Permit(ctx context.Context, d subscription.Destination) error {
	p := d.Permission()
	_, err := c.api.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String(function(d)), Qualifier: qualifier(d), Action: aws.String("lambda:InvokeFunction"),
		StatementId: &p.ID, Principal: &p.Principal, SourceArn: &p.SourceARN, SourceAccount: &p.SourceAccount})
	if err != nil {
		return failed("add a permission for CloudWatch Logs", d.ARN, err)
	}
	return nil
}

// Forbid removes our statement from the policy of a function. removed is false
// if there was none.
func (c *Client) Forbid(ctx context.Context, d subscription.Destination) (removed bool, err error) {
	_, err = c.api.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: aws.String(function(d)), Qualifier: qualifier(d), StatementId: aws.String(subscription.PermissionID)})
	if _, none := errors.AsType[*types.ResourceNotFoundException](err); none {
		return false, nil
	}
	if err != nil {
		return false, failed("remove the permission of CloudWatch Logs", d.ARN, err)
	}
	return true, nil
}

// function is the ARN of a function without its qualifier, which calls about
// policies take by itself.
func function(d subscription.Destination) string {
	return fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s", d.Partition, d.Region, d.Account, d.Name)
}

func qualifier(d subscription.Destination) *string {
	if d.Qualifier == "" {
		return nil
	}
	return &d.Qualifier
}
