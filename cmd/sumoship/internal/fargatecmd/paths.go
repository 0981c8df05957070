package fargatecmd

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/taskdef"
)

// candidate is an input that may not have been read yet.
type candidate struct {
	input
	read  bool   // input holds the document
	maybe bool   // it may be something else than a task definition
	root  string // the argument that named it, or the directory that it is in
}

// candidates are the inputs that the arguments name, each once, in order. With
// skipOthers files may be something else as well.
func (f *inputFlags) candidates(ctx context.Context, s cli.Streams, paths []string, region string, skipOthers bool) ([]candidate, error) {
	if len(paths) == 0 && f.FromECS == "" {
		return nil, cli.Usagef("which task definitions? Give files or directories, - for standard input, or --from-ecs")
	}
	var list []candidate
	seen := map[string]bool{}
	for _, path := range paths {
		add := func(name string, maybe bool) {
			if clean := filepath.Clean(name); !seen[clean] {
				seen[clean] = true
				list = append(list, candidate{input: input{name: name}, maybe: maybe || skipOthers, root: path})
			}
		}
		info, err := os.Stat(path)
		switch {
		case path == cli.Stdin && seen[cli.Stdin]:
		case path == cli.Stdin:
			seen[cli.Stdin] = true
			in, err := readInput(ctx, s, cli.Stdin)
			if err != nil {
				return nil, err
			}
			list = append(list, candidate{input: in, read: true, root: path})
		case err != nil:
			return nil, cli.Fail(cli.ExitUsage, err)
		case info.IsDir():
			if err := search(path, add); err != nil {
				return nil, cli.Fail(cli.ExitUsage, err)
			}
		default:
			add(path, false)
		}
	}
	if f.FromECS != "" {
		in, err := f.fromECS(ctx, region)
		if err != nil {
			return nil, err
		}
		list = append(list, candidate{input: in, read: true})
	}
	return list, nil
}

// extensions are those of files that may hold task definitions.
var extensions = []string{".json", ".yaml", ".yml", ".template"}

// search adds the files below a directory that may hold task definitions, in
// order.
func search(root string, add func(name string, maybe bool)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
				return fs.SkipDir
			}
		case slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() { // d may be a link, to a directory or to nothing
				add(path, true)
			}
		}
		return nil
	})
}

// load reads a candidate. It reports whether it is worth to be parsed: what a
// directory holds besides task definitions is not.
func (f *inputFlags) load(ctx context.Context, s cli.Streams, c *candidate) (worth bool, err error) {
	if !c.read {
		if c.input, err = readInput(ctx, s, c.name); err != nil {
			return false, err
		}
	}
	return !c.maybe || promising(c.doc), nil
}

// documents returns the task definitions of a candidate: none if it may be something
// else, and is.
func (f *inputFlags) documents(c candidate) ([]*taskdef.Document, error) {
	resource := f.Resource
	if resource == allResources {
		resource = ""
	}
	all, err := taskdef.ReadAll(c.name, c.doc, taskdef.ReadOptions{Resource: resource, Family: f.Family})
	if err == nil && len(all) == 0 && !c.maybe {
		_, err = f.document(c.input) // says why
	}
	return all, err
}

// allResources is the value of --resource for all of a template.
const allResources = "all"

// nothingIn returns the arguments in which there was no task definition.
func nothingIn(candidates []candidate, found func(i int) bool, paths []string) (empty []string) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			continue
		}
		any := false
		for i, c := range candidates {
			any = any || c.root == path && found(i)
		}
		if !any {
			empty = append(empty, path)
		}
	}
	return empty
}

// warnEmpty says which directories hold no task definition; it is an error if they
// have to.
func warnEmpty(s cli.Streams, empty []string, require bool) error {
	if len(empty) == 0 {
		return nil
	}
	if require {
		return cli.Fail(cli.ExitFound, fmt.Errorf("no task definition in %s; check the path, or leave out --require", strings.Join(empty, ", ")))
	}
	fmt.Fprintf(s.Err, "sumoship: warning: no task definition in %s\n", strings.Join(empty, ", "))
	return nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// promising reports whether a text mentions task definitions at all. The other
// files of a repository are not parsed, so that JSON with comments, YAML of many
// documents or templates of templates are not reported as errors.
func promising(doc []byte) bool {
	for _, word := range []string{"ontainerDefinitions", "AWS::ECS::TaskDefinition", `"taskDefinition"`, "equiresCompatibilities", `"networkMode"`} {
		if bytes.Contains(doc, []byte(word)) {
			return true
		}
	}
	list := bytes.HasPrefix(bytes.TrimSpace(doc), []byte("["))
	return list && (bytes.Contains(doc, []byte(`"image"`)) || bytes.Contains(doc, []byte(`"Image"`)))
}
