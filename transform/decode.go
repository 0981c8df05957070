package transform

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

// DefaultLimit is the default limit of a decompressed payload, in bytes. The payload
// of Lambda's largest request, 6 MB, inflates to about 31 MB of logs.
const DefaultLimit = 64 << 20

// The stages of Decode, as DecodeError names them.
const (
	StageEvent    = "event"    // the Lambda event is {"awslogs":{"data":"…"}}
	StageBase64   = "base64"   // data is base64
	StageGzip     = "gzip"     // that is gzip, whole, under the limit
	StageDocument = "document" // that is one JSON document of CloudWatch Logs
)

// ErrTooLarge is wrapped by the DecodeError of a payload that inflates to more
// than the limit.
var ErrTooLarge = errors.New("payload exceeds the limit")

// DecodeError is why an event cannot be read. Its text holds nothing of the
// event's content. It is permanent: a retry cannot help.
type DecodeError struct {
	Stage string // one of the Stage constants
	Err   error
}

func (e *DecodeError) Error() string { return "decode " + e.Stage + ": " + e.Err.Error() }
func (e *DecodeError) Unwrap() error { return e.Err }

func failed(stage, format string, args ...any) error {
	return &DecodeError{stage, fmt.Errorf(format, args...)}
}

// Batch is one decoded payload: the events of one log stream. It is valid until
// the next call of Decode on the same Decoder.
type Batch struct {
	Control   bool   // a CONTROL_MESSAGE, by which CloudWatch Logs tests the destination
	Owner     string // account of the log group; "" if the payload names none
	LogGroup  string // "" if the payload names none
	LogStream string // "" if the payload names none

	doc      []byte       // the document, valid JSON in valid UTF-8
	from, to int          // its array of events is doc[from:to], brackets included
	n        int          // events in it
	index    []eventIndex // of the first of them, at most maxIndexed
	packed   int          // bytes of base64 that the document came in

	named  struct{ group, stream bool } // the document names them
	lambda bool                         // the log stream is one of AWS Lambda
}

// Len returns the number of log events.
func (b *Batch) Len() int { return b.n }

// Size returns the length of the decompressed document in bytes.
func (b *Batch) Size() int { return len(b.doc) }

// Decoder decodes payloads, one at a time, into buffers that it reuses. The zero
// value is ready to use.
type Decoder struct {
	doc   []byte
	index []eventIndex
	in    bufio.Reader // of gz
	gz    gzip.Reader
}

// keepCap is the capacity, in bytes, up to which a buffer is kept for the next
// payload.
const keepCap = 16 << 20

// Decode unpacks a Lambda event of CloudWatch Logs, {"awslogs":{"data":"…"}}:
// base64, then gzip (of any number of members), then exactly one JSON
// document. limit bounds the decompressed size in bytes; a longer payload
// fails without being read whole.
//
// The gzip trailer is checked, so a truncated payload is an error. Unknown keys
// are allowed, and an event may be any JSON value: one that is not an object is the
// message of an event without other members. Bytes that are not UTF-8 become U+FFFD. A CONTROL_MESSAGE sets
// Batch.Control and has no events.
//
// Errors: *DecodeError, which wraps ErrTooLarge when the limit is exceeded. All
// are permanent, and none holds text of the payload.
//
// Source: AWS Lambda Developer Guide, "Using Lambda with CloudWatch Logs".
func (d *Decoder) Decode(event []byte, limit int64) (*Batch, error) {
	data, err := payloadOf(event)
	if err != nil {
		return nil, err
	}
	if cap(d.doc) > keepCap {
		d.doc = nil
	}
	d.doc, err = d.inflate(d.doc[:0], &unpacking{src: data}, len(data), limit)
	if _, corrupt := errors.AsType[base64.CorruptInputError](err); corrupt || len(data) == 0 {
		if data, err = plainBase64(data); err != nil {
			return nil, &DecodeError{StageBase64, err}
		}
		d.doc, err = d.inflate(d.doc[:0], &unpacking{src: data}, len(data), limit)
	}
	if err != nil {
		return nil, &DecodeError{StageGzip, cmp.Or(notGzip(data), err)}
	}
	doc := d.doc
	if !utf8.Valid(doc) {
		doc = validUTF8(doc)
	}
	b, err := parse(doc, d.index[:0])
	if err == nil {
		b.packed = len(data)
		d.index = b.index
	}
	return b, err
}

// Decode decodes an event with a new Decoder; see Decoder.Decode.
func Decode(event []byte, limit int64) (*Batch, error) { return new(Decoder).Decode(event, limit) }

// payloadOf returns awslogs.data of a Lambda event, without its quotes.
func payloadOf(event []byte) ([]byte, error) {
	if data, ok := payloadAsSent(event); ok {
		return data, nil
	}
	start := scanSpace(event, 0)
	if start == len(event) {
		return nil, failed(StageEvent, "the event is empty")
	}
	end, _ := scanValue(event, start, 0)
	if end < 0 || scanSpace(event, end) != len(event) {
		return nil, failed(StageEvent, "the event is not one JSON document")
	}
	logs, ok := find(event[start:end], "awslogs")
	switch {
	case !ok:
		return nil, failed(StageEvent, "the event is not an object")
	case logs == nil:
		return nil, failed(StageEvent, `the event has no "awslogs": it did not come from CloudWatch Logs`)
	}
	data, ok := find(logs, "data")
	switch {
	case !ok:
		return nil, failed(StageEvent, `"awslogs" is not an object`)
	case data == nil:
		return nil, failed(StageEvent, `"awslogs" has no "data"`)
	}
	_, flags := scanString(data, 0)
	if data[0] != '"' {
		return nil, failed(StageEvent, `"awslogs.data" is not a string`)
	}
	data = data[1 : len(data)-1]
	if flags&hasEscape != 0 {
		data = appendUnescaped(nil, data)
	}
	return data, nil
}

// payloadAsSent is payloadOf for an event exactly as CloudWatch Logs writes it.
func payloadAsSent(event []byte) (data []byte, ok bool) {
	const head, tail = `{"awslogs":{"data":`, `}}`
	if !bytes.HasPrefix(event, []byte(head)) {
		return nil, false
	}
	end, flags := scanString(event, len(head))
	if end < 0 || flags != 0 || string(bytes.TrimRight(event[end:], " \t\r\n")) != tail {
		return nil, false
	}
	return event[len(head)+1 : end-1], true
}

// find returns the value of the last member of that name in valid JSON, or nil.
// ok is false if the JSON is not an object.
func find(object []byte, name string) (value []byte, ok bool) {
	end := scanObject(object, 0, func(key []byte, i int) int {
		end, _ := scanValue(object, i, 0)
		if end >= 0 && keyIs(key, name) {
			value = object[i:end]
		}
		return end
	})
	return value, end >= 0
}

// unpacking is an io.Reader that decodes base64, without line breaks, on demand.
type unpacking struct{ src []byte }

func (u *unpacking) Read(p []byte) (int, error) {
	if len(u.src) == 0 {
		return 0, io.EOF
	}
	n, err := base64.StdEncoding.Decode(p, u.src[:min(len(p)/3*4, len(u.src))])
	u.src = u.src[min(len(p)/3*4, len(u.src)):]
	return n, err
}

// plainBase64 converts the usual spellings of base64 (either alphabet, padded or
// not, with line breaks) into the one that unpacking reads.
func plainBase64(src []byte) ([]byte, error) {
	if len(src) == 0 {
		return nil, errors.New("data is empty")
	}
	plain := make([]byte, 0, len(src)+3)
	for _, c := range bytes.TrimRight(src, "= \t\r\n") {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		case ' ', '\t', '\r', '\n':
			continue
		}
		plain = append(plain, c)
	}
	if _, err := base64.RawStdEncoding.Decode(make([]byte, len(plain)), plain); err != nil {
		return nil, err
	}
	for len(plain)%4 != 0 {
		plain = append(plain, '=')
	}
	return plain, nil
}

// inflate appends the content of all gzip members in packed, which is size
// characters of base64 long.
func (d *Decoder) inflate(dst []byte, packed *unpacking, size int, limit int64) ([]byte, error) {
	limit = min(max(limit, 0), math.MaxInt-1) // one byte more is read, to see that it is exceeded
	var end [8]byte
	n, _ := base64.StdEncoding.Decode(end[:], packed.src[max(0, size-8):])
	d.in.Reset(packed)
	for {
		if err := d.gz.Reset(&d.in); err != nil {
			return dst, truncated(err)
		}
		d.gz.Multistream(false)
		var err error
		if dst, err = d.read(dst, end[:n], size, limit); err != nil {
			return dst, truncated(err)
		}
		if more, err := d.more(); err != nil || !more {
			return dst, err
		}
	}
}

// more reports whether another member follows. gzip permits zeros after the last
// one as padding.
func (d *Decoder) more() (bool, error) {
	for padded := false; ; padded = true {
		c, err := d.in.ReadByte()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case c == 0:
		case padded:
			return false, gzip.ErrHeader
		default:
			return true, d.in.UnreadByte()
		}
	}
}

// maxRatio is deflate's maximum ratio.
const maxRatio = 1032

// read appends the content of one member. The last four bytes of a member give
// its size, so a buffer of the right size can be allocated at once; as they
// cannot be trusted, the buffer is never larger than what size characters of
// base64 can inflate to. end is the decoded end of the last member.
func (d *Decoder) read(dst, end []byte, size int, limit int64) ([]byte, error) {
	hint := int64(0)
	if len(end) >= 4 {
		hint = int64(binary.LittleEndian.Uint32(end[len(end)-4:]))
	}
	hint = min(hint, int64(size)*maxRatio, limit)
	if need := len(dst) + int(hint) + 1; cap(dst) < need {
		if len(dst) > 0 { // or many members would each grow it a little
			need = max(need, 2*cap(dst))
		} else {
			dst, d.doc = nil, nil // free the old buffer before allocating the new one
		}
		grown := make([]byte, len(dst), need)
		copy(grown, dst)
		dst = grown
	}
	for {
		if int64(len(dst)) > limit {
			return dst, fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
		}
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := d.gz.Read(dst[len(dst):min(int64(cap(dst)), limit+1)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			if int64(len(dst)) > limit {
				return dst, fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
			}
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

var errTruncated = errors.New("the data is truncated")

// notGzip returns what a payload, in base64, is instead of gzip, nil if that is not
// known or if it begins as gzip, which no text does. Other programs may write into a
// stream, or invoke a function by hand.
func notGzip(data []byte) error {
	const want = "want what CloudWatch Logs writes, JSON in gzip"
	var begin [48]byte
	n, _ := base64.StdEncoding.Decode(begin[:], data[:min(len(data)/4*4, 64)])
	b := begin[:n]
	at := func(magic string) bool { return len(b) >= len(magic) && string(b[:len(magic)]) == magic }
	switch {
	case at("\xf3\x89\x9a\xc2"):
		// Source: amazon-kinesis-producer, aggregation-format.md.
		return errors.New("the Kinesis Producer Library has aggregated this record; " + want)
	case at("\x28\xb5\x2f\xfd"):
		return errors.New("this is zstd; " + want)
	}
	for i := 1; i < utf8.UTFMax && !utf8.Valid(b); i++ { // a character may go on beyond
		b = b[:len(b)-1]
	}
	readable := len(b) > 0 && utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' })
	switch {
	case !readable:
		return nil
	case bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")):
		return errors.New("this is JSON without gzip; " + want)
	}
	return errors.New("this is plain text; " + want)
}

// validUTF8 replaces invalid UTF-8 by U+FFFD as web browsers do: one for each
// maximal subpart of a character, or else for each byte.
// Source: The Unicode Standard, "U+FFFD Substitution of Maximal Subparts".
func validUTF8(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = subpart(b)
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

// subpart returns the length of the maximal subpart of a character at the start of
// b, which does not start with a whole one; at least 1.
func subpart(b []byte) int {
	want, low, high := 1, byte(0x80), byte(0xbf) // one byte also of a character of two
	switch c := b[0]; {
	case 0xe0 <= c && c <= 0xef:
		want = 3
	case 0xf0 <= c && c <= 0xf4:
		want = 4
	}
	switch b[0] { // these narrow the range of the byte that follows
	case 0xe0:
		low = 0xa0
	case 0xed:
		high = 0x9f
	case 0xf0:
		low = 0x90
	case 0xf4:
		high = 0x8f
	}
	n := 1
	for n < want && n < len(b) && low <= b[n] && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}

// parse reads the document of CloudWatch Logs. It appends the batch's index to
// index.
func parse(doc []byte, index []eventIndex) (*Batch, error) {
	b := &Batch{doc: doc, index: index}
	p := parser{Batch: b, spare: index}
	start := scanSpace(doc, 0)
	end := scanObject(doc, start, p.member)
	if end < 0 || scanSpace(doc, end) != len(doc) {
		if _, _, _, ok := isJSON(doc); ok {
			return nil, failed(StageDocument, "not a JSON object")
		}
		return nil, failed(StageDocument, "not exactly one JSON document")
	}
	switch string(p.messageType) {
	case `"CONTROL_MESSAGE"`:
		return &Batch{Control: true, Owner: b.Owner, LogGroup: b.LogGroup, LogStream: b.LogStream, doc: doc}, nil
	case `"DATA_MESSAGE"`, "", "null": // without a type it can only be data
	default:
		return nil, failed(StageDocument, "messageType is neither DATA_MESSAGE nor CONTROL_MESSAGE")
	}
	if b.to == 0 {
		return nil, failed(StageDocument, "logEvents is missing or not an array")
	}
	b.lambda = byLambda(b.LogGroup, b.LogStream)
	return b, nil
}

// parser fills a batch from its document. Of several members of one name the last
// counts.
type parser struct {
	*Batch
	spare       []eventIndex // an empty index to append to
	messageType []byte       // as it is written
}

// member reads the member of the document whose value is at i, and returns its end.
func (p *parser) member(key []byte, i int) (end int) {
	events := keyIs(key, "logEvents")
	if events && i < len(p.doc) && p.doc[i] == '[' {
		p.n, p.index = 0, p.spare
		p.from, p.to = i, scanArray(p.doc, i, p.event)
		return p.to
	}
	if end, _ = scanValue(p.doc, i, 1); end < 0 {
		return end
	}
	switch value := p.doc[i:end]; {
	case events:
		p.from, p.to = 0, 0
	case keyIs(key, "messageType"):
		p.messageType = value
	case keyIs(key, "owner"):
		p.Owner = text(value)
	case keyIs(key, "logGroup"):
		p.LogGroup, p.named.group = text(value), value[0] == '"'
	case keyIs(key, "logStream"):
		p.LogStream, p.named.stream = text(value), value[0] == '"'
	}
	return end
}

// event reads the event at i, and returns its end.
func (p *parser) event(i int) (end int) {
	x := indexEvent(p.doc, i)
	if len(p.index) == p.n && p.n < maxIndexed {
		p.index = append(p.index, x)
	}
	if end = int(x.end); end == 0 {
		end, _ = scanValue(p.doc, i, 2)
	}
	p.n++
	return end
}

// text returns the content of a JSON string, "" for any other value.
func text(value []byte) string {
	if value[0] != '"' {
		return ""
	}
	s := appendUnescaped(nil, value[1:len(value)-1])
	replaceLoneSurrogates(s)
	return string(s)
}
