package transform

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"math"

	"github.com/klauspost/compress/gzip"
)

// Part is a payload of some of the events of a batch.
type Part struct {
	Event  []byte // {"awslogs":{"data":"…"}}; nil if the events are too large even alone
	Events int    // how many it holds
}

// Rebuild yields payloads of the events for which keep is true, each of at most
// limit bytes, in order. A Part without an Event counts events that are too large
// even alone; they are in no other part. When ctx is done it ends early. It may call
// keep more than once for an event.
//
// It holds one payload at a time, and packs each event once, or again where a part
// would exceed the limit.
//
// The document around the events is unchanged, and so is each event, except for a
// request id that it has inherited from an earlier line: that line may be in
// another part, so the id is written beside the message. An event without one
// that follows a line with one whose REPORT line is not kept gets null. So the
// records of the parts are the records of the batch.
func (b *Batch) Rebuild(ctx context.Context, keep func(event int) bool, limit int) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		r := rebuilder{Batch: b, keep: keep, comma: []byte{','}, to: packer{ctx: ctx, limit: limit, size: b.packed}}
		level := gzip.DefaultCompression
		if len(b.doc) > fastFrom {
			level = gzip.BestSpeed
		}
		// The first part is of a size that CloudWatch Logs has packed into the limit.
		room := math.MaxInt
		if b.packed > limit {
			room = limit * len(b.doc) / b.packed / 4 * 3
		}
		for at := b.first(); at.i < b.to; {
			part, raw, next := r.fill(at, room, level)
			if r.to.full() && part.Events > 1 {
				room = min(room, raw) / 4 * 3
				continue
			}
			if r.to.full() { // even alone
				part, raw, next = r.fill(at, 0, gzip.BestCompression)
			}
			if r.to.full() {
				part = Part{Events: 1}
				if !r.emptyFits() {
					part.Events, next.i = r.count(at), b.to
				}
			} else {
				room = limit * raw / max(1, len(part.Event)) / 20 * 19
			}
			if ctx.Err() != nil || part.Events > 0 && !yield(part) {
				return
			}
			at = next
		}
	}
}

// fastFrom is the size of a document, in bytes, from which its parts are packed fast
// rather than small: it is more than a function of 256 MB packs well in a second.
const fastFrom = 4 << 20

// place is an event of a batch.
type place struct {
	i, n int // where it starts, and its number; past the last one i is that of the end
	ids  ids // before it
}

func (b *Batch) first() place {
	if b.n == 0 {
		return place{i: b.to}
	}
	return place{i: scanSpace(b.doc, b.from+1)}
}

// step goes to the event after one that ends at end.
func (p *place) step(b *Batch, end int) {
	p.n++
	if p.i = scanSpace(b.doc, end); b.doc[p.i] == ',' {
		p.i = scanSpace(b.doc, p.i+1)
	} else {
		p.i = b.to
	}
}

// rebuilder packs some of the events of a batch.
type rebuilder struct {
	*Batch
	keep  func(event int) bool
	event event
	comma []byte
	to    packer

	empty struct{ tried, fits bool } // the document without events
}

// fill packs kept events from a place on: one at least, and as many as room bytes
// hold. If the packer is full or its context done, there is no payload, but Events
// and next tell how far it came.
func (r *rebuilder) fill(at place, room, level int) (part Part, raw int, next place) {
	doc, end := r.doc, r.Batch.to-1
	r.to.reset(level)
	r.to.write(doc[:r.from+1])
	raw = r.from + 1 + len(doc) - end
	var here ids // in this part alone
	for at.i < r.Batch.to && r.to.err == nil {
		after := r.event.read(r.Batch, at.n, at.i)
		kept := r.keep(at.n)
		if kept && part.Events > 0 && raw+after-at.i > room {
			break
		}
		if id := at.ids.of(&r.event); kept {
			if part.Events > 0 {
				r.to.write(r.comma)
			}
			part.Events++
			raw += after - at.i + 1
			r.write(doc[at.i:after], id, &here)
		} else if at.n%1024 == 0 {
			r.to.check()
		}
		at.step(r.Batch, after)
	}
	r.to.write(doc[end:])
	part.Event = r.to.close()
	return part, raw, at
}

// write writes the event that was read last, with the request id that it has from
// the batch, unless it has it from the part as well.
func (r *rebuilder) write(text, id []byte, here *ids) {
	e := &r.event
	switch {
	case e.own != nil || e.preset != nil:
		here.of(e)
		r.to.write(text)
		return
	case id != nil:
		id = appendQuoted(nil, id)
	case here.known:
		id = []byte("null")
		here.known = false
	default:
		r.to.write(text)
		return
	}
	if e.bare {
		r.to.write([]byte(`{"message":`))
	} else {
		text = bytes.TrimRight(text[:len(text)-1], " \t\r\n")
	}
	r.to.write(text)
	if text[len(text)-1] != '{' || e.bare {
		r.to.write(r.comma)
	}
	r.to.write([]byte(`"requestID":`))
	r.to.write(id)
	r.to.write([]byte{'}'})
}

// emptyFits reports whether the document without events fits the limit.
func (r *rebuilder) emptyFits() bool {
	if !r.empty.tried {
		r.to.reset(gzip.BestCompression)
		r.to.write(r.doc[:r.from+1])
		r.to.write(r.doc[r.Batch.to-1:])
		r.to.close()
		r.empty.tried, r.empty.fits = true, !r.to.full()
	}
	return r.empty.fits
}

// count returns how many events are kept from a place on.
func (r *rebuilder) count(at place) (n int) {
	for at.i < r.Batch.to {
		if r.keep(at.n) {
			n++
		}
		end, _ := scanValue(r.doc, at.i, 2)
		at.step(r.Batch, end)
	}
	return n
}

const packHead, packTail = `{"awslogs":{"data":"`, `"}}`

var errFull = errors.New("the payload exceeds its limit")

// packer packs a document into a payload while it is written. It fails when the
// payload exceeds the limit or the context is done.
type packer struct {
	ctx   context.Context
	limit int
	size  int   // of the payload, at most: a guess
	err   error // the first one

	out    []byte
	level  int
	gz     *gzip.Writer // of that level
	base64 io.WriteCloser
}

func (p *packer) full() bool { return p.err == errFull }

func (p *packer) check() {
	if p.err == nil {
		p.err = p.ctx.Err()
	}
}

func (p *packer) reset(level int) {
	if p.gz == nil || p.level != level {
		p.gz, _ = gzip.NewWriterLevel(nil, level) // a level that exists: this cannot fail
		p.level = level
	}
	p.out, p.err = append(make([]byte, 0, max(0, min(p.limit, p.size))+512), packHead...), nil
	p.base64 = base64.NewEncoder(base64.StdEncoding, (*packed)(p))
	p.gz.Reset(p.base64)
}

// packed takes the base64 of a packer.
type packed packer

func (p *packed) Write(b []byte) (int, error) {
	if len(p.out)+len(b)+len(packTail) > p.limit {
		return 0, errFull
	}
	p.out = append(p.out, b...)
	return len(b), nil
}

// write writes a part of the document.
func (p *packer) write(b []byte) {
	const most = 128 << 10 // bytes between two looks at the context
	for len(b) > 0 && p.err == nil {
		n := min(len(b), most)
		if _, p.err = p.gz.Write(b[:n]); p.err == nil {
			p.check()
		}
		b = b[n:]
	}
}

// close returns the payload, nil after a failure.
func (p *packer) close() []byte {
	if p.err == nil {
		p.err = p.gz.Close()
	}
	if p.err == nil {
		p.err = p.base64.Close()
	}
	if p.err != nil {
		return nil
	}
	return append(p.out, packTail...)
}

// Pack returns the Lambda event of a CloudWatch Logs document.
func Pack(doc []byte) []byte {
	p := packer{ctx: context.Background(), limit: math.MaxInt}
	p.reset(gzip.DefaultCompression)
	p.write(doc)
	return p.close()
}

// Event returns a document as an event of Lambda: packed, unless it is one.
func Event(doc []byte) []byte {
	if bytes.HasPrefix(doc, []byte(`{"awslogs":`)) {
		return doc
	}
	return Pack(doc)
}
