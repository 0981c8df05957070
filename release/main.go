// Command release builds what a release consists of, reproducibly: two builds of one
// revision have the same bytes, wherever they are made.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("release: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// build is what a release is built from, and where to.
type build struct {
	tree string    // the repository
	out  string    // an empty directory
	log  io.Writer // what was written
}

// run builds the functions and the expanded template into a directory.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stdout)
	b := build{log: stdout}
	flags.StringVar(&b.tree, "C", ".", "`directory` of the repository")
	flags.StringVar(&b.out, "o", "dist/release", "`directory` to write to; what is in it is deleted")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag; see -help", flags.Arg(0))
	}
	for _, path := range []*string{&b.tree, &b.out} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	if err := b.empty(); err != nil {
		return err
	}
	prefix, err := b.functions(ctx)
	if err != nil {
		return err
	}
	return b.template(ctx, prefix)
}

// empty empties the directory to write to. It deletes only what a build has made.
func (b build) empty() error {
	entries, err := os.ReadDir(b.out)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(b.out, bucketDir)); err != nil {
			return fmt.Errorf("%s holds something that is not a release; give another directory with -o", b.out)
		}
		if err := os.RemoveAll(b.out); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(b.out, bucketDir), 0o755)
}
