// Package mask replaces what is personal or secret in the text of a log message:
// what its built-in masks find (e-mail addresses, card numbers, keys and others)
// and what patterns of the user match. It knows neither rules nor JSON.
package mask

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sumoship/rules/pattern"
)

// Mask is what to look for, and what to put in its place.
type Mask struct {
	Name    string           // of a built-in mask if Pattern is nil
	Pattern *pattern.Pattern // if it has groups, what they match is masked, else the whole match
	Replace Replacement
}

// Set is masks to be applied together. It may be used concurrently.
type Set struct {
	masks []compiled
}

type compiled struct {
	Mask
	finders []finder
	keyed   func([]byte) bool   // reports whether JSON may have a key that says what its value is; nil if none does
	form    func([]byte) []byte // what one value has in common however it is written; nil if there is one way
	replace replacer
}

// finder finds the first match in text at or after from, or returns a negative
// start. key is the member of a JSON object that text is the value of, or nil.
//
// A finder looks back and ahead by a bounded number of bytes from where it has
// searched to, so that finding all matches takes time linear in the text.
type finder func(text, key []byte, from int) (start, end int)

// New compiles masks. key is for those that replace by HMAC.
//
// The error joins what is wrong with each mask.
func New(masks []Mask, key []byte) (*Set, error) {
	s := &Set{}
	var errs []error
	for _, m := range masks {
		c := compiled{Mask: m}
		if m.Pattern == nil {
			b := builtin(m.Name)
			if b == nil {
				errs = append(errs, fmt.Errorf("unknown mask %q; want one of %s, or one with a pattern", m.Name, strings.Join(Names(), ", ")))
				continue
			}
			c.finders, c.form, c.keyed = b.finders, b.form, b.key
		}
		var err error
		if c.replace, err = m.Replace.compile(m.Name, key); err == nil {
			err = c.check()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Name, err))
		}
		s.masks = append(s.masks, c)
	}
	return s, errors.Join(errs...)
}

// check refuses a mask that would find itself.
func (c *compiled) check() error {
	own := func() bool { return len((&Set{masks: []compiled{*c}}).find(nil, c.replace.fixed, nil)) > 0 }
	switch {
	case c.Pattern != nil && c.Pattern.Match(nil):
		return errors.New("the pattern matches the empty text; want one that needs a character")
	case c.replace.fixed != nil && (c.Pattern == nil || c.Pattern.Groups() == 0) && own():
		return fmt.Errorf("the mask finds something in its own replacement %q; want another", c.replace.fixed)
	}
	return nil
}

// Len returns the number of masks.
func (s *Set) Len() int { return len(s.masks) }

// Name returns the name of mask i.
func (s *Set) Name(i int) string { return s.masks[i].Name }

// Slow returns the patterns of masks that require no text literally, so that each text
// is compared with them.
func (s *Set) Slow() []string {
	var out []string
	for i := range s.masks {
		if p := s.masks[i].Pattern; p != nil && !p.Literal() {
			out = append(out, p.String())
		}
	}
	return out
}

// May reports whether a JSON value without escapes may hold something to mask in
// its strings. It is quick where it does not.
func (s *Set) May(value []byte) bool {
	for i := range s.masks {
		c := &s.masks[i]
		if c.Pattern != nil {
			if c.Pattern.May(value) {
				return true
			}
			continue
		}
		for _, find := range c.finders {
			if start, _ := find(value, nil, 0); start >= 0 {
				return true
			}
		}
		if c.keyed != nil && c.keyed(value) {
			return true
		}
	}
	return false
}

// span is a part of a text, and the mask that found it.
type span struct{ start, end, mask int }

// rounds bounds how often what masks have left is looked at again: a replacement
// may stand beside text with which it matches.
const rounds = 4

// Append appends text with what the masks find replaced, and returns how many
// replacements there are. If there are none, it appends nothing: text is as it was.
// text is UTF-8; key is the member of a JSON object that it is the value of, or nil.
// counts, if it is not nil, has an element for each mask, to which its replacements
// are added.
//
// All masks look at the text as it came: none sees what another has put there.
// Where their findings overlap, the one that begins first replaces them all.
func (s *Set) Append(dst, text, key []byte, counts []int) (out []byte, n int) {
	var space, done [8]span
	spans := s.find(space[:0], text, key)
	if len(spans) == 0 {
		return dst, 0
	}
	return s.appendReplaced(dst, text, key, counts, spans, done[:0])
}

func (s *Set) appendReplaced(dst, text, key []byte, counts []int, spans, done []span) (out []byte, n int) {
	from := len(dst)
	dst, done = s.replace(dst, text, spans, nil, done) // done are replacements, by their place in what is appended
	n = count(spans, counts)
	for round := 0; ; round++ {
		again := s.find(spans[:0], dst[from:], key)
		left := again[:0]
		for _, a := range again {
			// What a pattern finds in a replacement alone, or in the same surroundings
			// as before, is what it has replaced.
			if p := s.masks[a.mask].Pattern; p == nil || p.Groups() == 0 && !within(a, done) {
				left = append(left, a)
			}
		}
		if len(left) == 0 {
			return dst, n
		}
		n += count(left, counts)
		if round == rounds {
			return append(dst[:from], "[masked]"...), n
		}
		once := slices.Clone(dst[from:])
		dst, done = s.replace(dst[:from], once, left, done, nil)
	}
}

// within reports whether a is part of one of the spans, which are in order.
func within(a span, spans []span) bool {
	after, _ := slices.BinarySearchFunc(spans, a.start+1, func(s span, start int) int { return s.start - start })
	return after > 0 && a.end <= spans[after-1].end
}

func count(spans []span, counts []int) int {
	if counts != nil {
		for _, sp := range spans {
			counts[sp.mask]++
		}
	}
	return len(spans)
}

// find appends what the masks find in text, in order, none overlapping another.
func (s *Set) find(spans []span, text, key []byte) []span {
	for i := range s.masks {
		c := &s.masks[i]
		if c.Pattern != nil {
			c.Pattern.Find(text, func(index []int) {
				first := min(2, len(index)-2) // the whole match, or the first group
				for g := first; g < len(index); g += 2 {
					if index[g] < index[g+1] { // a group may not take part, or match nothing
						spans = append(spans, span{index[g], index[g+1], i})
					}
				}
			})
			continue
		}
		for _, find := range c.finders {
			for from := 0; from < len(text); {
				start, end := find(text, key, from)
				if start < 0 {
					break
				}
				spans = append(spans, span{start, end, i})
				from = end
			}
		}
	}
	if len(spans) < 2 {
		return spans
	}
	slices.SortStableFunc(spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	merged := spans[:1]
	for _, sp := range spans[1:] {
		if last := &merged[len(merged)-1]; sp.start < last.end {
			last.end = max(last.end, sp.end)
		} else {
			merged = append(merged, sp)
		}
	}
	return merged
}

// replace appends text with spans replaced. done are the replacements in text that
// were made before; it appends all, by their place in what was appended, to all.
func (s *Set) replace(dst, text []byte, spans, done, all []span) ([]byte, []span) {
	base, at := len(dst), 0
	keep := func(upTo int) {
		for len(done) > 0 && done[0].end <= upTo {
			if shift := len(dst) - base - at; done[0].start >= at {
				all = append(all, span{done[0].start + shift, done[0].end + shift, done[0].mask})
			}
			done = done[1:]
		}
		dst = append(dst, text[at:upTo]...)
	}
	for _, sp := range spans {
		keep(sp.start)
		start := len(dst) - base
		c := &s.masks[sp.mask]
		dst = c.replace.append(dst, text[sp.start:sp.end], c.form)
		all = append(all, span{start, len(dst) - base, sp.mask})
		at = sp.end
	}
	keep(len(text))
	return dst, all
}
