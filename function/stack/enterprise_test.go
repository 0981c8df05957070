package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// enterprise turns on what the policies of a large organization ask for.
var enterprise = []string{
	"OrganizationId=" + organization, "LogsKmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/logs", "RolePath=/platform/logs/", "RoleNamePrefix=acme.logs",
	"CodeSigningConfigArn=arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0f6c978b1084c9d52", "UseFips=true",
	"HttpsProxy=http://proxy.example.com:3128", "NoProxy=.amazonaws.com", "CaLayerArn=arn:aws:lambda:us-east-1:123456789012:layer:ca:3",
}

// Each option reaches every resource that it is about, and without it none.
func TestEnterpriseOptions(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		value := func(name string) any {
			if v := s.parameters[name]; v != "" {
				return v
			}
			return nil
		}
		for name, g := range s.of("AWS::Logs::LogGroup") {
			if diff := cmp.Diff(value("LogsKmsKeyArn"), g.Properties["KmsKeyId"]); diff != "" {
				t.Errorf("%s: key (-want +got):\n%s", name, diff)
			}
		}
		for name, r := range s.of("AWS::IAM::Role") {
			if r.Properties["Path"] != s.parameters["RolePath"] {
				t.Errorf("%s has the path %v", name, r.Properties["Path"])
			}
			var want any
			if prefix := value("RoleNamePrefix"); prefix != nil {
				want = fmt.Sprintf("%s-%s-us-east-1", prefix, strings.TrimSuffix(name, "Role"))
			}
			if diff := cmp.Diff(want, r.Properties["RoleName"]); diff != "" {
				t.Errorf("%s: name (-want +got):\n%s", name, diff)
			}
		}
		for name, f := range s.of("AWS::Serverless::Function") {
			if diff := cmp.Diff(value("CodeSigningConfigArn"), f.Properties["CodeSigningConfigArn"]); diff != "" {
				t.Errorf("%s: code signing (-want +got):\n%s", name, diff)
			}
			want, directory := "<nil>", ""
			if ca := value("CaLayerArn"); ca != nil {
				want, directory = fmt.Sprint([]any{ca}), "/opt/ca"
			}
			if got := fmt.Sprint(f.Properties["Layers"]); got != want {
				t.Errorf("%s has the layers %s, want %s", name, got, want)
			}
			if name == "Heartbeat" { // it calls nothing
				continue
			}
			v := s.variables(name)
			for variable, want := range map[string]string{
				"AWS_USE_FIPS_ENDPOINT": s.parameters["UseFips"], "HTTPS_PROXY": s.parameters["HttpsProxy"], "NO_PROXY": s.parameters["NoProxy"], "SSL_CERT_DIR": directory,
			} {
				if got, set := v[variable]; !set || got != want {
					t.Errorf("%s: %s is %q, want %q", name, variable, got, want)
				}
			}
		}
	})
	s := readTemplate(t).create(t, with(made, "AlarmEmail=ops@example.com", "TopicKmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/topic"))
	if got := s.resources["AlarmTopic"].Properties["KmsMasterKeyId"]; got != s.parameters["TopicKmsKeyArn"] {
		t.Errorf("the topic is encrypted with %v", got)
	}
}

// A name of a role may have 64 characters, in the Region with the longest name too.
func TestRoleNamesFit(t *testing.T) {
	const prefix, longest, maxRoleName = 30, "ap-southeast-1", 64
	tmpl := readTemplate(t)
	if !tmpl.accepts(t, "RoleNamePrefix", strings.Repeat("x", prefix)) || tmpl.accepts(t, "RoleNamePrefix", strings.Repeat("x", prefix+1)) {
		t.Fatalf("RoleNamePrefix may have another length than %d", prefix)
	}
	for name := range tmpl.create(t, with(made, enterprise...)).of("AWS::IAM::Role") {
		if n := prefix + len("-"+strings.TrimSuffix(name, "Role")+"-"+longest); n > maxRoleName {
			t.Errorf("%s: a name of %d characters", name, n)
		}
	}
}
