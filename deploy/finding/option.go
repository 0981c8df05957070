package finding

import "fmt"

// OptionError is an option that cannot be meant.
type OptionError struct {
	Option string // field of the Options that it is in
	Value  string
	Want   string
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("option %s: %q: want %s", e.Option, e.Value, e.Want)
}
