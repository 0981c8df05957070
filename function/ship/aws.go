package ship

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"sumoship/function"
)

// openSQS returns a constructor of the client of a queue, for the Region in its
// URL.
func openSQS(load function.ConfigLoader, queueURL string) func(context.Context) (*sqs.Client, error) {
	return func(ctx context.Context) (*sqs.Client, error) {
		region := ""
		if host, _, ok := strings.Cut(strings.TrimPrefix(queueURL, "https://sqs."), ".amazonaws.com"); ok && !strings.Contains(host, "/") {
			region = host
		}
		cfg, err := load(ctx, region)
		if err != nil {
			return nil, err
		}
		return sqs.NewFromConfig(cfg), nil
	}
}

// stores are SSM and Secrets Manager.
type stores struct{ load function.ConfigLoader }

// Parameter returns the decrypted value of an SSM parameter.
func (s stores) Parameter(ctx context.Context, region, name string) (string, error) {
	cfg, err := s.load(ctx, region)
	if err != nil {
		return "", err
	}
	out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Parameter.Value), nil
}

// Secret returns the string of a Secrets Manager secret.
func (s stores) Secret(ctx context.Context, region, arn string) (string, error) {
	cfg, err := s.load(ctx, region)
	if err != nil {
		return "", err
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return "", err
	}
	if out.SecretString == nil {
		return "", errors.New("the secret is binary; want a string")
	}
	return *out.SecretString, nil
}
