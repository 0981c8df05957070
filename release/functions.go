package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// architectures maps those of Go to those of Lambda.
var architectures = []struct{ goarch, lambda string }{{"arm64", "arm64"}, {"amd64", "x86_64"}}

// functions writes NAME-ARCHITECTURE.zip for every function of the template, built by
// the rules of the Makefile, where a bucket has it: below a prefix that names what they
// hold, which it returns.
func (b *build) functions(ctx context.Context) (prefix string, err error) {
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
	defer func() { _ = os.RemoveAll(temp) }()
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
func (b *build) function(ctx context.Context, rule, goarch, dir string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", b.tree, "build-"+rule, "FUNCTION_GOARCH="+goarch, "ARTIFACTS_DIR="+dir, "VERSION="+b.tag)
	cmd.Env = append(cleanEnvironment(), b.caching(true)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make build-%s: %w\n%s", rule, err, out)
	}
	binary, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil {
		return nil, err
	}
	return zipped(member{"bootstrap", true, binary})
}
