package service_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/service"
	"sumoship/deploy/tree"
	"sumoship/function/awstest/moto"
)

// golden are the shapes whose whole template is in testdata.
var golden = map[string]bool{"web": true, "existing": true, "template": true, "list-placeholders": true, "traffic": true}

func TestTemplates(t *testing.T) {
	for _, name := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			in := shape(t, name)
			s := in.mustNew(t)
			if s.Refused() {
				t.Fatalf("refused: %+v", s)
			}
			yaml, json := s.CloudFormation(false), s.CloudFormation(true)
			if again := in.mustNew(t).CloudFormation(false); !bytes.Equal(again, yaml) {
				t.Error("another run writes another template")
			}
			template := parseBoth(t, yaml, json)
			checkTemplate(t, template)
			if _, got := permission(t, template.Key("Resources")); got != in.options.PermitForwarder {
				t.Errorf("permits the forwarder: %t", got)
			}
			if golden[name] {
				compareGolden(t, filepath.Join("testdata", "service", name+".yaml"), yaml)
			}
		})
	}
}

// parseBoth returns a template that is the same in YAML and JSON.
func parseBoth(t *testing.T, yaml, json []byte) *tree.Node {
	t.Helper()
	a, err := tree.ParseYAML(yaml, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, yaml)
	}
	b, err := parseJSON(json)
	if err != nil {
		t.Fatalf("%v in\n%s", err, json)
	}
	lines := func(n *tree.Node) string { return strings.ReplaceAll(n.Source(), ",", ",\n") }
	if d := cmp.Diff(lines(b), lines(a)); d != "" {
		t.Errorf("JSON and YAML differ (-json +yaml):\n%s", d)
	}
	return b
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(read(t, path), string(got)); d != "" {
		t.Errorf("template (-want +got), go test -update writes it:\n%s", d)
	}
}

// cfn-lint finds nothing in the templates. It knows the schemas of CloudFormation,
// and many rules of ECS.
func TestTemplatesPassCFNLint(t *testing.T) {
	lint := moto.Tool(t, "cfn-lint", "pip install cfn-lint==1.51.0")
	args := []string{"-r", "us-east-1", "cn-north-1", "us-gov-west-1", "--"}
	write := func(name string, template []byte) {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, template, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	// In YAML, and some in JSON, which holds the same.
	for _, name := range shapes(t) {
		s := shape(t, name).mustNew(t)
		write(name+".yaml", s.CloudFormation(false))
		if golden[name] {
			write(name+".json", s.CloudFormation(true))
		}
	}
	if out, err := exec.Command(lint, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// checkTemplate checks what every template promises: it is self-contained, works
// in each partition, and its resources are as resourceChecks says.
func checkTemplate(t *testing.T, template *tree.Node) {
	t.Helper()
	used := checkReferences(t, template)
	for name, p := range template.Key("Parameters").Members() {
		if !used[name] {
			t.Errorf("parameter %s is not used", name)
		}
		described := p.Key("Description") != nil || strings.HasPrefix(name, "Definition") || name == "Stage"
		if p.Key("Type").Str() == "" || !described {
			t.Errorf("parameter %s has no type or description", name)
		}
	}
	resources := template.Key("Resources")
	for name, r := range resources.Members() {
		if check := resourceChecks[r.Key("Type").Str()]; check != nil {
			check(t, resources, name, r)
		}
	}
}

var (
	partition = regexp.MustCompile(`arn:aws[a-z-]*:`)
	subName   = regexp.MustCompile(`\$\{([A-Za-z0-9:]+)`)
)

// checkReferences checks that a template refers only to what it has, and returns
// that.
func checkReferences(t *testing.T, template *tree.Node) (used map[string]bool) {
	t.Helper()
	named := map[string]bool{}
	for _, section := range []string{"Parameters", "Resources"} {
		for name := range template.Key(section).Members() {
			named[name] = true
		}
	}
	used = map[string]bool{}
	see := func(name string, at *tree.Node) {
		used[name] = true
		if !named[name] && !strings.HasPrefix(name, "AWS::") {
			t.Errorf("%s refers to %s, which is not in the template", at.Pointer(), name)
		}
	}
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		for name, v := range n.Members() {
			switch {
			case name == "Ref" && n.Opaque():
				see(v.Str(), v)
			case name == "Fn::GetAtt":
				see(v.First().Str(), v)
			case name == "Fn::Sub":
				text, local := v, (*tree.Node)(nil)
				if items := v.Items(); len(items) == 2 {
					text, local = items[0], items[1]
				}
				for _, m := range subName.FindAllStringSubmatch(text.Str(), -1) {
					if local.Key(m[1]) == nil {
						see(m[1], v)
					}
				}
				if partition.MatchString(text.Str()) {
					t.Errorf("%s names a partition: %s", v.Pointer(), text.Str())
				}
			}
			walk(v)
		}
		for _, v := range n.Elements() {
			walk(v)
		}
	}
	for _, section := range []string{"Conditions", "Resources", "Outputs"} {
		walk(template.Key(section))
	}
	return used
}

// resourceChecks check a resource by its type.
var resourceChecks = map[string]func(t *testing.T, resources *tree.Node, name string, r *tree.Node){
	"AWS::Logs::LogGroup": func(t *testing.T, _ *tree.Node, name string, r *tree.Node) {
		if r.Key("Properties").Key("RetentionInDays") == nil || r.Key("DeletionPolicy") == nil {
			t.Errorf("%s has no retention, or is deleted with the stack", name)
		}
	},
	"AWS::Logs::SubscriptionFilter": func(t *testing.T, resources *tree.Node, name string, r *tree.Node) {
		if id, ok := permission(t, resources); ok && r.Key("DependsOn").Str() != id {
			t.Errorf("%s does not wait for its permission", name)
		}
	},
	"AWS::Lambda::Permission": checkPermission,
	"AWS::ECS::TaskDefinition": func(t *testing.T, _ *tree.Node, name string, r *tree.Node) {
		for _, c := range r.Key("Properties").Key("ContainerDefinitions").Elements() {
			for _, p := range c.Key("PortMappings").Elements() {
				if p.Key("HostPort") != nil {
					t.Errorf("%s has a host port", name)
				}
			}
		}
		for _, role := range []string{"ExecutionRoleArn", "TaskRoleArn"} {
			if r.Key("Properties").Key(role) == nil {
				t.Errorf("%s has no %s", name, role)
			}
		}
	},
	"AWS::ElasticLoadBalancingV2::TargetGroup": func(t *testing.T, _ *tree.Node, name string, r *tree.Node) {
		if kind := r.Key("Properties").Key("TargetType").Str(); kind != "ip" {
			t.Errorf("%s is of type %s, want ip", name, kind)
		}
	},
	"AWS::ECS::Service": checkService,
}

func checkService(t *testing.T, resources *tree.Node, name string, r *tree.Node) {
	first := map[string]bool{
		"AWS::Logs::SubscriptionFilter": true, "AWS::ElasticLoadBalancingV2::ListenerRule": true, "AWS::IAM::ManagedPolicy": true,
		"AWS::ElasticLoadBalancingV2::Listener": true, "AWS::EC2::SecurityGroupIngress": true, "AWS::EC2::SecurityGroupEgress": true,
	}
	waits := map[string]bool{}
	for _, id := range r.Key("DependsOn").Strs() {
		waits[id] = true
	}
	for id, other := range resources.Members() {
		if first[other.Key("Type").Str()] && !waits[id] {
			t.Errorf("%s does not wait for %s", name, id)
		}
	}
	properties := r.Key("Properties")
	if rollback, _ := properties.Key("DeploymentConfiguration").Key("DeploymentCircuitBreaker").Key("Rollback").Bool(); !rollback {
		t.Errorf("%s does not roll back", name)
	}
	if (properties.Key("LaunchType") == nil) == (properties.Key("CapacityProviderStrategy") == nil) {
		t.Errorf("%s needs either a launch type or a strategy", name)
	}
}

func BenchmarkService(b *testing.B) {
	in := shop(b, service.Options{Name: "shop", Paths: []string{"/*"}})
	for b.Loop() {
		in.mustNew(b).CloudFormation(false)
	}
}
