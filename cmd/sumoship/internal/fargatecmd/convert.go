package fargatecmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/surroundings"
	"sumoship/deploy/taskdef"
)

type convertCmd struct {
	Paths []string `arg:"" optional:"" predictor:"file" help:"The task definition: output of describe-task-definition, a bare definition, a bare list of containers, or a CloudFormation or SAM template, in JSON or YAML. - is standard input. Several of them, and directories, with -o DIR, --in-place or --diff."`
	conversionFlags
	reportFlags `group:"Findings"`
	Out         string `short:"o" help:"Write to this file instead of standard output; it may be the input. For several inputs, the directory to write them to." placeholder:"FILE|DIR"`
	InPlace     bool   `help:"Write each input that is converted back to its file."`
	Diff        bool   `help:"Write a unified diff instead of the definition."`
}

func (c *convertCmd) Help() string {
	return `The output has the shape of the input, and every byte that no rule had to change;
only the members that ECS adds to a registered definition are removed. Each change
is a finding. Findings go to standard error, or to --report FILE; with -o FILE,
JSON and SARIF go to standard output.

A change to the meaning of the definition is refused: nothing is written, unless
--allow ID accepts the change; sumoship fargate explain ID says what it means.

A directory is searched as check does; -o names another, which is made if need be, and
whose files of the same names are replaced. Of several inputs each is written or
refused on its own; --resource all converts every task definition of a template.

  sumoship fargate convert shop.json -o shop-fargate.json
  sumoship fargate convert --from-ecs shop:7 --diff
  sumoship fargate convert shop.json | sumoship fargate register -
  sumoship fargate convert deploy/ -o fargate/
  sumoship fargate convert deploy/ --region eu-west-1 --execution-role ARN --diff
  sumoship fargate convert deploy/ --region eu-west-1 --execution-role ARN --in-place
  sumoship fargate convert template.yaml --with-services -o template.yaml

Exit status: 0 converted, 1 refused, or findings at or above --fail-on, 2 the
command or its input is wrong, 3 AWS refused.`
}

func (c *convertCmd) Run(ctx context.Context, s cli.Streams) error {
	findings, err := c.place(s, "definition", c.written())
	if err != nil {
		return err
	}
	if c.several() {
		return c.convertSeveral(ctx, s, findings)
	}
	path := ""
	if len(c.Paths) > 0 {
		path = c.Paths[0]
	}
	done, err := c.convert(ctx, s, path)
	if err != nil {
		return err
	}
	refused := done.refused()
	if refused == nil {
		out := c.Out
		if c.InPlace {
			out = path
		}
		if err := c.write(s, done, out); err != nil {
			return err
		}
	}
	report := finding.Report{Inputs: done.inputs}
	if err := c.reportFlags.write(s, report, findings); err != nil {
		return err
	}
	if refused == nil && c.format() == "text" {
		done.writeHCL(s)
	}
	switch {
	case refused != nil && done.malformed():
		return cli.Fail(cli.ExitUsage, refused)
	case refused != nil:
		return cli.Fail(cli.ExitFound, refused)
	}
	return c.status(report)
}

// written is where definitions go, "" for standard output.
func (c *convertCmd) written() string {
	if c.InPlace {
		return "the input"
	}
	return c.Out
}

// several reports whether the arguments are, or may be, more than one input.
func (c *convertCmd) several() bool {
	if len(c.Paths) > 1 || len(c.Paths) == 1 && c.FromECS != "" {
		return true
	}
	return len(c.Paths) == 1 && isDirectory(c.Paths[0])
}

// convertSeveral converts each input that the arguments name. One that is refused or
// cannot be read does not keep the others from being written.
func (c *convertCmd) convertSeveral(ctx context.Context, s cli.Streams, findings io.Writer) error {
	switch {
	case c.FromECS != "":
		return cli.Usagef("%s and --from-ecs %s: give one of them", c.Paths[0], c.FromECS)
	case c.InPlace && c.Out != "":
		return cli.Usagef("--in-place and -o %s: give one of them", c.Out)
	case !c.InPlace && !c.Diff && c.Out == "":
		return cli.Usagef("several inputs: give -o DIR, --in-place, or --diff to only see the changes")
	case c.Diff && (c.InPlace || c.Out != ""):
		return cli.Usagef("--diff of several inputs goes to standard output: leave out -o and --in-place")
	case c.Out != "" && !isDirectory(c.Out) && slices.Contains(extensions, strings.ToLower(filepath.Ext(c.Out))):
		return cli.Usagef("-o %s: several inputs need a directory to be written to", c.Out)
	case c.Out != "" && !isDirectory(c.Out):
		if err := os.MkdirAll(c.Out, 0o755); err != nil {
			return cli.Fail(cli.ExitUsage, err)
		}
	}
	candidates, err := c.candidates(ctx, s, c.Paths, c.Region, false)
	if err != nil {
		return err
	}
	var report finding.Report
	var refusals []error
	found := make([]bool, len(candidates))
	targets := map[string]string{} // input by the file it is written to
	status := cli.ExitOK
	fail := func(exit int, err error) {
		status = max(status, exit)
		refusals = append(refusals, err)
	}
	o := c.around(ctx, input{}, &c.ProfileFlag)
	for i := range candidates {
		in := &candidates[i]
		worth, err := c.load(ctx, s, in)
		var documents []*taskdef.Document
		if err == nil && worth {
			documents, err = c.documents(*in)
		}
		if err != nil {
			fail(cli.ExitUsage, err)
			report.Inputs = append(report.Inputs, finding.Input{Name: in.name, Err: err})
			continue
		}
		if len(documents) == 0 {
			report.Skipped++
			continue
		}
		found[i] = true
		done, err := c.conversionOf(in.input, documents, o)
		if err != nil {
			return err
		}
		report.Inputs = append(report.Inputs, done.inputs...)
		if refused := done.refused(); refused != nil {
			fail(map[bool]int{true: cli.ExitUsage, false: cli.ExitFound}[done.malformed()], refused)
			continue
		}
		target := c.target(*in)
		if other, taken := targets[target]; taken && target != "" {
			return cli.Usagef("%s and %s would both be %s: convert them one after the other", other, in.name, target)
		}
		targets[target] = in.name
		if c.Out != "" {
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return cli.Fail(cli.ExitUsage, err)
			}
		}
		if err := c.write(s, done, target); err != nil {
			return err
		}
		if c.format() == "text" {
			done.writeHCL(s)
		}
	}
	if err := c.reportFlags.write(s, report, findings); err != nil {
		return err
	}
	empty := nothingIn(candidates, func(i int) bool { return found[i] }, c.Paths)
	if err := warnEmpty(s, empty, false); err != nil {
		return err
	}
	if status != cli.ExitOK {
		return cli.Fail(status, errors.Join(refusals...))
	}
	return c.status(report)
}

// target is the file that an input is converted to, "" for standard output. Below -o
// DIR it has the path that it has below its argument.
func (c *convertCmd) target(in candidate) string {
	switch {
	case c.Diff:
		return ""
	case c.InPlace:
		return in.name
	}
	inside, err := filepath.Rel(in.root, in.name)
	if err != nil || inside == "." {
		inside = filepath.Base(in.name)
	}
	return filepath.Join(c.Out, inside)
}

// write writes the definition or the diff to a file, or to standard output if out is
// "".
func (c *convertCmd) write(s cli.Streams, done conversion, out string) error {
	result := done.after
	if c.Diff {
		if out == "" {
			return writeDiff(s.Out, s, done.diff())
		}
		result = []byte(done.diff())
	}
	return cli.WriteResult(s, out, result)
}

// conversionFlags are those of convert and diff.
type conversionFlags struct {
	inputFlags   `group:"Input"`
	ruleFlags    `group:"Conversion"`
	Format       string `help:"Shape of the output: that of the input (same), JSON for Amazon ECS (ecs), or a CloudFormation template with only the task definition (cfn)." enum:"same,ecs,cfn" default:"same"`
	WithServices bool   `help:"In a template, also edit what is around the definition: services, task sets, target groups and schedules."`
}

// conversion is an input before and after.
type conversion struct {
	name          string
	before, after []byte
	inputs        []finding.Input // its task definitions, with their findings
	hcl           string          // settings around a list of containers
	unfilled      error           // placeholders that a template would hold literally
}

func (f *conversionFlags) convert(ctx context.Context, s cli.Streams, file string) (conversion, error) {
	in, err := f.get(ctx, s, file, f.Region)
	if err != nil {
		return conversion{}, err
	}
	var documents []*taskdef.Document
	if f.Resource == allResources {
		if documents, err = f.documents(candidate{input: in}); err != nil {
			return conversion{}, cli.Fail(cli.ExitUsage, err)
		}
	} else {
		d, err := f.document(in)
		if err != nil {
			return conversion{}, err
		}
		documents = []*taskdef.Document{d}
	}
	return f.conversionOf(in, documents, f.around(ctx, in, &f.ProfileFlag))
}

// conversionOf converts the task definitions of an input.
func (f *conversionFlags) conversionOf(in input, documents []*taskdef.Document, o fargate.Options) (conversion, error) {
	if len(documents) > 1 && f.Format != "same" {
		return conversion{}, cli.Usagef("%s: --format %s writes one task definition, and there are %d: choose it with --resource", in.name, f.Format, len(documents))
	}
	c := conversion{name: in.name}
	for i, d := range documents {
		if f.Format != "same" {
			d = d.Whole()
		}
		if i == 0 {
			c.before = f.render(d)
		}
		neighbours := surroundings.Adapt(d, surroundings.Options{Edit: f.WithServices})
		findings, err := fargate.Convert(d, o)
		if err != nil {
			return conversion{}, cli.Fail(cli.ExitUsage, err)
		}
		findings = append(findings, neighbours...)
		c.inputs = append(c.inputs, finding.Input{Name: in.name, Resource: d.Resource(), Findings: findings})
		if f.Format == "cfn" && d.Shape() != taskdef.Template {
			c.unfilled = d.Unresolved()
		}
		c.after, c.hcl = f.render(d), fargate.HCL(d, o)
	}
	if len(documents) == 1 {
		c.inputs[0].Resource = "" // the only one needs no name
	}
	if f.Format == "same" && f.FromECS == "" {
		c.before = in.doc // what patch finds
	}
	if len(documents) == 1 {
		return c, nil
	}
	// Each document has a tree of its own, so that findings have the places of the
	// input: the edits are put together one definition after the other.
	c.after = in.doc
	for _, each := range documents {
		d, err := taskdef.Read(in.name, c.after, taskdef.ReadOptions{Resource: each.Resource()})
		if err != nil {
			return conversion{}, cli.Fail(cli.ExitUsage, err)
		}
		surroundings.Adapt(d, surroundings.Options{Edit: f.WithServices})
		if _, err := fargate.Convert(d, o); err != nil {
			return conversion{}, cli.Fail(cli.ExitUsage, err)
		}
		c.after = d.Bytes()
	}
	return c, nil
}

// malformed reports whether a part of a definition cannot be read.
func (c conversion) malformed() bool {
	return slices.ContainsFunc(c.inputs, func(i finding.Input) bool { return malformed(i.Findings) })
}

// writeHCL writes what the resource around a list needs, to copy.
func (c conversion) writeHCL(s cli.Streams) {
	if c.hcl != "" {
		fmt.Fprintf(s.Err, "\nIn the resource around the list of %s:\n\n", c.name)
		fmt.Fprint(cli.Raw(s.Err), c.hcl)
	}
}

func (f *conversionFlags) render(d *taskdef.Document) []byte {
	switch f.Format {
	case "ecs":
		return d.ECS()
	case "cfn":
		return d.CloudFormation()
	}
	return d.Bytes()
}

// refused says why a conversion must not be written. It returns nil if it may be.
func (c conversion) refused() error {
	mayAllow := map[string]bool{}
	for _, rule := range fargate.Rules() {
		mayAllow[rule.ID] = rule.Allow != ""
	}
	var ids []string
	n, allow := 0, ""
	for _, i := range c.inputs {
		for _, f := range i.Findings {
			if f.Severity != finding.Error {
				continue
			}
			n++
			if slices.Contains(ids, f.ID) {
				continue
			}
			ids = append(ids, f.ID)
			if mayAllow[f.ID] {
				allow += " --allow " + f.ID
			}
		}
	}
	if n == 0 && c.unfilled != nil {
		return fmt.Errorf("%s is not converted: CloudFormation does not fill in its placeholders\n%w", c.name, c.unfilled)
	}
	if n == 0 {
		return nil
	}
	help := "follow the help of each"
	if allow != "" {
		help += ", or accept the change with" + allow
	}
	return fmt.Errorf("%s is not converted: %s (%s)\nsumoship: %s", c.name, cli.Count(n, "error"), strings.Join(ids, ", "), help)
}

// diff is the conversion as a unified diff, as patch reads it.
func (c conversion) diff() string {
	before, after := c.before, c.after
	if line := bytes.IndexByte(before, '\n'); line < 0 || line == len(before)-1 {
		before, after = indent(before), indent(after) // one line would be one change
	}
	return udiff.Unified(c.name, c.name, string(before), string(after))
}
