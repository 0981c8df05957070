package function

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sumoship/version"
)

// ConfigLoader loads the configuration of AWS clients for a Region, or for the
// function's own if region is "". It is called on first use: most invocations
// need no client.
type ConfigLoader func(ctx context.Context, region string) (aws.Config, error)

// LambdaConfig returns the configuration in the environment that Lambda gives a
// function. The SDK's config module could load it too, but it links four more
// services, whose tables would be built at every cold start.
func LambdaConfig(getenv func(string) string) ConfigLoader {
	return func(_ context.Context, region string) (aws.Config, error) {
		key, secret := getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY")
		if key == "" || secret == "" {
			return aws.Config{}, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set; want the credentials that Lambda sets")
		}
		cfg := aws.Config{
			AppID:         version.Agent(),
			Region:        cmp.Or(region, getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION")),
			Credentials:   credentials.NewStaticCredentialsProvider(key, secret, getenv("AWS_SESSION_TOKEN")),
			ConfigSources: []any{endpointsOf(getenv)},
		}
		if endpoint := getenv(EndpointVariable); endpoint != "" {
			if err := CheckEndpoint(EndpointVariable, endpoint); err != nil {
				return aws.Config{}, err
			}
			cfg.BaseEndpoint = &endpoint
		}
		EndBodies(&cfg)
		return cfg, nil
	}
}

// EndpointVariable sets the endpoint of all services of AWS, and with _SERVICE at its end
// that of one.
const EndpointVariable = "AWS_ENDPOINT_URL"

// CheckEndpoint returns an error if an endpoint of AWS, set by what name says, is not a
// URL that can be called. The SDK takes any text, and fails in the middle of a call, with
// words of its own. The error has no user and password.
func CheckEndpoint(name, endpoint string) error {
	if u, err := url.Parse(endpoint); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
		return nil
	}
	shown := endpoint[strings.LastIndexByte(endpoint, '@')+1:]
	return &VarError{name, fmt.Errorf("%q is not the URL of an endpoint; want http:// or https:// and a host, such as http://localhost:5000", shown)}
}

// EndBodies has the clients of a configuration send request bodies that end as bodies do.
//
// When an answer arrives, the SDK closes the body of the request. Its WriteTo then
// returns io.EOF, as an error; and net/http, which looks whether more follows, may do
// so that late. It takes the error for a broken connection and closes it, while the
// answer is being read: ten messages of a ReceiveMessage stay invisible in a queue, and
// a SendMessageBatch is repeated. It happened in one request of a few hundred on a busy
// machine. A body without WriteTo ends without an error.
//
// Source: smithy-go 1.28.9, transport/http/internal/io, safeWriteToReadCloser; Go 1.26,
// net/http, transferWriter.writeBody.
func EndBodies(cfg *aws.Config) {
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("sumoshipEndBodies", endBody), middleware.Before)
	})
}

func endBody(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
	if r, ok := in.Request.(*smithyhttp.Request); ok {
		if body, ok := r.GetStream().(io.ReadSeeker); ok {
			r, err := r.SetStream(struct{ io.ReadSeeker }{body})
			if err != nil {
				return middleware.BuildOutput{}, middleware.Metadata{}, err
			}
			in.Request = r
		}
	}
	return next.HandleBuild(ctx, in)
}

// endpointsOf tells the SDK's clients which endpoints the environment sets.
//
// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints",
// "Dual-stack and FIPS endpoints".
type endpointsOf func(string) string

func (e endpointsOf) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	endpoint := e(EndpointVariable + "_" + strings.ToUpper(strings.ReplaceAll(sdkID, " ", "_")))
	return endpoint, endpoint != "", nil
}

func (e endpointsOf) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if strings.EqualFold(e("AWS_USE_FIPS_ENDPOINT"), "true") {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}

func (e endpointsOf) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	if strings.EqualFold(e("AWS_USE_DUALSTACK_ENDPOINT"), "true") {
		return aws.DualStackEndpointStateEnabled, true, nil
	}
	return aws.DualStackEndpointStateUnset, false, nil
}
