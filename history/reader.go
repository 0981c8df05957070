package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Reader reads an input of any of the formats, compressed or not. Which it is shows
// in its first bytes.
type Reader struct {
	File    string // its name, for errors
	Hints   Hints
	Buffers chan []byte // that batches were in and are not used any more; nil for none
	Size    int         // of a batch, in bytes; 0 means BatchSize

	// Notes are what a reader noticed and a person should know.
	Notes []string

	Format Format // after the first log event

	sniff bool // end with the first log event
	out   batcher
	in    *counting

	errLine, errColumn int // of an error that does not say it
}

var errSniffed = errors.New("the first log event was read")

// Read reads an input to its end and hands on its batches, in an order and of a size
// that depend on the input alone. It ends with the first error of emit.
//
// Errors: *FormatError where it is not one of the formats, or its end is missing;
// what was read before it has been handed on.
func (r *Reader) Read(ctx context.Context, input io.Reader, emit func(Batch) error) error {
	text, closeText, err := plain(input)
	if err != nil {
		return r.broken(err)
	}
	defer closeText()
	r.in = &counting{r: text, ctx: ctx, budget: maxEvent, line: 1}
	r.out = batcher{hints: r.Hints, size: r.Size, buffers: r.Buffers, emit: func(b Batch) error {
		b.Where = r.File + ":" + b.Where
		return emit(b)
	}}
	buffered := bufio.NewReaderSize(r.in, 64<<10)
	err = r.document(buffered)
	if err == errSniffed || ctx.Err() != nil {
		return err
	}
	// What was read whole is not lost with what follows it.
	if failed := r.out.end(r.in.n.Load()); failed != nil {
		return failed
	}
	return r.broken(err)
}

// document reads the input by its first byte.
func (r *Reader) document(text *bufio.Reader) error {
	for {
		first, err := text.Peek(1)
		switch {
		case err == io.EOF:
			return r.fail(1, 1, "there is nothing in it", "")
		case err != nil:
			return err
		}
		switch first[0] {
		case ' ', '\t', '\r', '\n':
			if _, err := text.Discard(1); err != nil {
				return err
			}
		case 0xEF: // a byte order mark
			if bom, _ := text.Peek(3); bytes.Equal(bom, []byte("\xEF\xBB\xBF")) {
				if _, err := text.Discard(3); err != nil {
					return err
				}
				continue
			}
			return r.lines(text)
		case '{', '[':
			return r.json(text)
		default:
			return r.lines(text)
		}
	}
}

// broken words an error of what is below the formats by the place where it came.
func (r *Reader) broken(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*FormatError](err); ok {
		return err
	}
	line, column := max(1, r.errLine), max(1, r.errColumn)
	what, do := err.Error(), ""
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		what, do = "it ends in the middle: the file is not complete", "what is before this place was read; get the file again and ship the rest"
	case errors.Is(err, errGrown):
		do = "ship it again when it is complete"
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrMagicMismatch), errors.Is(err, zstd.ErrCRCMismatch):
		what, do = "the compressed data is damaged: "+what, "what is before this place was read; get the file again and ship the rest"
	case errors.Is(err, errTooLarge):
		what, do = fmt.Sprintf("a value of more than %d MB", maxEvent>>20), "a log event has at most 1 MB, so this is not one"
	}
	return &FormatError{r.File, line, column, what, do, err}
}

func (r *Reader) fail(line, column int, what, do string) error {
	if do == "" {
		do = "want " + formats
	}
	return &FormatError{File: r.File, Line: line, Column: column, What: what, Do: do}
}

// named returns the log stream that an event belongs to by what it says itself and by
// the hints.
func (r *Reader) named(owner, group, stream string) name {
	n := name{owner, group, stream}
	if n.owner == "" {
		n.owner = r.Hints.Owner
	}
	if n.group == "" {
		n.group = r.Hints.LogGroup
	}
	if n.stream == "" {
		n.stream = r.Hints.LogStream
	}
	return n
}

// found notes the format of the first log event.
func (r *Reader) found(f Format) {
	if r.Format == "" {
		r.Format = f
	}
}

// errNoGroup is told by where the log group would be.
func (r *Reader) noGroup(line, column int) error {
	return r.fail(line, column, string(r.Format)+": the log group is not in it", "give --log-group NAME")
}

// plain returns the text of an input: without gzip, twice where Firehose compresses
// what CloudWatch Logs has compressed, or zstd.
func plain(input io.Reader) (text io.Reader, closeText func(), err error) {
	var closers []func()
	closeText = func() {
		for _, c := range closers {
			c()
		}
	}
	text = input
	for range 2 {
		b := bufio.NewReaderSize(text, 64<<10)
		text = b
		magic, err := b.Peek(4)
		if err != nil && err != io.EOF {
			return nil, closeText, err
		}
		switch {
		case bytes.HasPrefix(magic, []byte{0x1F, 0x8B}):
			z, err := gzip.NewReader(b)
			if err != nil {
				return nil, closeText, err
			}
			text = z
		case bytes.Equal(magic, []byte{0x28, 0xB5, 0x2F, 0xFD}):
			z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(32<<20), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, closeText, err
			}
			closers = append(closers, z.Close)
			text = z
		default:
			return text, closeText, nil
		}
	}
	return text, closeText, nil
}

// counting counts what is read, knows its lines, and bounds what is read for one
// value.
type counting struct {
	r      io.Reader
	ctx    context.Context
	n      atomic.Int64 // bytes
	budget int64        // for the value that is being read
	used   int64
	line   int   // after what was taken
	start  int64 // of that line

	breaks []int64 // ends of the lines that were read, as far as they may still be asked for
	lines  bool    // to note them
}

var errTooLarge = errors.New("a value is too large")

func (c *counting) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if c.used > c.budget {
		return 0, errTooLarge
	}
	n, err := c.r.Read(b)
	if c.lines {
		at := c.n.Load()
		for i := 0; i < n; {
			j := bytes.IndexByte(b[i:n], '\n')
			if j < 0 {
				break
			}
			i += j + 1
			c.breaks = append(c.breaks, at+int64(i))
		}
	}
	c.n.Add(int64(n))
	c.used += int64(n)
	return n, err
}

// took says that what is before an offset is not asked for any more.
func (c *counting) took(offset int64) {
	c.used = 0
	i := 0
	for ; i < len(c.breaks) && c.breaks[i] <= offset; i++ {
		c.line++
		c.start = c.breaks[i]
	}
	c.breaks = append(c.breaks[:0], c.breaks[i:]...)
}

// at returns the line and column of an offset that was not taken.
func (c *counting) at(offset int64) (line, column int) {
	line, start := c.line, c.start
	for _, b := range c.breaks {
		if b > offset {
			break
		}
		line++
		start = b
	}
	return line, int(offset-start) + 1
}
