package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sumoship/rules/mask"
)

// maxEach bounds lists and objects.
const maxEach = 200

// checker compares a document with its shape and collects what is wrong.
type checker struct {
	Options
	mistakes Mistakes
	rule     string // being checked
	masks    []string
}

func (c *checker) fail(n *node, path, format string, args ...any) {
	c.mistakes = append(c.mistakes, Mistake{Line: n.line, Column: n.column, Rule: c.rule, Path: path, Text: fmt.Sprintf(format, args...)})
}

// document returns the document that root holds. It is of use only if there are no
// mistakes.
func (c *checker) document(root *node) *Document {
	if root.kind != object {
		c.fail(root, "", "the document is %s; want an object with version and rules", root.kind)
		return nil
	}
	if v := root.member("version"); v != nil && v.kind == number {
		if n, err := strconv.ParseFloat(v.value, 64); err == nil && n > Version {
			// What it says may mean something else there.
			c.fail(v, "version", "is %s; this program reads up to %d: update it", v.value, Version)
			return nil
		}
	}
	if masks := root.member("masks"); masks != nil && masks.kind == object {
		for _, key := range masks.keys {
			c.masks = append(c.masks, key.value)
		}
	}
	c.value(root, documentShape(), "")
	if len(c.mistakes) > 0 {
		c.names(root)
		return nil
	}
	doc := new(Document)
	if err := json.Unmarshal(root.json(), doc); err != nil {
		c.fail(root, "", "%v", err)
		return nil
	}
	c.names(root)
	c.compileMasks(root, doc)
	return doc
}

// member returns the value of a member of an object, or nil.
func (n *node) member(name string) *node {
	if n != nil && n.kind == object {
		for i, key := range n.keys {
			if key.value == name && i < len(n.items) {
				return n.items[i]
			}
		}
	}
	return nil
}

// names refuses rules of one name.
func (c *checker) names(root *node) {
	rules := root.member("rules")
	if rules == nil || rules.kind != list {
		return
	}
	seen := map[string]int{}
	for i, r := range rules.items {
		name := r.member("rule")
		if name == nil || name.kind != text {
			continue
		}
		if first, ok := seen[name.value]; ok {
			c.rule = name.value
			c.fail(name, fmt.Sprintf("rules[%d].rule", i), "rules[%d] has the same name; want another", first)
			c.rule = ""
		} else {
			seen[name.value] = i
		}
	}
}

// compileMasks refuses masks that cannot work.
func (c *checker) compileMasks(root *node, doc *Document) {
	used := map[string]bool{}
	for _, r := range doc.Rules {
		for _, name := range r.Mask {
			used[name] = true
		}
	}
	if doc.Default != nil {
		for _, name := range doc.Default.Mask {
			used[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Masks)) {
		m := doc.Masks[name]
		at, path := root.member("masks").member(name), "masks."+name
		builtin := slices.Contains(mask.Names(), name)
		switch {
		case m.Pattern == "" && !builtin:
			c.fail(at, path, "lacks a pattern and is not a built-in mask; want a pattern, or one of %s", strings.Join(mask.Names(), ", "))
		case m.Pattern != "" && builtin:
			c.fail(at, path, "is the name of a built-in mask; want another for a mask with a pattern")
		case m.HMAC && !used[name]:
			// Its key is needed only if the mask is.
		default:
			if _, err := mask.New([]mask.Mask{maskOf(doc, name)}, c.Key); err != nil {
				c.fail(at, path, "%s", strings.TrimPrefix(err.Error(), name+": "))
			}
		}
	}
}

func (c *checker) knowsMask(name string) error {
	if slices.Contains(c.masks, name) || slices.Contains(mask.Names(), name) {
		return nil
	}
	return fmt.Errorf("unknown mask %q; want one of masks, or a built-in one: %s", name, strings.Join(mask.Names(), ", "))
}

// value compares a node with a shape.
func (c *checker) value(n *node, s *shape, path string) {
	if n.kind != s.kind {
		hint := ""
		if s.kind == text && n.kind != list && n.kind != object && n.kind != null {
			hint = ", in quotes"
		}
		if s.example != "" {
			hint += ", such as " + strconv.Quote(s.example)
		}
		c.fail(n, path, "is %s; want %s%s", n.kind, s.kind, hint)
		return
	}
	switch n.kind {
	case text:
		c.text(n, s, path)
	case number:
		c.number(n, s, path)
	case list:
		if len(n.items) == 0 && s.filled || len(n.items) > maxEach {
			c.fail(n, path, "has %d elements; want 1 to %d", len(n.items), maxEach)
		}
		for i, item := range n.items {
			c.value(item, s.each, fmt.Sprintf("%s[%d]", path, i))
		}
	case object:
		c.object(n, s, path)
	}
}

func (c *checker) text(n *node, s *shape, path string) {
	var err error
	switch {
	case s.oneOf != nil && !slices.Contains(s.oneOf, n.value):
		err = fmt.Errorf("%q is not known; want one of %s", n.value, strings.Join(s.oneOf, ", "))
	case s.check != nil:
		err = s.check(c, n.value)
	}
	if err != nil {
		c.fail(n, path, "%v", err)
	}
}

func (c *checker) number(n *node, s *shape, path string) {
	v, err := strconv.ParseFloat(n.value, 64)
	switch {
	case err != nil || s.whole && v != float64(int64(v)) || v <= s.above || v > s.upTo || s.below && v == s.upTo:
		want := fmt.Sprintf("more than %g and at most %g", s.above, s.upTo)
		switch {
		case s.whole:
			want = fmt.Sprintf("a whole number from %g to %g", s.above+1, s.upTo)
		case s.below:
			want = fmt.Sprintf("more than %g and less than %g", s.above, s.upTo)
		}
		c.fail(n, path, "is %s; want %s", n.value, want)
	}
}

func (c *checker) object(n *node, s *shape, path string) {
	if named := n.member("rule"); strings.HasPrefix(path, "rules[") && strings.HasSuffix(path, "]") && strings.Count(path, ".") == 0 {
		c.rule = strings.TrimSuffix("#"+path[len("rules["):], "]")
		if i, err := strconv.Atoi(c.rule[1:]); err == nil {
			c.rule = "#" + strconv.Itoa(i+1)
		}
		if named != nil && named.kind == text {
			c.rule = named.value
		}
		defer func() { c.rule = "" }()
	} else if path == DefaultName {
		c.rule = DefaultName
		defer func() { c.rule = "" }()
	}
	if path != "" {
		path += "."
	}
	if s.filled && len(n.keys) == 0 || len(n.keys) > maxEach {
		c.fail(n, strings.TrimSuffix(path, "."), "has %d members; want 1 to %d", len(n.keys), maxEach)
	}
	seen := map[string]bool{}
	for i, key := range n.keys {
		if key.kind != text {
			c.fail(key, path+key.value, "the name of a member is %s; want text, in quotes", key.kind)
			continue
		}
		if seen[key.value] {
			c.fail(key, path+key.value, "is there twice")
			continue
		}
		seen[key.value] = true
		if s.others != nil {
			if !s.names.fit(key.value) {
				c.fail(key, path+key.value, "%q cannot be a name here; want one that matches %s", key.value, s.names.pattern)
			}
			c.value(n.items[i], s.others, path+key.value)
			continue
		}
		at := slices.IndexFunc(s.members, func(m member) bool { return m.name == key.value })
		if at < 0 {
			c.fail(key, path+key.value, "%s", unknownMember(key.value, s.members))
			continue
		}
		c.value(n.items[i], s.members[at].shape, path+key.value)
	}
	for _, m := range s.members {
		if m.required && !seen[m.name] {
			c.fail(n, path+m.name, "is missing; want %s: %s", m.shape.kind, m.shape.about)
		}
	}
}

func unknownMember(name string, members []member) string {
	var known []string
	for _, m := range members {
		if strings.EqualFold(m.name, name) {
			return fmt.Sprintf("is not known; want %s", m.name)
		}
		known = append(known, m.name)
	}
	return "is not known; want one of " + strings.Join(known, ", ")
}

// AsMistakes returns the mistakes in an error of Read.
func AsMistakes(err error) Mistakes {
	m, _ := errors.AsType[Mistakes](err)
	return m
}
