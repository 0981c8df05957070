// Command release builds what a release consists of, reproducibly: two builds of one
// revision by one version of Go have the same bytes, wherever they are made.
//
// It is not goreleaser, since SAM's rules of the Makefile build the functions, and
// since it builds everything twice, in two directories, and compares.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("release: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// build is what a release is built from, and where to.
type build struct {
	tree    string    // the repository
	cache   string    // of Go, for what it is to compile itself; "" is that of the machine
	cold    bool      // it is to compile everything itself
	out     string    // an empty directory
	tag     string    // such as v1.2.3
	version string    // the tag without its v, for names
	log     io.Writer // what was written
	sums    sums      // of what is published
}

// platforms are those of the command.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

var versionPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]*$`)

// run builds a release into a directory.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stdout)
	b := build{log: stdout}
	flags.StringVar(&b.tree, "C", ".", "`directory` of the repository")
	flags.StringVar(&b.out, "o", "dist/release", "`directory` to write to; what is in it is deleted")
	flags.StringVar(&b.tag, "version", "", "`version`, that of the tag")
	bucketOnly := flags.Bool("bucket", false, "build only what goes into a bucket: the functions and the expanded template")
	archiveOnly := flags.Bool("archive", false, "build only the archive of the command for this machine, once")
	once := flags.Bool("once", false, "do not build a second time, elsewhere, to compare")
	cold := flags.Bool("cold", false, "in the second build, compile the command for all platforms from nothing, not for this machine's alone")
	only := flags.String("platforms", strings.Join(platforms, ","), "`platforms` of the command, OS/ARCHITECTURE")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag; see -help", flags.Arg(0))
	}
	b.version = strings.TrimPrefix(b.tag, "v")
	if (!*bucketOnly || b.tag != "") && !versionPattern.MatchString(b.version) {
		return fmt.Errorf("-version %q: want one such as v1.2.3", b.tag)
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
	if *bucketOnly {
		_, err := b.bucket(ctx)
		return err
	}
	if *archiveOnly {
		return b.archive(ctx, here)
	}
	if err := b.all(ctx, strings.Split(*only, ",")); err != nil || *once {
		return err
	}
	return b.again(ctx, strings.Split(*only, ","), *cold)
}

// bucket builds what goes into a bucket.
func (b *build) bucket(ctx context.Context) (prefix string, err error) {
	if prefix, err = b.functions(ctx); err != nil {
		return "", err
	}
	return prefix, b.template(ctx, prefix)
}

// archive builds the archives of the command for platforms, and what is in them.
func (b *build) archive(ctx context.Context, platforms ...string) error {
	if _, err := b.bucket(ctx); err != nil {
		return err
	}
	if err := b.licences(ctx); err != nil {
		return err
	}
	for _, p := range platforms {
		if err := b.command(ctx, p); err != nil {
			return fmt.Errorf("the command for %s: %w", p, err)
		}
	}
	return nil
}

// all builds everything.
func (b *build) all(ctx context.Context, platforms []string) error {
	if err := b.archive(ctx, platforms...); err != nil {
		return err
	}
	if err := b.publish(); err != nil {
		return err
	}
	if err := b.boms(ctx); err != nil {
		return err
	}
	return b.writeSums()
}

// again builds everything a second time, of a copy of the tree in another directory,
// and returns an error that names what differs. The functions, and the command for this
// machine, are compiled from nothing, with the standard library and all modules. The
// commands for other platforms, which would take five times as long, are linked and packed
// again of what the first build compiled, unless cold.
func (b *build) again(ctx context.Context, platforms []string, cold bool) error {
	temp, err := os.MkdirTemp("", "release-again-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	second := build{tree: filepath.Join(temp, "another", "tree"), cache: filepath.Join(temp, "cache"), cold: cold, out: filepath.Join(temp, "out"), tag: b.tag, version: b.version, log: io.Discard}
	if err := copyTree(b.tree, second.tree); err != nil {
		return err
	}
	if err := second.empty(); err != nil {
		return err
	}
	if err := second.all(ctx, platforms); err != nil {
		return fmt.Errorf("the second build: %w", err)
	}
	if diff := b.sums.diff(second.sums); len(diff) > 0 {
		return fmt.Errorf("two builds differ: %s", strings.Join(diff, ", "))
	}
	_, err = fmt.Fprintf(b.log, "a second build, of a copy of the tree, has the same %d files\n", len(b.sums))
	return err
}

// here is the platform of this machine.
const here = runtime.GOOS + "/" + runtime.GOARCH

// caching is the environment that says where Go keeps what it compiles. alone says that it
// is to take nothing from another build.
func (b *build) caching(alone bool) []string {
	if b.cache == "" || !alone && !b.cold {
		return nil
	}
	return []string{"GOCACHE=" + b.cache}
}

// empty empties the directory to write to. It deletes only what a build has made.
func (b *build) empty() error {
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
