package rules

import (
	"bytes"
	"encoding/json"
)

// SchemaID names the JSON Schema of documents.
const SchemaID = "https://json-schema.org/draft/2020-12/schema"

// Schema returns the JSON Schema of documents, indented. What it cannot say, that
// patterns compile and names of masks and placeholders exist, Read checks.
func Schema() []byte {
	s := documentShape().schema()
	s = append([]pair{{"$schema", SchemaID}, {"title", "sumoship rules"}}, s...)
	compact, err := json.Marshal(ordered(s))
	if err != nil {
		panic(err) // it holds texts, numbers and lists of them
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		panic(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

type pair struct {
	key   string
	value any
}

// ordered is an object that keeps the order of its members.
type ordered []pair

func (o ordered) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range o {
		if i > 0 {
			b = append(b, ',')
		}
		for j, v := range []any{p.key, p.value} {
			if j > 0 {
				b = append(b, ':')
			}
			var one bytes.Buffer
			enc := json.NewEncoder(&one)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
			b = append(b, bytes.TrimSpace(one.Bytes())...)
		}
	}
	return append(b, '}'), nil
}

func (s *shape) schema() []pair {
	var out []pair
	add := func(key string, value any) { out = append(out, pair{key, value}) }
	add("description", s.about)
	switch s.kind {
	case boolean:
		add("type", "boolean")
	case text:
		add("type", "string")
		if s.oneOf != nil {
			add("enum", s.oneOf)
		} else {
			add("minLength", 1)
		}
		if s.example != "" {
			add("examples", []string{s.example})
		}
	case number:
		add("type", map[bool]string{false: "number", true: "integer"}[s.whole])
		add("exclusiveMinimum", s.above)
		add(map[bool]string{false: "maximum", true: "exclusiveMaximum"}[s.below], s.upTo)
	case list:
		add("type", "array")
		add("items", ordered(s.each.schema()))
		if s.filled {
			add("minItems", 1)
		}
		add("maxItems", maxEach)
	case object:
		add("type", "object")
		if s.others != nil {
			add("propertyNames", ordered{{"pattern", s.names.pattern}})
			add("additionalProperties", ordered(s.others.schema()))
			if s.filled {
				add("minProperties", 1)
			}
			break
		}
		var properties ordered
		var required []string
		for _, m := range s.members {
			properties = append(properties, pair{m.name, ordered(m.shape.schema())})
			if m.required {
				required = append(required, m.name)
			}
		}
		add("properties", properties)
		if required != nil {
			add("required", required)
		}
		add("additionalProperties", false)
	}
	return out
}
