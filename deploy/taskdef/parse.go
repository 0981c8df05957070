package taskdef

import (
	"errors"
	"path/filepath"
	"strings"

	"sumoship/deploy/tree"
)

// bom is the byte order mark that some editors begin a file with.
const bom = "\ufeff"

// Parse reads a document of ECS, such as a task definition or a service, in JSON or
// YAML. What begins like JSON is JSON, unless the name says YAML and it does not
// read as JSON.
//
// The error is an *[InputError].
func Parse(name string, src []byte) (*tree.Node, error) {
	text := strings.TrimSpace(strings.TrimPrefix(string(src), bom))
	if text == "" {
		return nil, &InputError{Name: name, Line: 1, Column: 1, What: "the input is empty"}
	}
	ext := strings.ToLower(filepath.Ext(name))
	named := ext == ".yaml" || ext == ".yml"
	if text[0] == '{' || text[0] == '[' || ext == ".json" {
		root, err := tree.ParseJSON(src, names)
		if err == nil || !named {
			return root, syntax(name, err, src)
		}
	}
	root, err := tree.ParseYAML(src, names)
	return root, syntax(name, err, src)
}

// syntax says where and why a document does not read, and for a common mistake
// what to do.
func syntax(name string, err error, src []byte) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*tree.SyntaxError](err)
	if !ok {
		return &InputError{Name: name, What: err.Error()}
	}
	lines := strings.SplitN(strings.TrimPrefix(string(src), bom), "\n", e.Line+1)
	var rest string
	if line := []rune(lines[min(e.Line, len(lines))-1]); e.Column <= len(line) {
		rest = string(line[e.Column-1:])
	}
	help := ""
	switch {
	case strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "${") || strings.HasPrefix(rest, "{%"):
		help = "fill in the placeholder, or put it in quotes"
	case strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/*") || strings.HasPrefix(rest, "#"):
		help = "JSON has no comments: take it out"
	case strings.HasPrefix(rest, "'"):
		help = "JSON quotes with \""
	case strings.HasPrefix(strings.TrimSpace(lines[0]), "resource ") || strings.ToLower(filepath.Ext(name)) == ".tf":
		help = terraform
	}
	return &InputError{Name: name, Line: e.Line, Column: e.Column, What: e.Message, Help: help}
}
