package sumo

import (
	"net/http"
	"strings"
)

// Source is the metadata that Sumo Logic stores with the records of one request. If
// a value is empty no header is sent, and the HTTP Source's own setting applies.
type Source struct {
	Name     string
	Category string
	Host     string
	Fields   string // comma-separated key=value pairs
}

// Header names of the HTTP Source.
const (
	headerName     = "X-Sumo-Name"
	headerCategory = "X-Sumo-Category"
	headerHost     = "X-Sumo-Host"
	headerFields   = "X-Sumo-Fields"
	headerClient   = "X-Sumo-Client"
	headerToken    = "X-Sumo-Token"
)

// Limits of metadata, in characters. Longer values are cut, because Sumo Logic would
// cut them too, or refuse the request with all its records.
// Source: Sumo Logic, "Built-in metadata" (source category) and "Fields". None is
// documented for name and host; CloudWatch's own names have at most 512.
const (
	maxMetadata   = 1024
	maxFields     = 30
	maxFieldKey   = 255
	maxFieldValue = 200
)

// header sets the X-Sumo headers of s. clipped reports whether a value exceeded a
// limit.
func (s Source) header(h http.Header) (clipped bool) {
	set := func(name, value string, limit func(string) (string, bool)) {
		value, cut := limit(clean(value))
		clipped = clipped || cut
		if value != "" {
			h[name] = []string{value}
		}
	}
	set(headerName, s.Name, clipText)
	set(headerCategory, s.Category, clipText)
	set(headerHost, s.Host, clipText)
	set(headerFields, s.Fields, clipFields)
	return clipped
}

// clean returns a value that is allowed in a header: every control character but
// the tab becomes a space, so that no value can end its header or begin another.
// Characters beyond ASCII stay, as UTF-8.
func clean(value string) string {
	value = strings.Map(func(r rune) rune {
		if r != '\t' && (r < ' ' || r == 0x7f) {
			return ' '
		}
		return r // U+FFFD for invalid UTF-8
	}, value)
	return strings.Trim(value, " \t")
}

func clipText(s string) (string, bool) {
	s, clipped := clip(s, maxMetadata)
	return strings.TrimRight(s, " \t"), clipped
}

func clip(s string, limit int) (string, bool) {
	n := 0
	for i := range s {
		if n == limit {
			return s[:i], true
		}
		n++
	}
	return s, false
}

func clipFields(s string) (string, bool) {
	var kept []string
	clipped := false
	for pair := range strings.SplitSeq(s, ",") {
		key, value, found := strings.Cut(pair, "=")
		if _, long := clip(strings.TrimSpace(key), maxFieldKey); long || len(kept) == maxFields {
			clipped = true
			continue
		}
		if found {
			value, long := clip(value, maxFieldValue)
			clipped = clipped || long
			pair = key + "=" + value
		}
		kept = append(kept, pair)
	}
	return strings.TrimRight(strings.Join(kept, ","), " \t"), clipped
}
