package finding

import "fmt"

// OptionError is an option with an invalid value.
type OptionError struct {
	Option string // name of the field in its Options
	Value  string
	Want   string // what is valid
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("option %s: %q: want %s", e.Option, e.Value, e.Want)
}
