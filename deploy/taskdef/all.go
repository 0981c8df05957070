package taskdef

import "sumoship/deploy/tree"

// ReadAll reads every task definition of an input: all that a template has,
// unless o.Resource names one, and the one of any other shape. Of a document that
// holds none, such as another file of a repository, it returns none and no error.
//
// The error is an *[InputError].
func ReadAll(name string, src []byte, o ReadOptions) ([]*Document, error) {
	r := reader{name: name, ReadOptions: o}
	root, err := Parse(name, src)
	if err != nil {
		return nil, err
	}
	if !holds(root) {
		return nil, nil
	}
	names := []string{o.Resource}
	if resources := root.Key("Resources"); resources != nil && o.Resource == "" {
		names = nil
		for _, n := range taskDefinitions(resources) {
			names = append(names, n.Name())
		}
	}
	var all []*Document
	for _, r.Resource = range names {
		d, err := r.read(root.Clone()) // each has a tree of its own: they are edited apart
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// holds reports whether a document is one of the shapes of a task definition.
func holds(root *tree.Node) bool {
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
