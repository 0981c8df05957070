package subscription

import (
	"strings"
	"unicode/utf8"
)

// Names are checked without regular expressions: a function that links this
// package would compile them at each of its cold starts.

// spelt reports whether text has 1 to most characters, all of them letters and
// digits of ASCII or one of more.
func spelt(text string, most int, more string) bool {
	return text != "" && len(text) <= most && !strings.ContainsFunc(text, func(r rune) bool {
		return !lower(r) && !upper(r) && !digit(r) && !strings.ContainsRune(more, r)
	})
}

// isName reports whether text can name a filter or a logical destination.
func isName(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= 512 && !strings.ContainsAny(text, ":*")
}

// isPartition reports whether text has the form of aws or aws-us-gov.
func isPartition(text string) bool {
	first, rest, more := strings.Cut(text, "-")
	return first == "aws" && (!more || words(rest))
}

// isRegion reports whether text has the form of us-gov-west-1.
func isRegion(text string) bool {
	i := strings.LastIndexByte(text, '-')
	if i < 0 || !all(text[i+1:], digit) {
		return false
	}
	first, rest, more := strings.Cut(text[:i], "-")
	return more && len(first) >= 2 && all(first, lower) && words(rest)
}

func isAccount(text string) bool { return len(text) == 12 && all(text, digit) }

// words reports whether text is words joined by hyphens.
func words(text string) bool {
	for word := range strings.SplitSeq(text, "-") {
		if !all(word, lower) {
			return false
		}
	}
	return true
}

func all(text string, is func(rune) bool) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !is(r) })
}

func lower(r rune) bool { return 'a' <= r && r <= 'z' }
func upper(r rune) bool { return 'A' <= r && r <= 'Z' }
func digit(r rune) bool { return '0' <= r && r <= '9' }
