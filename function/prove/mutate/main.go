// Mutate changes one thing at a time in the code of packages, runs the tests that
// reach the change, and lists the changes that no test notices.
//
//	go run ./function/prove/mutate [-n 100] [-seed 1] ./transform ./sumo
//
// All changes are built into the packages at once, and an environment variable chooses
// one, so that each package's tests are built once; the files are left alone, for the
// go command reads the changed ones from an overlay. Each test is run once to find out
// what it reaches and how long it takes. A change is then tried with the tests that
// reach it: those of its own package first, the quickest first, until one fails.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 0, "how many changes of each package to try, chosen at random; 0 means all")
	seed := flags.Uint64("seed", 1, "of the random choice")
	only := flags.String("only", "", "try the changes whose line of the list matches this")
	skip := flags.String("skip", "", "leave out the tests whose names match this")
	slow := flags.Duration("slow", 3*time.Second, "leave out tests that take more time of a processor")
	patience := flags.Duration("patience", 10*time.Second, "how long to wait for tests, beyond five times what they took without a change")
	workers := flags.Int("p", 2, "how many changes to try at once")
	least := flags.Float64("least", 0, "the percentage of the changes of each package that has to be noticed")
	list := flags.Bool("list", false, "list the changes and run nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	left, err := regexp.Compile(*skip)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	packages, err := instrument(ctx, dir, flags.Args())
	if err != nil {
		return err
	}
	for i := range packages {
		p := &packages[i]
		rng := rand.New(rand.NewPCG(*seed, 0))
		rng.Shuffle(len(p.changes), func(i, j int) { p.changes[i], p.changes[j] = p.changes[j], p.changes[i] })
		p.all = len(p.changes)
		var of []change
		for _, c := range p.changes {
			if chosen.MatchString(c.String()) && (*n == 0 || len(of) < *n) {
				of = append(of, c)
			}
		}
		p.changes = of
	}
	if *list {
		for _, p := range packages {
			for _, c := range p.changes {
				fmt.Fprintln(stdout, c)
			}
		}
		return nil
	}
	s, err := build(ctx, dir, packages)
	if err != nil {
		return err
	}
	s.skip, s.slow, s.patience = left, *slow, *patience
	if *skip == "" {
		s.skip = nil
	}
	if err := s.trace(ctx, *workers, stderr); err != nil {
		return err
	}
	var errs []error
	for _, p := range packages {
		if of := score(ctx, s, p, *workers, *seed, stdout); ctx.Err() == nil && of < *least {
			errs = append(errs, fmt.Errorf("%s: %.1f %% were noticed, want %g %%", p.path, of, *least))
		}
	}
	return cmp.Or(ctx.Err(), errors.Join(errs...))
}

// score tries the changes of a package, and writes which survived, as soon as it is known.
// It returns the percentage that was noticed.
func score(ctx context.Context, s *suite, p mutated, workers int, seed uint64, stdout io.Writer) float64 {
	outcomes := make([]outcome, len(p.changes))
	checks := make([]outcome, len(p.changes))
	var mu sync.Mutex
	each(ctx, workers, len(p.changes), func(i int) {
		outcomes[i] = s.try(ctx, p.path, p.changes[i].id, true)
		if ctx.Err() == nil && outcomes[i] != killed && outcomes[i] != overtime {
			mu.Lock()
			fmt.Fprintf(stdout, "%s: %s\n", outcomes[i], p.changes[i])
			mu.Unlock()
		}
		if i%10 == 0 {
			checks[i] = s.try(ctx, p.path, p.changes[i].id, false)
		}
	})
	if ctx.Err() != nil {
		return 0
	}
	counts := map[outcome]int{}
	checked, red := 0, 0
	for i, o := range outcomes {
		counts[o]++
		if i%10 == 0 {
			checked++
			if checks[i] == killed || checks[i] == overtime {
				red++
			}
		}
	}
	ran, noticed := len(p.changes), counts[killed]+counts[overtime]
	of := 100 * float64(noticed) / float64(max(1, ran))
	fmt.Fprintf(stdout, "%s: %d of %d changes were noticed (%.1f %%), %d of them since tests did not end, %d survived, %d are not reached; seed %d, %d in all; without a change, %d of %d runs were red\n",
		p.path, noticed, ran, of, counts[overtime], counts[survived], counts[unreached], seed, p.all, red, checked)
	return of
}

// each calls f for 0 to n-1, by several workers.
func each(ctx context.Context, workers, n int, f func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	wg.Wait()
}
