package taskdef_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/taskdef"
)

const fargate = `{
  "family": "app", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": 512,
  "executionRoleArn": "arn:aws:iam::012345678910:role/x",
  "containerDefinitions": [{
    "name": "web", "image": "nginx", "memory": "512", "essential": true, "links": null,
    "dockerLabels": {"owner": "me"},
    "mountPoints": [{"sourceVolume": "data", "containerPath": "/d", "readOnly": false}],
    "logConfiguration": {
      "logDriver": "awslogs",
      "options": {"awslogs-group": "g", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "p"}
    }
  }],
  "proxyConfiguration": {"type": "APPMESH", "containerName": "web", "properties": [{"name": "AppPorts", "value": "80"}]},
  "volumes": [{
    "name": "data",
    "efsVolumeConfiguration": {"fileSystemId": "fs-12345678", "transitEncryption": "ENABLED", "authorizationConfig": {"iam": "ENABLED"}}
  }],
  "tags": [{"key": "a", "value": "b"}]
}
`

// TestCloudFormation holds the templates to cfn-lint and to the way back.
func TestCloudFormation(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	asYAML := string(read(t, "", fargate, taskdef.ReadOptions{}).Definition().
		BytesLike(read(t, "t.yaml", cloudFormation, taskdef.ReadOptions{}).Definition()))
	for name, src := range map[string]string{"td.json": fargate, "td.yaml": asYAML} {
		d := read(t, name, src, taskdef.ReadOptions{})
		out := d.CloudFormation()
		back := read(t, name, string(out), taskdef.ReadOptions{})
		if back.Shape() != taskdef.Template || back.Resource() != "TaskDefinition" {
			t.Errorf("%s: not a template:\n%s", name, out)
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(d.ECS(), &want), json.Unmarshal(back.ECS(), &got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s there and back (-want +got):\n%s", name, diff)
		}
		if !bytes.Equal(back.CloudFormation(), out) {
			t.Errorf("%s: a template changes when written as a template", name)
		}
		for _, word := range []string{"EFSVolumeConfiguration", "FilesystemId", "IAM", "ProxyConfigurationProperties", "owner", "awslogs-group"} {
			if !strings.Contains(string(out), word) {
				t.Errorf("%s: no %s in\n%s", name, word, out)
			}
		}
		if lint == "" {
			continue
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		if report, err := exec.Command(lint, "--regions", "us-east-1", "--", path).CombinedOutput(); err != nil {
			t.Errorf("cfn-lint: %v\n%s\n%s", err, report, out)
		}
	}
	if lint == "" {
		t.Skip("cfn-lint is not on PATH")
	}
}
