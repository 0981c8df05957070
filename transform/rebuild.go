package transform

import (
	"bytes"
	"encoding/base64"

	"github.com/klauspost/compress/gzip"
)

// Part is a payload of some of the events of a batch.
type Part struct {
	Event  []byte // {"awslogs":{"data":"…"}}
	Events int    // how many it holds
}

// Rebuild returns payloads of the events for which keep is true, each of at most
// limit bytes, in order. unfit counts the events that are too large even alone;
// they are in no part.
//
// The document around the events is unchanged, and so is each event, except for a
// request id that it has inherited from an earlier line: that line may be in
// another part, so the id is written beside the message. An event without one
// that follows a line with one whose REPORT line is not kept gets null. So the
// records of the parts are the records of the batch.
func (b *Batch) Rebuild(keep func(event int) bool, limit int) (parts []Part, unfit int) {
	var (
		e       event
		carried ids    // in the batch
		rebuilt ids    // in the kept events alone
		kept    []byte // the kept events, with a comma after each
		ends    = []int{0}
		i       int
	)
	scanArray(b.doc, b.from, func(at int) int {
		end := e.read(b, i, at)
		id := carried.of(e.own, e.preset, e.report)
		i++
		if !keep(i - 1) {
			return end
		}
		kept = append(kept, bytes.TrimRight(b.doc[at:end-1], " \t\r\n")...)
		switch {
		case e.own != nil || e.preset != nil:
			rebuilt.of(e.own, e.preset, e.report)
		case id != nil:
			kept = appendQuoted(append(comma(kept), `"requestID":`...), id)
		case rebuilt.known:
			kept = append(comma(kept), `"requestID":null`...)
			rebuilt.known = false
		}
		kept = append(kept, '}', ',')
		ends = append(ends, len(kept))
		return end
	})
	var split func(from, to int)
	split = func(from, to int) {
		if from == to {
			return
		}
		doc := append(append([]byte{}, b.doc[:b.from]...), '[')
		doc = append(doc, kept[ends[from]:ends[to]-1]...)
		doc = append(append(doc, ']'), b.doc[b.to:]...)
		event := Pack(doc)
		if to-from == 1 && len(event) > limit {
			event = pack(doc, gzip.BestCompression)
		}
		switch {
		case len(event) <= limit:
			parts = append(parts, Part{event, to - from})
		case to-from == 1:
			unfit++
		default:
			half := from + (to-from)/2
			split(from, half)
			split(half, to)
		}
	}
	split(0, len(ends)-1)
	return parts, unfit
}

// Pack returns the Lambda event of a CloudWatch Logs document.
func Pack(doc []byte) []byte { return pack(doc, gzip.DefaultCompression) }

func pack(doc []byte, level int) []byte {
	var zipped bytes.Buffer
	w, _ := gzip.NewWriterLevel(&zipped, level) // a level of the library
	_, _ = w.Write(doc)                         // to a bytes.Buffer: this cannot fail
	_ = w.Close()
	const head, tail = `{"awslogs":{"data":"`, `"}}`
	out := make([]byte, 0, len(head)+base64.StdEncoding.EncodedLen(zipped.Len())+len(tail))
	out = base64.StdEncoding.AppendEncode(append(out, head...), zipped.Bytes())
	return append(out, tail...)
}
