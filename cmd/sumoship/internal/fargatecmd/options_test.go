package fargatecmd

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/iam"
	"sumoship/deploy/service"
)

// unflagged are the options that no flag sets by its tag, and why.
var unflagged = map[string]string{
	"fargate.Options.Strict":         "what roles, log groups and services are made for has to be accepted by ECS",
	"fargate.Options.DefaultRegion":  "the Region of the AWS configuration",
	"fargate.Options.AccountLogMode": "the setting of the account, with --from-ecs",
	"iam.Options.RoleGiven":          "the definition, or --execution-role",
	"iam.Options.Allow":              "--task-allow, read by iam.ParseGrant",
	"service.Options.Conversion":     "ruleFlags",
	"service.Options.Roles":          "roleFlags",
	"service.Options.Ecspresso":      "--as ecspresso",
	"service.Options.NoSubscription": "--no-subscribe",
}

// verb returns the flags of a verb by the option that each sets.
func verb(t *testing.T, path ...string) map[string]string {
	t.Helper()
	node := kong.Must(new(tree)).Model.Node
	for _, name := range path {
		i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == name })
		if i < 0 {
			t.Fatalf("no verb %s", path)
		}
		node = node.Children[i]
	}
	flags := map[string]string{}
	for _, f := range node.Flags {
		option := f.Tag.Get(cli.OptionTag)
		if option == "" {
			continue
		}
		if flags[option] != "" {
			t.Errorf("%s and %s set the option %s", flags[option], f.Name, option)
		}
		flags[option] = f.Name
	}
	return flags
}

func TestEveryOptionHasAFlag(t *testing.T) {
	used := map[string]bool{}
	for _, c := range []struct {
		options any
		verb    []string
	}{
		{fargate.Options{}, []string{"fargate", "convert"}},
		{fargate.Options{}, []string{"fargate", "check"}},
		{iam.Options{}, []string{"fargate", "iam"}},
		{service.Options{}, []string{"fargate", "service"}},
	} {
		flags := verb(t, c.verb...)
		for _, field := range reflect.VisibleFields(reflect.TypeOf(c.options)) {
			name := reflect.TypeOf(c.options).String() + "." + field.Name
			switch _, ok := unflagged[name]; {
			case ok:
				used[name] = true
			case flags[field.Name] == "":
				t.Errorf("%v has no flag for %s", c.verb, name)
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(unflagged)), slices.Sorted(maps.Keys(used))); diff != "" {
		t.Errorf("options without a flag (-want +got):\n%s", diff)
	}
}

// Each flag reaches the field that its tag names.
func TestSetOptions(t *testing.T) {
	for _, c := range []struct{ flags, options any }{
		{&ruleFlags{}, &fargate.Options{}},
		{&roleFlags{}, &iam.Options{}},
		{&iamCmd{}, &iam.Options{}},
		{&serviceCmd{}, &service.Options{}},
		{&registerCmd{}, &fargate.Options{}},
	} {
		from, to := reflect.ValueOf(c.flags).Elem(), reflect.ValueOf(c.options).Elem()
		for i := range from.NumField() {
			field, option := from.Field(i), from.Type().Field(i).Tag.Get(cli.OptionTag)
			if option == "" || option == "TaskAllow" {
				continue
			}
			switch field.Kind() {
			case reflect.Slice:
				field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			case reflect.Map:
				field.Set(reflect.MakeMap(field.Type()))
			case reflect.Pointer:
				field.Set(reflect.New(field.Type().Elem()))
			case reflect.Bool:
				field.SetBool(true)
			case reflect.Int:
				field.SetInt(int64(i + 1))
			default:
				field.SetString(option)
			}
		}
		cli.SetOptions(c.options, c.flags)
		for i := range from.NumField() {
			option := from.Type().Field(i).Tag.Get(cli.OptionTag)
			if option == "" || option == "TaskAllow" {
				continue
			}
			if diff := cmp.Diff(from.Field(i).Interface(), to.FieldByName(option).Interface()); diff != "" {
				t.Errorf("%T.%s (-want +got):\n%s", c.options, option, diff)
			}
		}
	}
}

// Errors about options name the flag, in whatever they are joined.
func TestOptionErrorsNameTheFlag(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"fargate", "convert", "--memory-basis", "x"}, "sumoship: --memory-basis: \"x\": want limit or reservation\n"},
		{[]string{"fargate", "check", "--volume", "a=x"}, "sumoship: --volume: \"a=x\": want ephemeral, efs:fs-ID, efs:fs-ID:/DIR or efs:fs-ID:fsap-ID\n"},
		{[]string{"fargate", "service"}, "sumoship: --service is missing: want the name of the service\n"},
		{[]string{"fargate", "service", "--service", "a", "--vpc", "x"}, "sumoship: --vpc: \"x\": want a VPC, such as vpc-0a1b2c3d4e5f60718\n"},
		{[]string{"fargate", "iam", "--task-allow", "xray:1", "--task-allow", "sns:*"}, "sumoship: --task-allow: \"xray:1\": want xray\n" +
			"--task-allow: \"sns:*\": want sns:NAME|ARN\n"},
		{[]string{"fargate", "iam", "--repository", "A B", "--kms-key", "x/y"},
			"sumoship: --repository: \"A B\": want the name or ARN of an Amazon ECR repository, or none\n" +
				"--kms-key: \"x/y\": want no key: nothing in the definition is a secret, a parameter or an environment file\n"},
	} {
		status, out, errs := command(t, nil, append(c.args, "../../../../testdata/taskdefs/shop.json")...)
		if diff := cmp.Diff(c.want, errs); status != cli.ExitUsage || out != "" || diff != "" {
			t.Errorf("%v: status %d (-want +got):\n%s", c.args, status, diff)
		}
	}
}

// The commands of the pre-commit hook and of the workflow example are right.
func TestExamplesParse(t *testing.T) {
	var commands int
	for _, name := range []string{".pre-commit-hooks.yaml", "docs/examples/fargate-check.yml"} {
		src, err := os.ReadFile(filepath.Join("../../../..", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(src)) {
			_, command, ok := strings.Cut(line, ": sumoship ")
			if !ok {
				continue
			}
			commands++
			command, _, _ = strings.Cut(command, " >>")
			if _, err := kong.Must(new(tree)).Parse(strings.Fields(command)); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
		}
	}
	if commands != 4 {
		t.Errorf("%d commands, want 4", commands)
	}
}
