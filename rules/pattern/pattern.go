// Package pattern compiles the regular expressions of rules (RE2, which cannot blow
// up) within bounds. A text that lacks what a pattern requires literally is told
// apart before the pattern is tried, at the cost of a search for that text.
package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// MaxLength bounds a pattern, in characters, and maxInstructions what it compiles
// to: a{1000}{1000} is short.
const (
	MaxLength       = 1000
	maxInstructions = 5000
)

// Pattern is a compiled regular expression.
type Pattern struct {
	re       *regexp.Regexp
	literals [][]byte // one of these is in every text that matches; nil if none is known
}

// Compile compiles an RE2 pattern in Go's syntax.
//
// Source: https://pkg.go.dev/regexp/syntax
func Compile(source string) (*Pattern, error) {
	if source == "" {
		return nil, errors.New("the pattern is empty; want a regular expression (RE2)")
	}
	if n := utf8.RuneCountInString(source); n > MaxLength {
		return nil, fmt.Errorf("the pattern has %d characters; want at most %d", n, MaxLength)
	}
	parsed, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		if e, ok := errors.AsType[*syntax.Error](err); ok {
			if e.Code == syntax.ErrInvalidPerlOp || strings.HasPrefix(e.Expr, "(?<=") || strings.HasPrefix(e.Expr, "(?<!") {
				return nil, fmt.Errorf("%s: %q; RE2 has neither look-around nor back references", e.Code, e.Expr)
			}
			return nil, fmt.Errorf("%s: %q; want a regular expression (RE2)", e.Code, e.Expr)
		}
		return nil, err
	}
	simple := parsed.Simplify()
	program, err := syntax.Compile(simple)
	if err != nil {
		return nil, err
	}
	if n := len(program.Inst); n > maxInstructions {
		return nil, fmt.Errorf("the pattern compiles to %d instructions; want at most %d: fewer or smaller repetitions", n, maxInstructions)
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	p := &Pattern{re: re}
	for _, l := range required(simple) {
		p.literals = append(p.literals, []byte(l))
	}
	return p, nil
}

// String returns the source of the pattern.
func (p *Pattern) String() string { return p.re.String() }

// Groups returns the number of its capturing groups.
func (p *Pattern) Groups() int { return p.re.NumSubexp() }

// Literal reports whether texts can be told apart without trying the pattern.
func (p *Pattern) Literal() bool { return p.literals != nil }

// May reports whether text may match: it has what the pattern requires literally.
func (p *Pattern) May(text []byte) bool {
	if p.literals == nil {
		return true
	}
	for _, l := range p.literals {
		if bytes.Contains(text, l) {
			return true
		}
	}
	return false
}

// Match reports whether text holds a match.
func (p *Pattern) Match(text []byte) bool { return p.May(text) && p.re.Match(text) }

// MatchString is Match for a string.
func (p *Pattern) MatchString(text string) bool { return p.re.MatchString(text) }

// Find calls found with the index pairs of each match in text and its groups, as
// regexp.FindSubmatchIndex has them, from the left, none overlapping another.
func (p *Pattern) Find(text []byte, found func(index []int)) {
	if !p.May(text) {
		return
	}
	if p.Groups() == 0 {
		for _, index := range p.re.FindAllIndex(text, -1) {
			found(index)
		}
		return
	}
	for _, index := range p.re.FindAllSubmatchIndex(text, -1) {
		found(index)
	}
}
