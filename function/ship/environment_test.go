package ship

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"sumoship/sumo"
	"sumoship/transform"
)

// What the environment says is what a function does, beside what its kind is for.
func TestFunctionsAreMadeOfTheirEnvironment(t *testing.T) {
	type made struct {
		Name                              string
		Attempts, MaxRequests, InFlight   int
		Timeout, Budget, Pause, Throttled time.Duration
		Yield, Plain                      bool
		Decoders, MaxBody                 int
	}
	of := func(s *shipper) made {
		c := s.client
		return made{c.Name, c.Attempts, c.MaxRequests, c.InFlight, c.Timeout, c.Budget, c.Breaker.Pause, c.Breaker.Throttled, c.Yield, c.NoCompression, cap(s.decoders), c.MaxBody}
	}
	for name, c := range map[string]struct {
		vars                      map[string]string
		forwarder, stream, replay made
	}{
		"nothing": {nil,
			made{"cwl-aws-lambda", 3, 0, 4, 10 * time.Second, 10 * time.Second, 30 * time.Second, 5 * time.Second, false, false, 20, sumo.DefaultMaxBody},
			made{"kinesis-aws-lambda", 3, 10, 4, 10 * time.Second, 10 * time.Second, 30 * time.Second, 5 * time.Second, false, false, 20, sumo.DefaultMaxBody},
			made{"dlq-aws-lambda", sumo.DefaultAttempts, 10, 4, sumo.DefaultTimeout, 4 * time.Minute, 30 * time.Second, time.Minute, true, false, 20, sumo.DefaultMaxBody}},
		"all of it": {map[string]string{"SUMO_CLIENT_HEADER": "mine", "NUMBER_OF_RETRIES": "7", "MAX_IN_FLIGHT": "3", "NUM_OF_WORKERS": "5", "REQUEST_TIMEOUT": "2000", "BREAKER_PAUSE": "60000", "COMPRESS_DATA": "false", "MAX_BODY_BYTES": "77"},
			made{"mine", 8, 0, 3, 2 * time.Second, 2 * time.Second, time.Minute, 10 * time.Second, false, true, 10, 77},
			made{"mine", 8, 5, 3, 2 * time.Second, 2 * time.Second, time.Minute, 10 * time.Second, false, true, 10, 77},
			made{"dlq-aws-lambda", 8, 5, 3, 2 * time.Second, 4 * time.Minute, time.Minute, 2 * time.Minute, true, true, 10, 77}},
	} {
		w := newWorld()
		w.vars = map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x"}
		maps.Copy(w.vars, c.vars)
		f, err := NewForwarder(w.options())
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewStreamForwarder(w.options())
		if err != nil {
			t.Fatal(err)
		}
		r := w.replayer(t, nil)
		check(t, name+": forwarder", c.forwarder, of(f.shipper))
		check(t, name+": stream", c.stream, of(s.shipper))
		check(t, name+": replay", c.replay, of(r.shipper))
		if !s.room.TryAcquire(maxInWork) || s.room.TryAcquire(1) || !r.room.TryAcquire(maxInWork) || r.room.TryAcquire(1) || !r.received.TryAcquire(maxReceived) || r.received.TryAcquire(1) {
			t.Error("the room for what is in work is not what it should be")
		}
	}
}

// Without what a test gives, a function has what its environment names: the queues, the
// bucket and the stores.
func TestFunctionsOpenWhatTheirEnvironmentNames(t *testing.T) {
	w := newWorld()
	bare := Options{Env: w.options().Env}
	if _, err := NewReplayer(ReplayOptions{Options: bare}); err == nil || !strings.Contains(err.Error(), "TASK_QUEUE_URL: is not set") {
		t.Error(err)
	}
	f, err := NewForwarder(bare)
	if err != nil || f.queue != nil || f.interfaces != nil || f.rulebook.objects == nil || f.tags.tags == nil || f.load == nil {
		t.Errorf("%+v, %v", f.shipper, err)
	}
	w.vars["TASK_QUEUE_URL"] = "https://sqs.eu-west-1.amazonaws.com/111122223333/dead"
	r, err := NewReplayer(ReplayOptions{Options: bare})
	if err != nil || r.queue == nil || r.inbox == nil || r.quarantineQueue != nil || r.archive != nil || r.journal != nil {
		t.Errorf("a queue alone: %+v, %v", r, err)
	}
	w.vars["QUARANTINE_QUEUE_URL"], w.vars["OVERFLOW_BUCKET"], w.vars["INCLUDE_SECURITY_GROUP_INFO"] = "https://sqs.eu-west-1.amazonaws.com/111122223333/bad", "logs-overflow", "true"
	r, err = NewReplayer(ReplayOptions{Options: bare, Temporary: t.TempDir()})
	if err != nil || r.queue == nil || r.inbox == nil || r.quarantineQueue == nil || r.archive.(*bucket).name != "logs-overflow" || r.journal == nil || r.interfaces == nil {
		t.Errorf("everything: %+v, %v", r, err)
	}
	given := ReplayOptions{Options: w.options(), Inbox: w, Quarantine: shelf{w, "quarantine", 1}, Archive: &bucket{name: "given"}}
	given.Options.Objects, given.Options.Tags = noStore{}, noStore{}
	r, err = NewReplayer(given)
	if err != nil || r.queue != given.Queue || r.inbox != w || r.quarantineQueue != given.Quarantine || r.archive != given.Archive || r.rulebook.objects != given.Objects || r.tags.tags != given.Tags {
		t.Errorf("what was given: %+v, %v", r, err)
	}
	w.vars["SUMO_ENDPOINT"], w.vars["NUM_OF_WORKERS"] = "nowhere", "x"
	for _, make := range []func() (any, error){
		func() (any, error) { return NewForwarder(bare) }, func() (any, error) { return NewStreamForwarder(bare) }, func() (any, error) { return NewReplayer(given) },
	} {
		if _, err := make(); err == nil || !strings.Contains(err.Error(), "SUMO_ENDPOINT") || !strings.Contains(err.Error(), "NUM_OF_WORKERS") {
			t.Errorf("does not name every mistake: %v", err)
		}
	}
}

// noStore has nothing.
type noStore struct{}

func (noStore) Object(context.Context, string, string, string, int) ([]byte, string, error) {
	return nil, "", errDown
}
func (noStore) Tags(context.Context, string, string) (map[string]string, error) { return nil, errDown }
func (noStore) Parameter(context.Context, string, string) (string, error)       { return "", errDown }
func (noStore) Secret(context.Context, string, string) (string, error)          { return "", errDown }

// The options of records are those of the variables, and every mistake is named.
func TestRecordOptionsOfTheEnvironment(t *testing.T) {
	vars := map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x", "LOG_FORMAT": "RAW", "SOURCE_HOST_OVERRIDE": "h"}
	o, err := RecordOptions(func(name string) string { return vars[name] })
	if err != nil || o.Format != transform.Raw || o.Source.Host != "h" {
		t.Errorf("%+v, %v", o, err)
	}
	vars["LOG_FORMAT"], vars["NUM_OF_WORKERS"] = "raw", "x"
	if _, err := RecordOptions(func(name string) string { return vars[name] }); err == nil || !strings.Contains(err.Error(), "LOG_FORMAT") || !strings.Contains(err.Error(), "NUM_OF_WORKERS") {
		t.Error(err)
	}
}
