package iam_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
)

// allKinds returns the roles of a definition with every kind of thing that a role
// is needed for.
func allKinds(t *testing.T) rolesDocument {
	t.Helper()
	return decoded(t, roles(t, "task.json", read(t, "task.json"), iam.Options{
		Account: "123456789012", Region: "eu-west-1",
		Keys: []string{"arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef", "alias/shop"},
		Allow: grants(t, "sqs-send:orders", "s3-read:pictures/small", "s3-write:uploads", "exec", "kms:alias/shop",
			"dynamodb:carts", "secret:late", "parameter:/shop/live/*", "metrics:Shop"),
	}))
}

// Each action that ECS and the containers need for a definition is allowed to the
// role that does it, and what lies next to it is not.
func TestAccess(t *testing.T) {
	doc := allKinds(t)
	policies := map[string]*policyDocument{"execution": doc.ExecutionRole.Policy, "task": doc.TaskRole.Policy}
	archive, err := txtar.ParseFile(filepath.Join("testdata", "access.txtar"))
	if err != nil || len(archive.Files) != 4 {
		t.Fatalf("%v %v", archive, err)
	}
	for _, f := range archive.Files {
		t.Run(f.Name, func(t *testing.T) {
			role, access, _ := strings.Cut(f.Name, "-")
			for line := range strings.Lines(string(f.Data)) {
				action, resource, _ := strings.Cut(strings.TrimSpace(line), " ")
				if got := policies[role].allows(action, resource); got != (access == "allowed") {
					t.Errorf("%s on %s: allowed %t", action, resource, got)
				}
			}
		})
	}
}

// The execution role has no other actions than these, and only actions that do
// not support resources are allowed on *.
func TestActions(t *testing.T) {
	doc := allKinds(t)
	var got []string
	for _, s := range doc.ExecutionRole.Policy.Statement {
		got = append(got, s.Action...)
	}
	slices.Sort(got)
	want := []string{
		"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer",
		"kms:Decrypt", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetBucketLocation",
		"s3:GetObject", "secretsmanager:GetSecretValue", "ssm:GetParameters",
	}
	if d := cmp.Diff(want, slices.Compact(got)); d != "" {
		t.Errorf("actions of the execution role (-want +got):\n%s", d)
	}
	unlimited := []string{"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}
	for _, s := range slices.Concat(doc.ExecutionRole.Policy.Statement, doc.TaskRole.Policy.Statement) {
		for _, action := range s.Action {
			if slices.Contains(s.Resource, "*") && !slices.Contains(unlimited, action) && !strings.HasPrefix(action, "ssmmessages:") {
				t.Errorf("%s is allowed on *", action)
			}
		}
	}
}

// Only ECS tasks in the account can assume the roles.
func TestTrust(t *testing.T) {
	doc := allKinds(t)
	want := map[string]map[string]words{
		"ArnLike":      {"aws:SourceArn": {"arn:aws:ecs:eu-west-1:123456789012:*"}},
		"StringEquals": {"aws:SourceAccount": {"123456789012"}},
	}
	for _, trust := range []policyDocument{doc.ExecutionRole.Trust, doc.TaskRole.Trust} {
		s := trust.Statement[0]
		if s.Principal["Service"] != "ecs-tasks.amazonaws.com" || !cmp.Equal(s.Action, words{"sts:AssumeRole"}) {
			t.Errorf("%+v", trust)
		}
		if d := cmp.Diff(want, s.Condition); d != "" {
			t.Errorf("conditions (-want +got):\n%s", d)
		}
	}
}

func TestConditions(t *testing.T) {
	doc := allKinds(t)
	got := map[string]map[string]map[string]words{}
	for _, s := range slices.Concat(doc.ExecutionRole.Policy.Statement, doc.TaskRole.Policy.Statement) {
		if s.Condition != nil {
			got[s.Sid] = s.Condition
		}
	}
	via := func(region string) map[string]words {
		return map[string]words{"kms:ViaService": {"s3." + region + ".*", "secretsmanager." + region + ".*", "ssm." + region + ".*"}}
	}
	shop := map[string]words{"kms:ResourceAliases": {"alias/shop"}}
	accessPoint := words{"arn:aws:elasticfilesystem:eu-west-1:123456789012:access-point/fsap-0123456789abcdef0"}
	if d := cmp.Diff(map[string]map[string]map[string]words{
		"Decrypt":  {"StringLike": via("us-east-1")},
		"Decrypt2": {"StringLike": via("eu-west-1"), "ForAnyValue:StringEquals": shop},
		"MountEFS": {"StringEquals": {"elasticfilesystem:AccessPointArn": accessPoint}},
		"S3List":   {"StringLike": {"s3:prefix": {"small", "small/*"}}},
		"Kms":      {"ForAnyValue:StringEquals": shop},
		"Metrics":  {"StringEquals": {"cloudwatch:namespace": {"Shop"}}},
	}, got); d != "" {
		t.Errorf("conditions (-want +got):\n%s", d)
	}
}

func TestNotes(t *testing.T) {
	notes := allKinds(t).Notes
	for _, want := range []string{
		"GetAuthorizationToken is allowed on *",
		"create-service-linked-role --aws-service-name ecs.amazonaws.com",
		"Volume open: EFS does not check the task role",
	} {
		if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("no note says %q: %q", want, notes)
		}
	}
}

// The partition is that of the Region.
func TestPartitions(t *testing.T) {
	for region, partition := range map[string]string{
		"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b",
		"eusc-de-east-1": "aws-eusc", "eu-west-1": "aws",
	} {
		task := `{"family": "a", "containerDefinitions": [{"name": "a", "secrets": [{"name": "S", "valueFrom": "s"}],
			"image": "123456789012.dkr.ecr.` + region + `.amazonaws.com.cn/a"}]}`
		got := decoded(t, roles(t, "a.json", task, iam.Options{Account: "123456789012", Region: region})).ExecutionRole.Policy
		if !got.allows("ecr:BatchGetImage", "arn:"+partition+":ecr:"+region+":123456789012:repository/a") ||
			!got.allows("ssm:GetParameters", "arn:"+partition+":ssm:"+region+":123456789012:parameter/s") {
			t.Errorf("%s: %+v", region, got)
		}
	}
}

// A task that needs nothing gets nothing, and not a policy without statements,
// which IAM refuses.
func TestRolesWithoutPermissions(t *testing.T) {
	task := `{"family": "a", "containerDefinitions": [{"name": "a", "image": "public.ecr.aws/nginx/nginx:1", "logConfiguration": {"logDriver": "splunk"}}]}`
	got := decoded(t, roles(t, "a.json", task, iam.Options{Account: "123456789012", Region: "eu-west-1"}))
	if got.ExecutionRole.Policy != nil || got.TaskRole.Policy != nil || len(got.TaskRole.Trust.Statement) != 1 {
		t.Errorf("%+v", got)
	}
	template := string(roles(t, "a.json", task, iam.Options{}).CloudFormation())
	if strings.Contains(template, "Policies") || strings.Contains(template, "TaskPolicy") {
		t.Errorf("there is a policy in\n%s", template)
	}
}

// templateWith returns a template whose only container has these members too.
func templateWith(members string) string {
	return `{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", ` + members + `}]}}}}`
}

func TestOptionErrors(t *testing.T) {
	for name, c := range map[string]struct {
		secrets string
		o       iam.Options
		option  string
		value   string
	}{
		"account":         {`[]`, iam.Options{Account: "12345"}, "Account", "12345"},
		"key":             {`[{"name": "S", "valueFrom": "s"}]`, iam.Options{Keys: []string{"*"}}, "Keys", "*"},
		"key for nothing": {`[]`, iam.Options{Keys: []string{"alias/x"}}, "Keys", "alias/x"},
		"repository":      {`[]`, iam.Options{Repositories: []string{"A B"}}, "Repositories", "A B"},
	} {
		t.Run(name, func(t *testing.T) {
			task := `{"family": "a", "containerDefinitions": [{"name": "a", "image": "a", "secrets": ` + c.secrets + `}]}`
			d, err := taskdef.Read("a.json", []byte(task), taskdef.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = iam.New(d, c.o)
			got, ok := errors.AsType[*finding.OptionError](err)
			if !ok || got.Option != c.option || got.Value != c.value || got.Want == "" {
				t.Errorf("got %v, want an error of option %s: %q", err, c.option, c.value)
			}
		})
	}
}

// What cannot be read is an error that names its place and what to do.
func TestInputErrors(t *testing.T) {
	container := func(members string) string {
		return `{"family": "a", "containerDefinitions": [{"name": "a", ` + members + `}]}`
	}
	for name, c := range map[string]struct{ task, want string }{
		"placeholder in a secret": {
			container(`"image": "a", "secrets": [{"name": "S", "valueFrom": "${SECRET}"}]`),
			`a.json:1:109: the value of /containerDefinitions/0/secrets/0/valueFrom holds a placeholder that nothing fills in; write the value instead`,
		},
		"placeholder of ecspresso": {
			container("\"image\": \"{{ must_env `IMAGE` }}\""),
			`/containerDefinitions/0/image holds a placeholder`,
		},
		"image of a parameter": {
			templateWith(`"Image": {"Ref": "Image"}`),
			`the registry of the image at /Resources/T/Properties/ContainerDefinitions/0/Image is known only when it is deployed; ` +
				`name its Amazon ECR repository with --repository, or use --repository none`,
		},
		"log driver of a parameter": {
			templateWith(`"Image": "a", "LogConfiguration": {"LogDriver": {"Ref": "Driver"}}`),
			`/LogConfiguration/LogDriver is known only when it is deployed, and so is where the logs go`,
		},
		"secrets of a parameter": {
			templateWith(`"Image": "a", "Secrets": {"Ref": "Secrets"}`),
			`/Secrets is known only when it is deployed, and so is what it needs`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := taskdef.Read("a.json", []byte(c.task), taskdef.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = iam.New(d, iam.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The repository of an image that is known only after deployment can be named, or
// said not to be in ECR.
func TestRepositories(t *testing.T) {
	const shop = "arn:aws:ecr:eu-west-1:123456789012:repository/shop"
	for repository, want := range map[string]bool{"none": false, "shop": true, shop: true} {
		o := iam.Options{Account: "123456789012", Region: "eu-west-1", Repositories: []string{repository}}
		doc := decoded(t, roles(t, "a.json", templateWith(`"Image": {"Ref": "Image"}`), o))
		if got := doc.ExecutionRole.Policy.allows("ecr:BatchGetImage", shop); got != want {
			t.Errorf("%s: allowed %t, want %t", repository, got, want)
		}
	}
}

// An image whose registry is not known is an error, unless the definition names its
// own execution role: then the new one is told not to pull it.
func TestUnknownRegistryWithItsOwnRole(t *testing.T) {
	d, err := taskdef.Read("t.json", []byte(`{"Parameters": {"Image": {"Type": "String"}}, "Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {
		"ContainerDefinitions": [{"Name": "web", "Image": {"Ref": "Image"}}]}}}}`), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := iam.New(d, iam.Options{}); err == nil || !strings.Contains(err.Error(), "--repository") {
		t.Errorf("%v", err)
	}
	r, err := iam.New(d, iam.Options{RoleGiven: true})
	if err != nil || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "this role cannot pull it") }) {
		t.Errorf("%v %+v", err, r)
	}
}
