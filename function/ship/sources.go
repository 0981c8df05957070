package ship

import "sumoship/sumo"

// sources bounds the sources that the messages of one event choose: each costs a
// request.
type sources struct {
	limit   int
	usual   func() sumo.Source // source of the records whose messages choose none
	refused int                // records whose source was one too many

	any   bool
	last  sumo.Source // admitted last
	other sumo.Source // usual, once there is a second source
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
		s.other, s.known = s.usual(), map[sumo.Source]bool{}
		if s.last != s.other {
			s.known[s.last] = true
		}
	}
	if source != s.other && !s.known[source] {
		if len(s.known) >= s.limit {
			s.refused++
			return s.other
		}
		s.known[source] = true
	}
	s.last = source
	return source
}
