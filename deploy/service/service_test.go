package service_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/fargate"
	"sumoship/deploy/service"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// No finding advises what the template already does.
func TestFindingsThatTheTemplateSettles(t *testing.T) {
	for name, c := range map[string]struct {
		o    service.Options
		want []string
	}{
		"settled": {service.Options{Name: "shop"}, nil},
		"not settled": {
			service.Options{Name: "shop", ExistingLogGroups: true, Conversion: fargate.Options{ExecutionRole: "exec", TaskRole: "task"}},
			[]string{"execution-role-set", "execution-role-rights", "log-driver-replaced"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range shopTask(t, c.o).mustNew(t).Findings {
				help := f.Help.String()
				if strings.HasPrefix(f.ID, "execution-role-") || strings.Contains(help, "Create the log group") || strings.Contains(help, "--task-role") {
					got = append(got, f.ID)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
}

// A list gets what the resource around it would say, and the findings do not speak
// of a place that the template has.
func TestListIsCompleted(t *testing.T) {
	s := shape(t, "list-placeholders").mustNew(t)
	for _, f := range s.Findings {
		if strings.Contains(f.Help.String(), "has no place") {
			t.Errorf("%+v", f)
		}
	}
	template := string(s.CloudFormation(false))
	for _, want := range []string{"ExecutionRoleArn: arn:aws:iam::111122223333:role/run", "TaskRoleArn: arn:aws:iam::111122223333:role/task", "FilesystemId: fs-0123456789abcdef0"} {
		if !strings.Contains(template, want) {
			t.Errorf("no %s in\n%s", want, template)
		}
	}
}

// Nothing is asked about an execution role that the template does not create.
func TestKnownExecutionRoleAsksNothing(t *testing.T) {
	task := `{"family":"a","executionRoleArn":"arn:aws:iam::111122223333:role/run","containerDefinitions":[
		{"name":"a","image":"{{resolve:ssm:/image}}","memory":100,"environmentFiles":[{"type":"s3","value":"arn:aws:s3:::b/{{resolve:ssm:/f}}.env"}]}]}`
	if s := (input{task: task, options: service.Options{Name: "a"}}).mustNew(t); s.Refused() {
		t.Errorf("%+v", s.Findings)
	}
}

// New refuses a definition that Check refuses, and does nothing more with it.
func TestNewRefusesWhatCheckRefuses(t *testing.T) {
	for name, task := range map[string]string{
		"for EC2":     `{"family":"a","containerDefinitions":[{"name":"a","image":"a","memory":100,"privileged":true}]}`,
		"for Fargate": `{"family":"a","requiresCompatibilities":["FARGATE"],"networkMode":"bridge","containerDefinitions":[{"name":"a","image":"a","memory":100}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			in := input{task: task, options: service.Options{Name: "a"}}
			if s := in.mustNew(t); !s.Refused() {
				t.Errorf("not refused: %+v", s)
			}
		})
	}
}

// Whatever the inputs are, there is an error, a refusal, or a template that can
// be read and is the same in YAML and JSON.
func FuzzNew(f *testing.F) {
	for _, name := range shapes(f) {
		in := shape(f, name)
		f.Add(in.task, in.existing)
	}
	f.Fuzz(func(t *testing.T, task, existing string) {
		d, err := taskdef.Read("task", []byte(task), taskdef.ReadOptions{Family: "family"})
		if err != nil {
			return
		}
		e, err := service.ReadExisting("service", []byte(existing), "shop")
		if err != nil {
			e = nil
		}
		for _, o := range []service.Options{{Name: "a"}, {Name: "a", Paths: []string{"/*"}, Spot: true, NewRoles: true, ExistingLogGroups: true}} {
			s, err := service.New(d, e, o)
			if err != nil || s.Refused() {
				return
			}
			yaml, err := tree.ParseYAML(s.CloudFormation(false), nil)
			if err != nil {
				t.Fatalf("%v in\n%s", err, s.CloudFormation(false))
			}
			json, err := parseJSON(s.CloudFormation(true))
			if err != nil || !tree.Equal(json, yaml) {
				t.Fatalf("%v: JSON and YAML differ:\n%s\n%s", err, json.Source(), yaml.Source())
			}
		}
	})
}
