package stack_test

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/function/subscribe"
)

// start creates a function from an environment, as main does.
func start(name string, getenv func(string) string) error {
	env := function.Env{Getenv: getenv, Out: io.Discard}
	switch name {
	case "Stream":
		_, err := ship.NewStreamForwarder(ship.Options{Env: env})
		return err
	case "Forwarder":
		_, err := ship.NewForwarder(ship.Options{Env: env})
		return err
	case "Replay":
		_, err := ship.NewReplayer(ship.ReplayOptions{Options: ship.Options{Env: env}, Inbox: new(dlqtest.Queue)})
		return err
	case "Heartbeat":
		return nil // reads none
	case "Subscriber":
		_, err := subscribe.NewSubscriber(subscribe.Options{Env: env})
		return err
	}
	return fmt.Errorf("unknown function %s", name)
}

// variables returns the environment of a function in a stack.
func (s *stack) variables(name string) map[string]string {
	m := map[string]string{}
	variables, _ := get(s.resources[name].Properties, "Environment", "Variables").(map[string]any)
	for k, v := range variables {
		m[k] = fmt.Sprint(v)
	}
	return m
}

// notSet are variables that a function reads and the template does not set, with the
// reason.
var notSet = map[string]map[string]string{
	"Forwarder": {
		"SUMO_TOKEN":           "the token is in the secret, beside the endpoint",
		"QUARANTINE_QUEUE_URL": "of replay; one reader of variables serves both",
		"NUM_OF_WORKERS":       "of replay, too",
		"OVERFLOW_BUCKET":      "of replay, too",
	},
	"Replay": {
		"SUMO_TOKEN":         "as with the forwarder",
		"SUMO_CLIENT_HEADER": "of the forwarder; replay sends its own",
	},
	"Stream": {
		"SUMO_TOKEN":           "as with the forwarder",
		"QUARANTINE_QUEUE_URL": "as with the forwarder",
		"OVERFLOW_BUCKET":      "as with the forwarder",
		"SUMO_CLIENT_HEADER":   "of the forwarder; the stream function sends its own",
	},
	"Heartbeat": {},
	"Subscriber": {
		"NUM_OF_WORKERS":   "as many as CloudWatch Logs has calls for; the parameter is about replay",
		"DEADLINE_RESERVE": "5 s are plenty to hand over the rest; the parameter is about dead-lettering",
	},
}

// ofGo are variables that Go's packages net/http and crypto/x509 read themselves, and one
// that the SDK reads when a client is made.
var ofGo = []string{"HTTPS_PROXY", "NO_PROXY", "SSL_CERT_DIR", "AWS_USE_FIPS_ENDPOINT"}

// The template sets exactly the variables that the code of a function reads. Those
// that begin with AWS_ are set by Lambda.
func TestVariablesAreThoseOfTheCode(t *testing.T) {
	s := readTemplate(t).create(t, with(made, "Subscription=pattern", "OrganizationId="+organization))
	functions := s.of("AWS::Serverless::Function")
	if d := cmp.Diff(slices.Sorted(maps.Keys(notSet)), slices.Sorted(maps.Keys(functions))); d != "" {
		t.Errorf("functions (-want +got):\n%s", d)
	}
	for name := range functions {
		variables, reads := s.variables(name), map[string]bool{}
		err := start(name, func(v string) string {
			reads[v] = true
			return variables[v]
		})
		if err != nil {
			t.Errorf("%s does not start with the defaults: %v", name, err)
		}
		for v := range variables {
			if !reads[v] && !slices.Contains(ofGo, v) {
				t.Errorf("%s: %s is set, but the code does not read it", name, v)
			}
		}
		for v := range reads {
			_, set := variables[v]
			if _, exempt := notSet[name][v]; !set && !exempt && !strings.HasPrefix(v, "AWS_") {
				t.Errorf("%s: %s is read by the code, but not set", name, v)
			}
		}
		for v, why := range notSet[name] {
			if _, set := variables[v]; set || !reads[v] {
				t.Errorf("%s: %s is not an exception any more (%s)", name, v, why)
			}
		}
	}
}

// patience are the variables that say how long to try: the forwarder gives up
// early, replay does not.
var patience = []string{"NUMBER_OF_RETRIES", "REQUEST_TIMEOUT"}

// Replay ships as the forwarder would have: a variable that both have is the same.
func TestReplayShipsAsTheForwarderDoes(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		replay, both := s.variables("Replay"), 0
		for v, value := range s.variables("Forwarder") {
			if other, ok := replay[v]; ok {
				both++
				if slices.Contains(patience, v) {
					mine, _ := strconv.Atoi(value)
					if theirs, _ := strconv.Atoi(other); theirs <= mine {
						t.Errorf("%s: the forwarder has %d, replay %d, which must be more", v, mine, theirs)
					}
				} else if other != value {
					t.Errorf("%s: the forwarder has %q, replay %q", v, value, other)
				}
			} else if v != "SUMO_CLIENT_HEADER" {
				t.Errorf("%s is not set on replay", v)
			}
		}
		if both < 20 {
			t.Errorf("only %d variables are set on both", both)
		}
	})
}

// parametersOf maps the variables of the functions to the parameters that set them.
func parametersOf(t *testing.T, tmpl template) map[string][]string {
	m := map[string][]string{}
	add := func(variables any) {
		v, _ := variables.(map[string]any)
		for name, value := range v {
			if p, ok := get(value, "Ref").(string); ok && tmpl.section("Parameters")[p] != nil && !slices.Contains(m[name], p) {
				m[name] = append(m[name], p)
				slices.SortFunc(m[name], func(a, b string) int { return strings.Index(a, "Replay") - strings.Index(b, "Replay") })
			}
		}
	}
	for _, r := range tmpl.section("Resources") {
		add(get(r, "Properties", "Environment", "Variables"))
	}
	if len(m) < 20 {
		t.Fatalf("only %d variables are parameters: %v", len(m), m)
	}
	return m
}

// narrower are parameters whose bounds are deliberately narrower than the code's.
var narrower = map[string]string{"DeadLetterDelay": "the pause of the loop that RecursiveLoop allows"}

// The functions accept what the template's constraints allow, at both ends, and
// refuse what they forbid.
func TestConstraintsAreThoseOfTheCode(t *testing.T) {
	tmpl := readTemplate(t)
	type pair struct{ variable, parameter string }
	var pairs []pair
	for variable, parameters := range parametersOf(t, tmpl) {
		for _, p := range parameters {
			pairs = append(pairs, pair{variable, p})
		}
	}
	for _, both := range pairs {
		variable, parameter := both.variable, both.parameter
		p := tmpl.section("Parameters")[parameter].(map[string]any)
		starts := func(value string) error {
			s := tmpl.create(t, with(made, "Subscription=pattern", "OrganizationId="+organization, parameter+"="+value))
			var errs []error
			for name := range s.of("AWS::Serverless::Function") {
				variables := s.variables(name)
				if _, ok := variables[variable]; !ok {
					continue
				}
				if err := start(name, func(v string) string { return variables[v] }); err != nil {
					errs = append(errs, err)
				}
			}
			if len(errs) > 0 {
				return errs[0]
			}
			return nil
		}
		allowed, _ := p["AllowedValues"].([]any)
		for _, v := range append([]any{p["Default"]}, allowed...) {
			if err := starts(fmt.Sprint(v)); err != nil {
				t.Errorf("%s=%v: %v", parameter, v, err)
			}
		}
		if p["Type"] != "Number" {
			continue
		}
		for bound, beyond := range map[string]int{"MinValue": -1, "MaxValue": 1} {
			n, ok := p[bound].(int)
			if !ok {
				t.Errorf("%s has no %s", parameter, bound)
				continue
			}
			if err := starts(strconv.Itoa(n)); err != nil {
				t.Errorf("%s: the code refuses its %s %d: %v", parameter, bound, n, err)
			}
			err := starts(strconv.Itoa(n + beyond))
			if _, exempt := narrower[parameter]; err == nil && !exempt {
				t.Errorf("%s: the code accepts %d, beyond its %s", parameter, n+beyond, bound)
			}
			if err != nil && !strings.Contains(err.Error(), variable) {
				t.Errorf("%s: the error does not name %s: %v", parameter, variable, err)
			}
		}
	}
}
