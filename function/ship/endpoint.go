package ship

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"sumoship/function"
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

// endpointTTL is how long an endpoint from a store is used before it is read
// again, so that a rotation needs no new environment.
const endpointTTL = 15 * time.Minute

// rereadAfter returns how long an endpoint that was refused, or could not be read,
// is left alone, so that an outage or a wrong secret does not use up the rate of
// the store.
func rereadAfter() time.Duration { return 20*time.Second + rand.N(20*time.Second) }

// endpoints caches the endpoint.
type endpoints struct {
	endpoint, token secret
	secrets         Secrets
	log             *slog.Logger

	mu     sync.Mutex
	cached sumo.Endpoint
	err    error     // of the last read
	at     time.Time // of the last read
	next   time.Time // when to read again
	again  time.Time // when to read again if the endpoint is suspect
}

// ReadEndpoint reads the endpoint as a function with these variables does. Its errors
// contain no secret.
func ReadEndpoint(ctx context.Context, getenv func(string) string, load function.ConfigLoader) (sumo.Endpoint, error) {
	vars := function.NewVars(getenv)
	e := &endpoints{endpoint: readSecret(vars, "SUMO_ENDPOINT"), token: readSecret(vars, "SUMO_TOKEN"), secrets: discreet{stores{load}}}
	if err := vars.Err(); err != nil {
		return sumo.Endpoint{}, err
	}
	return e.fetch(ctx)
}

// get returns the endpoint. Its errors contain no secret. An endpoint that was
// read before is used while its store cannot be read.
func (e *endpoints) get(ctx context.Context) (sumo.Endpoint, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now().Round(0) // by the wall clock, which goes on while Lambda has frozen the environment
	if (e.err != nil || !e.cached.IsZero()) && now.Before(e.next) && !now.Before(e.at) {
		if e.cached.IsZero() {
			return e.cached, e.err
		}
		return e.cached, nil
	}
	endpoint, err := e.fetch(ctx)
	if err != nil && ctx.Err() != nil && e.cached.IsZero() {
		return sumo.Endpoint{}, err // for want of time, which says nothing of the store
	}
	e.err, e.at, e.again = err, now, now.Add(rereadAfter())
	switch {
	case err == nil:
		e.cached, e.next = endpoint, now.Add(endpointTTL)
		return endpoint, nil
	case e.cached.IsZero():
		e.next = e.again
		return sumo.Endpoint{}, err
	}
	e.next = e.again
	e.log.Warn("the endpoint could not be read again; the one read before is used", "error", err)
	return e.cached, nil
}

// fetch reads the endpoint.
func (e *endpoints) fetch(ctx context.Context) (sumo.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	at := e.endpoint
	if at.value == "" {
		at = secret{value: defaultParameter, service: "ssm"}
	}
	held, err := e.read(ctx, at)
	address, token := held.plain, ""
	if held.object {
		address, token = held.Endpoint, held.Token
	}
	if err == nil && address == "" {
		err = errors.New(at.place() + ` holds no endpoint; want https://… or {"endpoint":"https://…","token":"…"}`)
	}
	if err != nil {
		return sumo.Endpoint{}, fmt.Errorf("endpoint: %w", err)
	}
	if e.token.value != "" {
		held, err := e.read(ctx, e.token)
		if token = held.plain; held.object {
			token = held.Token
		}
		if err == nil && token == "" {
			err = errors.New(e.token.place() + ` holds no token; want the token or {"token":"…"}`)
		}
		if err != nil {
			return sumo.Endpoint{}, fmt.Errorf("token: %w", err)
		}
	}
	if err := checkToken(token); err != nil {
		return sumo.Endpoint{}, fmt.Errorf("token: %w", err)
	}
	endpoint, err := sumo.ParseEndpoint(address, token)
	if err != nil {
		return sumo.Endpoint{}, fmt.Errorf("endpoint in %s: %w", at.place(), err)
	}
	return endpoint, nil
}

// suspect says that Sumo Logic refused the endpoint: it may have been rotated, so
// that it is read again soon.
func (e *endpoints) suspect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.again.Before(e.next) {
		e.next = e.again
	}
}

func (s secret) place() string {
	if s.service == "" {
		return "its environment variable"
	}
	return s.service + " " + s.value
}

// checkToken refuses a token that is or holds the URL of an HTTP Source: as a
// header it would be the wrong secret at the right place. The error does not
// repeat it.
func checkToken(token string) error {
	if strings.Contains(token, "://") || strings.Contains(token, "receiver/v1/") {
		return errors.New("is the URL of an HTTP Source; want its token, which is not part of the URL")
	}
	return nil
}

// held is what a secret holds: plain text, or a JSON object with these members.
type held struct {
	plain           string
	object          bool
	Endpoint, Token string
}

// read returns what a secret holds. Only a store may hold an object. The caller
// takes the member it asks for, never another.
func (e *endpoints) read(ctx context.Context, s secret) (h held, err error) {
	if s.service == "" {
		return held{plain: s.value}, nil
	}
	if h.plain, err = readStored(ctx, e.secrets, s); err != nil {
		return held{}, err
	}
	if h.plain = strings.TrimSpace(h.plain); !strings.HasPrefix(h.plain, "{") {
		return h, nil
	}
	h.object = true
	if json.Unmarshal([]byte(h.plain), &h) != nil { // the error would quote it
		return held{}, errors.New(s.place() + ` is not {"endpoint":"https://…","token":"…"}`)
	}
	return h, nil
}
