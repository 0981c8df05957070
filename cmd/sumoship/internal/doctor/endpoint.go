package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sumoship/sumo"
)

var endpointFaults = []Fault{endpointMissing, endpointInvalid, endpointRefused, endpointUnavailable}

var endpointMissing = Fault{"endpoint-missing", Broken,
	"Everything is dead-lettered, with the class misconfigured.",
	"The secret or parameter that the functions read the endpoint from does not exist, or is scheduled for deletion.",
	"If it is a secret, `aws secretsmanager restore-secret --secret-id {endpoint}{region}` brings it back for some days. Otherwise: `sumoship deploy --stack {stack}{region} --set SumoEndpointArn=ARN`, of a new one with the URL of the HTTP Source."}

var endpointInvalid = Fault{"endpoint-invalid", Broken,
	"Everything is dead-lettered, with the class misconfigured.",
	"The functions read the address of the HTTP Source from there.",
	`Store the URL of the HTTP Source as Sumo Logic shows it, https://…, or {"endpoint":"https://…","token":"…"}, in {endpoint}.`}

var endpointRefused = Fault{"endpoint-refused", Broken,
	"Everything is dead-lettered, with the class misconfigured.",
	"Sumo Logic does not know the source, or its token: it was deleted, or its URL regenerated.",
	"Copy the URL of the HTTP Source from Sumo Logic into {endpoint}. The functions read it within 15 minutes, and replay sends what was dead-lettered."}

var endpointUnavailable = Fault{"endpoint-unavailable", Broken,
	"Events are dead-lettered, with the class unavailable or throttled, and replayed later.",
	"Sumo Logic cannot be reached from here, or answers with an error. From a function in a VPC that may differ.",
	"See https://status.sumologic.com. If it is well, see the way out of the functions: subnets, NAT, security groups, proxies."}

func (x *exam) endpoint(ctx context.Context) error {
	if x.forwarder.Variables == nil {
		return errors.New("the variables of the forwarder are not known")
	}
	e, err := x.Endpoint(ctx, x.forwarder.Variables)
	if err != nil {
		// A store's errors keep its code as text, since what it writes may be the secret.
		switch text := strings.TrimPrefix(err.Error(), "endpoint: "); {
		case strings.Contains(text, "ResourceNotFound") || strings.Contains(text, "ParameterNotFound") || strings.Contains(text, "InvalidRequest"):
			x.finds(endpointMissing, "%s", text)
		case strings.Contains(text, "reading "):
			return err // it is the caller who cannot read it; the functions may
		default:
			x.finds(endpointInvalid, "%s", text)
		}
		return nil
	}
	if x.NoProbe {
		x.sound("%s, not probed", e)
		return nil
	}
	if err := x.Probe(ctx, e); err != nil {
		fault := endpointUnavailable
		if class := sumo.ClassOf(err); class == sumo.Misconfigured || class == sumo.Rejected {
			fault = endpointRefused
		}
		x.finds(fault, "%s: %v", e, err)
		return nil
	}
	x.sound("%s answers", e)
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
