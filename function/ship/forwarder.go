package ship

import (
	"context"
	"encoding/json"
	"time"

	"sumoship/sumo"
)

// Forwarder is the function that CloudWatch Logs invokes. It ships the log events
// of subscriptions to Sumo Logic.
type Forwarder struct{ *shipper }

// probeTimeout is how long a probe of the breaker waits for the source, which holds
// an environment meanwhile.
const probeTimeout = 2 * time.Second

// NewForwarder returns a forwarder for its environment. The error names every
// variable that is wrong.
func NewForwarder(o Options) (*Forwarder, error) {
	s, err := newShipper(o, "cwl-aws-lambda", impatient)
	if err != nil {
		return nil, err
	}
	// A source that answers errors at once is tried again; one that does not
	// answer has used up the budget with its first request.
	s.client.Budget = s.timeout
	s.client.Breaker = &sumo.Breaker{Pause: s.breakerPause, Throttled: s.breakerPause / 6, Probe: probeTimeout, Rand: o.Rand}
	return &Forwarder{s}, nil
}

// Invoke takes {"awslogs":{"data":"…"}} and returns a Report as JSON. When the
// error is nil, every log event was confirmed by Sumo Logic, is in the
// dead-letter queue, or was dropped by a rule that the report counts. Otherwise
// it is a *LostError.
func (f *Forwarder) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	r, err := f.Ship(ctx, event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// Ship is Invoke for callers in the same process.
func (f *Forwarder) Ship(ctx context.Context, event []byte) (Report, error) {
	r, err := f.ship(ctx, event)
	f.countHeartbeat(&r)
	f.writeReport(ctx, &r)
	return r, err
}
