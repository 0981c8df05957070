package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// binariesDir holds the command of each platform, for its bill of materials.
const binariesDir = "binaries"

// command builds the command for a platform, and its archive.
func (b *build) command(ctx context.Context, platform string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return fmt.Errorf("not a platform; want OS/ARCHITECTURE, such as linux/arm64")
	}
	executable := "sumoship"
	if goos == "windows" {
		executable += ".exe"
	}
	file := filepath.Join(b.out, binariesDir, goos+"_"+goarch, executable)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X sumoship/version.number="+b.tag, "-o", file, "./cmd/sumoship")
	cmd.Dir = b.tree
	cmd.Env = append(cleanEnvironment("CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch), b.caching(platform == here)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return b.pack(goos, goarch, member{executable, true, binary})
}

// pages are what an archive has of the repository beside docs and examples, so that every
// link between its pages leads somewhere.
var pages = []string{"source.yaml", "samconfig.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"}

// pack writes the archive of the command for a platform: with it the functions and the
// templates, which sumoship deploy looks for beside it, and what it is made of.
func (b *build) pack(goos, goarch string, executable member) error {
	members := []member{executable}
	for _, dir := range []string{bucketDir, licencesDir} {
		more, err := below(b.out, dir)
		if err != nil {
			return err
		}
		members = append(members, more...)
	}
	more, err := files(b.tree, pages...)
	if err != nil {
		return err
	}
	members = append(members, more...)
	for _, dir := range []string{"docs", "examples"} {
		more, err := below(b.tree, dir)
		if err != nil {
			return err
		}
		for _, m := range more {
			if path.Ext(m.name) != ".go" {
				members = append(members, m)
			}
		}
	}
	pack, ext := tarred, ".tar.gz"
	if goos == "windows" {
		pack, ext = zipped, ".zip"
	}
	archive, err := pack(members...)
	if err != nil {
		return err
	}
	return b.write(fmt.Sprintf("sumoship_%s_%s_%s%s", b.version, goos, goarch, ext), archive)
}

// publish writes what is published beside the archives of the command.
func (b *build) publish() error {
	members, err := below(b.out, bucketDir)
	if err != nil {
		return err
	}
	archive, err := zipped(members...)
	if err != nil {
		return err
	}
	if err := b.write("sumoship_"+b.version+"_bucket.zip", archive); err != nil {
		return err
	}
	for _, m := range members {
		if err := b.write(path.Base(m.name), m.content); err != nil {
			return err
		}
	}
	source, err := files(b.tree, "source.yaml")
	if err != nil {
		return err
	}
	return b.write("source.yaml", source[0].content)
}

// cleanEnvironment is that of a build: a developer's own flags do not reach it, and
// the state of the tree is not in what it builds.
func cleanEnvironment(variables ...string) []string {
	own := []string{"GOFLAGS=-buildvcs=false", "GOAMD64=", "GOARM64=", "GOEXPERIMENT=", "GOWORK=off", "MAKEFLAGS=", "MAKEOVERRIDES="}
	return append(append(os.Environ(), own...), variables...)
}
