package stack_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// template is template.yaml as a tree, with intrinsic functions in their long form:
// {"Fn::If": […]}.
type template map[string]any

func readTemplate(t testing.TB) template {
	t.Helper()
	return readTemplateFile(t, "../../template.yaml")
}

func readTemplateFile(t testing.TB, path string) template {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	tree, err := plain(root.Content[0])
	if err != nil {
		t.Fatal(err)
	}
	return tree.(map[string]any)
}

// plain converts a node into maps, lists and scalars.
func plain(n *yaml.Node) (v any, err error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: duplicate key %s", n.Line, key)
			}
			if m[key], err = plain(n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		v = m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			e, err := plain(c)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		v = list
	case yaml.ScalarNode:
		if strings.HasPrefix(n.Tag, "!!") {
			if err := n.Decode(&v); err != nil {
				return nil, err
			}
			break
		}
		v = n.Value
	default:
		return nil, fmt.Errorf("line %d: CloudFormation does not support aliases", n.Line)
	}
	switch tag := strings.TrimPrefix(n.Tag, "!"); {
	case strings.HasPrefix(n.Tag, "!!") || tag == "":
		return v, nil
	case tag == "Ref" || tag == "Condition":
		return map[string]any{tag: v}, nil
	case tag == "GetAtt":
		logical, attribute, _ := strings.Cut(v.(string), ".")
		return map[string]any{"Fn::GetAtt": []any{logical, attribute}}, nil
	default:
		return map[string]any{"Fn::" + tag: v}, nil
	}
}

func (t template) section(name string) map[string]any {
	m, _ := t[name].(map[string]any)
	return m
}

// stack is a template with its parameters: the resources whose condition holds, with
// all functions evaluated and SAM's Globals applied.
type stack struct {
	t          *testing.T
	template   template
	parameters map[string]string
	pseudo     map[string]string
	resources  map[string]resource
}

type resource struct {
	Type       string
	Properties map[string]any
	Attributes map[string]any // DeletionPolicy and the like
}

const (
	testAccount = "123456789012"
	testStackID = "51af3dc0-da77-11e4-872e-1234567db123"
)

// create evaluates the template with the given parameters. Partition is not one of
// them: it selects the partition of the stack.
func (t template) create(tt *testing.T, given map[string]string) *stack {
	tt.Helper()
	return t.createNamed(tt, given, "ship")
}

func (t template) createNamed(tt *testing.T, given map[string]string, stackName string) *stack {
	tt.Helper()
	region := map[string]string{"": "us-east-1", "aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}[given["Partition"]]
	s := &stack{t: tt, template: t, parameters: map[string]string{}, resources: map[string]resource{}, pseudo: map[string]string{
		"AWS::Partition": "aws", "AWS::Region": region, "AWS::AccountId": testAccount, "AWS::StackName": stackName, "AWS::URLSuffix": "amazonaws.com",
	}}
	if p := given["Partition"]; p != "" {
		s.pseudo["AWS::Partition"] = p
		if p == "aws-cn" {
			s.pseudo["AWS::URLSuffix"] = "amazonaws.com.cn"
		}
	}
	s.pseudo["AWS::StackId"] = fmt.Sprintf("arn:%s:cloudformation:%s:%s:stack/ship/%s", s.pseudo["AWS::Partition"], region, testAccount, testStackID)
	for name, p := range t.section("Parameters") {
		s.parameters[name] = fmt.Sprint(p.(map[string]any)["Default"])
	}
	for name, v := range given {
		if name == "Partition" {
			continue
		}
		if _, ok := s.parameters[name]; !ok {
			tt.Fatalf("unknown parameter %s", name)
		}
		s.parameters[name] = v
	}
	for name, r := range t.section("Resources") {
		r := maps.Clone(r.(map[string]any))
		if c, ok := r["Condition"].(string); ok && !s.condition(c) {
			continue
		}
		out := resource{Type: r["Type"].(string), Attributes: r}
		properties := r["Properties"]
		delete(r, "Properties")
		if out.Type == "AWS::Serverless::Function" {
			properties = merge(t.section("Globals")["Function"], properties)
		}
		out.Properties, _ = s.eval(properties).(map[string]any)
		s.resources[name] = out
	}
	return s
}

// merge returns a overridden by b, as SAM does with Globals: maps are merged, anything
// else is replaced, also the call of a function.
func merge(a, b any) any {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if !aok || !bok || isCall(am) || isCall(bm) {
		return b
	}
	m := maps.Clone(am)
	for k, v := range bm {
		if old, ok := m[k]; ok {
			v = merge(old, v)
		}
		m[k] = v
	}
	return m
}

func isCall(m map[string]any) bool {
	for name := range m {
		return len(m) == 1 && (name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::"))
	}
	return false
}

// noValue is the value of AWS::NoValue: it removes the property.
type noValue struct{}

func (s *stack) eval(v any) any {
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, e := range v {
			if e = s.eval(e); e != (noValue{}) {
				list = append(list, e)
			}
		}
		return list
	case map[string]any:
		if len(v) == 1 {
			for name, arg := range v {
				if out, ok := s.call(name, arg); ok {
					return out
				}
			}
		}
		m := map[string]any{}
		for k, e := range v {
			if e = s.eval(e); e != (noValue{}) {
				m[k] = e
			}
		}
		return m
	}
	return v
}

var substitution = regexp.MustCompile(`\$\{[^}]+\}`)

// call evaluates an intrinsic function. ok is false if name is not one.
func (s *stack) call(name string, arg any) (out any, ok bool) {
	list, _ := arg.([]any)
	text := func(v any) string { return fmt.Sprint(s.eval(v)) }
	switch name {
	case "Ref":
		return s.ref(arg.(string)), true
	case "Condition":
		return s.condition(arg.(string)), true
	case "Fn::GetAtt":
		return s.attribute(list[0].(string), list[1].(string)), true
	case "Fn::Equals":
		return text(list[0]) == text(list[1]), true
	case "Fn::Not":
		return !s.eval(list[0]).(bool), true
	case "Fn::And":
		return !slices.ContainsFunc(list, func(v any) bool { return !s.eval(v).(bool) }), true
	case "Fn::Or":
		return slices.ContainsFunc(list, func(v any) bool { return s.eval(v).(bool) }), true
	case "Fn::If":
		if s.condition(list[0].(string)) {
			return s.eval(list[1]), true
		}
		return s.eval(list[2]), true
	case "Fn::FindInMap":
		table := s.template.section("Mappings")[list[0].(string)].(map[string]any)
		row, found := table[text(list[1])].(map[string]any)
		if !found {
			s.t.Fatalf("Mapping %s has no %s", list[0], text(list[1]))
		}
		return row[text(list[2])], true
	case "Fn::Select":
		from := s.eval(list[1]).([]any)
		i := list[0].(int)
		if i >= len(from) {
			s.t.Fatalf("Fn::Select: no element %d in %q", i, from)
		}
		return from[i], true
	case "Fn::Split":
		parts := []any{}
		for _, p := range strings.Split(text(list[1]), list[0].(string)) {
			parts = append(parts, p)
		}
		return parts, true
	case "Fn::Join":
		var parts []string
		for _, p := range s.eval(list[1]).([]any) {
			parts = append(parts, fmt.Sprint(p))
		}
		return strings.Join(parts, list[0].(string)), true
	case "Fn::Sub":
		pattern, local := arg, map[string]any{}
		if list != nil {
			pattern, local = list[0], list[1].(map[string]any)
		}
		return substitution.ReplaceAllStringFunc(pattern.(string), func(m string) string {
			name := m[2 : len(m)-1]
			if v, ok := local[name]; ok {
				return text(v)
			}
			if logical, attribute, ok := strings.Cut(name, "."); ok {
				return fmt.Sprint(s.attribute(logical, attribute))
			}
			return fmt.Sprint(s.ref(name))
		}), true
	}
	return nil, false
}

func (s *stack) condition(name string) bool {
	c, ok := s.template.section("Conditions")[name]
	if !ok {
		s.t.Fatalf("unknown condition %s", name)
	}
	return s.eval(c).(bool)
}

// ref returns the value of Ref: for a resource one of the right form.
func (s *stack) ref(name string) any {
	if name == "AWS::NoValue" {
		return noValue{}
	}
	if v, ok := s.pseudo[name]; ok {
		return v
	}
	if v, ok := s.parameters[name]; ok {
		return v
	}
	switch s.typeOf(name) {
	case "AWS::SQS::Queue":
		return fmt.Sprintf("https://sqs.%s.%s/%s/%s", s.pseudo["AWS::Region"], s.pseudo["AWS::URLSuffix"], testAccount, s.attribute(name, "QueueName"))
	case "AWS::SecretsManager::Secret":
		return s.arn("secretsmanager", "secret:"+name+"-AbCdEf")
	case "AWS::SNS::Topic":
		return s.arn("sns", "ship-"+name)
	case "AWS::Logs::LogGroup":
		return s.name(name, "LogGroupName")
	case "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm":
		return s.name(name, "AlarmName")
	}
	return "ship-" + name
}

func (s *stack) attribute(logical, attribute string) any {
	kind := s.typeOf(logical)
	switch kind + "." + attribute {
	case "AWS::SQS::Queue.QueueName":
		return s.name(logical, "QueueName")
	case "AWS::SQS::Queue.Arn":
		return s.arn("sqs", s.name(logical, "QueueName"))
	case "AWS::Logs::LogGroup.Arn":
		return s.arn("logs", "log-group:"+s.name(logical, "LogGroupName")+":*")
	case "AWS::Kinesis::Stream.Arn":
		return s.arn("kinesis", "stream/ship-"+logical)
	case "AWS::S3::Bucket.Arn":
		return fmt.Sprintf("arn:%s:s3:::ship-%s", s.pseudo["AWS::Partition"], strings.ToLower(logical))
	case "AWS::Logs::Destination.Arn":
		return s.arn("logs", "destination:"+s.name(logical, "DestinationName"))
	case "AWS::Serverless::Function.Arn":
		return s.arn("lambda", "function:ship-"+logical)
	case "AWS::IAM::Role.Arn":
		return fmt.Sprintf("arn:%s:iam::%s:role/ship-%s", s.pseudo["AWS::Partition"], testAccount, logical)
	case "AWS::CloudWatch::Alarm.Arn", "AWS::CloudWatch::CompositeAlarm.Arn":
		return s.arn("cloudwatch", "alarm:"+s.name(logical, "AlarmName"))
	}
	s.t.Fatalf("%s.%s: unknown attribute of a %s", logical, attribute, kind)
	return nil
}

func (s *stack) arn(service, rest string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", s.pseudo["AWS::Partition"], service, s.pseudo["AWS::Region"], testAccount, rest)
}

func (s *stack) typeOf(logical string) string {
	r, ok := s.template.section("Resources")[logical].(map[string]any)
	if !ok {
		s.t.Fatalf("unknown resource or parameter %s", logical)
	}
	if c, ok := r["Condition"].(string); ok && !s.condition(c) {
		s.t.Fatalf("%s is referred to, but its condition %s does not hold", logical, c)
	}
	return r["Type"].(string)
}

// name returns the property of a resource that holds its name.
func (s *stack) name(logical, property string) string {
	r := s.template.section("Resources")[logical].(map[string]any)
	return s.eval(r["Properties"].(map[string]any)[property]).(string)
}

// of returns the resources of a type, by logical name.
func (s *stack) of(kind string) map[string]resource {
	m := map[string]resource{}
	for name, r := range s.resources {
		if r.Type == kind {
			m[name] = r
		}
	}
	return m
}

// outputs returns the values of the outputs whose condition holds.
func (s *stack) outputs() map[string]string {
	m := map[string]string{}
	for name, o := range s.template.section("Outputs") {
		if c, ok := get(o, "Condition").(string); !ok || s.condition(c) {
			m[name] = s.eval(get(o, "Value")).(string)
		}
	}
	return m
}

// get returns the value under keys, or nil.
func get(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// refused returns the messages of the Rules that the parameters violate.
func (s *stack) refused() []string {
	var messages []string
	for _, r := range s.template.section("Rules") {
		rule := r.(map[string]any)
		if c, ok := rule["RuleCondition"]; ok && !s.eval(c).(bool) {
			continue
		}
		for _, a := range rule["Assertions"].([]any) {
			if !s.eval(get(a, "Assert")).(bool) {
				messages = append(messages, get(a, "AssertDescription").(string))
			}
		}
	}
	return messages
}

// accepts reports whether a parameter's constraints allow a value. CloudFormation
// matches the whole value.
func (t template) accepts(tt *testing.T, parameter, value string) bool {
	tt.Helper()
	p, ok := t.section("Parameters")[parameter].(map[string]any)
	if !ok {
		tt.Fatalf("unknown parameter %s", parameter)
	}
	if allowed, ok := p["AllowedValues"].([]any); ok {
		return slices.ContainsFunc(allowed, func(v any) bool { return fmt.Sprint(v) == value })
	}
	if pattern, ok := p["AllowedPattern"].(string); ok {
		// Go's regular expressions lack look-ahead, which the template uses twice.
		for ahead, refused := range map[string]string{`(?!/sumoship/)`: `^/sumoship/`, `(?!.*\(\?<?[=!])`: `\(\?<?[=!]`} {
			if strings.Contains(pattern, ahead) {
				if regexp.MustCompile(refused).MatchString(value) {
					return false
				}
				pattern = strings.ReplaceAll(pattern, ahead, "")
			}
		}
		return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(value)
	}
	return true
}
