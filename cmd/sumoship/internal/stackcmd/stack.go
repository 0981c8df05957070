// Package stackcmd is sumoship doctor, status and tail: what a deployed stack does, and
// what is wrong with it. The looking is done by package doctor.
package stackcmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/doctor"
)

// flags say which stack.
type flags struct {
	Stack string `help:"Name of the stack of CloudFormation." default:"sumoship" placeholder:"NAME"`
	cli.AWSFlags
}

// open connects to AWS.
func (f *flags) open(ctx context.Context) (cfg aws.Config, clients doctor.Clients, err error) {
	if err = f.Named("--stack", &f.Stack); err != nil {
		return cfg, clients, err
	}
	if cfg, err = f.LoadRegion(ctx); err != nil {
		return cfg, clients, err
	}
	return cfg, doctor.FromAWS(cfg, f.ProfileFlag.Load), nil
}

// outputs returns the stack.
func (f *flags) stack(ctx context.Context, c doctor.Clients) (doctor.Stack, error) {
	s, err := c.Stacks.Stack(ctx, f.Stack)
	return s, f.failed(err)
}

// failed words an error of AWS.
func (f *flags) failed(err error) error {
	switch {
	case errors.Is(err, doctor.ErrNotFound):
		return cli.Fail(cli.ExitUsage, &cli.Missing{Kind: "stack", Name: f.Stack})
	case err != nil:
		return cli.Fail(cli.ExitAWS, err)
	}
	return nil
}

// again looks again and again, until ctx ends. It outlasts failures of AWS, but for
// that of the first look, and of ten in a row.
func again(ctx context.Context, s cli.Streams, every time.Duration, look func() error) error {
	looked, failures := false, 0
	for {
		err := look()
		failed, ok := errors.AsType[cli.Exit](err)
		switch {
		case err == nil:
			looked, failures = true, 0
		case ctx.Err() != nil:
		case !ok || failed.Status != cli.ExitAWS || !looked || failures == 9:
			return err
		default:
			failures++
			fmt.Fprintf(s.Err, "cannot be read now: %v; try again\n", cli.Plain(failed.Err))
		}
		select {
		case <-ctx.Done():
			return cli.Interrupted(ctx, "")
		case <-time.After(every):
		}
	}
}
