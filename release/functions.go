package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// architectures maps those of Go to those of Lambda.
var architectures = []struct{ goarch, lambda string }{{"arm64", "arm64"}, {"amd64", "x86_64"}}

// functions writes NAME-ARCHITECTURE.zip for every function of the template, built by
// the rules of the Makefile, where a bucket has it: below a prefix that names what they
// hold, which it returns.
func (b build) functions(ctx context.Context) (prefix string, err error) {
	makefile, err := os.ReadFile(filepath.Join(b.tree, "Makefile"))
	if err != nil {
		return "", err
	}
	rules := regexp.MustCompile(`(?m)^build-(\w+): main = (\w+)$`).FindAllStringSubmatch(string(makefile), -1)
	if len(rules) == 0 {
		return "", fmt.Errorf("%s/Makefile has no rules build-NAME: main = DIRECTORY", b.tree)
	}
	temp, err := os.MkdirTemp("", "release-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	type archive struct {
		name    string
		content []byte
	}
	var archives []archive
	all := sha256.New()
	for _, rule := range rules {
		for _, arch := range architectures {
			name := strings.ToLower(rule[1]) + "-" + arch.lambda + ".zip"
			content, err := b.function(ctx, rule[1], arch.goarch, filepath.Join(temp, name))
			if err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
			fmt.Fprintf(all, "%s %x\n", name, sha256.Sum256(content))
			archives = append(archives, archive{name, content})
		}
	}
	prefix = "sumoship/" + hex.EncodeToString(all.Sum(nil))[:16] + "/"
	for _, a := range archives {
		if err := b.write(path.Join(bucketDir, prefix, a.name), a.content); err != nil {
			return "", err
		}
	}
	return prefix, nil
}

// function builds a function in an empty directory, and returns it as an archive.
func (b build) function(ctx context.Context, rule, goarch, dir string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", b.tree, "build-"+rule, "FUNCTION_GOARCH="+goarch, "ARTIFACTS_DIR="+dir)
	// A developer's own flags must not reach what is built; without version control no
	// build differs by the state of the tree.
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOAMD64=", "GOARM64=", "GOEXPERIMENT=", "MAKEFLAGS=", "MAKEOVERRIDES=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make build-%s: %w\n%s", rule, err, out)
	}
	binary, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil {
		return nil, err
	}
	return zipped("bootstrap", binary)
}

// epoch is the time of every file in an archive: the first that zip can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// zipped returns an archive of one executable.
func zipped(name string, content []byte) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
	header.SetMode(0o755 & fs.ModePerm)
	f, err := w.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// write writes a file below the directory, and says so.
func (b build) write(name string, content []byte) error {
	file := filepath.Join(b.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintf(b.log, "%x  %9d  %s\n", sha256.Sum256(content), len(content), name)
	return err
}
