package fargatecmd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/surroundings"
	"sumoship/deploy/taskdef"
)

type checkCmd struct {
	Paths       []string `arg:"" optional:"" help:"Task definitions and templates, and directories of them; - is standard input."`
	inputFlags  `group:"Input"`
	ruleFlags   `group:"Conversion"`
	reportFlags `group:"Findings"`
}

func (c *checkCmd) Help() string {
	return `In a definition that names FARGATE, errors are what Amazon ECS would refuse; in
any other, what convert would refuse. Warnings and infos are what convert would
change, and what works differently on Fargate.

A directory is searched for *.json, *.yaml, *.yml and *.template, except in
node_modules and in directories whose names begin with a dot. Files without a task
definition are skipped and counted. All task definitions of a template are
checked, unless --resource names one.

  sumoship fargate check shop.json
  sumoship fargate check deploy/ --findings sarif --report findings.sarif

Exit status: 0 no findings that count, 1 findings at or above --fail-on, 2 the command is wrong or
an input cannot be read, 3 AWS refused.`
}

func (c *checkCmd) Run(ctx context.Context, s cli.Streams) error {
	inputs, err := c.inputs(ctx, s)
	if err != nil {
		return err
	}
	around := c.around(ctx, input{}, &c.ProfileFlag)
	options := func(in input) fargate.Options {
		o := around
		o.Region, o.AccountLogMode = cmp.Or(o.Region, in.region), in.logMode
		return o
	}
	// One worker reads, checks and forgets each input: memory holds only the
	// findings.
	found := make([]outcome, len(inputs))
	bar := cli.NewBar(len(inputs), "checking", s.Err)
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for i := range inputs {
		workers.Go(func() error {
			if ctx.Err() == nil {
				found[i] = c.check(ctx, s, inputs[i], options)
			}
			bar.Add(1)
			return nil
		})
	}
	_ = workers.Wait() // they return no error
	bar.Finish()
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "")
	}
	var report finding.Report
	for _, o := range found {
		if o.usage != nil {
			return o.usage
		}
		if o.skipped {
			report.Skipped++
		}
		report.Inputs = append(report.Inputs, o.inputs...)
	}
	if err := c.write(s, report, s.Out); err != nil {
		return err
	}
	unreadable := 0
	for _, i := range report.Inputs {
		if i.Err != nil {
			unreadable++
			fmt.Fprintf(s.Err, "sumoship: %v\n", i.Err)
		}
	}
	if unreadable > 0 {
		return cli.Exit{Status: cli.ExitUsage}
	}
	return c.status(report)
}

// candidate is an input that may not have been read yet.
type candidate struct {
	input
	read  bool // input holds the document
	maybe bool // found in a directory: it may not be a task definition
}

// inputs are those that the arguments name, each once, in order.
func (c *checkCmd) inputs(ctx context.Context, s cli.Streams) ([]candidate, error) {
	if len(c.Paths) == 0 && c.FromECS == "" {
		return nil, cli.Usagef("which task definitions? Give files or directories, - for standard input, or --from-ecs")
	}
	var list []candidate
	seen := map[string]bool{}
	add := func(name string, maybe bool) {
		if clean := filepath.Clean(name); !seen[clean] {
			seen[clean] = true
			list = append(list, candidate{input: input{name: name}, maybe: maybe})
		}
	}
	for _, path := range c.Paths {
		info, err := os.Stat(path)
		switch {
		case path == cli.Stdin && seen[cli.Stdin]:
		case path == cli.Stdin:
			seen[cli.Stdin] = true
			in, err := readInput(ctx, s, cli.Stdin)
			if err != nil {
				return nil, err
			}
			list = append(list, candidate{input: in, read: true})
		case err != nil:
			return nil, cli.Fail(cli.ExitUsage, err)
		case info.IsDir():
			if err := search(path, add); err != nil {
				return nil, cli.Fail(cli.ExitUsage, err)
			}
		default:
			add(path, false)
		}
	}
	if c.FromECS != "" {
		in, err := c.fromECS(ctx, c.Region)
		if err != nil {
			return nil, err
		}
		list = append(list, candidate{input: in, read: true})
	}
	return list, nil
}

// search adds the files below a directory that may hold task definitions, in
// order.
func search(root string, add func(name string, maybe bool)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
				return fs.SkipDir
			}
		case slices.Contains([]string{".json", ".yaml", ".yml", ".template"}, strings.ToLower(filepath.Ext(path))):
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() { // d may be a link, to a directory or to nothing
				add(path, true)
			}
		}
		return nil
	})
}

// outcome is the result for an input.
type outcome struct {
	inputs  []finding.Input
	skipped bool  // a file of a directory, without a task definition
	usage   error // the flags are wrong
}

// check reads an input and checks what is in it.
func (c *checkCmd) check(ctx context.Context, s cli.Streams, in candidate, options func(input) fargate.Options) outcome {
	if !in.read {
		read, err := readInput(ctx, s, in.name)
		if err != nil {
			return unreadable(in.name, err)
		}
		in.input = read
	}
	if in.maybe && !promising(in.doc) {
		return outcome{skipped: true}
	}
	documents, err := taskdef.ReadAll(in.name, in.doc, taskdef.ReadOptions{Resource: c.Resource, Family: c.Family})
	if err == nil && len(documents) == 0 {
		if in.maybe {
			return outcome{skipped: true}
		}
		_, err = c.document(in.input) // says why
	}
	if err != nil {
		return unreadable(in.name, err)
	}
	var o outcome
	for _, d := range documents {
		findings, err := fargate.Check(d, options(in.input))
		if err != nil {
			return outcome{usage: cli.Fail(cli.ExitUsage, err)}
		}
		findings = append(findings, surroundings.Adapt(d, surroundings.Options{})...)
		o.inputs = append(o.inputs, finding.Input{Name: in.name, Resource: d.Resource(), Findings: findings})
	}
	return o
}

func unreadable(name string, err error) outcome {
	return outcome{inputs: []finding.Input{{Name: name, Err: err}}}
}

// promising reports whether a text mentions task definitions at all. The other
// files of a repository are not parsed, so that JSON with comments, YAML of many
// documents or templates of templates are not reported as errors.
func promising(doc []byte) bool {
	for _, word := range []string{"ontainerDefinitions", "AWS::ECS::TaskDefinition", `"taskDefinition"`, "equiresCompatibilities", `"networkMode"`} {
		if bytes.Contains(doc, []byte(word)) {
			return true
		}
	}
	list := bytes.HasPrefix(bytes.TrimSpace(doc), []byte("["))
	return list && (bytes.Contains(doc, []byte(`"image"`)) || bytes.Contains(doc, []byte(`"Image"`)))
}
