package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sumoship/function/awstest/moto"
)

// Limits of what CloudFormation takes.
//
// Source: AWS CloudFormation User Guide, "Understand CloudFormation quotas".
const (
	bodyInRequest  = 51_200
	bodyInS3       = 1 << 20
	parameterValue = 4096
	maxParameters  = 200
	maxResources   = 500
	maxOutputs     = 200
	maxMappings    = 200
	description    = 1024
)

// expand returns the expanded template as a release has it.
func expand(t *testing.T) []byte {
	t.Helper()
	moto.Python(t)
	b := &build{tree: "..", out: t.TempDir(), tag: "v1.2.3", log: io.Discard}
	if err := os.MkdirAll(filepath.Join(b.out, bucketDir, "sumoship/x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.template(t.Context(), "sumoship/x/"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(b.out, bucketDir, "sumoship/x", templateName))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// The expanded template is what stack sets with service-managed permissions take: no
// transform, within CloudFormation's limits, code from a bucket, and every parameter
// still means something.
func TestExpandedTemplate(t *testing.T) {
	content := expand(t)
	var template struct {
		Transform   any
		Description string
		Metadata    map[string]struct {
			ParameterGroups []struct{ Parameters []string }
		}
		Parameters map[string]struct {
			Default     any
			Description string
		}
		Mappings, Outputs map[string]any
		Resources         map[string]struct {
			Type       string
			Properties struct {
				Code struct {
					S3Bucket, S3Key map[string]string
				}
				Tags []struct{ Key, Value string }
			}
		}
	}
	if err := json.Unmarshal(content, &template); err != nil {
		t.Fatal(err)
	}
	if template.Transform != nil || bytes.Contains(content, []byte("AWS::Serverless")) {
		t.Errorf("it has the transform %v", template.Transform)
	}
	if n := len(content); n > bodyInS3 || n <= bodyInRequest {
		t.Errorf("%d bytes; docs/operations.md says that it is over the %d of a request, and S3 may hold %d", n, bodyInRequest, bodyInS3)
	}
	t.Logf("%d bytes, %d resources, %d parameters", len(content), len(template.Resources), len(template.Parameters))
	var compact bytes.Buffer
	if err := json.Compact(&compact, content); err != nil || compact.Len() != len(content) {
		t.Errorf("%d bytes could be %d: it is not minified, %v", len(content), compact.Len(), err)
	}
	for what, n := range map[string][2]int{
		"resources": {len(template.Resources), maxResources}, "parameters": {len(template.Parameters), maxParameters},
		"outputs": {len(template.Outputs), maxOutputs}, "mappings": {len(template.Mappings), maxMappings},
		"bytes of the description": {len(template.Description), description},
	} {
		if n[0] == 0 || n[0] > n[1] {
			t.Errorf("%d %s, the limit is %d", n[0], what, n[1])
		}
	}
	if got := template.Outputs["Version"].(map[string]any)["Value"]; got != "v1.2.3" {
		t.Errorf("its version is %v", got)
	}
	for name, r := range template.Resources {
		if r.Type == "AWS::Lambda::Function" && !slices.Contains(r.Properties.Tags, struct{ Key, Value string }{"sumoship:version", "v1.2.3"}) {
			t.Errorf("%s: tags %v", name, r.Properties.Tags)
		}
	}
	grouped := map[string]bool{}
	for _, g := range template.Metadata["AWS::CloudFormation::Interface"].ParameterGroups {
		for _, p := range g.Parameters {
			grouped[p] = true
		}
	}
	for name, p := range template.Parameters {
		if v, _ := p.Default.(string); len(v) > parameterValue {
			t.Errorf("%s: a default of %d bytes", name, len(v))
		}
		used := regexp.MustCompile(`"Ref":"` + name + `"|\$\{` + name + `\}`).Match(content)
		if !used || !grouped[name] {
			t.Errorf("%s: used %t, in a group %t", name, used, grouped[name])
		}
	}
	functions := 0
	for name, r := range template.Resources {
		if r.Type != "AWS::Lambda::Function" {
			continue
		}
		functions++
		code := r.Properties.Code
		if code.S3Bucket["Ref"] != "CodeBucket" || code.S3Key["Fn::Sub"] != "${CodePrefix}"+strings.ToLower(name)+"-${Architecture}.zip" {
			t.Errorf("%s: code %v", name, code)
		}
		for _, tag := range r.Properties.Tags {
			if strings.Contains(tag.Value, "SAM") {
				t.Errorf("%s: tag %v", name, tag)
			}
		}
	}
	if functions != 5 || template.Parameters["CodePrefix"].Default != "sumoship/x/" {
		t.Errorf("%d functions, prefix %v", functions, template.Parameters["CodePrefix"].Default)
	}
}

// Two builds in two directories have the same bytes: of one function, with both
// architectures; the release script compares all of them.
func TestFunctionsAreReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := copyTree(here, elsewhere); err != nil {
		t.Fatal(err)
	}
	for _, arch := range architectures {
		var sums [2][32]byte
		for i, tree := range []string{here, elsewhere} {
			archive, err := (&build{tree: tree}).function(t.Context(), "Heartbeat", arch.goarch, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			sums[i] = sha256.Sum256(archive)
			r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
			if err != nil || len(r.File) != 1 {
				t.Fatalf("%v, %v", r, err)
			}
			if f := r.File[0]; f.Name != "bootstrap" || f.Mode().Perm() != 0o755 || !f.Modified.Equal(epoch) {
				t.Errorf("%s has mode %v, time %v", f.Name, f.Mode(), f.Modified)
			}
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: %x here, %x elsewhere", arch.lambda, sums[0], sums[1])
		}
	}
}

// A build deletes nothing but a build.
func TestBuildDeletesOnlyABuild(t *testing.T) {
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "letters"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b := &build{out: out}
	if err := b.empty(); err == nil || !strings.Contains(err.Error(), "-o") {
		t.Errorf("error %v, want one that says what to do", err)
	}
	if _, err := os.Stat(filepath.Join(out, "letters")); err != nil {
		t.Error(err)
	}
	if err := os.MkdirAll(filepath.Join(out, bucketDir, "sumoship", "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.empty(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(out, bucketDir)); err != nil || len(entries) > 0 {
		t.Errorf("what is left: %v, %v", entries, err)
	}
}
