package tree

import "strings"

// Case is one of the two ways in which documents spell the names of members.
type Case uint8

// The cases. Code calls members by their names in camelCase.
const (
	asWritten Case = iota
	Camel          // containerDefinitions
	Pascal         // ContainerDefinitions
)

// Names says how the names of a kind of document are spelt beyond the rule that
// the first letter has the case. A nil Names has the rule alone, and takes every
// key for a name.
//
// It must not change once a document was read with it.
type Names struct {
	Irregular []Spelling      // members whose spellings differ in more than the first letter
	Maps      map[string]bool // members, in camelCase, whose own keys are data and not names
}

// Spelling is a name in both cases: of the member of an object that is itself
// the member Parent, in either case, or of any object if Parent is "".
type Spelling struct{ Parent, Camel, Pascal string }

func (s *Spelling) in(parent string) bool {
	return s.Parent == "" || strings.EqualFold(s.Parent, parent)
}

// Camel returns the name in camelCase, which may be in either case, of a member
// of an object that is itself the member parent of another.
func (names *Names) Camel(name, parent string) string {
	for i := range names.irregular() {
		if s := &names.Irregular[i]; s.Pascal == name && s.in(parent) {
			return s.Camel
		}
	}
	return first(name, strings.ToLower)
}

// Pascal is the inverse of [Names.Camel].
func (names *Names) Pascal(name, parent string) string {
	name = names.Camel(name, parent)
	for i := range names.irregular() {
		if s := &names.Irregular[i]; s.Camel == name && s.in(parent) {
			return s.Pascal
		}
	}
	return first(name, strings.ToUpper)
}

func (names *Names) irregular() []Spelling {
	if names == nil {
		return nil
	}
	return names.Irregular
}

// spell writes a name in a case.
func (names *Names) spell(name, parent string, c Case) string {
	switch c {
	case Camel:
		return names.Camel(name, parent)
	case Pascal:
		return names.Pascal(name, parent)
	}
	return name
}

// same reports whether key is a spelling of name, which is in camelCase.
func (names *Names) same(key, name, parent string) bool {
	if len(key) == len(name) {
		return strings.EqualFold(key, name)
	}
	if key == "" || key[0] < 'A' || key[0] > 'Z' {
		return false // not in PascalCase, and so not irregular
	}
	for i := range names.irregular() {
		if s := &names.Irregular[i]; s.Camel == name && s.Pascal == key && s.in(parent) {
			return true
		}
	}
	return false
}

// isMap reports whether the keys of the member called name are data.
func (names *Names) isMap(name string) bool {
	return names != nil && name != "" && names.Maps[names.Camel(name, "")]
}

// first applies f to the first letter, if it is an ASCII letter.
func first(name string, f func(string) string) string {
	if name == "" || name[0] >= 0x80 {
		return name
	}
	if letter := f(name[:1]); letter != name[:1] {
		return letter + name[1:]
	}
	return name
}

// caseAround returns the case of the names around a node: its own, or those of
// its siblings, or those of what holds them. Without any, it is camelCase.
func caseAround(n *Node) Case {
	for ; n != nil; n = n.parent {
		if n.kind == Array {
			for _, item := range n.items {
				if c := caseOf(item); c != asWritten {
					return c
				}
			}
		}
		if c := caseOf(n); c != asWritten {
			return c
		}
	}
	return Camel
}

// caseOf returns the case of the first name of an object that has one.
func caseOf(n *Node) Case {
	if n.Kind() != Object || inMap(n) || n.Opaque() {
		return asWritten
	}
	for _, f := range n.fields {
		if f.name != "" {
			switch c := f.name[0]; {
			case 'a' <= c && c <= 'z':
				return Camel
			case 'A' <= c && c <= 'Z':
				return Pascal
			}
		}
	}
	return asWritten
}

// inMap reports whether the keys of an object are data.
func inMap(n *Node) bool {
	for ; n != nil; n = n.parent {
		if n.names.isMap(n.name) {
			return true
		}
	}
	return false
}
