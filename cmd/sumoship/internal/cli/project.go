package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	p := map[string]any{}
	if err := yaml.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("%s: %w", projectFile, err)
	}
	if len(p) == 0 && len(bytes.TrimSpace(b)) > 0 && !strings.HasPrefix(strings.TrimSpace(string(b)), "#") {
		return nil, fmt.Errorf("%s: want a mapping of flags and verbs", projectFile)
	}
	return p, nil
}

// Validate refuses what is neither a verb nor a flag, and what a file must not say.
func (p project) Validate(app *kong.Application) error { return check(app.Node, p, "") }

func check(node *kong.Node, values map[string]any, path string) error {
	flags := map[string]bool{}
	var names []string
	collect := func(n *kong.Node) {
		for _, f := range n.Flags {
			flags[f.Name] = true
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
		case child >= 0:
			return fmt.Errorf("%s: %s%s is a verb: want a mapping of its flags", projectFile, path, key)
		case !flags[key]:
			for _, n := range node.Children {
				names = append(names, n.Name)
			}
			hint := ""
			if near := Nearest(key, names); len(near) > 0 {
				hint = fmt.Sprintf("; did you mean %s?", near[0])
			}
			return fmt.Errorf("%s: %s%s is not a flag or a verb there%s", projectFile, path, key, hint)
		}
	}
	return nil
}

// Resolve returns the value of a flag: that of the verb, or else of its family, or else
// of all verbs.
func (p project) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	set := slices.ContainsFunc(flag.Envs, func(name string) bool { _, ok := os.LookupEnv(name); return ok })
	if set || slices.Contains(personal, flag.Name) {
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
	switch v := value.(type) {
	case nil, []any, map[string]any:
		return value, nil
	default:
		return fmt.Sprint(v), nil // 123456789012 may be the text of an account
	}
}

// pathOf returns the names of a verb, after that of the command.
func pathOf(node *kong.Node) string {
	if node == nil {
		return ""
	}
	return node.Path()
}

// withVariables names the variable of each flag, but of the personal ones.
func withVariables(k *kong.Kong) error {
	for _, leaf := range append(k.Model.Leaves(false), k.Model.Node) {
		for _, f := range leaf.Flags {
			if len(f.Envs) > 0 || slices.Contains(personal, f.Name) {
				continue
			}
			name := envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			f.Envs, f.Tag.Envs = []string{name}, []string{name}
		}
	}
	return nil
}
