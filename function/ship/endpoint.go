package ship

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"sumoship/sumo"
)

// defaultParameter is the SSM parameter that holds the endpoint when
// SUMO_ENDPOINT is not set, as with Sumo's function.
const defaultParameter = "SUMO_ENDPOINT"

// secret is a value, or the ARN of the place where it is stored.
type secret struct {
	value   string // the value itself, or an ARN
	service string // "ssm" or "secretsmanager" for an ARN
	region  string
}

func (s secret) literal() bool { return s.value != "" && s.service == "" }

// parseARN parses the ARN of an SSM parameter or a Secrets Manager secret.
func (s *secret) parseARN() error {
	part := strings.SplitN(s.value, ":", 6)
	if len(part) == 6 {
		s.service, s.region = part[2], part[3]
		if s.region != "" && (s.service == "ssm" && strings.HasPrefix(part[5], "parameter/") ||
			s.service == "secretsmanager" && strings.HasPrefix(part[5], "secret:")) {
			return nil
		}
	}
	return fmt.Errorf("%q is not the ARN of an SSM parameter (arn:aws:ssm:REGION:ACCOUNT:parameter/NAME) or a secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME)", s.value)
}

// Secrets reads SSM parameters and Secrets Manager secrets.
type Secrets interface {
	// Parameter returns the decrypted value of an SSM parameter, given by its
	// name or ARN.
	Parameter(ctx context.Context, region, name string) (string, error)
	// Secret returns the string of a Secrets Manager secret.
	Secret(ctx context.Context, region, arn string) (string, error)
}

// readLimit bounds the read of a secret, so that a store that hangs leaves time
// to dead-letter the event.
const readLimit = 5 * time.Second

// endpoints caches the endpoint until forget is called.
type endpoints struct {
	endpoint, token secret
	secrets         Secrets

	mu     sync.Mutex
	cached sumo.Endpoint
}

// get returns the endpoint. Its errors contain no secret.
func (e *endpoints) get(ctx context.Context) (sumo.Endpoint, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.cached.IsZero() {
		return e.cached, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	at := e.endpoint
	if at.value == "" {
		at = secret{value: defaultParameter, service: "ssm"}
	}
	address, token, err := e.read(ctx, at)
	if err != nil {
		return sumo.Endpoint{}, fmt.Errorf("endpoint: %w", err)
	}
	if e.token.value != "" {
		if token, _, err = e.read(ctx, e.token); err != nil {
			return sumo.Endpoint{}, fmt.Errorf("token: %w", err)
		}
	}
	if e.cached, err = sumo.ParseEndpoint(address, token); err != nil {
		return sumo.Endpoint{}, fmt.Errorf("endpoint in %s: %w", at.place(), err)
	}
	return e.cached, nil
}

// forget makes the next get read the endpoint again: it may have been rotated.
func (e *endpoints) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cached = sumo.Endpoint{}
}

func (s secret) place() string {
	if s.service == "" {
		return "its environment variable"
	}
	return s.service + " " + s.value
}

// read returns the value of a secret. In a store it may also be a JSON object
// with endpoint and token.
func (e *endpoints) read(ctx context.Context, s secret) (value, token string, err error) {
	switch s.service {
	case "":
		return s.value, "", nil
	case "ssm":
		value, err = e.secrets.Parameter(ctx, s.region, s.value)
	default:
		value, err = e.secrets.Secret(ctx, s.region, s.value)
	}
	if err != nil {
		return "", "", fmt.Errorf("reading %s: %w", s.place(), err)
	}
	if value = strings.TrimSpace(value); !strings.HasPrefix(value, "{") {
		return value, "", nil
	}
	var both struct{ Endpoint, Token string }
	if json.Unmarshal([]byte(value), &both) != nil || both.Endpoint == "" {
		return "", "", errors.New(s.place() + ` is not {"endpoint":"https://…","token":"…"}`)
	}
	return both.Endpoint, both.Token, nil
}
