package fargatecmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// inputFlags say which task definition.
type inputFlags struct {
	FromECS  string `name:"from-ecs" help:"Read the task definition from Amazon ECS instead of a file." placeholder:"FAMILY[:REV]|ARN"`
	Resource string `help:"Read this resource of a template with several task definitions; check and convert take all, too." placeholder:"LOGICAL-ID"`
	Family   string `help:"Family of a bare list of containers, which does not name one." placeholder:"NAME"`
	cli.ProfileFlag
}

// fileArg is the input of the verbs that take one.
type fileArg struct {
	File string `arg:"" optional:"" predictor:"file" help:"The task definition: output of describe-task-definition, a bare definition, a bare list of containers, or a CloudFormation or SAM template, in JSON or YAML. - is standard input."`
}

// input is a task definition, not parsed yet.
type input struct {
	name   string // for people: a file, or FAMILY:REVISION
	doc    []byte
	region string // from which ECS gave it, "" for a file
	// logMode is the setting defaultLogDriverMode that the account has chosen, "" if
	// it has not, or is not known.
	logMode string
}

// one reads the one task definition that the flags name.
func (f *inputFlags) one(ctx context.Context, s cli.Streams, file, region string) (*taskdef.Document, input, error) {
	in, err := f.get(ctx, s, file, region)
	if err != nil {
		return nil, in, err
	}
	d, err := f.document(in)
	return d, in, err
}

func (f *inputFlags) get(ctx context.Context, s cli.Streams, file, region string) (input, error) {
	switch {
	case file == "" && f.FromECS == "":
		return input{}, cli.Usagef("which task definition? Give a FILE, - for standard input, or --from-ecs")
	case file != "" && f.FromECS != "":
		return input{}, cli.Usagef("%s and --from-ecs %s: give one of them", file, f.FromECS)
	case file != "":
		return readInput(ctx, s, file)
	}
	return f.fromECS(ctx, region)
}

func (f *inputFlags) fromECS(ctx context.Context, region string) (input, error) {
	client, asks, err := openECS(ctx, &f.ProfileFlag, cmp.Or(regionOf(f.FromECS), region))
	if err != nil {
		return input{}, err
	}
	doc, revision, err := describe(ctx, client, f.FromECS)
	if err != nil {
		return input{}, cli.Fail(cli.ExitAWS, err)
	}
	return input{name: revision, doc: indent(doc), region: asks, logMode: logMode(ctx, client)}, nil
}

// document parses a task definition.
func (f *inputFlags) document(in input) (*taskdef.Document, error) {
	d, err := taskdef.Read(in.name, in.doc, taskdef.ReadOptions{Resource: f.Resource, Family: f.Family})
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, err)
	}
	return d, nil
}

// newRole stands for a role that does not exist yet: a verb that creates roles
// must not ask for them.
const newRole = "new-role"

// readForFargate reads a task definition and converts it to Fargate. One that check finds
// errors in is refused with them.
func (f *inputFlags) readForFargate(ctx context.Context, s cli.Streams, file fileArg, rules ruleFlags) (*taskdef.Document, input, error) {
	d, in, err := f.one(ctx, s, file.File, rules.Region)
	if err != nil {
		return nil, in, err
	}
	o := rules.around(ctx, in, &f.ProfileFlag)
	o.ExecutionRole, o.TaskRole = cmp.Or(o.ExecutionRole, newRole), cmp.Or(o.TaskRole, newRole)
	o.Strict = true
	findings, err := fargate.Convert(d, o)
	if err != nil {
		return nil, in, cli.Fail(cli.ExitUsage, err)
	}
	n, err := writeErrors(s, finding.Input{Name: in.name, Resource: d.Resource(), Findings: findings})
	if err == nil && n > 0 {
		err = cli.Fail(cli.ExitFound, fmt.Errorf("%s is refused: %s", in.name, cli.Count(n, "error")))
	}
	return d, in, err
}

// maxInput bounds an input, in bytes. ECS takes definitions of 64 KiB,
// CloudFormation templates of 1 MB.
const maxInput = 16 << 20

func readInput(ctx context.Context, s cli.Streams, name string) (input, error) {
	doc, err := cli.ReadFile(ctx, s, name, maxInput+1)
	if err != nil {
		return input{}, err
	}
	if name == cli.Stdin {
		name = "<stdin>"
	}
	if len(doc) > maxInput {
		return input{}, cli.Usagef("%s: larger than %s, the limit for a task definition", name, cli.Size(maxInput))
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
