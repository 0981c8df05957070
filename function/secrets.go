package function

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Clients of AWS are made when they are needed, which is not in every run of a
// function.

func loadConfig(ctx context.Context, region string) (aws.Config, error) {
	if region == "" {
		return awsconfig.LoadDefaultConfig(ctx)
	}
	return awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region))
}

// openSQS makes the client for the queue with that URL, in the Region of the
// queue.
func openSQS(queue string) func(context.Context) (*sqs.Client, error) {
	return func(ctx context.Context) (*sqs.Client, error) {
		region := ""
		if host, _, ok := strings.Cut(strings.TrimPrefix(queue, "https://sqs."), ".amazonaws.com"); ok && !strings.Contains(host, "/") {
			region = host
		}
		cfg, err := loadConfig(ctx, region)
		if err != nil {
			return nil, err
		}
		return sqs.NewFromConfig(cfg), nil
	}
}

// awsSecrets reads SSM and Secrets Manager.
type awsSecrets struct{}

func (awsSecrets) Parameter(ctx context.Context, region, name string) (string, error) {
	cfg, err := loadConfig(ctx, region)
	if err != nil {
		return "", err
	}
	out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Parameter.Value), nil
}

func (awsSecrets) Secret(ctx context.Context, region, arn string) (string, error) {
	cfg, err := loadConfig(ctx, region)
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
