package taskdef

import (
	"path/filepath"
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

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

const terraform = "give the list of containers alone, as JSON: sumoship does not read Terraform's own language"

// mergeTags adds the tags that describe-task-definition writes beside a definition.
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

// taskDefinitions returns the resources that are task definitions, also those in
// loops.
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

// holdsDefinition reports whether a document has one of the shapes of a task
// definition.
func holdsDefinition(root *tree.Node) bool {
	if root.Kind() == tree.Array {
		for _, c := range root.Elements() {
			if c.Field("name") == nil || c.Field("image") == nil {
				return false
			}
		}
		return root.Len() > 0
	}
	if resources := root.Key("Resources"); resources != nil {
		return len(taskDefinitions(resources)) > 0
	}
	return root.Field("taskDefinition").Field("containerDefinitions") != nil || root.Field("containerDefinitions") != nil
}
