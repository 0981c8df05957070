package function

import (
	"bytes"
	"io"
	"log"
)

// RedactLog has the standard logger write to w without what net/http quotes of a
// server that sends something unasked: it may be an endpoint that the server was sent.
//
// It is for main functions: it changes the whole process, for good.
func RedactLog(w io.Writer) { log.SetOutput(redacted{w}) }

type redacted struct{ io.Writer }

// Write takes a whole line, as the logger writes it.
func (r redacted) Write(line []byte) (int, error) {
	before, _, quotes := bytes.Cut(line, []byte("Unsolicited response received on idle HTTP channel"))
	if !quotes {
		return r.Writer.Write(line)
	}
	if _, err := r.Writer.Write(append(bytes.Clone(before), "a server sent something unasked on an idle connection\n"...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
