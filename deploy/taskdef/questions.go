package taskdef

import (
	"errors"
	"strings"

	"sumoship/deploy/tree"
)

// Region returns the Region a definition belongs to: that of its ARN or, without
// one, the only Region its containers log to. It returns "" if neither says.
func (d *Document) Region() string {
	if name := d.definition.Field("taskDefinitionArn").Str(); name != "" {
		region, _ := splitARN(name)
		return region
	}
	found := ""
	for _, container := range d.definition.Field("containerDefinitions").Elements() {
		region, ok := container.Field("logConfiguration").Field("options").Key("awslogs-region").Text()
		switch {
		case !ok || region == found:
		case found != "":
			return ""
		default:
			found = region
		}
	}
	return found
}

// Account returns the account ID in the ARN of a definition, "" without an ARN.
func (d *Document) Account() string {
	_, account := splitARN(d.definition.Field("taskDefinitionArn").Str())
	return account
}

// splitARN returns two parts of an ARN, "" if it is not one.
func splitARN(name string) (region, account string) {
	// arn:partition:service:region:account:resource
	if parts := strings.SplitN(name, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return parts[3], parts[4]
	}
	return "", ""
}

// Claims reports whether requiresCompatibilities names a launch type, such as
// FARGATE.
func (d *Document) Claims(launchType string) bool {
	for _, n := range d.definition.Field("requiresCompatibilities").Elements() {
		if n.Str() == launchType {
			return true
		}
	}
	return false
}

// Unresolved reports every value that is known only once CloudFormation deploys
// the template, or something else fills in the placeholders. ECS would refuse
// some of them and take the others literally. In a list of containers Terraform fills
// in every ${…}, also where a program could mean it literally.
//
// The error joins an *[InputError] for each, which names the place and not the
// value: that may be a secret.
func (d *Document) Unresolved() error {
	var errs []error
	report := func(n *tree.Node, help, what string) {
		errs = append(errs, d.Errorf(n, help, "the value of %s %s", n.Pointer(), what))
	}
	var walk func(n *tree.Node, free bool)
	walk = func(n *tree.Node, free bool) {
		text, isText := n.Text()
		switch {
		case n.Opaque() && !isText:
			report(n, deployFirst, "is an intrinsic function of CloudFormation, which ECS does not know")
			return
		case strings.Contains(text, "{{resolve:"):
			report(n, deployFirst, "is a dynamic reference of CloudFormation, which ECS does not know")
		case n.Opaque() && !free:
			report(n, "write the value there", "holds a placeholder, which ECS does not fill in")
		}
		for key, member := range n.Members() {
			walk(member, free || FreeText(key) && !d.listed && d.shape != List)
		}
		for _, element := range n.Elements() {
			walk(element, free)
		}
	}
	walk(d.definition, false)
	return errors.Join(errs...)
}

const deployFirst = "deploy the template, or write the value there"

// FreeText reports whether ${…} and {{ … }} can be meant literally below the
// member of this name, for a shell, a log driver or the program in the container.
func FreeText(member string) bool {
	switch strings.ToLower(member) {
	case "command", "entrypoint", "environment", "healthcheck",
		"dockerlabels", "labels", "options", "driveropts", "tags":
		return true
	}
	return false
}
