package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// inputFlags say which task definition.
type inputFlags struct {
	FromECS  string `name:"from-ecs" help:"Read the task definition from Amazon ECS instead of a file." placeholder:"FAMILY[:REV]|ARN"`
	Resource string `help:"Read this resource of a template with several task definitions." placeholder:"LOGICAL-ID"`
	Family   string `help:"Family of a bare list of containers, which does not name one." placeholder:"NAME"`
	profileFlag
}

// fileArg is the input of the verbs that take one.
type fileArg struct {
	File string `arg:"" optional:"" help:"The task definition: output of describe-task-definition, a bare definition, a bare list of containers, or a CloudFormation or SAM template, in JSON or YAML. - is standard input."`
}

// input is a task definition, not parsed yet.
type input struct {
	name   string // for people: a file, or FAMILY:REVISION
	doc    []byte
	region string // from which ECS gave it, "" for a file
}

// one gets the one input that the flags name.
func (f *inputFlags) one(ctx context.Context, s streams, file, region string) (input, error) {
	switch {
	case file == "" && f.FromECS == "":
		return input{}, usage("which task definition? Give a FILE, - for standard input, or --from-ecs")
	case file != "" && f.FromECS != "":
		return input{}, usage("%s and --from-ecs %s: give one of them", file, f.FromECS)
	case file != "":
		return readInput(s, file)
	}
	return f.fromECS(ctx, region)
}

func (f *inputFlags) fromECS(ctx context.Context, region string) (input, error) {
	client, asks, err := f.openECS(ctx, cmp.Or(regionOf(f.FromECS), region))
	if err != nil {
		return input{}, err
	}
	doc, revision, err := describe(ctx, client, f.FromECS)
	if err != nil {
		return input{}, exit{exitAWS, err}
	}
	return input{revision, indent(doc), asks}, nil
}

// document parses a task definition.
func (f *inputFlags) document(in input) (*taskdef.Document, error) {
	d, err := taskdef.Read(in.name, in.doc, taskdef.ReadOptions{Resource: f.Resource, Family: f.Family})
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	return d, nil
}

// newRole stands for a role that does not exist yet: a verb that creates roles
// must not ask for them.
const newRole = "new-role"

// readForFargate reads a task definition and converts it to Fargate. One that check finds
// errors in is refused with them.
func (f *inputFlags) readForFargate(ctx context.Context, s streams, file fileArg, rules ruleFlags) (*taskdef.Document, input, error) {
	in, err := f.one(ctx, s, file.File, rules.Region)
	if err != nil {
		return nil, in, err
	}
	d, err := f.document(in)
	if err != nil {
		return nil, in, err
	}
	o := rules.options(in.region)
	o.ExecutionRole, o.TaskRole = cmp.Or(o.ExecutionRole, newRole), cmp.Or(o.TaskRole, newRole)
	o.Strict = true
	findings, err := fargate.Convert(d, o)
	if err != nil {
		return nil, in, exit{exitUsage, err}
	}
	n, err := writeErrors(s, finding.Input{Name: in.name, Resource: d.Resource(), Findings: findings})
	if err == nil && n > 0 {
		err = exit{exitFound, fmt.Errorf("%s is refused: %s", in.name, count(n, "error"))}
	}
	return d, in, err
}

// maxInput bounds an input, in bytes. ECS takes definitions of 64 KiB,
// CloudFormation templates of 1 MB.
const maxInput = 16 << 20

// stdin is the standard input as an argument.
const stdin = "-"

// read reads at most limit bytes of a file or standard input.
func read(s streams, name string, limit int64) ([]byte, error) {
	r := s.in
	if name != stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, exit{exitUsage, err}
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	return b, nil
}

func readInput(s streams, name string) (input, error) {
	doc, err := read(s, name, maxInput+1)
	if err != nil {
		return input{}, err
	}
	if name == stdin {
		name = "<stdin>"
	}
	if len(doc) > maxInput {
		return input{}, usage("%s: larger than %s, the limit for a task definition", name, size(maxInput))
	}
	return input{name: name, doc: doc}, nil
}

// indent lays out JSON that came on one line, as APIs write it, for people.
func indent(doc []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, doc, "", "    ") != nil {
		return doc // the parser reports what is wrong with it
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// consent asks on a terminal, unless it was given.
func consent(s streams, given bool, question string) error {
	if given {
		return nil
	}
	if f, ok := s.in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return usage("no terminal to ask on: give --yes to go ahead, or --dry-run to only see the plan")
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(s.err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return exit{exitFound, errors.New("nothing was changed")}
	}
	return nil
}
