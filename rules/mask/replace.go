package mask

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Replacement is what takes the place of what a mask finds. The zero value is the
// name of the mask in brackets, [email].
type Replacement struct {
	Text     string // this text
	KeepLast int    // or **** and the last characters, at most half of them
	HMAC     bool   // or [NAME:CODE], with the same code for the same value and key
}

// Bounds of a replacement.
const (
	MaxText = 100 // bytes
	MaxKeep = 8   // characters
	MinKey  = 16  // bytes of a key for HMAC
)

// Check returns what is wrong with a replacement.
func (r Replacement) Check() error {
	switch {
	case r.KeepLast < 0 || r.KeepLast > MaxKeep:
		return fmt.Errorf("keeps %d characters; want 1 to %d", r.KeepLast, MaxKeep)
	case r.Text != "" && r.KeepLast != 0 || r.HMAC && (r.Text != "" || r.KeepLast != 0):
		return errors.New("has several replacements; want one of a text, keeping the last characters, or HMAC")
	case len(r.Text) > MaxText:
		return fmt.Errorf("the replacement has %d bytes; want at most %d", len(r.Text), MaxText)
	case !utf8.ValidString(r.Text) || strings.ContainsFunc(r.Text, func(c rune) bool { return c < ' ' }):
		return errors.New("the replacement holds control characters or is not UTF-8; want plain text")
	}
	return nil
}

// replacer is a Replacement of one mask.
type replacer struct {
	fixed []byte // if it is the same for every value
	keep  int
	name  string
	key   []byte
}

func (r Replacement) compile(name string, key []byte) (replacer, error) {
	if err := r.Check(); err != nil {
		return replacer{}, err
	}
	out := replacer{name: name, keep: r.KeepLast}
	switch {
	case r.HMAC && len(key) < MinKey:
		return out, fmt.Errorf("replaces by HMAC, which needs a key of at least %d bytes; there is one of %d", MinKey, len(key))
	case r.HMAC:
		out.key = key
	case r.KeepLast > 0:
	case r.Text != "":
		out.fixed = []byte(r.Text)
	default:
		out.fixed = []byte("[" + name + "]")
	}
	return out, nil
}

// codeLetters stand for four bits each. None of them is a digit, a hexadecimal
// digit or a capital, so that no mask takes a code for what it looks for.
const codeLetters = "ghijklmnopqrstuv"

const codeBytes = 10

func (r *replacer) append(dst, value []byte, form func([]byte) []byte) []byte {
	switch {
	case r.fixed != nil:
		return append(dst, r.fixed...)
	case r.key == nil:
		n := min(r.keep, utf8.RuneCount(value)/2)
		last := len(value)
		for range n {
			_, width := utf8.DecodeLastRune(value[:last])
			last -= width
		}
		return append(append(dst, "****"...), value[last:]...)
	}
	if form != nil {
		value = form(value)
	}
	h := hmac.New(sha256.New, r.key)
	h.Write(value)
	dst = append(append(append(dst, '['), r.name...), ':')
	for _, b := range h.Sum(nil)[:codeBytes] {
		dst = append(dst, codeLetters[b>>4], codeLetters[b&15])
	}
	return append(dst, ']')
}
