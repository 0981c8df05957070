package clitest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/jsonschema-go/jsonschema"

	"sumoship/cmd/sumoship/internal/cli"
)

// WritesJSON reports whether a verb has --json or --jsonl.
func WritesJSON(verb *kong.Node) bool {
	return slices.ContainsFunc(verb.Flags, func(f *kong.Flag) bool { return f.Name == "json" || f.Name == "jsonl" })
}

// Schemas returns the JSON Schemas of what the verbs of a tree write, by verb, with the
// comments of the types.
func Schemas(tree any) (verbs []*kong.Node, schemas []*jsonschema.Schema, err error) {
	said := comments{}
	for _, verb := range cli.Verbs(tree) {
		s, err := schema(verb, said)
		if err != nil {
			return nil, nil, err
		}
		if s != nil {
			verbs, schemas = append(verbs, verb), append(schemas, s)
		}
	}
	return verbs, schemas, nil
}

// schema returns the JSON Schema of what a verb writes, nil if it writes no JSON. One
// without comments takes no members that the types do not have: that of users must, for
// the output grows.
func schema(verb *kong.Node, said comments) (*jsonschema.Schema, error) {
	documented, ok := verb.Target.Addr().Interface().(cli.Documented)
	if !ok {
		return nil, nil
	}
	var schemas []*jsonschema.Schema
	for _, output := range documented.Outputs() {
		s, err := schemaOf(reflect.TypeOf(output), said)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", verb.Path(), err)
		}
		schemas = append(schemas, s)
	}
	all := schemas[0]
	if len(schemas) > 1 {
		all = &jsonschema.Schema{AnyOf: schemas}
	}
	all.Schema, all.Title = "https://json-schema.org/draft/2020-12/schema", "sumoship "+verb.Path()
	return all, nil
}

// schemaOf is that of a type, with the comments of its fields.
func schemaOf(t reflect.Type, said comments) (*jsonschema.Schema, error) {
	special := map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}}
	texts(t, special, map[reflect.Type]bool{})
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: special})
	if err != nil {
		return nil, err
	}
	if said != nil {
		said.describe(s, t)
	}
	return s, nil
}

// texts adds the types that write themselves as text.
func texts(t reflect.Type, special map[reflect.Type]*jsonschema.Schema, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		special[t] = &jsonschema.Schema{Type: "string"}
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		texts(t.Elem(), special, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			texts(t.Field(i).Type, special, seen)
		}
	}
}

// comments are those of the fields of structs, by package and then by type and field.
type comments map[string]map[string]string

// describe gives the members of an object the comments of their fields.
func (c comments) describe(s *jsonschema.Schema, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case s.Items != nil:
		c.describe(s.Items, t.Elem())
	case t.Kind() == reflect.Map && s.AdditionalProperties != nil:
		c.describe(s.AdditionalProperties, t.Elem())
	case t.Kind() == reflect.Struct && len(s.Properties) > 0:
		s.AdditionalProperties = nil
		for _, field := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" {
				name = field.Name
			}
			member := s.Properties[name]
			if member == nil {
				continue
			}
			owner := t // of an embedded field, the struct that has it
			for _, i := range field.Index[:len(field.Index)-1] {
				if owner = owner.Field(i).Type; owner.Kind() == reflect.Pointer {
					owner = owner.Elem()
				}
			}
			member.Description = c.of(owner.PkgPath())[owner.Name()+"."+field.Name]
			c.describe(member, field.Type)
		}
	}
}

// module is the directory of go.mod, above that of a test.
func module() string {
	dir, _ := os.Getwd()
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// of returns the comments of a package of this module.
func (c comments) of(pkg string) map[string]string {
	under, ok := strings.CutPrefix(pkg, "sumoship/")
	if !ok || c[pkg] != nil {
		return c[pkg]
	}
	c[pkg] = map[string]string{}
	files, _ := filepath.Glob(filepath.Join(module(), under, "*.go"))
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			continue // it would not have been built
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, field := range f.Names {
						c[pkg][spec.Name.Name+"."+field.Name] = strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return c[pkg]
}

// VerbOf returns the verb of a tree that args name, nil if they name none.
func VerbOf(tree any, args []string) *kong.Node {
	var found *kong.Node
	for _, verb := range cli.Verbs(tree) {
		steps := strings.Fields(verb.Path())
		if len(args) >= len(steps) && slices.Equal(args[:len(steps)], steps) {
			found = verb
		}
	}
	return found
}

// AsksJSON reports whether an argument asks for JSON.
func AsksJSON(arg string) bool { return arg == "--json" || arg == "--jsonl" }

// CheckJSON holds what a verb has written with --json or --jsonl to its schema.
func CheckJSON(verb *kong.Node, args []string, out io.Reader) error {
	if verb == nil || !slices.ContainsFunc(args, AsksJSON) {
		return nil
	}
	s, err := schema(verb, nil)
	if err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("%s has no Outputs", verb.Path())
	}
	if slices.Contains(args, "--jsonl") {
		s = elements(s)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return err
	}
	for d := json.NewDecoder(out); ; {
		var document any
		if err := d.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s does not write JSON: %w", verb.Path(), err)
		}
		if err := resolved.Validate(document); err != nil {
			b, _ := json.Marshal(document)
			return fmt.Errorf("%s does not keep to its schema: %w\n%s", verb.Path(), err, b)
		}
	}
}

// elements is the schema of a line of --jsonl.
func elements(s *jsonschema.Schema) *jsonschema.Schema {
	any := &jsonschema.Schema{}
	for _, s := range append([]*jsonschema.Schema{s}, s.AnyOf...) {
		if s.Items != nil {
			any.AnyOf = append(any.AnyOf, s.Items)
		}
	}
	return any
}

// checked is [CheckJSON] for a test.
func checked(t *testing.T, tree any, args []string, status int, out []byte) {
	t.Helper()
	if status == cli.ExitUsage || status == cli.ExitAWS || !slices.ContainsFunc(args, AsksJSON) || slices.Contains(args, "--help") {
		return // or it may have written nothing, or a part
	}
	if err := CheckJSON(VerbOf(tree, args), args, bytes.NewReader(out)); err != nil {
		t.Error(err)
	}
}

// Members lists the members of a schema, with their paths, in the order of the fields.
func Members(s *jsonschema.Schema) (rows [][3]string) { return members(s, "") }

func members(s *jsonschema.Schema, path string) (rows [][3]string) {
	for _, s := range s.AnyOf {
		rows = append(rows, members(s, path)...)
	}
	if s.Items != nil {
		rows = append(rows, members(s.Items, path+"[]")...)
	}
	names := s.PropertyOrder
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(s.Properties))
	}
	for _, name := range names {
		member := s.Properties[name]
		at := strings.TrimPrefix(path+"."+name, ".")
		kind := strings.Join(append(slices.DeleteFunc(slices.Clone(member.Types), func(t string) bool { return t == "null" }), member.Type), "")
		if member.AdditionalProperties != nil {
			kind = "map"
		}
		if !slices.Contains(s.Required, name) {
			kind += "?"
		}
		rows = append(rows, [3]string{at, kind, member.Description})
		rows = append(rows, members(member, at)...)
	}
	if s.AdditionalProperties != nil {
		rows = append(rows, members(s.AdditionalProperties, path+".*")...)
	}
	return rows
}
