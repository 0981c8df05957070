package awsapi

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"sumoship/deploy/subscription"
)

// Functions are the Lambda functions of an account in a Region.
type Functions struct{ api *lambda.Client }

// NewFunctions returns the functions that a client of the SDK reaches.
func NewFunctions(api *lambda.Client) *Functions { return &Functions{api} }

// LogGroup returns the log group that a function writes to.
func (f *Functions) LogGroup(ctx context.Context, arn string) (string, error) {
	out, err := f.api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &arn})
	if err != nil {
		return "", failed("function "+arn+": get its configuration", err)
	}
	if out.LoggingConfig == nil || aws.ToString(out.LoggingConfig.LogGroup) == "" {
		return "/aws/lambda/" + aws.ToString(out.FunctionName), nil
	}
	return *out.LoggingConfig.LogGroup, nil
}

// Invoke calls a function asynchronously.
func (f *Functions) Invoke(ctx context.Context, arn string, event []byte) error {
	if _, err := f.api.Invoke(ctx, &lambda.InvokeInput{FunctionName: &arn, InvocationType: types.InvocationTypeEvent, Payload: event}); err != nil {
		return failed("function "+arn+": invoke it", err)
	}
	return nil
}

// Permitted reports whether CloudWatch Logs may call a function for all log
// groups of its account already, by whatever statement.
//
// Errors: [*subscription.ClashError] if Permit would fail, or those of the SDK.
func (f *Functions) Permitted(ctx context.Context, d subscription.Destination) (bool, error) {
	out, err := f.api.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: aws.String(d.Unqualified()), Qualifier: qualifier(d)})
	if _, none := errors.AsType[*types.ResourceNotFoundException](err); none {
		return false, nil
	}
	if err != nil {
		return false, failed("function "+d.ARN+": get its policy", err)
	}
	return d.Permitted(aws.ToString(out.Policy))
}

// Permit lets CloudWatch Logs call a function for all log groups of its account.
// If somebody else has permitted that meanwhile, it is done.
//
// Errors: [*subscription.ClashError] if a statement of our ID permits something
// else, or those of the SDK.
func (f *Functions) Permit(ctx context.Context, d subscription.Destination) error {
	p := d.Permission()
	_, err := f.api.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String(d.Unqualified()), Qualifier: qualifier(d),
		StatementId: &p.ID, Action: &p.Action, Principal: &p.Principal, SourceArn: &p.SourceARN, SourceAccount: &p.SourceAccount})
	if _, taken := errors.AsType[*types.ResourceConflictException](err); taken {
		if permitted, err := f.Permitted(ctx, d); err == nil && permitted {
			return nil
		}
		return &subscription.ClashError{Function: d.ARN, StatementID: p.ID}
	}
	if err != nil {
		return failed("function "+d.ARN+": add a permission for CloudWatch Logs", err)
	}
	return nil
}

// Forbid removes our statement from the policy of a function. removed is false
// if there was none.
func (f *Functions) Forbid(ctx context.Context, d subscription.Destination) (removed bool, err error) {
	_, err = f.api.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: aws.String(d.Unqualified()), Qualifier: qualifier(d), StatementId: aws.String(subscription.PermissionID)})
	if _, none := errors.AsType[*types.ResourceNotFoundException](err); none {
		return false, nil
	}
	if err != nil {
		return false, failed("function "+d.ARN+": remove the permission of CloudWatch Logs", err)
	}
	return true, nil
}

// qualifier returns the version or alias of a function. Calls about policies take
// it apart from the ARN.
func qualifier(d subscription.Destination) *string {
	if d.Qualifier == "" {
		return nil
	}
	return &d.Qualifier
}
