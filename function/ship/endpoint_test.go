package ship_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
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

// stored returns a fixture whose endpoint is in a store.
func stored(store *secrets, steps ...sumotest.Step) *fixture {
	w := newFixture(steps...)
	w.secrets = store
	delete(w.vars, "SUMO_ENDPOINT")
	delete(w.vars, "SUMO_TOKEN")
	return w
}

func TestEndpointIsReadAgainAfterItWasRefused(t *testing.T) {
	for _, refused := range []int{401, 403, 404} {
		synctest.Test(t, func(t *testing.T) {
			store := &secrets{values: []string{"https://old.example.com/a", `{"endpoint":"https://new.example.com/b","token":"tok"}`}}
			w := stored(store, sumotest.Statuses(200, refused)...)
			f := w.forwarder(t)
			for range 4 {
				if _, err := f.Ship(t.Context(), event("a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			if len(store.reads) != 2 {
				t.Errorf("%d: read %q, want 2 reads", refused, store.reads)
			}
			requests := w.source.Requests()
			if len(requests) != 4 || requests[1].URI != "/a" || requests[2].URI != "/b" || requests[2].Header.Get("X-Sumo-Token") != "tok" {
				t.Errorf("%d: requests %+v", refused, requests)
			}
		})
	}
}

// An endpoint that stays refused does not use up the rate of its store.
func TestRefusedEndpointIsReadRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{values: []string{endpoint}}
		f := stored(store, sumotest.Statuses(repeated(401, 300)...)...).forwarder(t)
		for range 300 {
			if _, err := f.Ship(t.Context(), event("a")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		// 300 seconds: one read at the start, then one every 20 to 40 seconds.
		if n := len(store.reads); n < 7 || n > 16 {
			t.Errorf("%d reads in 300 invocations, want 7 to 16", n)
		}
	})
}

func TestUnreadableEndpointIsReadRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{err: errors.New("AccessDeniedException")}
		f := stored(store).forwarder(t)
		for range 300 {
			r, err := f.Ship(t.Context(), event("a"))
			if err != nil || r.DeadLettered != 1 || r.Class != "misconfigured" {
				t.Fatalf("%+v, %v", r, err)
			}
			time.Sleep(time.Second)
		}
		if n := len(store.reads); n < 7 || n > 16 {
			t.Errorf("%d reads in 300 invocations, want 7 to 16", n)
		}
		store.err, store.values = nil, []string{endpoint}
		time.Sleep(time.Minute)
		if r, err := f.Ship(t.Context(), event("a")); err != nil || r.Confirmed != 1 {
			t.Errorf("the store is back: %+v, %v", r, err)
		}
	})
}

// A rotation is seen without a refusal, and an environment that was frozen for
// longer than the endpoint lives reads it at once.
func TestEndpointExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{values: []string{"https://old.example.com/a", "https://new.example.com/b"}}
		w := stored(store)
		f := w.forwarder(t)
		for range 20 {
			if _, err := f.Ship(t.Context(), event("a")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if len(store.reads) != 2 || w.source.Requests()[19].URI != "/b" {
			t.Errorf("read %d times, the last request went to %s", len(store.reads), w.source.Requests()[19].URI)
		}
	})
}

func TestStaleEndpointIsUsedWhileItsStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{values: []string{endpoint}}
		w := stored(store)
		f := w.forwarder(t)
		for i := range 40 {
			if i == 1 {
				store.err = errors.New("no route to the store")
			}
			if r, err := f.Ship(t.Context(), event("a")); err != nil || r.Confirmed != 1 {
				t.Fatalf("event %d: %+v, %v", i, r, err)
			}
			time.Sleep(time.Minute)
		}
		if n := strings.Count(w.log.String(), "the endpoint could not be read again"); n < 2 || n > 40 {
			t.Errorf("%d warnings, want some", n)
		}
	})
}

func repeated(status, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = status
	}
	return all
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
		"http":     {values: []string{"http://collectors.example.com/" + leaktest.Secret}},
		"bad JSON": {values: []string{`{"url":"https://` + leaktest.Secret + `"}`}},
		"nonsense": {values: []string{leaktest.Secret}},
		"no path":  {values: []string{`{"endpoint":"https://collectors.example.com/","token":"` + leaktest.Token + `"}`}},
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

// An endpoint is never sent as a token, whatever the stores hold: the token is the
// member of that name, and a URL is none.
func TestEndpointNeverBecomesTheToken(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:sumo-AbCdEf"
	both := `{"endpoint":"` + endpoint + `","token":"tok"}`
	for name, c := range map[string]struct {
		endpoint, token string // variables
		values          []string
		want            string // the token sent; -: no request
	}{
		"one secret for both":         {arn, arn, []string{both}, "tok"},
		"a secret of both as token":   {endpoint, arn, []string{both}, "tok"},
		"the token alone":             {endpoint, arn, []string{"tok\n"}, "tok"},
		"an object of the token":      {endpoint, arn, []string{`{"token":"tok"}`}, "tok"},
		"another token than its own":  {arn, arn, []string{both, "other"}, "other"},
		"no token in the endpoint's":  {arn, "", []string{`{"endpoint":"` + endpoint + `"}`}, ""},
		"an object without a token":   {endpoint, arn, []string{`{"endpoint":"` + endpoint + `"}`}, "-"},
		"an empty token":              {endpoint, arn, []string{`{"endpoint":"` + endpoint + `","token":""}`}, "-"},
		"an empty secret":             {endpoint, arn, []string{" "}, "-"},
		"the endpoint as text":        {endpoint, arn, []string{endpoint}, "-"},
		"without its scheme":          {endpoint, arn, []string{strings.TrimPrefix(endpoint, "https://")}, "-"},
		"the endpoint as token":       {endpoint, arn, []string{`{"token":"` + endpoint + `"}`}, "-"},
		"the endpoint in its own":     {arn, "", []string{`{"endpoint":"` + endpoint + `","token":"` + endpoint + `"}`}, "-"},
		"a token that is not a text":  {endpoint, arn, []string{`{"token":7}`}, "-"},
		"not an object":               {endpoint, arn, []string{`{"token":"tok"`}, "-"},
		"an object without endpoint":  {arn, "", []string{`{"token":"tok"}`}, "-"},
		"a token for an endpoint":     {arn, "", []string{`tok`}, "-"},
		"an object in another object": {endpoint, arn, []string{`{"token":{"token":"` + endpoint + `"}}`}, "-"},
	} {
		store := &secrets{values: c.values}
		w := newFixture()
		w.secrets, w.vars["SUMO_ENDPOINT"], w.vars["SUMO_TOKEN"] = store, c.endpoint, c.token
		r, err := w.forwarder(t).Ship(t.Context(), event("a"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		requests := w.source.Requests()
		if (len(requests) == 0) != (c.want == "-") {
			t.Errorf("%s: %d requests, %+v", name, len(requests), r)
		}
		for _, request := range requests {
			if got := request.Header.Get("X-Sumo-Token"); got != c.want {
				t.Errorf("%s: the token is %q, want %q", name, got, c.want)
			}
			for header, values := range request.Header {
				if leaktest.Find(strings.Join(values, " ")) != "" {
					t.Errorf("%s: header %s has the endpoint", name, header)
				}
			}
		}
		if c.want == "-" && (r.Class != "misconfigured" || r.DeadLettered != 1) {
			t.Errorf("%s: %+v", name, r)
		}
		if leaktest.Find(w.log.String()) != "" {
			t.Errorf("%s: the endpoint is in %s", name, w.log.String())
		}
	}
	for _, token := range []string{endpoint, both} {
		w := newFixture()
		w.vars["SUMO_TOKEN"] = token
		if _, err := ship.NewForwarder(w.options()); err == nil || !strings.Contains(err.Error(), "SUMO_TOKEN: ") || leaktest.Find(err.Error()) != "" {
			t.Errorf("SUMO_TOKEN=%s: %v", token, err)
		}
	}
}

// mute is a store that does not answer.
type mute struct{}

func (mute) Parameter(ctx context.Context, _, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func (m mute) Secret(ctx context.Context, region, arn string) (string, error) {
	return m.Parameter(ctx, region, arn)
}

// A store that does not answer costs seconds, not the time of the function.
func TestReadOfASecretIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture()
		w.secrets = mute{}
		delete(w.vars, "SUMO_ENDPOINT")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		r, err := w.forwarder(t).Ship(ctx, event("a"))
		if took := time.Since(start); err != nil || r.DeadLettered != 1 || took > 6*time.Second {
			t.Errorf("%+v, %v after %s", r, err, took)
		}
	})
}
