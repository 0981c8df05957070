package function

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

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
		if url := getenv("AWS_ENDPOINT_URL"); url != "" {
			cfg.BaseEndpoint = &url
		}
		return cfg, nil
	}
}

// endpointsOf tells the SDK's clients which endpoints the environment sets.
//
// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints",
// "Dual-stack and FIPS endpoints".
type endpointsOf func(string) string

func (e endpointsOf) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	url := e("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(sdkID, " ", "_")))
	return url, url != "", nil
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
