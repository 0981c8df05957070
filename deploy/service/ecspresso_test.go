package service_test

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/service"
)

// The files for ecspresso are JSON with a variable for each setting without a
// value, and use nothing of CloudFormation.
func TestEcspresso(t *testing.T) {
	s := shop(t, service.Options{Name: "shop", Paths: []string{"/*"}, Ecspresso: true, Subnets: []string{"subnet-0a1b2c3d"}}).mustNew(t)
	if s.Refused() {
		t.Fatalf("refused: %+v", s)
	}
	task, service := s.Ecspresso()
	for name, doc := range map[string][]byte{"task": task, "service": service} {
		if _, err := parseJSON(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if bytes.Contains(doc, []byte("AWS::")) || bytes.Contains(doc, []byte("${")) {
			t.Errorf("%s uses what only CloudFormation has:\n%s", name, doc)
		}
	}
	t.Run("variables", func(t *testing.T) {
		var got []string
		for _, m := range regexp.MustCompile("must_env `([A-Z0-9_]+)`").FindAllStringSubmatch(string(task)+string(service), -1) {
			got = append(got, m[1])
		}
		if d := cmp.Diff([]string{"AWS_REGION", "EXECUTION_ROLE_ARN", "TASK_SECURITY_GROUP", "TARGET_GROUP_ARN"}, got); d != "" {
			t.Errorf("variables (-want +got):\n%s", d)
		}
	})
	t.Run("members", func(t *testing.T) {
		n, err := parseJSON(service)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"desiredCount":                  "3",
			"launchType":                    `"FARGATE"`,
			"healthCheckGracePeriodSeconds": "90",
			"propagateTags":                 `"SERVICE"`,
			"tags":                          `[{"key":"team","value":"shop"}]`,
			"networkConfiguration": `{"awsvpcConfiguration":{"subnets":["subnet-0a1b2c3d"],` +
				"\"securityGroups\":[\"{{ must_env `TASK_SECURITY_GROUP` }}\"]," + `"assignPublicIp":"DISABLED"}}`,
		} {
			if got := n.Key(name).Source(); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
}
