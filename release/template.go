package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// bucketDir is what goes into a bucket of each Region, as it is: the functions, and
// beside them the expanded template, which is plain CloudFormation.
const (
	bucketDir    = "bucket"
	templateName = "template.json"
)

// template writes the expanded template beside the functions, which have this prefix.
// Their bucket is a parameter of the template.
func (b *build) template(ctx context.Context, prefix string) error {
	name := path.Join(bucketDir, prefix, templateName)
	out := filepath.Join(b.out, filepath.FromSlash(name))
	cmd := exec.CommandContext(ctx, "python3", filepath.Join(b.tree, "release", "expand.py"), filepath.Join(b.tree, "template.yaml"), prefix, cmp.Or(b.tag, "devel"), out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("expand.py, which needs Python 3 and aws-sam-translator (pip install -r .ci/requirements.txt): %w\n%s", err, text)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	return b.write(name, content)
}
