package function

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Vars reads environment variables and collects what is wrong with them, so that
// one error can report every mistake.
type Vars struct {
	getenv func(string) string
	errs   []error
}

// NewVars returns a reader of the variables that getenv returns.
func NewVars(getenv func(string) string) *Vars { return &Vars{getenv: getenv} }

// VarError is what is wrong with a variable.
type VarError struct {
	Name string
	Err  error
}

func (e *VarError) Error() string { return e.Name + ": " + e.Err.Error() }

func (e *VarError) Unwrap() error { return e.Err }

// Variable returns its name, for whoever knows it by another.
func (e *VarError) Variable() string { return e.Name }

// Fail adds an error about a variable.
func (v *Vars) Fail(name string, err error) {
	v.errs = append(v.errs, &VarError{name, err})
}

// Err joins the errors. Each names its variable.
func (v *Vars) Err() error { return errors.Join(v.errs...) }

// Text returns the value of a variable without surrounding white space.
func (v *Vars) Text(name string) string { return strings.TrimSpace(v.getenv(name)) }

// Bool reads true or false, in upper or lower case.
func (v *Vars) Bool(name string, otherwise bool) bool {
	switch text := v.Text(name); strings.ToLower(text) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		v.Fail(name, fmt.Errorf("%q is neither true nor false", text))
		return otherwise
	}
}

// Int reads a whole number from least to most.
func (v *Vars) Int(name string, otherwise, least, most int) int {
	text := v.Text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		v.Fail(name, fmt.Errorf("%q is not a whole number from %d to %d", text, least, most))
		return otherwise
	}
	return n
}

// Millis reads a duration in milliseconds.
func (v *Vars) Millis(name string, otherwise, least, most time.Duration) time.Duration {
	return time.Duration(v.Int(name, int(otherwise.Milliseconds()), int(least.Milliseconds()), int(most.Milliseconds()))) * time.Millisecond
}

// List reads a comma-separated list without white space and empty entries.
func (v *Vars) List(name string) []string {
	text := v.Text(name)
	var out []string
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	if text != "" && out == nil {
		v.Fail(name, fmt.Errorf("%q is a list without an entry; want one, or an empty value", text))
	}
	return out
}
