package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const sumsName = "SHA256SUMS"

// sums are the checksums of what is published, by name.
type sums map[string]string

// diff returns the names that differ, or that one of two builds lacks.
func (s sums) diff(other sums) (names []string) {
	for name, sum := range s {
		if other[name] != sum {
			names = append(names, name)
		}
	}
	for name := range other {
		if _, ok := s[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// writeSums writes the checksums as sha256sum --check reads them.
func (b *build) writeSums() error {
	var lines []string
	for name, sum := range b.sums {
		lines = append(lines, sum+"  "+name+"\n")
	}
	slices.SortFunc(lines, func(x, y string) int { return strings.Compare(x[64:], y[64:]) })
	return os.WriteFile(filepath.Join(b.out, sumsName), []byte(strings.Join(lines, "")), 0o644)
}

// write writes a file below the directory, and says so. Those of the directory itself
// are published.
func (b *build) write(name string, content []byte) error {
	file := filepath.Join(b.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	if !strings.Contains(name, "/") {
		if b.sums == nil {
			b.sums = sums{}
		}
		b.sums[name] = sum
	}
	_, err := fmt.Fprintf(b.log, "%s  %9d  %s\n", sum, len(content), name)
	return err
}

// copyTree copies a repository without what git, make and SAM keep in it.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if slices.Contains([]string{".git", "dist", ".aws-sam"}, relative) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		target := filepath.Join(to, relative)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, info.Mode().Perm())
	})
}
