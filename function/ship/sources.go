package ship

import (
	"sumoship/sumo"
	"sumoship/transform"
)

// sources bounds the sources that the messages of one event choose: each costs a
// request.
type sources struct {
	limit   int
	records transform.Options
	batch   *transform.Batch
	refused int // records whose source was one too many

	any   bool
	last  sumo.Source // admitted last
	usual sumo.Source // of records whose messages choose none; set once there is a second source
	known map[sumo.Source]bool
}

// admit returns the source to send a record with: its own, or the usual one if the
// event has enough others.
func (s *sources) admit(source sumo.Source) sumo.Source {
	switch {
	case !s.any:
		s.any, s.last = true, source
		return source
	case source == s.last:
		return source
	case s.known == nil:
		s.usual, s.known = sumo.Source(s.records.SourceOf(s.batch)), map[sumo.Source]bool{}
		if s.last != s.usual {
			s.known[s.last] = true
		}
	}
	if source != s.usual && !s.known[source] {
		if len(s.known) >= s.limit {
			s.refused++
			return s.usual
		}
		s.known[source] = true
	}
	s.last = source
	return source
}
