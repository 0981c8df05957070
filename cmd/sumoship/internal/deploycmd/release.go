package deploycmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
)

// bundle is what a release has beside the command: the functions, and the template
// without a transform that deploys them.
type bundle struct {
	dir      string   // its keys in a bucket are the paths below
	prefix   string   // of the keys: sumoship/CONTENTS/
	archives []string // paths below dir
	body     []byte
	template template
}

// template is what a template says about itself.
type template struct {
	Parameters map[string]declared
	Resources  map[string]struct {
		Type           string
		DeletionPolicy string
	}
	Outputs map[string]struct {
		Value any
	}
	Transform any
}

// version is that of the release, "" if the template does not say.
func (t template) version() string {
	v, _ := t.Outputs["Version"].Value.(string)
	return v
}

const templateName = "template.json"

// openBundle opens the directory that --from names, or the one beside the command.
func openBundle(from string, executable func() (string, error)) (*bundle, error) {
	dir := from
	if dir == "" {
		file, err := executable()
		if err == nil {
			file, err = filepath.EvalSymlinks(file)
		}
		if err != nil {
			return nil, fmt.Errorf("where is this command? %w", err)
		}
		dir = filepath.Join(filepath.Dir(file), "bucket")
	}
	found, err := filepath.Glob(filepath.Join(dir, "sumoship", "*", templateName))
	if err != nil {
		return nil, cli.Usagef("--from: %w", err)
	}
	switch {
	case len(found) == 0 && from == "":
		return nil, cli.Usagef("the functions and the template are not beside this command (%s): "+
			"a release has them in its archive, from which a link may lead here, but no copy; in the repository, make bucket builds them, for --from dist/release/bucket", dir)
	case len(found) == 0:
		return nil, cli.Usagef("--from: %s has no sumoship/*/%s", dir, templateName)
	case len(found) > 1:
		return nil, cli.Usagef("--from: %s has %d releases; want one", dir, len(found))
	}
	b := &bundle{dir: dir, prefix: "sumoship/" + filepath.Base(filepath.Dir(found[0])) + "/"}
	if b.body, err = os.ReadFile(found[0]); err != nil {
		return nil, cli.Fail(cli.ExitUsage, err)
	}
	if b.template, err = readTemplate(b.body); err != nil {
		return nil, cli.Usagef("%s: %w", found[0], err)
	}
	if got := b.template.Parameters[codePrefix].Default; got != b.prefix {
		return nil, cli.Usagef("%s deploys functions under %v, and is in %s: it is of another release", found[0], got, b.prefix)
	}
	entries, err := os.ReadDir(filepath.Dir(found[0]))
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".zip") {
			b.archives = append(b.archives, b.prefix+e.Name())
		}
	}
	if missing := b.missing(); len(missing) > 0 {
		return nil, cli.Usagef("%s lacks %s", filepath.Dir(found[0]), strings.Join(missing, ", "))
	}
	return b, nil
}

// missing returns the archives of functions that the template deploys and the
// directory does not have.
func (b *bundle) missing() (names []string) {
	for name, r := range b.template.Resources {
		if r.Type != "AWS::Lambda::Function" {
			continue
		}
		for _, architecture := range []string{"arm64", "x86_64"} {
			archive := strings.ToLower(name) + "-" + architecture + ".zip"
			if !slices.Contains(b.archives, b.prefix+archive) {
				names = append(names, archive)
			}
		}
	}
	slices.Sort(names)
	return names
}

// readTemplate reads a template in JSON.
func readTemplate(body []byte) (t template, err error) {
	if err := json.Unmarshal(body, &t); err != nil {
		return t, err
	}
	if t.Transform != nil || len(t.Parameters) == 0 || len(t.Resources) == 0 {
		return t, errors.New("not the template of a release, which has no transform")
	}
	return t, nil
}

// write copies the bundle into a directory that does not exist or is empty.
func (b *bundle) write(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return cli.Usagef("--write: %s is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cli.Usagef("--write: %w", err)
	}
	for _, name := range append([]string{b.prefix + templateName}, b.archives...) {
		content, err := os.ReadFile(b.path(name))
		if err != nil {
			return cli.Fail(cli.ExitUsage, err)
		}
		target := filepath.Join(dir, path.Base(name))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return cli.Usagef("--write: %w", err)
		}
		if err := cli.WriteFile(target, content); err != nil {
			return err
		}
	}
	return nil
}

// path is that of the file with a key.
func (b *bundle) path(key string) string { return filepath.Join(b.dir, filepath.FromSlash(key)) }
