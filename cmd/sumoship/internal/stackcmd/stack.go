// Package stackcmd is sumoship doctor, status and tail: what a deployed stack does, and
// what is wrong with it. The looking is done by package doctor.
package stackcmd

import (
	"context"
	"errors"

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
	if cfg, err = f.LoadRegion(ctx); err != nil {
		return cfg, clients, err
	}
	return cfg, doctor.FromAWS(cfg, f.ProfileFlag.Load), nil
}

// outputs returns the stack.
func (f *flags) stack(ctx context.Context, c doctor.Clients, region string) (doctor.Stack, error) {
	s, err := c.Stacks.Stack(ctx, f.Stack)
	return s, f.failed(err, region)
}

// failed words an error of AWS.
func (f *flags) failed(err error, region string) error {
	switch {
	case errors.Is(err, doctor.ErrNotFound):
		return cli.Usagef("no stack %s in %s: name it by --stack, and its Region by --region", f.Stack, region)
	case err != nil:
		return cli.Fail(cli.ExitAWS, err)
	}
	return nil
}
