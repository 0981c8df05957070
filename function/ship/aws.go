package ship

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"sumoship/function"
	"sumoship/sumo"
)

// openSQS returns a constructor of the client of a queue, for the Region in its
// URL.
func openSQS(load function.ConfigLoader, queueURL string) func(context.Context) (*sqs.Client, error) {
	return func(ctx context.Context) (*sqs.Client, error) {
		cfg, err := load(ctx, regionOf(queueURL))
		if err != nil {
			return nil, err
		}
		return sqs.NewFromConfig(cfg), nil
	}
}

// regionOf returns the Region in the URL of a queue, "" if it has none.
func regionOf(queueURL string) string {
	rest, ok := strings.CutPrefix(queueURL, "https://sqs.")
	host, _, found := strings.Cut(rest, ".amazonaws.com")
	if !ok || !found || strings.Contains(host, "/") {
		return ""
	}
	return host
}

// stores are SSM and Secrets Manager.
type stores struct{ load function.ConfigLoader }

// Parameter returns the decrypted value of an SSM parameter.
func (s stores) Parameter(ctx context.Context, region, name string) (string, error) {
	cfg, err := s.load(ctx, region)
	if err != nil {
		return "", ownError{err}
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
		return "", ownError{err}
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return "", err
	}
	if out.SecretString == nil {
		return "", ownError{errors.New("the secret is binary; want a string")}
	}
	return *out.SecretString, nil
}

// ownError is an error whose text is not that of a store.
type ownError struct{ error }

// discreet are Secrets whose errors quote nothing that a store has written, which may
// be the secret: what they keep of a response is its code.
type discreet struct{ Secrets }

func (d discreet) Parameter(ctx context.Context, region, name string) (string, error) {
	value, err := d.Secrets.Parameter(ctx, region, name)
	return value, storeError(err)
}

func (d discreet) Secret(ctx context.Context, region, arn string) (string, error) {
	value, err := d.Secrets.Secret(ctx, region, arn)
	return value, storeError(err)
}

// denied is the action that IAM denies, in the message of an AccessDeniedException.
var denied = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`not authorized to perform: ([a-z]+:[A-Z][A-Za-z]+) `)
})

func storeError(err error) error {
	if own, ok := errors.AsType[ownError](err); ok || err == nil {
		if ok {
			return own.error
		}
		return nil
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		text := "answered with an error"
		if code := api.ErrorCode(); errorCode(code) {
			text = code
		}
		if m := denied().FindStringSubmatch(api.ErrorMessage() + " "); m != nil {
			text += ": not authorized to perform " + m[1]
		}
		return errors.New(text)
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return errors.New(sumo.Reason(err))
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return errors.New("the response cannot be read")
	}
	return errors.New("no response; check the credentials, the Region and the network")
}

// errorCode reports whether s has the form of an error code of AWS.
func errorCode(s string) bool {
	for _, suffix := range []string{"Exception", "Error", "NotFound", "Failure", "Fault"} {
		if strings.HasSuffix(s, suffix) && len(s) < 64 {
			return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
		}
	}
	return false
}
