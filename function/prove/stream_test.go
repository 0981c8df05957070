package prove

import (
	"encoding/json"
	"fmt"
	"testing"

	"sumoship/function/awstest/lambdatest"
	"sumoship/sumo/sumotest"
)

// A stream function that is killed, frozen and short of time, with a source that fails
// at random, gets through its shard and loses nothing. What it cannot deliver stays in
// the stream, what will never be accepted goes to the queue. Promises 1, 3 and 5.
func TestKilledStreamsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds functions and kills them")
	}
	w := newWorld(t, *seed+1, straight)
	w.stream = lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/stream"), w.variables)
	w.stream.Memory(128 << 20) // as Lambda would at its smallest
	r := rough{w: w, deaths: map[string]int{}}
	s := &shard{size: batchSize}
	for run := 0; len(s.records) < *runs; run++ {
		steps := w.faults()
		if w.rng.IntN(3) == 0 {
			steps = append(steps, sumotest.Step{Status: 400}) // for good
		}
		w.source.follow(steps...)
		for range 1 + w.rng.IntN(4) {
			s.records = append(s.records, w.event())
		}
		for range 1 + w.rng.IntN(3) {
			w.read(s, r.call)
		}
		if run%4 == 3 {
			w.wake()
			w.drain(r.call)
		}
	}
	w.source.follow()
	w.hurried = false
	for range 100 + len(s.records) {
		w.read(s, soundly)
	}
	if s.done < len(s.records) {
		t.Errorf("%d of %d records are left in the stream\n%s", len(s.records)-s.done, len(s.records), tail(w.stream.Output()))
	}
	twice := w.account()
	t.Logf("%d records in %s; %d answers kept a part of the batch; %d log events, 0 lost; stored again: %d whose reply was lost, %d with which a function was killed",
		len(s.records), r, s.kept, w.events, twice.replyLost, twice.killed)
	r.check()
	if s.kept == 0 {
		t.Error("no record stayed in the stream")
	}
}

const batchSize = 10

// shard is a shard of a stream, as an event source mapping reads it.
type shard struct {
	records [][]byte // the events that CloudWatch Logs has written, packed
	done    int      // records, the first ones
	given   int      // records that the function has got once
	size    int      // of the next batch
	starts  int      // of the function, when it got the last batch
	kept    int      // answers with a record that is not done
}

// read has the stream function work on a batch, as an event source mapping with
// ReportBatchItemFailures and BisectBatchOnFunctionError does.
func (w *world) read(s *shard, call invoke) {
	batch := s.records[s.done:min(len(s.records), s.done+s.size)]
	if len(batch) == 0 {
		return
	}
	type kinesis struct {
		Sequence string          `json:"sequenceNumber"`
		Data     json.RawMessage `json:"data"`
	}
	type record struct {
		ID      string  `json:"eventID"`
		Source  string  `json:"eventSource"`
		Kinesis kinesis `json:"kinesis"`
	}
	var event struct{ Records []record }
	numbers := map[string]int{} // of records, by sequence number
	for i, r := range batch {
		sequence := fmt.Sprintf("4965%052d", s.done+i)
		var written struct {
			AWSLogs struct{ Data json.RawMessage }
		}
		if err := json.Unmarshal(r, &written); err != nil {
			w.t.Fatal(err)
		}
		event.Records = append(event.Records, record{"shardId-000000000000:" + sequence, "aws:kinesis", kinesis{sequence, written.AWSLogs.Data}})
		numbers[sequence] = s.done + i
	}
	b, err := json.Marshal(event)
	if err != nil {
		w.t.Fatal(err)
	}
	r := call(w.stream, b)
	// A new process does not know which records behind the first one the last has done.
	forgotten := w.stream.Starts() != s.starts
	for i, r2 := range batch {
		if w.explains(r) || forgotten && s.done+i < s.given {
			w.mark(string(r2))
		}
	}
	s.given, s.starts = max(s.given, s.done+len(batch)), w.stream.Starts()
	if r.Failed() {
		if !killed(r) {
			w.t.Errorf("%s: %s\n%s", r.ErrorType, r.Error, tail(w.stream.Output()))
		}
		s.size = max(1, len(batch)/2)
		return
	}
	var answer struct {
		Failures []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(r.Payload, &answer); err != nil || len(answer.Failures) > 1 {
		w.t.Fatalf("stream returned %s: %v", r.Payload, err)
	}
	s.done, s.size = s.done+len(batch), batchSize
	for _, f := range answer.Failures {
		first, ok := numbers[f.ID]
		if !ok {
			w.t.Fatalf("the record %s is not in the batch", f.ID)
		}
		s.done = first
		s.kept++
	}
}
