package ship_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/sumo/sumotest"
)

// secrets is a store whose values change.
type secrets struct {
	values []string
	reads  []string
	err    error
}

func (s *secrets) read(kind, region, name string) (string, error) {
	s.reads = append(s.reads, kind+" "+region+" "+name)
	if s.err != nil {
		return "", s.err
	}
	v := s.values[0]
	if len(s.values) > 1 {
		s.values = s.values[1:]
	}
	return v, nil
}

func (s *secrets) Parameter(_ context.Context, region, name string) (string, error) {
	return s.read("ssm", region, name)
}

func (s *secrets) Secret(_ context.Context, region, arn string) (string, error) {
	return s.read("secretsmanager", region, arn)
}

// The endpoint is read once, and again after the source refused it.
func TestEndpointIsReadAgainAfterItWasRefused(t *testing.T) {
	for _, refused := range []int{401, 403, 404} {
		store := &secrets{values: []string{"https://old.example.com/a", `{"endpoint":"https://new.example.com/b","token":"tok"}`}}
		w := newFixture(sumotest.Statuses(200, refused)...)
		w.secrets = store
		delete(w.vars, "SUMO_ENDPOINT")
		f := w.forwarder(t)
		for range 4 {
			if _, err := f.Ship(t.Context(), event("a")); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff([]string{"ssm  SUMO_ENDPOINT", "ssm  SUMO_ENDPOINT"}, store.reads); d != "" {
			t.Errorf("%d: reads (-want +got):\n%s", refused, d)
		}
		requests := w.source.Requests()
		if len(requests) != 4 || requests[1].URI != "/a" || requests[2].URI != "/b" || requests[2].Header.Get("X-Sumo-Token") != "tok" {
			t.Errorf("%d: requests %+v", refused, requests)
		}
	}
}

func TestEndpointFromItsStores(t *testing.T) {
	for name, c := range map[string]struct{ variable, read string }{
		"parameter": {"arn:aws:ssm:eu-west-1:123456789012:parameter/sumo/endpoint", "ssm eu-west-1 arn:aws:ssm:eu-west-1:123456789012:parameter/sumo/endpoint"},
		"secret":    {"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:sumo-AbCdEf", "secretsmanager cn-north-1 arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:sumo-AbCdEf"},
	} {
		store := &secrets{values: []string{endpoint + "\n"}}
		w := newFixture()
		w.secrets, w.vars["SUMO_ENDPOINT"] = store, c.variable
		r, err := w.forwarder(t).Ship(t.Context(), event("a"))
		if err != nil || r.Confirmed != 1 || len(store.reads) != 1 || store.reads[0] != c.read {
			t.Errorf("%s: %v %+v %q", name, err, r, store.reads)
		}
	}
}

// If the store cannot be read or holds nonsense, the event is dead-lettered.
func TestWithoutAnEndpointEventsAreDeadLettered(t *testing.T) {
	for name, store := range map[string]*secrets{
		"denied":   {err: errors.New("AccessDeniedException")},
		"http":     {values: []string{"http://collectors.example.com/SECRETPATH"}},
		"bad JSON": {values: []string{`{"url":"https://SECRETPATH"}`}},
		"nonsense": {values: []string{"SECRETPATH"}},
	} {
		w := newFixture()
		w.secrets = store
		delete(w.vars, "SUMO_ENDPOINT")
		r, err := w.forwarder(t).Ship(t.Context(), event("a", ""))
		if err != nil || r.DeadLettered != 1 || r.FilteredTotal() != 1 || r.Class != "misconfigured" {
			t.Errorf("%s: %v %+v", name, err, r)
		}
		if strings.Contains(w.log.String(), "SECRET") {
			t.Errorf("%s: a secret in %s", name, w.log.String())
		}
	}
}
