package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

// awsFlags choose the account and Region as the AWS CLI does.
type awsFlags struct {
	Region string `help:"AWS Region. Default: that of the AWS configuration." placeholder:"REGION"`
	profileFlag
}

// load reads the AWS configuration. Its Region may be "".
func (f *awsFlags) load(ctx context.Context) (aws.Config, error) {
	return f.profileFlag.load(ctx, f.Region)
}

// loadRegion is load for calls that need a Region.
func (f *awsFlags) loadRegion(ctx context.Context) (aws.Config, error) {
	return f.profileFlag.loadRegion(ctx, f.Region)
}

// profileFlag is for verbs whose --region means more than where to call AWS.
type profileFlag struct {
	Profile string `help:"Profile of the AWS configuration." placeholder:"NAME"`
}

// load reads the AWS configuration for a Region, the default one if region is "".
func (f *profileFlag) load(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region), awsconfig.WithSharedConfigProfile(f.Profile))
	if err != nil {
		return cfg, exit{exitAWS, fmt.Errorf("read the AWS configuration: %w", err)}
	}
	return cfg, nil
}

// loadRegion is load for calls that need a Region.
func (f *profileFlag) loadRegion(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := f.load(ctx, region)
	if err == nil && cfg.Region == "" {
		err = errNoRegion
	}
	return cfg, err
}

var errNoRegion = usage("which Region? Give --region or set AWS_REGION")

// plain is the error code and message of AWS, without the SDK's own words.
func plain(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("%s: %s", api.ErrorCode(), strings.TrimSpace(cmp.Or(api.ErrorMessage(), "AWS gave no reason")))
	}
	return err
}

// code is the code of an error of AWS, "" of any other.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
