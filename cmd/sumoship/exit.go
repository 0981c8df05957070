package main

import (
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
)

// Exit statuses of all verbs.
const (
	exitOK    = 0
	exitFound = 1 // it ran, and what it found is not good
	exitUsage = 2 // the command is wrong, or its input cannot be read
	exitAWS   = 3 // AWS refused, or could not be reached
)

// exit ends a verb with a status. Its error, if any, has not been printed yet.
type exit struct {
	status int
	err    error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func usage(format string, args ...any) error { return exit{exitUsage, fmt.Errorf(format, args...)} }

// asExit is how a verb ends that returned err, which is not nil. Options that
// are wrong are named by those of flags that set them.
func asExit(err error, flags []*kong.Flag) exit {
	e, ok := errors.AsType[exit](err)
	if !ok {
		e = exit{exitFound, err}
	}
	e.err = byFlag(e.err, flags)
	return e
}

// byFlag words the errors of options by their flags, each of several that are
// joined.
func byFlag(err error, flags []*kong.Flag) error {
	if o, ok := err.(*finding.OptionError); ok {
		flag := flagOf(flags, o.Option)
		if o.Value == "" {
			return fmt.Errorf("%s is missing: want %s", flag, o.Want)
		}
		return fmt.Errorf("%s: %q: want %s", flag, o.Value, o.Want)
	}
	if g, ok := err.(*iam.GrantError); ok {
		return fmt.Errorf("%s: %w", flagOf(flags, taskAllow), g)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		errs = append(errs, byFlag(err, flags))
	}
	return errors.Join(errs...)
}

// flagOf is the flag that sets an option, or the option if none does.
func flagOf(flags []*kong.Flag, option string) string {
	for _, f := range flags {
		if f.Tag.Get(optionTag) == option {
			return "--" + f.Name
		}
	}
	return option
}
