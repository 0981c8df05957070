package transform

import (
	"fmt"
	"slices"
	"strings"
)

// Source is the metadata that Sumo Logic stores with the records of one request:
// the values of its X-Sumo headers. If one is empty, the HTTP Source's own setting
// applies.
type Source struct {
	Name     string // _sourceName
	Category string // _sourceCategory
	Host     string // _sourceHost
	Fields   string // comma-separated key=value pairs
}

// metadataKey is the member of a JSON message that overrides its record's source.
// It becomes part of the record only where Options.Metadata is NoMetadata.
const metadataKey = "_sumo_metadata"

// Metadata is what of its record's source a message may override. A message may be
// written by anyone who can make the application log it.
type Metadata uint8

const (
	AllMetadata    Metadata = iota // name, category, host and fields
	FieldsMetadata                 // fields; the rest of _sumo_metadata is ignored
	NoMetadata                     // nothing; _sumo_metadata is a member like any other
)

// ParseMetadata returns the Metadata of a METADATA_FROM_MESSAGES value, which is
// case-sensitive.
func ParseMetadata(name string) (Metadata, error) {
	switch name {
	case "", "all":
		return AllMetadata, nil
	case "fields":
		return FieldsMetadata, nil
	case "none":
		return NoMetadata, nil
	}
	return AllMetadata, fmt.Errorf("unknown value %q: want all, fields or none", name)
}

// unlessNone returns value, or "" if value is the word none.
func unlessNone(value string) string {
	if strings.EqualFold(strings.TrimSpace(value), "none") {
		return ""
	}
	return value
}

// override returns s with the settings of a _sumo_metadata member. A setting that
// is not a string, a number, a boolean or a list of those is ignored.
func (s Source) override(metadata []byte) Source {
	// Of two keys for one field the later wins. A repeated key counts at its first
	// position with its last value, as in JSON.parse.
	type setting struct {
		key   string
		value []byte
	}
	var settings []setting
	scanObject(metadata, 0, func(key []byte, i int) int {
		end, _ := scanValue(metadata, i, 0)
		this := setting{text(key), metadata[i:end]}
		if s.field(this.key) == nil {
			return end
		}
		if n := slices.IndexFunc(settings, func(s setting) bool { return s.key == this.key }); n >= 0 {
			settings[n] = this
		} else {
			settings = append(settings, this)
		}
		return end
	})
	for _, this := range settings {
		if v, ok := plain(this.value); ok {
			*s.field(this.key) = unlessNone(v)
		}
	}
	return s
}

// field returns the field that a key of _sumo_metadata sets: in the spelling of
// cloudwatchlogs-with-dlq, of Sumo's older functions, or as the header.
func (s *Source) field(key string) *string {
	switch key {
	case "sourceName", "source", "X-Sumo-Name":
		return &s.Name
	case "category", "X-Sumo-Category":
		return &s.Category
	case "sourceHost", "host", "X-Sumo-Host":
		return &s.Host
	case "sourceFieldsOverride", "X-Sumo-Fields":
		return &s.Fields
	}
	return nil
}

// plain returns a JSON value as header text. A list is joined by commas.
func plain(value []byte) (string, bool) {
	switch value[0] {
	case '"':
		return text(value), true
	case '{', 'n': // null changes nothing
		return "", false
	case '[':
		var list []string
		ok := true
		scanArray(value, 0, func(i int) int {
			end, _ := scanValue(value, i, 0)
			v, isPlain := "", false
			if value[i] != '[' {
				v, isPlain = plain(value[i:end])
			}
			ok = ok && isPlain
			list = append(list, v)
			return end
		})
		return strings.Join(list, ","), ok
	}
	return string(value), true
}

// SourceOf returns the source of the records of a batch whose events do not say
// where they came from, and whose messages have no _sumo_metadata.
func (o Options) SourceOf(b *Batch) Source { return o.writer(b).payload.source }
