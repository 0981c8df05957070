// Package cli is what the verbs of the command share: streams, exit statuses, input
// and output, the AWS configuration, and how options are named by their flags. It
// runs a tree of verbs, and knows none of them.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/alecthomas/kong"
	"github.com/posener/complete"
	"github.com/willabides/kongplete"

	"sumoship/version"
)

// Run runs the verb of the tree that args name, and returns the exit status. tree is
// a pointer to a struct of kong's, not used before.
func Run(ctx context.Context, tree any, args []string, s Streams) int {
	out := &output{Writer: s.Out, getenv: s.Getenv}
	s.Out, s.Err = out, &output{Writer: s.Err, getenv: s.Getenv}
	ctx = context.WithValue(ctx, whereKey{}, new(where))
	e := dispatch(ctx, tree, args, s)
	if e.Err != nil && ctx.Err() != nil && e.Status < signalStatus {
		e = Interrupted(ctx, "") // what it says of AWS, Sumo Logic or time is not their fault
	}
	if e.Err != nil {
		who := "sumoship:"
		if e.Status < signalStatus {
			who = Paint(s.Err, Bad, who)
		}
		fmt.Fprintf(s.Err, "%s %v%s\n", who, Plain(e.Err), place(ctx, e.Err))
	}
	if err := out.missing(e.Err); err != nil {
		fmt.Fprintf(s.Err, "sumoship: %v\n", err)
		e.Status = max(e.Status, ExitFound)
	}
	return e.Status
}

// dispatch runs the verb that args name.
func dispatch(ctx context.Context, tree any, args []string, s Streams) (e Exit) {
	type done struct{ status int }
	defer func() { // --help ends in kong.Exit
		if r := recover(); r != nil {
			d, ok := r.(done)
			if !ok {
				panic(r)
			}
			e = Exit{Status: d.status}
		}
	}()
	var shared globals
	file, err := readProject()
	if err != nil {
		return Fail(ExitUsage, err)
	}
	parser := read(tree,
		kong.Embed(&shared),
		kong.Resolvers(file),
		kong.Writers(s.Out, s.Err),
		kong.Exit(func(code int) { panic(done{code}) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if s.Getenv("COMP_LINE") != "" { // a shell asks for completions
		kongplete.Complete(parser, kongplete.WithPredictor("file", complete.PredictFiles("*")))
	}
	if err := file.Validate(parser.Model); err != nil { // kong asks when it has taken values from it
		return Fail(ExitUsage, err)
	}
	args = helpOf(args)
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		return Fail(ExitUsage, fmt.Errorf("%w\nsumoship: see %s --help", err, verbOf(err)))
	}
	s = shared.apply(s)
	if err := command.Run(s); err != nil {
		return asExit(err, command.Flags())
	}
	return Exit{Status: ExitOK}
}

// read reads a tree of verbs. A mistake in its tags is one of ours, and panics.
func read(tree any, options ...kong.Option) *kong.Kong {
	parser, err := kong.New(tree, append([]kong.Option{
		kong.Name("sumoship"),
		kong.Description("Ships CloudWatch Logs to Sumo Logic and loses none. Moves task definitions of Amazon ECS to Fargate."),
		kong.UsageOnError(),
		kong.Help(printHelp),
		kong.ValueFormatter(func(v *kong.Value) string { return v.Help }), // without the variable of each
		kong.PostBuild(withVariables),
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true}),
		kong.NamedMapper("hyphenated", kong.MapperFunc(hyphenated)),
		kong.Vars{"version": "sumoship " + version.Read().String()},
	}, options...)...)
	if err != nil {
		panic(err)
	}
	return parser
}

// Verbs returns the verbs of a tree, for what is said of all of them.
func Verbs(tree any) []*kong.Node { return read(tree, kong.Embed(new(globals))).Model.Leaves(true) }

// globals are the flags of every verb.
type globals struct {
	Color string `help:"Colours: always, never, or auto, which is on a terminal." enum:"auto,always,never" default:"auto" placeholder:"WHEN"`
}

// apply returns the streams as the flags want them. What a flag says is in its
// variable, so that it is decided in one place.
func (g globals) apply(s Streams) Streams {
	s.Getenv = s.With(map[string]string{colourVariable: g.Color})
	for _, w := range []io.Writer{s.Out, s.Err} {
		w.(*output).getenv = s.Getenv
	}
	return s
}

// hyphenated reads the value of a flag that may begin with a hyphen, as in
// --family-suffix -fargate.
func hyphenated(ctx *kong.DecodeContext, target reflect.Value) error {
	token := ctx.Scan.Pop()
	if token.IsEOL() {
		return errors.New("missing value")
	}
	target.SetString(token.String())
	return nil
}

// verbOf returns the command as far as kong read it before the error.
func verbOf(err error) string {
	verb := "sumoship"
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range e.Context.Path {
			if step.Command != nil {
				verb = step.Command.FullPath()
			}
		}
	}
	return verb
}
