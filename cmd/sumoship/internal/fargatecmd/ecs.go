package fargatecmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sumoship/cmd/sumoship/internal/cli"
)

// taskDefinitions is the part of Amazon ECS that the verbs call.
type taskDefinitions interface {
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	ListAccountSettings(context.Context, *ecs.ListAccountSettingsInput, ...func(*ecs.Options)) (*ecs.ListAccountSettingsOutput, error)
	RegisterTaskDefinition(context.Context, *ecs.RegisterTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.RegisterTaskDefinitionOutput, error)
}

// openECS returns a client for a Region, that of the AWS configuration if region is
// "", and the Region it calls.
func openECS(ctx context.Context, profile *cli.ProfileFlag, region string) (client taskDefinitions, asks string, err error) {
	cfg, err := profile.LoadRegion(ctx, region)
	if err != nil {
		return nil, "", err
	}
	return ecs.NewFromConfig(cfg), cfg.Region, nil
}

// regionOf is the Region in the ARN of a task definition, "" if name is not an ARN.
func regionOf(name string) string {
	a, err := arn.Parse(name)
	if err != nil {
		return ""
	}
	return a.Region
}

// A definition is sent to ECS and read from it as the JSON document that it is,
// not through the structs of the SDK: ECS gets new members every few months, which
// the structs of an older SDK would drop in silence, and that changes what the task
// does. The SDK still signs, retries and finds the endpoint; only the body is ours.

// describe returns the response of DescribeTaskDefinition, tags included, as ECS
// wrote it, and FAMILY:REVISION.
func describe(ctx context.Context, client taskDefinitions, name string) (doc []byte, revision string, err error) {
	out, err := client.DescribeTaskDefinition(ctx,
		&ecs.DescribeTaskDefinitionInput{TaskDefinition: &name, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags}},
		withResponse(&doc))
	if err != nil {
		return nil, "", fmt.Errorf("describe task definition %s: %w", name, err)
	}
	if out.TaskDefinition == nil {
		return nil, "", fmt.Errorf("describe task definition %s: the response has no task definition", name)
	}
	return doc, revisionOf(out.TaskDefinition), nil
}

// logMode returns the setting defaultLogDriverMode that the account has chosen: one
// that is set for the caller, or blocking, which is not what ECS does by itself. It
// returns "" if there is none, or if the caller may not know.
//
// Source: Amazon ECS API Reference, ListAccountSettings; Amazon ECS Developer Guide,
// "Account settings" (Default log driver mode).
func logMode(ctx context.Context, client taskDefinitions) string {
	setting := func(effective bool) string {
		out, err := client.ListAccountSettings(ctx, &ecs.ListAccountSettingsInput{Name: types.SettingNameDefaultLogDriverMode, EffectiveSettings: effective})
		if err != nil {
			return ""
		}
		for _, s := range out.Settings {
			if v := aws.ToString(s.Value); s.Name == types.SettingNameDefaultLogDriverMode && (v == "blocking" || v == "non-blocking") {
				return v
			}
		}
		return ""
	}
	if own := setting(false); own != "" {
		return own
	}
	if setting(true) == "blocking" {
		return "blocking"
	}
	return ""
}

// registered is a task definition as ECS stored it.
type registered struct {
	Family   string `json:"family"`
	Revision int32  `json:"revision"`
	ARN      string `json:"taskDefinitionArn"`
}

// register sends doc, a RegisterTaskDefinition request in JSON.
func register(ctx context.Context, client taskDefinitions, doc []byte) (registered, error) {
	out, err := client.RegisterTaskDefinition(ctx,
		// The SDK requires these two; doc replaces them.
		&ecs.RegisterTaskDefinitionInput{Family: aws.String("-"), ContainerDefinitions: []types.ContainerDefinition{}},
		withRequest(doc))
	if err != nil {
		return registered{}, fmt.Errorf("register task definition: %w", err)
	}
	if out.TaskDefinition == nil {
		return registered{}, errors.New("register task definition: the response has no task definition")
	}
	d := out.TaskDefinition
	return registered{aws.ToString(d.Family), d.Revision, aws.ToString(d.TaskDefinitionArn)}, nil
}

func revisionOf(d *types.TaskDefinition) string {
	return fmt.Sprintf("%s:%d", aws.ToString(d.Family), d.Revision)
}

// withRequest replaces the body that the SDK made of its input.
func withRequest(body []byte) func(*ecs.Options) {
	replace := middleware.SerializeMiddlewareFunc("SendDocument", func(ctx context.Context, in middleware.SerializeInput,
		next middleware.SerializeHandler) (out middleware.SerializeOutput, metadata middleware.Metadata, err error) {
		req, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return out, metadata, fmt.Errorf("unexpected transport %T", in.Request)
		}
		if in.Request, err = req.SetStream(bytes.NewReader(body)); err != nil {
			return out, metadata, err
		}
		return next.HandleSerialize(ctx, in)
	})
	// Later steps compute the length, the hash and the signature.
	return ecs.WithAPIOptions(func(stack *middleware.Stack) error { return stack.Serialize.Add(replace, middleware.After) })
}

// withResponse copies the body of the response before the SDK reads it.
func withResponse(body *[]byte) func(*ecs.Options) {
	keep := middleware.DeserializeMiddlewareFunc("KeepDocument", func(ctx context.Context, in middleware.DeserializeInput,
		next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		resp, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok {
			return out, metadata, err
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // it was only read
		if err != nil {
			return out, metadata, &smithy.DeserializationError{Err: err}
		}
		*body = b
		resp.Body = io.NopCloser(bytes.NewReader(b))
		return out, metadata, nil
	})
	return ecs.WithAPIOptions(func(stack *middleware.Stack) error { return stack.Deserialize.Add(keep, middleware.After) })
}
