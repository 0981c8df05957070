package main

import (
	"archive/zip"
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// boms writes a bill of materials in CycloneDX's JSON for each function and for the
// command of each platform, from what is linked into the binary.
func (b *build) boms(ctx context.Context) error {
	temp, err := os.MkdirTemp("", "release-bom-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	tool := filepath.Join(temp, "cyclonedx-gomod")
	cmd := exec.CommandContext(ctx, "go", "build", "-modfile=.ci/tools.mod", "-o", tool, "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod")
	cmd.Dir = b.tree
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cyclonedx-gomod: %w\n%s", err, out)
	}
	binaries := map[string]string{} // by name
	commands, err := filepath.Glob(filepath.Join(b.out, binariesDir, "*", "sumoship*"))
	if err != nil {
		return err
	}
	for _, file := range commands {
		binaries["sumoship_"+b.version+"_"+filepath.Base(filepath.Dir(file))] = file
	}
	archives, err := filepath.Glob(filepath.Join(b.out, bucketDir, "sumoship", "*", "*.zip"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".zip")
		r, err := zip.OpenReader(archive)
		if err != nil {
			return err
		}
		err = os.CopyFS(filepath.Join(temp, name), r)
		err = errors.Join(err, r.Close())
		if err != nil {
			return err
		}
		binaries[name] = filepath.Join(temp, name, "bootstrap")
	}
	for name, file := range binaries {
		bom, err := b.bom(ctx, tool, file)
		if err != nil {
			return fmt.Errorf("bill of materials of %s: %w", name, err)
		}
		if err := b.write(name+".bom.json", bom); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(b.out, binariesDir))
}

// bom returns the bill of materials of a binary.
func (b *build) bom(ctx context.Context, tool, file string) ([]byte, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, tool, "bin", "-json", "-noserial", "-notimestamp", "-licenses", "-version", b.version, file)
	cmd.Dir = b.tree
	cmd.Env = os.Environ()
	for _, s := range info.Settings { // it takes the platform from its own environment
		if s.Key == "GOOS" || s.Key == "GOARCH" {
			cmd.Env = append(cmd.Env, s.Key+"="+s.Value)
		}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	var bom struct {
		Format     string          `json:"bomFormat"`
		Spec       string          `json:"specVersion"`
		Version    int             `json:"version"`
		Metadata   map[string]any  `json:"metadata"`
		Components json.RawMessage `json:"components"`
		Depends    json.RawMessage `json:"dependencies,omitempty"`
	}
	if err := json.Unmarshal(out, &bom); err != nil {
		return nil, err
	}
	// The checksums of the tool itself differ from machine to machine.
	tools, _ := bom.Metadata["tools"].([]any)
	for _, t := range tools {
		if tool, ok := t.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	return json.MarshalIndent(bom, "", " ")
}
