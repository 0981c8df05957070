package sqstest

import (
	"errors"
	"slices"
	"strings"

	"sumoship/function/awstest"
)

type batchEntry interface{ id() string }

type entryID struct{ Id string }

func (e entryID) id() string { return e.Id }

type batchResult struct {
	Successful []any
	Failed     []batchFailure
}

type batchFailure struct {
	Id          string
	Code        string
	Message     string
	SenderFault bool
}

// checkEntries returns the error for which the service refuses a whole batch.
func checkEntries[E batchEntry](x *exchange, entries []E) error {
	if len(entries) == 0 {
		return fail("EmptyBatchRequest", "There should be at least one %sRequestEntry in the request.", x.op)
	}
	if len(entries) > 10 {
		return fail("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		id := e.id()
		if id == "" || len(id) > 80 || strings.ContainsFunc(id, func(r rune) bool { return !isNameRune(r) }) {
			return fail("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return fail("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}

// isNameRune reports whether r is allowed in ids and names.
func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// each carries a batch out entry by entry: an entry fails alone.
func each[E batchEntry](x *exchange, entries []E, do func(E) (any, error)) batchResult {
	out := batchResult{Successful: []any{}, Failed: []batchFailure{}}
	for i, e := range entries {
		if slices.Contains(x.Fault.FailEntries, i) {
			out.Failed = append(out.Failed, batchFailure{Id: e.id(), Code: "InternalError", Message: "the fake was told to fail"})
			continue
		}
		ok, err := do(e)
		if problem, ok := errors.AsType[*awstest.Error](err); ok {
			_, code, _ := wire(problem)
			out.Failed = append(out.Failed, batchFailure{Id: e.id(), Code: code, Message: problem.Message, SenderFault: true})
			continue
		}
		out.Successful = append(out.Successful, ok)
	}
	return out
}

type sendEntry struct {
	entryID
	outgoing
}

type sendBatchInput struct {
	queueURL
	Entries []sendEntry
}

func (s *Server) sendMessageBatch(x *exchange, in sendBatchInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	if err := checkEntries(x, in.Entries); err != nil {
		return nil, err
	}
	total := 0
	for _, e := range in.Entries {
		total += e.size()
	}
	if total > maxSize { // whatever the queue's own limit
		return nil, fail("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxSize, total)
	}
	return each(x, in.Entries, func(e sendEntry) (any, error) {
		out, err := s.send(q, e.outgoing)
		out.Id = e.Id
		return out, err
	}), nil
}

type deleteEntry struct {
	entryID
	receipt
}

type deleteBatchInput struct {
	queueURL
	Entries []deleteEntry
}

func (s *Server) deleteMessageBatch(x *exchange, in deleteBatchInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	if err := checkEntries(x, in.Entries); err != nil {
		return nil, err
	}
	return each(x, in.Entries, func(e deleteEntry) (any, error) { return e.entryID, e.drop(q) }), nil
}

type visibilityEntry struct {
	entryID
	visibilityChange
}

type visibilityBatchInput struct {
	queueURL
	Entries []visibilityEntry
}

func (s *Server) changeVisibilityBatch(x *exchange, in visibilityBatchInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	if err := checkEntries(x, in.Entries); err != nil {
		return nil, err
	}
	return each(x, in.Entries, func(e visibilityEntry) (any, error) { return e.entryID, e.apply(q) }), nil
}
