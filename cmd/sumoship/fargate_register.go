package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

type fargateRegisterCmd struct {
	fileArg
	inputFlags
	Region string   `help:"AWS Region to register in, if not that of the AWS configuration." placeholder:"REGION"`
	Allow  []string `help:"Register in spite of this finding, by its id. Can be given again." placeholder:"ID" sep:","`
	DryRun bool     `help:"Write the request to standard output, and register nothing."`
	JSON   bool     `name:"json" help:"Write the result as JSON."`
}

func (c *fargateRegisterCmd) Help() string {
	return `Registers the definition as it stands, as a new revision of its family, and
writes FAMILY:REVISION. Members that ECS adds to a registered definition are left
out; all others are sent, also those that this version of sumoship does not know.
A definition with findings of severity error is not sent.

  sumoship fargate convert shop.json | sumoship fargate register -

Exit status: 0 registered, 1 there are errors or it is not for Fargate, 2 the
command or its input is wrong, 3 AWS refused.`
}

func (c *fargateRegisterCmd) Run(ctx context.Context, s streams) error {
	in, err := c.one(ctx, s, c.File, c.Region)
	if err != nil {
		return err
	}
	d, err := c.document(in)
	if err != nil {
		return err
	}
	if err := unresolved(in.name, d.Definition()); err != nil {
		return exit{exitUsage, err}
	}
	if !forFargate(d.Definition()) {
		return exit{exitFound, fmt.Errorf("%s is not registered: its requiresCompatibilities does not name FARGATE\nsumoship: Convert it first: sumoship fargate convert", in.name)}
	}
	findings, err := fargate.Check(d, fargate.Options{Region: c.Region, Allow: c.Allow})
	if err != nil {
		return wrongOption(err)
	}
	findings = slices.DeleteFunc(findings, func(f finding.Finding) bool { return f.Severity != finding.Error })
	if len(findings) > 0 {
		report := finding.Report{Inputs: []finding.Input{{Name: in.name, Findings: findings}}}
		if err := report.Text(s.err, terminalStyle(s.err, s.getenv)); err != nil {
			return err
		}
		status := exitFound
		if garbled(findings) {
			status = exitUsage
		}
		return exit{status, fmt.Errorf("%s is not registered: %s", in.name, count(len(findings), "error"))}
	}
	request := d.ECS()
	if c.DryRun {
		if _, err := s.out.Write(request); err != nil {
			return err
		}
		fmt.Fprintln(s.err, "sumoship: dry run: nothing was registered")
		return nil
	}
	client, _, err := c.openECS(ctx, c.Region)
	if err != nil {
		return err
	}
	r, err := register(ctx, client, request)
	if err != nil {
		return exit{exitAWS, err}
	}
	if c.JSON {
		return writeJSON(s.out, r)
	}
	_, err = fmt.Fprintf(s.out, "%s:%d\n", r.Family, r.Revision)
	return err
}

func forFargate(definition *tree.Node) bool {
	for _, n := range definition.Field("requiresCompatibilities").Elements() {
		if text, _ := n.Text(); text == "FARGATE" {
			return true
		}
	}
	return false
}

// unresolved tells all values that only a deployment of the template, or
// whatever fills in the placeholders, can know. ECS would refuse some of them and
// take the others literally.
func unresolved(name string, definition *tree.Node) error {
	var errs []error
	var walk func(n *tree.Node, free bool)
	walk = func(n *tree.Node, free bool) {
		text, isText := n.Text()
		switch {
		case n.Opaque() && !isText:
			errs = append(errs, unresolvedError(name, n, "is an intrinsic function of CloudFormation, which ECS does not know: deploy the template, or put the value there"))
			return
		case strings.Contains(text, "{{resolve:"):
			errs = append(errs, unresolvedError(name, n, "is a dynamic reference of CloudFormation, which ECS does not know: deploy the template, or put the value there"))
		case n.Opaque() && !free:
			errs = append(errs, unresolvedError(name, n, "holds a placeholder, which ECS would not fill in: put the value there"))
		}
		for key, member := range n.Members() {
			walk(member, free || freeText[strings.ToLower(key)])
		}
		for _, element := range n.Elements() {
			walk(element, free)
		}
	}
	walk(definition, false)
	return errors.Join(errs...)
}

// freeText are the members below which ${…} and {{ … }} can be meant as they
// are, for a shell, a log driver or the program in the container.
var freeText = map[string]bool{
	"command": true, "entrypoint": true, "environment": true, "healthcheck": true,
	"dockerlabels": true, "labels": true, "options": true, "driveropts": true, "tags": true,
}

// unresolvedError names the place and not the value, which may be a secret.
func unresolvedError(name string, n *tree.Node, what string) error {
	pos := n.Pos()
	return fmt.Errorf("%s:%d:%d: the value of %s %s", name, pos.Line, pos.Column, n.Pointer(), what)
}
