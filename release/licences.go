package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const licencesDir = "licences"

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|authors)([.-].*)?$`)

// licences collects the licences of Go and of every module that is linked into the
// command, on any platform, or a function: licences/MODULE@VERSION/FILE.
func (b *build) licences(ctx context.Context) error {
	modules := map[string]string{} // directories
	for _, platform := range platforms {
		goos, goarch, _ := strings.Cut(platform, "/")
		cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", `{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{.Dir}}{{end}}{{end}}`, "./cmd/sumoship", "./function/...")
		cmd.Dir = b.tree
		cmd.Env = cleanEnvironment("CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("licences: %w\n%s", err, stderr.Bytes())
		}
		for line := range strings.Lines(string(out)) {
			if module, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				modules[module] = dir
			}
		}
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("licences: %w", err)
	}
	modules["go"] = strings.TrimSpace(string(root))
	for module, dir := range modules {
		if err := b.licencesOf(module, dir); err != nil {
			return fmt.Errorf("licences: %w", err)
		}
	}
	return nil
}

// licencesOf copies the licences of a module, of which there must be one. A module
// that is a part of a repository may have it above.
func (b *build) licencesOf(module, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) })
	if len(found) == 0 {
		return fmt.Errorf("%s has no licence in %s", module, dir)
	}
	for _, e := range found {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		file := filepath.Join(b.out, licencesDir, filepath.FromSlash(path.Join(module, e.Name())))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
