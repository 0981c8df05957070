package history

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"
)

// spot is a place in a text.
type spot struct{ line, column int }

func (s *spot) String() string { return fmt.Sprintf("%d:%d", s.line, s.column) }

// zone is how a timestamp ends, which tells the formats of lines apart.
type zone byte

const (
	noZone zone = iota // aws logs tail --format short
	utc                // Z: an S3 export
	offset             // +00:00: aws logs tail, with the log stream before the message
)

// lines reads log events that begin with a timestamp at the start of a line. Lines
// without one belong to the log event before.
func (r *Reader) lines(text *bufio.Reader) error {
	var (
		stamps stamps
		form   zone
		n      name
		begun  bool
		ends   []byte // of lines, which count only if another line of the message follows
		where  = &spot{1, 1}
		line   = 0
		long   []byte
	)
	flush := func() error {
		if !begun {
			return nil
		}
		begun, ends = false, ends[:0]
		return r.out.close(r.in.n.Load())
	}
	for {
		b, err := text.ReadSlice('\n')
		for err == bufio.ErrBufferFull {
			long = append(long, b...)
			if len(long) > maxEvent {
				r.errLine = line + 1
				return errTooLarge
			}
			b, err = text.ReadSlice('\n')
		}
		if len(long) > 0 {
			long = append(long, b...)
			b = long
		}
		r.in.used = 0
		t, z, rest, ok := stamps.cut(b)
		starts := ok && (r.Format == "" || z == form)
		if err != nil && err != io.EOF {
			// Half a line is not a log event. It may belong to the one before, which
			// then is not whole either.
			if starts {
				if err := flush(); err != nil {
					return err
				}
			} else if begun {
				r.out.drop()
			}
			r.errLine, r.errColumn = line+1, 1
			return err
		}
		if len(b) > 0 {
			line++
			switch {
			case starts:
				if err := flush(); err != nil {
					return err
				}
				if r.Format == "" {
					form, r.Format = z, Tail
					if z == utc {
						r.Format = Export
					}
				}
				stream := ""
				if form == offset {
					s, m, found := bytes.Cut(rest, []byte(" "))
					if !found {
						m = nil
						s = bytes.TrimRight(s, "\r\n")
					}
					stream, rest = string(s), m
				}
				if n.group == "" || n.stream != stream {
					if n = r.named("", "", stream); n.group == "" {
						return r.noGroup(line, 1)
					}
				}
				if r.sniff {
					r.out.sniffed(t)
					return errSniffed
				}
				text := bytes.TrimRight(rest, "\r\n")
				begun, where.line, ends = true, line, append(ends, rest[len(text):]...)
				r.out.begin(n, t, text, where)
			case !begun:
				return r.fail(line, 1, fmt.Sprintf("%s is neither JSON nor a line with a timestamp", shown(bytes.TrimRight(b, "\r\n"))), "")
			default:
				if r.out.length()+len(ends)+len(b) > maxEvent {
					r.errLine = line
					r.out.drop()
					return errTooLarge
				}
				text := bytes.TrimRight(b, "\r\n")
				if len(text) > 0 {
					r.out.more(ends)
					r.out.more(text)
					ends = ends[:0]
				}
				ends = append(ends, b[len(text):]...)
			}
		}
		long = long[:0]
		if err == io.EOF {
			return flush()
		}
	}
}

// stamps reads timestamps. It keeps the day, which changes rarely.
type stamps struct {
	day [10]byte
	ms  int64 // of its midnight
}

// cut reads the timestamp at the beginning of a line, YYYY-MM-DDTHH:MM:SS with or
// without a fraction, and how it ends. rest is what follows the blank after it.
func (s *stamps) cut(b []byte) (ms int64, z zone, rest []byte, ok bool) {
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return 0, 0, nil, false
	}
	if string(s.day[:]) != string(b[:10]) {
		day, err := time.Parse(time.DateOnly, string(b[:10]))
		if err != nil {
			return 0, 0, nil, false
		}
		copy(s.day[:], b)
		s.ms = day.UnixMilli()
	}
	hour, ok1 := two(b[11:])
	minute, ok2 := two(b[14:])
	second, ok3 := two(b[17:])
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 60 {
		return 0, 0, nil, false
	}
	ms = s.ms + int64(hour*3_600_000+minute*60_000+second*1000)
	i := 19
	if b[i] == '.' {
		scale := int64(100)
		for i++; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
			ms += int64(b[i]-'0') * scale
			scale /= 10
		}
	}
	switch {
	case i < len(b) && b[i] == 'Z':
		z = utc
		i++
	case i+6 <= len(b) && (b[i] == '+' || b[i] == '-') && b[i+3] == ':':
		hours, ok1 := two(b[i+1:])
		minutes, ok2 := two(b[i+4:])
		if !ok1 || !ok2 {
			return 0, 0, nil, false
		}
		east := int64(hours*3_600_000 + minutes*60_000)
		if b[i] == '-' {
			east = -east
		}
		ms -= east
		z = offset
		i += 6
	}
	switch {
	case i == len(b) || b[i] == '\n' || b[i] == '\r':
		return ms, z, b[i:], true
	case b[i] == ' ' || b[i] == '\t':
		return ms, z, b[i+1:], true
	}
	return 0, 0, nil, false
}

// two reads two digits.
func two(b []byte) (int, bool) {
	a, c := b[0]-'0', b[1]-'0'
	return int(a)*10 + int(c), a <= 9 && c <= 9
}
