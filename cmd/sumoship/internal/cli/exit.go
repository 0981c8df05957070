package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"sumoship/deploy/finding"
)

// Exit statuses of all verbs.
const (
	ExitOK    = 0
	ExitFound = 1 // it ran, and what it found is not good
	ExitUsage = 2 // the command is wrong, or its input cannot be read
	ExitAWS   = 3 // AWS refused, or could not be reached
)

// signalStatus and above are the exit statuses of what a signal ended.
const signalStatus = 128

// Exit ends a verb with a status. Its error, if any, has not been printed yet.
type Exit struct {
	Status int
	Err    error
}

func (e Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

// Fail ends a verb with a status and an error.
func Fail(status int, err error) Exit { return Exit{status, err} }

// Usagef ends a verb because the command is wrong, or its input cannot be read.
func Usagef(format string, args ...any) error { return Fail(ExitUsage, fmt.Errorf(format, args...)) }

// asExit is how a verb ends that returned err, which is not nil. Options that
// are wrong are named by those of flags that set them.
func asExit(err error, flags []*kong.Flag) Exit {
	e, ok := errors.AsType[Exit](err)
	if !ok {
		e = Fail(ExitFound, err)
	}
	e.Err = byFlag(byVariable(e.Err, flags), flags)
	return e
}

// byFlag words the errors of options by their flags, each of several that are
// joined.
func byFlag(err error, flags []*kong.Flag) error {
	if errors.Is(err, errNoTerminal) && slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == "dry-run" }) {
		return fmt.Errorf("%w, or --dry-run to only see the plan", err)
	}
	if o, ok := err.(*finding.OptionError); ok {
		flag := flagOf(flags, o.Option)
		if o.Value == "" {
			return fmt.Errorf("%s is missing: want %s", flag, o.Want)
		}
		return fmt.Errorf("%s: %q: want %s", flag, o.Value, o.Want)
	}
	if o, ok := err.(interface{ Option() string }); ok {
		return fmt.Errorf("%s: %w", flagOf(flags, o.Option()), err)
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

// variableTag is the tag of a flag that sets a variable of the functions: its name.
const variableTag = "sets"

// byVariable words the errors of variables that flags have set, wherever they are in
// err: who gave a flag looks for it, and who set a variable for that.
func byVariable(err error, flags []*kong.Flag) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, v := range variablesIn(err) {
		for _, f := range flags {
			if f.Set && f.Tag.Get(variableTag) == v.Variable() {
				text = strings.Replace(text, v.Error(), "--"+f.Name+strings.TrimPrefix(v.Error(), v.Variable()), 1)
			}
		}
	}
	if text == err.Error() {
		return err
	}
	return &explained{text, err}
}

// variableError is an error about a variable, whose text begins with its name.
type variableError interface {
	error
	Variable() string
}

func variablesIn(err error) (found []variableError) {
	if v, ok := err.(variableError); ok {
		return []variableError{v}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return variablesIn(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			found = append(found, variablesIn(err)...)
		}
	}
	return found
}

// flagOf is the flag that sets an option, or the option if none does.
func flagOf(flags []*kong.Flag, option string) string {
	for _, f := range flags {
		if f.Tag.Get(OptionTag) == option {
			return "--" + f.Name
		}
	}
	return option
}
