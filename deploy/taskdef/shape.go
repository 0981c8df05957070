package taskdef

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

// taskDefinition is the type of the resource in a template.
const ResourceType = "AWS::ECS::TaskDefinition"

// bom is the byte order mark that some editors begin a file with.
const bom = "\ufeff"

// Parse reads JSON or YAML. What begins like JSON is JSON, unless the name says
// YAML and it is none.
func Parse(name string, src []byte) (*tree.Node, error) {
	text := strings.TrimSpace(strings.TrimPrefix(string(src), bom))
	if text == "" {
		return nil, &InputError{Name: name, Line: 1, Column: 1, What: "the input is empty"}
	}
	ext := strings.ToLower(filepath.Ext(name))
	named := ext == ".yaml" || ext == ".yml"
	if text[0] == '{' || text[0] == '[' || ext == ".json" {
		root, err := tree.ParseJSONTemplate(src)
		if err == nil || !named {
			return root, syntax(name, err, src)
		}
	}
	root, err := tree.ParseYAML(src)
	return root, syntax(name, err, src)
}

// syntax tells where and why a document does not read, and how that is mended if
// it is a common mistake.
func syntax(name string, err error, src []byte) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*tree.SyntaxError](err)
	if !ok {
		return &InputError{Name: name, What: err.Error()}
	}
	lines := strings.SplitN(strings.TrimPrefix(string(src), bom), "\n", e.Line+1)
	var rest string
	if line := []rune(lines[min(e.Line, len(lines))-1]); e.Column <= len(line) {
		rest = string(line[e.Column-1:])
	}
	help := ""
	switch {
	case strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "${") || strings.HasPrefix(rest, "{%"):
		help = "fill in the placeholder, or put it in quotes"
	case strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/*") || strings.HasPrefix(rest, "#"):
		help = "JSON has no comments: take it out"
	case strings.HasPrefix(rest, "'"):
		help = "JSON quotes with \""
	case strings.HasPrefix(strings.TrimSpace(lines[0]), "resource ") || strings.ToLower(filepath.Ext(name)) == ".tf":
		help = terraform
	}
	return &InputError{Name: name, Line: e.Line, Column: e.Column, What: e.Message, Help: help}
}

// document finds the task definition in a document.
func (r *reader) document(root *tree.Node) (*Document, error) {
	d := &Document{name: r.name, root: root, definition: root}
	if root.Kind() == tree.Array {
		d.shape = List
		var family []tree.Member
		if r.Family != "" {
			family = append(family, tree.Member{Name: "family", Value: tree.NewString(r.Family)})
		}
		d.definition = tree.Wrap(root, "containerDefinitions", family...)
		return d, nil
	}
	if root.Kind() != tree.Object {
		help := shapes
		if strings.ToLower(filepath.Ext(r.name)) == ".tf" {
			help = terraform
		}
		return nil, r.fail(root, help, "the document is %s", root.Kind())
	}
	if resources := root.Key("Resources"); resources != nil {
		if err := r.template(d, resources); err != nil {
			return nil, err
		}
		return d, nil
	}
	if described := root.Field("taskDefinition"); described != nil {
		if described.Kind() != tree.Object {
			return nil, r.fail(described, "give the output of aws ecs describe-task-definition", "taskDefinition is %s and not an object", described.Kind())
		}
		d.shape, d.definition = Described, described
		mergeTags(described, root.Field("tags"))
		return d, nil
	}
	switch {
	case root.Field("containerDefinitions") != nil:
	case root.Key("Type").Str() == ResourceType:
		return nil, r.fail(root, "give a template: put it below Resources under its logical ID", "this is a resource without a template around it")
	case root.Field("name") != nil && root.Field("image") != nil:
		return nil, r.fail(root, "put it in a list", "this is one container definition")
	default:
		return nil, r.fail(root, shapes, "there is no task definition in this document")
	}
	if root.Field("taskDefinitionArn") != nil {
		d.shape = Described
	}
	return d, nil
}

const shapes = "give a task definition, the output of aws ecs describe-task-definition, a list of container definitions, or a template with " + ResourceType

const terraform = "give the list of containers alone, as JSON: Terraform's own language is not read"

// mergeTags adds the tags that describe gives beside a definition to it.
func mergeTags(definition, tags *tree.Node) {
	if tags.Kind() != tree.Array || tags.Len() == 0 {
		return
	}
	own := definition.Field("tags")
	if own.Kind() != tree.Array {
		definition.SetField("tags", tags)
		return
	}
	var keys []string
	for _, tag := range own.Elements() {
		keys = append(keys, tag.Field("key").Str())
	}
	for _, tag := range tags.Elements() {
		if !slices.Contains(keys, tag.Field("key").Str()) {
			own.Append(tag)
		}
	}
}

// template finds the task definition among the resources of a template.
func (r *reader) template(d *Document, resources *tree.Node) error {
	d.shape = Template
	found := taskDefinitions(resources)
	var names []string
	for _, n := range found {
		names = append(names, n.Name())
	}
	switch i := slices.Index(names, r.Resource); {
	case len(found) == 0:
		return r.fail(resources, "", "no resource of the template is an %s", ResourceType)
	case r.Resource != "" && i < 0:
		return r.fail(resources, "they are "+strings.Join(names, ", "), "no task definition of the template is called %s", r.Resource)
	case r.Resource != "":
		found = found[i:]
	case len(found) > 1:
		return r.fail(resources, "choose one with --resource", "the template has %d task definitions: %s", len(found), strings.Join(names, ", "))
	}
	resource := found[0]
	d.resource, d.definition = resource.Name(), resource.Key("Properties")
	if d.definition.Kind() != tree.Object || d.definition.Opaque() {
		return r.fail(resource, "", "the task definition %s has no Properties", d.resource)
	}
	return nil
}

// taskDefinitions returns the resources that are task definitions, those in
// loops too.
func taskDefinitions(resources *tree.Node) (found []*tree.Node) {
	for name, n := range resources.Members() {
		if n.Key("Type").Str() == ResourceType {
			found = append(found, n)
		}
		if strings.HasPrefix(name, "Fn::ForEach::") {
			for _, part := range n.Elements() {
				found = append(found, taskDefinitions(part)...)
			}
		}
	}
	return found
}
