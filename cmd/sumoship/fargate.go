package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2/maybe"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/service"
	"sumoship/deploy/taskdef"
)

// fargateCmd moves task definitions to Fargate.
type fargateCmd struct {
	Convert  fargateConvertCmd  `cmd:"" help:"Write the Fargate version of a task definition that was made for EC2."`
	Check    fargateCheckCmd    `cmd:"" help:"Tell what stands between task definitions and Fargate, and change nothing."`
	Diff     fargateDiffCmd     `cmd:"" help:"Show what convert would change."`
	Register fargateRegisterCmd `cmd:"" help:"Register a Fargate task definition with Amazon ECS."`
	Service  fargateServiceCmd  `cmd:"" help:"Write a CloudFormation template of the service on Fargate and what stands around it: roles, logs, network, load balancer, DNS."`
	ENI      fargateENICmd      `cmd:"" name:"eni" help:"Tell how many awsvpc tasks fit on an EC2 instance, without and with ENI trunking, and on Fargate."`
	IAM      fargateIAMCmd      `cmd:"" name:"iam" help:"Write the roles of a task definition, with no more rights than it needs."`
	Logs     fargateLogsCmd     `cmd:"" help:"Make the log groups of a task definition, and subscribe them to the forwarder."`
	Explain  fargateExplainCmd  `cmd:"" help:"Explain a network mode, or what the move changes in the network of a task definition."`
}

// ruleFlags are the choices that rules leave to the user.
type ruleFlags struct {
	Region        string            `help:"AWS Region of the log groups, and of --from-ecs." placeholder:"REGION"`
	ExecutionRole string            `help:"Execution role, where a definition has none." placeholder:"ARN"`
	TaskRole      string            `help:"Task role, where a definition has none." placeholder:"ARN"`
	LogGroup      string            `help:"Log group of containers that get awslogs. Default: /ecs/FAMILY." placeholder:"NAME"`
	Arch          string            `help:"Architecture, where a definition does not name it: x86_64 or arm64." placeholder:"ARCH"`
	FamilySuffix  string            `help:"Append this to the family, as in -fargate." placeholder:"SUFFIX"`
	KeepEC2       bool              `name:"keep-ec2" help:"Keep EC2 in requiresCompatibilities beside FARGATE."`
	MemoryBasis   string            `help:"What is added up for the memory of the task: limit or reservation of its containers. Default: limit." placeholder:"BASIS"`
	RewriteLinks  string            `help:"Where the alias of a link becomes 127.0.0.1: env, all (commands too) or none. Default: env." placeholder:"WHERE"`
	Volume        map[string]string `help:"What becomes of a volume of the instance, by its name: ephemeral, efs:fs-ID, efs:fs-ID:/DIR or efs:fs-ID:fsap-ID. Can be given again." placeholder:"NAME=KIND" mapsep:"none"`
	Fluentd       string            `help:"What becomes of the fluentd log driver: awslogs, or firelens, which adds a log router. Default: awslogs." placeholder:"DRIVER"`
	SHM           string            `name:"shm" help:"What becomes of sharedMemorySize: tmpfs. Default: it is refused." placeholder:"KIND"`
	Allow         []string          `help:"Take a change that is refused otherwise, by the id of its finding. Can be given again." placeholder:"ID" sep:","`
}

func (f *ruleFlags) options(region string) fargate.Options {
	return fargate.Options{
		Region: cmp.Or(f.Region, region), ExecutionRole: f.ExecutionRole, TaskRole: f.TaskRole, LogGroup: f.LogGroup, Arch: f.Arch,
		FamilySuffix: f.FamilySuffix, KeepEC2: f.KeepEC2, MemoryBasis: f.MemoryBasis, RewriteLinks: f.RewriteLinks,
		Volumes: f.Volume, Fluentd: f.Fluentd, Shm: f.SHM, Allow: f.Allow,
	}
}

// flagOf is the flag of an option.
var flagOf = map[string]string{
	"Region": "--region", "ExecutionRole": "--execution-role", "TaskRole": "--task-role", "LogGroup": "--log-group", "Arch": "--arch",
	"FamilySuffix": "--family-suffix", "MemoryBasis": "--memory-basis", "RewriteLinks": "--rewrite-links", "Volumes": "--volume",
	"Fluentd": "--fluentd", "Shm": "--shm", "Allow": "--allow",
}

// wrongOption names the flag of an option that is wrong.
func wrongOption(err error) error {
	if o, ok := errors.AsType[*finding.OptionError](err); ok {
		return usage("%s: %q: want %s", cmp.Or(flagOf[o.Option], o.Option), o.Value, o.Want)
	}
	return exit{exitUsage, err}
}

// inputFlags say which task definition.
type inputFlags struct {
	FromECS  string `name:"from-ecs" help:"Read the task definition from Amazon ECS instead of a file." placeholder:"FAMILY[:REV]|ARN"`
	Resource string `help:"Which resource, in a template with several task definitions." placeholder:"LOGICAL-ID"`
	Family   string `help:"Family of a bare list of containers, which does not name one." placeholder:"NAME"`
	profileFlag
}

// fileArg is the input of the verbs that take one.
type fileArg struct {
	File string `arg:"" optional:"" help:"The task definition: output of describe-task-definition, a bare definition, a bare list of containers, or a template of CloudFormation or SAM, in JSON or YAML. - is standard input."`
}

// input is a task definition, not read yet.
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

// document reads a task definition.
func (f *inputFlags) document(in input) (*taskdef.Document, error) {
	d, err := taskdef.Read(in.name, in.doc, taskdef.ReadOptions{Resource: f.Resource, Family: f.Family})
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	return d, nil
}

// maxInput bounds an input, in bytes. ECS takes definitions of 64 KiB,
// CloudFormation templates of 1 MB.
const maxInput = 16 << 20

// stdin is the standard input as an argument.
const stdin = "-"

func readInput(s streams, name string) (input, error) {
	r := s.in
	if name == stdin {
		name = "<stdin>"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return input{}, exit{exitUsage, err}
		}
		defer f.Close()
		r = f
	}
	doc, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return input{}, exit{exitUsage, err}
	}
	if len(doc) > maxInput {
		return input{}, usage("%s: is larger than %s, which no task definition is", name, size(maxInput))
	}
	return input{name: name, doc: doc}, nil
}

// indent sets JSON that came on one line, as APIs write it, for people.
func indent(doc []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, doc, "", "    ") != nil {
		return doc // what is wrong with it is told when it is read
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// reportFlags say how findings are written.
type reportFlags struct {
	Findings string `help:"How to write the findings: text, json or sarif." enum:"text,json,sarif" default:"text"`
	Report   string `help:"Write the findings to this file." placeholder:"FILE"`
	FailOn   string `help:"The exit status is 1 from findings of this severity on: error, warning or info." enum:"error,warning,info" default:"error"`
	Show     string `help:"Write findings of this severity and above; the others are only counted." enum:"error,warning,info" default:"info"`
}

// write writes the findings to w, or to --report and their sum to standard error.
func (f *reportFlags) write(s streams, r finding.Report, w io.Writer) error {
	r.Show = finding.Severity(f.Show)
	var file bytes.Buffer
	style := terminalStyle(w, s.getenv)
	if f.Report != "" {
		w, style = &file, finding.Style{}
	}
	var err error
	switch f.Findings {
	case "json":
		err = r.JSON(w)
	case "sarif":
		err = r.SARIF(w, slices.Concat(fargate.Rules(), service.Rules()))
	default:
		if err = r.Text(w, style); err == nil {
			_, err = fmt.Fprintln(w, r.Summary())
		}
	}
	if err != nil || f.Report == "" {
		return err
	}
	if err := writeFile(f.Report, file.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.err, "%s; see %s\n", r.Summary(), f.Report)
	return err
}

// status is the exit status that findings ask for.
func (f *reportFlags) status(r finding.Report) error {
	for _, input := range r.Inputs {
		if garbled(input.Findings) {
			return exit{status: exitUsage}
		}
	}
	for _, input := range r.Inputs {
		for _, found := range input.Findings {
			if found.Severity.AtLeast(finding.Severity(f.FailOn)) {
				return exit{status: exitFound}
			}
		}
	}
	return nil
}

// garbled tells whether a part of a definition cannot be read.
func garbled(findings []finding.Finding) bool {
	return slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.ID == fargate.WrongType.ID && f.Severity == finding.Error })
}

// writeFile writes a file whole or not at all. It follows a link, and what is no
// regular file, such as a pipe, is written to.
func writeFile(name string, b []byte) error {
	err := func() error {
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			return os.WriteFile(name, b, 0)
		}
		target := name
		if linked, err := filepath.EvalSymlinks(name); err == nil {
			target = linked
		}
		return maybe.WriteFile(target, b, 0o644)
	}()
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err // the path is that of a temporary file
	}
	if err != nil {
		return exit{exitUsage, fmt.Errorf("write %s: %w", name, err)}
	}
	return nil
}
