package function

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// awsSecrets reads SSM and Secrets Manager. It makes a client when one is
// needed, which is not in every run of the function.
type awsSecrets struct{}

func (awsSecrets) config(ctx context.Context, region string) (aws.Config, error) {
	if region == "" {
		return awsconfig.LoadDefaultConfig(ctx)
	}
	return awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region))
}

func (s awsSecrets) Parameter(ctx context.Context, region, name string) (string, error) {
	cfg, err := s.config(ctx, region)
	if err != nil {
		return "", err
	}
	out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Parameter.Value), nil
}

func (s awsSecrets) Secret(ctx context.Context, region, arn string) (string, error) {
	cfg, err := s.config(ctx, region)
	if err != nil {
		return "", err
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return "", err
	}
	if out.SecretString == nil {
		return "", errors.New("the secret is binary; it is to be a string")
	}
	return *out.SecretString, nil
}
