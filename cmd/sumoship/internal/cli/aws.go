package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"sumoship/function"
	"sumoship/version"
)

// AWSFlags choose the account and Region as the AWS CLI does.
type AWSFlags struct {
	Region string `help:"AWS Region. Default: that of the AWS configuration." placeholder:"REGION" group:"AWS"`
	ProfileFlag
}

// Load reads the AWS configuration. Its Region may be "".
func (f *AWSFlags) Load(ctx context.Context) (aws.Config, error) {
	return f.ProfileFlag.Load(ctx, f.Region)
}

// LoadRegion is Load for calls that need a Region.
func (f *AWSFlags) LoadRegion(ctx context.Context) (aws.Config, error) {
	return f.ProfileFlag.LoadRegion(ctx, f.Region)
}

// ProfileFlag is for verbs whose --region means more than where to call AWS.
type ProfileFlag struct {
	Profile string `help:"Profile of the AWS configuration." placeholder:"NAME" group:"AWS"`
}

// Load reads the AWS configuration for a Region, the default one if region is "".
func (f *ProfileFlag) Load(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region), awsconfig.WithSharedConfigProfile(f.Profile),
		awsconfig.WithAppID(version.Agent()), awsconfig.WithLogger(logging.Nop{}))
	if missing, ok := errors.AsType[awsconfig.SharedConfigProfileNotExistError](err); ok {
		return cfg, Usagef("no profile %s in the AWS configuration: give another by --profile or AWS_PROFILE", missing.Profile)
	}
	if err != nil {
		return cfg, Fail(ExitAWS, fmt.Errorf("read the AWS configuration: %w", err))
	}
	if err := checkEndpoints(ctx, cfg, os.Environ()); err != nil {
		return cfg, Usagef("%w", err)
	}
	function.EndBodies(&cfg)
	called(ctx, &cfg)
	return cfg, nil
}

// checkEndpoints returns an error for each endpoint that the environment sets, or the
// profile for all services, and that is not a URL. The SDK reads those of one service when
// a client is made: after a verb has done a part of its work.
func checkEndpoints(ctx context.Context, cfg aws.Config, environ []string) error {
	if ignored, _, err := awsconfig.GetIgnoreConfiguredEndpoints(ctx, cfg.ConfigSources); ignored && err == nil {
		return nil
	}
	var errs []error
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(variable, "=")
		if value != "" && (name == function.EndpointVariable || strings.HasPrefix(name, function.EndpointVariable+"_")) {
			errs = append(errs, function.CheckEndpoint(name, value))
		}
	}
	err := errors.Join(errs...)
	if err == nil && cfg.BaseEndpoint != nil { // of the variable, which is well, or of the profile
		err = function.CheckEndpoint("endpoint_url of the AWS configuration", *cfg.BaseEndpoint)
	}
	return err
}

// LoadRegion is Load for calls that need a Region.
func (f *ProfileFlag) LoadRegion(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := f.Load(ctx, region)
	if err == nil && cfg.Region == "" {
		err = errNoRegion
	}
	return cfg, err
}

var errNoRegion = Usagef("which Region? Give --region or set AWS_REGION")

// Code is the code of an error of AWS, "" of any other.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
