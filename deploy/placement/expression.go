// Package placement reads the placement constraints of Amazon ECS: an expression of the
// cluster query language, and which instances and operating systems several of them
// leave. What it cannot know stays possible.
package placement

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Expression is an expression of the cluster query language, as placement constraints
// have it: a condition, or others joined by and, or, not.
//
// Source: Amazon ECS Developer Guide, "Cluster query language".
type Expression struct {
	operator  string // of a condition, in its short form; or "and", "or", "not"
	subject   string // of a condition, without attribute:
	arguments []string
	pattern   *regexp.Regexp // of =~ and !~, nil if Go cannot compile it
	prefix    string         // of a pattern such as m6g.*, which needs no regular expression
	device    bool           // only instances with accelerators have the subject
	of        []*Expression
}

// truth is what is known of an expression.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// Parse parses an expression. The error says what was expected where, the
// place in bytes.
func Parse(s string) (*Expression, error) {
	p := &parser{text: s}
	q, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(s) {
		return nil, p.want("and, or, or the end")
	}
	return q, nil
}

type parser struct {
	text string
	at   int
}

// deepest bounds nesting, so that no expression exhausts the stack.
const deepest = 100

func (p *parser) want(what string) error {
	rest := p.text[p.at:]
	if len(rest) > 20 {
		rest = rest[:20]
	}
	return fmt.Errorf("want %s at %d, got %q", what, p.at, strings.ToValidUTF8(rest, string(utf8.RuneError)))
}

func (p *parser) space() {
	p.at += len(p.text[p.at:]) - len(strings.TrimLeft(p.text[p.at:], " \t\r\n"))
}

// take reads one of the words, if one is next. A word of letters ends where a letter
// cannot follow.
func (p *parser) take(words ...string) string {
	p.space()
	rest := p.text[p.at:]
	for _, w := range words {
		if len(rest) < len(w) || !strings.EqualFold(rest[:len(w)], w) {
			continue
		}
		if letter(w[len(w)-1]) && len(rest) > len(w) && letter(rest[len(w)]) {
			continue
		}
		p.at += len(w)
		return w
	}
	return ""
}

func letter(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_'
}

func (p *parser) or(depth int) (*Expression, error) { return p.joined("or", "||", depth, p.and) }

func (p *parser) and(depth int) (*Expression, error) { return p.joined("and", "&&", depth, p.not) }

func (p *parser) joined(word, sign string, depth int, operand func(int) (*Expression, error)) (*Expression, error) {
	first, err := operand(depth)
	if err != nil {
		return nil, err
	}
	all := []*Expression{first}
	for p.take(word, sign) != "" {
		next, err := operand(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	if len(all) == 1 {
		return first, nil
	}
	return &Expression{operator: word, of: all}, nil
}

func (p *parser) not(depth int) (*Expression, error) {
	if depth > deepest {
		return nil, p.want("less nesting")
	}
	if p.take("not", "!") != "" {
		q, err := p.not(depth + 1)
		return &Expression{operator: "not", of: []*Expression{q}}, err
	}
	if p.take("(") != "" {
		q, err := p.or(depth + 1)
		if err == nil && p.take(")") == "" {
			err = p.want(")")
		}
		return q, err
	}
	return p.condition()
}

// shortForm are the operators by their names. No operator is after one that it
// begins with.
var shortForm = []struct{ name, short string }{
	{"not_equals", "!="}, {"equals", "=="}, {"greater_than_equal", ">="}, {"greater_than", ">"}, {"less_than_equal", "<="}, {"less_than", "<"},
	{"not_exists", "!exists"}, {"exists", "exists"}, {"not_in", "!in"}, {"in", "in"}, {"not_matches", "!~"}, {"matches", "=~"},
}

func (p *parser) condition() (*Expression, error) {
	p.space()
	rest := p.text[p.at:]
	end := strings.IndexFunc(rest, func(r rune) bool {
		return !(r < utf8.RuneSelf && (letter(byte(r)) || strings.ContainsRune(":./-@", r)))
	})
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return nil, p.want("an attribute")
	}
	q := &Expression{subject: strings.TrimPrefix(rest[:end], "attribute:")}
	p.at += end
	for _, o := range shortForm {
		if p.take(o.short, o.name) != "" {
			q.operator = o.short
			break
		}
	}
	var err error
	switch q.operator {
	case "":
		return nil, p.want("an operator")
	case "exists", "!exists":
	case "in", "!in":
		q.arguments, err = p.list()
	default:
		var s string
		if s, err = p.argument(""); err == nil {
			q.arguments = []string{s}
		}
	}
	if q.operator == "=~" || q.operator == "!~" {
		if err == nil {
			q.pattern, _ = regexp.Compile("^(?:" + q.arguments[0] + ")$")
			if prefix, ok := strings.CutSuffix(q.arguments[0], ".*"); ok && regexp.QuoteMeta(prefix) == prefix {
				q.prefix = prefix
			}
		}
	}
	return q, err
}

func (p *parser) list() (all []string, err error) {
	if p.take("[") == "" {
		return nil, p.want("[")
	}
	for {
		s, err := p.argument(",]")
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if p.take(",") != "" {
			continue
		}
		if p.take("]") != "" {
			return all, nil
		}
		return nil, p.want(", or ]")
	}
}

// argument reads a value in quotes, or without them up to white space, one of the
// bytes in ends, a boolean operator, or a parenthesis that closes what the value did
// not open.
func (p *parser) argument(ends string) (string, error) {
	p.space()
	rest := p.text[p.at:]
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		end := strings.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return "", p.want("a closing quote")
		}
		p.at += end + 2
		return rest[1 : end+1], nil
	}
	end, open := 0, 0
	for end < len(rest) {
		b := rest[end]
		if b == ' ' || b == '\t' || b == '\r' || b == '\n' || strings.IndexByte(ends, b) >= 0 || b == ')' && open == 0 ||
			open == 0 && (strings.HasPrefix(rest[end:], "&&") || strings.HasPrefix(rest[end:], "||")) {
			break
		}
		switch b {
		case '(':
			open++
		case ')':
			open--
		}
		end++
	}
	if end == 0 {
		return "", p.want("a value")
	}
	p.at += end
	return rest[:end], nil
}

// conditions yields the conditions of an expression.
func (q *Expression) conditions(yield func(*Expression)) {
	if len(q.of) == 0 {
		yield(q)
	}
	for _, part := range q.of {
		part.conditions(yield)
	}
}

// eval says what is known of an expression, given what is known of its conditions.
func (q *Expression) eval(condition func(*Expression) truth) truth {
	switch q.operator {
	case "not":
		return q.of[0].eval(condition).not()
	case "and", "or":
		ends := no // what one part decides
		if q.operator == "or" {
			ends = yes
		}
		result := ends.not()
		for _, part := range q.of {
			switch part.eval(condition) {
			case ends:
				return ends
			case unknown:
				result = unknown
			}
		}
		return result
	}
	return condition(q)
}

// holds says whether a condition holds for a value of its subject.
func (q *Expression) holds(value string) truth {
	switch q.operator {
	case "==", "in":
		return truthOf(slices.ContainsFunc(q.arguments, func(s string) bool { return strings.EqualFold(s, value) }))
	case "!=", "!in":
		return truthOf(!slices.ContainsFunc(q.arguments, func(s string) bool { return strings.EqualFold(s, value) }))
	case "exists":
		return yes
	case "!exists":
		return no
	case "=~":
		if q.pattern != nil {
			return truthOf(q.matches(value))
		}
	case "!~":
		if q.pattern != nil {
			return truthOf(!q.matches(value))
		}
	}
	return unknown
}

func (q *Expression) matches(value string) bool {
	if q.prefix != "" {
		return strings.HasPrefix(value, q.prefix)
	}
	return q.pattern.MatchString(value)
}
