package cli

import "io"

// Streams are what a verb reads and writes: results on Out, progress and
// errors on Err.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
}

// With returns Getenv with some variables replaced.
func (s Streams) With(variables map[string]string) func(name string) string {
	return func(name string) string {
		if v, ok := variables[name]; ok {
			return v
		}
		return s.Getenv(name)
	}
}
