package ship

import (
	"sumoship/sumo"
	"sumoship/transform"
)

// sources bounds the sources of one event, each of which costs a request: those that
// its messages choose, and those of the origins that its log events name.
type sources struct {
	limit   int // of each kind
	records transform.Options
	batch   *transform.Batch
	refused int // records whose source was one too many

	any    bool
	first  transform.Record // its sources
	last   sumo.Source      // admitted last
	usual  sumo.Source      // of the payload; set once there is a second source
	origin map[sumo.Source]bool
	chosen map[sumo.Source]bool
}

// admit returns the source to send a record with: its own, the one that it would
// have without its message's choice if the event has enough chosen ones, or that of
// the payload if it has enough of those too.
func (s *sources) admit(r transform.Record) sumo.Source {
	source := sumo.Source(r.Source)
	switch {
	case !s.any:
		s.any, s.last, s.first = true, source, transform.Record{Source: r.Source, Usual: r.Usual}
		return source
	case source == s.last:
		return source
	case s.origin == nil:
		s.usual = sumo.Source(s.records.SourceOf(s.batch))
		s.origin, s.chosen = map[sumo.Source]bool{}, map[sumo.Source]bool{}
		s.choose(s.first)
	}
	admitted := s.choose(r)
	if admitted != source {
		s.refused++
		return admitted
	}
	s.last = source
	return source
}

func (s *sources) choose(r transform.Record) sumo.Source {
	source, usual := sumo.Source(r.Source), sumo.Source(r.Usual)
	if source != usual && source != s.usual {
		if s.room(s.chosen, source) {
			return source
		}
		source = usual
	}
	if source == s.usual || s.room(s.origin, source) {
		return source
	}
	return s.usual
}

// room reports whether a source is, or may become, one of the admitted.
func (s *sources) room(admitted map[sumo.Source]bool, source sumo.Source) bool {
	if !admitted[source] {
		if len(admitted) >= s.limit {
			return false
		}
		admitted[source] = true
	}
	return true
}
