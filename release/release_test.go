package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
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
// architectures. Go's cache is the same, so this compares linking and packing; make release
// compares all of them, compiled from nothing, which takes 43 s of a processor for one alone.
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

// The archive of each platform has the same bytes, whenever and by whom its files were
// written, and what sumoship deploy looks for beside the command. The binaries stand in:
// make release builds those, twice.
func TestArchivesAreReproducible(t *testing.T) {
	tree, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	for _, dir := range []string{"docs", "examples"} {
		if err := os.CopyFS(filepath.Join(elsewhere, dir), os.DirFS(filepath.Join(tree, dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range pages {
		content, err := os.ReadFile(filepath.Join(tree, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(elsewhere, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var built [2]*build
	for i, tree := range []string{tree, elsewhere} {
		b := &build{tree: tree, out: t.TempDir(), version: "1.2.3", log: io.Discard}
		for _, name := range []string{bucketDir + "/sumoship/x/" + templateName, bucketDir + "/sumoship/x/forwarder-arm64.zip", licencesDir + "/go.txt"} {
			if err := b.write(name, []byte(name)); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range platforms {
			goos, goarch, _ := strings.Cut(p, "/")
			if err := b.pack(goos, goarch, member{"sumoship", true, []byte(p)}); err != nil {
				t.Fatal(err)
			}
		}
		built[i] = b
	}
	if diff := built[0].sums.diff(built[1].sums); len(diff) > 0 || len(built[0].sums) != len(platforms) {
		t.Errorf("%d archives, of which these differ: %v", len(built[0].sums), diff)
	}
	names := namesIn(t, filepath.Join(built[0].out, "sumoship_1.2.3_windows_arm64.zip"))
	for _, want := range []string{"sumoship", "bucket/sumoship/x/template.json", "bucket/sumoship/x/forwarder-arm64.zip", "licences/go.txt", "README.md", "docs/operations.md", "docs/pictures/way.svg", "examples/terraform/main.tf"} {
		if !slices.Contains(names, want) {
			t.Errorf("an archive lacks %s: %v", want, names)
		}
	}
}

// Every link between the pages of an archive leads to something in it.
func TestArchiveHasWhatItsPagesLinkTo(t *testing.T) {
	b := &build{tree: "..", out: t.TempDir(), version: "1.2.3", log: io.Discard}
	for _, dir := range []string{bucketDir, licencesDir} {
		if err := os.MkdirAll(filepath.Join(b.out, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.pack("windows", "amd64", member{name: "sumoship.exe"}); err != nil {
		t.Fatal(err)
	}
	r, err := zip.OpenReader(filepath.Join(b.out, "sumoship_1.2.3_windows_amd64.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	links := 0
	for _, f := range r.File {
		if path.Ext(f.Name) != ".md" {
			continue
		}
		text, err := fs.ReadFile(r, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			if _, err := fs.Stat(r, path.Join(path.Dir(f.Name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not in the archive", f.Name, m[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links", links)
	}
}

func namesIn(t *testing.T, archive string) (names []string) {
	t.Helper()
	r, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	return names
}

var built = flag.String("built", "", "`directory` of a release, which TestReleased looks at")

// What make release has built, twice, is whole: checksums, a command for each platform,
// each function for both architectures; and the command finds what is in its archive.
func TestReleased(t *testing.T) {
	if *built == "" {
		t.Skip("-built DIR: building a release takes longer than all tests")
	}
	list, err := os.ReadFile(filepath.Join(*built, sumsName))
	if err != nil {
		t.Fatal(err)
	}
	published := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := os.ReadFile(filepath.Join(*built, name))
		if err != nil || fmt.Sprintf("%x", sha256.Sum256(content)) != sum {
			t.Errorf("%s is not what %s says: %v", name, sumsName, err)
		}
		published[name] = true
	}
	for _, p := range platforms {
		goos, goarch, _ := strings.Cut(p, "/")
		archives, err := filepath.Glob(filepath.Join(*built, "sumoship_*_"+goos+"_"+goarch+".[tz]*")) // tar.gz or zip
		if err != nil || len(archives) != 1 || !published[filepath.Base(archives[0])] {
			t.Errorf("%s: archives %v, %v", p, archives, err)
			continue
		}
		dir := t.TempDir()
		unpack(t, archives[0], dir)
		found, err := filepath.Glob(filepath.Join(dir, "sumoship*"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", p, found, err)
		}
		if got := platformOf(t, found[0]); got != p {
			t.Errorf("the command for %s is for %s", p, got)
		}
	}
	functions, err := filepath.Glob(filepath.Join(*built, bucketDir, "sumoship", "*", "*.zip"))
	if err != nil || len(functions) != 5*len(architectures) {
		t.Errorf("%d archives of functions, %v", len(functions), err)
	}
	if boms, err := filepath.Glob(filepath.Join(*built, "*.bom.json")); err != nil || len(boms) != len(platforms)+len(functions) {
		t.Errorf("%d bills of materials, %v", len(boms), err)
	}
	for _, f := range functions {
		r, err := zip.OpenReader(f)
		if err != nil {
			t.Fatal(err)
		}
		bootstrap, err := r.Open("bootstrap")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "bootstrap")
		content, err := io.ReadAll(bootstrap)
		if err == nil {
			err = os.WriteFile(file, content, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		for _, arch := range architectures {
			if strings.HasSuffix(f, "-"+arch.lambda+".zip") && platformOf(t, file) != "linux/"+arch.goarch {
				t.Errorf("%s is for %s", f, platformOf(t, file))
			}
		}
	}

	// The archive alone, where there is nothing else.
	archives, err := filepath.Glob(filepath.Join(*built, "sumoship_*_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz"))
	if err != nil || len(archives) != 1 {
		t.Skipf("no archive for this machine: %v, %v", archives, err)
	}
	dir := t.TempDir()
	unpack(t, archives[0], dir)
	cmd := exec.Command(filepath.Join(dir, "sumoship"), "deploy", "--write", "out")
	cmd.Dir, cmd.Env = dir, []string{}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "10 function archives") {
		t.Errorf("%v\n%s", err, out)
	}
}

// unpack unpacks an archive of the command.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	if r, err := zip.OpenReader(archive); err == nil {
		defer r.Close()
		if err := os.CopyFS(dir, r); err != nil {
			t.Fatal(err)
		}
	} else if out, err := exec.Command("tar", "-xzf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// platformOf returns what an executable runs on.
func platformOf(t *testing.T, name string) string {
	t.Helper()
	if f, err := elf.Open(name); err == nil {
		defer f.Close()
		return "linux/" + map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[f.Machine]
	}
	if f, err := macho.Open(name); err == nil {
		defer f.Close()
		return "darwin/" + map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64"}[f.Cpu]
	}
	if f, err := pe.Open(name); err == nil {
		defer f.Close()
		return "windows/" + map[uint16]string{pe.IMAGE_FILE_MACHINE_AMD64: "amd64", pe.IMAGE_FILE_MACHINE_ARM64: "arm64"}[f.Machine]
	}
	t.Fatalf("%s is no executable", name)
	return ""
}
