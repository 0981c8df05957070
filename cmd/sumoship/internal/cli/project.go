package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// projectFile has the flags that a repository always passes. A flag on the command
// line comes before its variable, SUMOSHIP_FLAG, and that before the file.
const projectFile = "sumoship.yaml"

// envPrefix begins the variables of flags.
const envPrefix = "SUMOSHIP"

// personal are the flags that only the command line sets: whoever runs the command
// says them, not the repository.
var personal = []string{"yes", "help", "version"}

// project is the project file: verbs as mappings, flags as their values. A flag of a
// family or of all verbs stands further up.
type project map[string]any

// readProject reads the file of the working directory. There may be none.
func readProject() (project, error) {
	b, err := os.ReadFile(projectFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var document any
	if err := yaml.Unmarshal(b, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", projectFile, err)
	}
	p, ok := document.(map[string]any)
	if !ok && document != nil { // which is an empty file, or one of comments
		return nil, fmt.Errorf("%s: want a mapping of flags and verbs", projectFile)
	}
	return p, nil
}

// Validate refuses what is neither a verb nor a flag, what a file must not say, and values
// that are not those of the flag, whichever verb is run.
func (p project) Validate(app *kong.Application) error { return check(app.Node, p, "") }

func check(node *kong.Node, values map[string]any, path string) error {
	flags := map[string][]*kong.Flag{} // several verbs of a family may have one of a name
	var names []string
	collect := func(n *kong.Node) {
		for _, f := range n.Flags {
			flags[f.Name] = append(flags[f.Name], f)
			names = append(names, f.Name)
		}
	}
	collect(node)
	for _, leaf := range node.Leaves(false) { // a flag of a family stands for all its verbs
		collect(leaf)
	}
	for key, value := range values {
		child := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == key })
		switch below, isMap := value.(map[string]any); {
		case child >= 0 && isMap:
			if err := check(node.Children[child], below, path+key+"."); err != nil {
				return err
			}
		case slices.Contains(personal, key):
			return fmt.Errorf("%s: %s%s: only the command line sets it", projectFile, path, key)
		case child >= 0 && value == nil: // its flags are comments
		case child >= 0:
			return fmt.Errorf("%s: %s%s is a verb: want a mapping of its flags", projectFile, path, key)
		case flags[key] == nil:
			for _, n := range node.Children {
				names = append(names, n.Name)
			}
			hint := ""
			if near := Nearest(key, names); len(near) > 0 {
				hint = fmt.Sprintf("; did you mean %s?", near[0])
			}
			return fmt.Errorf("%s: %s%s is not a flag or a verb there%s", projectFile, path, key, hint)
		case value != nil:
			for _, f := range flags[key] {
				if err := fitting(f, value); err != nil {
					return fmt.Errorf("%s: %s%s: %w", projectFile, path, key, err)
				}
			}
		}
	}
	return nil
}

// fitting returns why a flag cannot have a value.
func fitting(f *kong.Flag, value any) error {
	if f.Tag.Type == "existingfile" {
		return nil // other verbs go on without it
	}
	if f.Enum != "" {
		all, ok := value.([]any)
		if !ok {
			all = []any{value}
		}
		for _, v := range all {
			if !slices.Contains(f.EnumSlice(), fmt.Sprint(v)) {
				return fmt.Errorf("want one of %s, not %v", strings.Join(f.EnumSlice(), ", "), v)
			}
		}
	}
	scan := kong.Scan().PushTyped(given(value), kong.FlagValueToken)
	if err := f.Mapper.Decode(&kong.DecodeContext{Value: f.Value, Scan: scan}, reflect.New(f.Target.Type()).Elem()); err != nil {
		switch value.(type) {
		case []any, map[string]any:
			return errors.New("want one value, neither a list nor a mapping")
		}
		return err
	}
	return nil
}

// given is a value as the flag takes it: 123456789012 may be the text of an account.
func given(value any) any {
	switch value.(type) {
	case nil, []any, map[string]any:
		return value
	}
	return fmt.Sprint(value)
}

// Resolve returns the value of a flag: that of the verb, or else of its family, or else
// of all verbs.
func (p project) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if len(flag.Envs) > 0 || slices.Contains(personal, flag.Name) {
		return nil, nil
	}
	var value any
	values := map[string]any(p)
	if v, ok := values[flag.Name]; ok {
		value = v
	}
	for _, step := range strings.Fields(pathOf(parent.Node())) {
		below, ok := values[step].(map[string]any)
		if !ok {
			break
		}
		values = below
		if v, ok := values[flag.Name]; ok {
			value = v
		}
	}
	return given(value), nil
}

// pathOf returns the names of a verb, after that of the command.
func pathOf(node *kong.Node) string {
	if node == nil {
		return ""
	}
	return node.Path()
}

// withVariables has each flag, but the personal ones, take its value from its variable, if
// that has one: a variable that is set but empty counts as one that is not, as it does for
// the AWS CLI. kong would read it as a text, which is a mistake for most kinds of flags.
func withVariables(k *kong.Kong) error {
	for _, leaf := range append(k.Model.Leaves(false), k.Model.Node) {
		for _, f := range leaf.Flags {
			name := envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			if slices.Contains(personal, f.Name) || os.Getenv(name) == "" {
				continue
			}
			f.Envs, f.Tag.Envs = []string{name}, []string{name}
		}
	}
	return nil
}
