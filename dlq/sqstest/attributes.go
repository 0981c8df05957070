package sqstest

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// attribute is a message attribute.
type attribute struct {
	DataType         string
	StringValue      *string           `json:",omitempty"`
	BinaryValue      []byte            `json:",omitempty"`
	StringListValues []json.RawMessage `json:",omitempty"` // reserved by the service
	BinaryListValues []json.RawMessage `json:",omitempty"`
}

// kind returns String, Number or Binary, without the label that may follow.
func (a attribute) kind() string {
	kind, _, _ := strings.Cut(a.DataType, ".")
	return kind
}

func (a attribute) value() string {
	if a.StringValue != nil {
		return *a.StringValue
	}
	return string(a.BinaryValue)
}

func checkAttributes(attrs map[string]attribute) error {
	if len(attrs) > 10 {
		return invalid("Number of message attributes [%d] exceeds the allowed maximum [10].", len(attrs))
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) { // sorted: always the same error first
		if err := checkAttributeName(name); err != nil {
			return err
		}
		if err := attrs[name].check(name); err != nil {
			return err
		}
	}
	return nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return invalid("Message (user) attribute name can not be empty.")
	case len(name) > 256:
		return invalid("Message (user) attribute names must be shorter than 256 Bytes")
	case strings.ContainsFunc(name, func(r rune) bool { return !isNameRune(r) && r != '.' }), strings.Contains(name, ".."):
		return invalid("Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. ")
	case strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."), strings.HasPrefix(name, "."), strings.HasSuffix(name, "."):
		return invalid("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use. Additionally, they cannot start or end with '.'.")
	}
	return nil
}

var number = regexp.MustCompile(`^[+-]?[0-9]{1,38}(\.[0-9]{0,37})?([eE][+-]?[0-9]{1,3})?$`)

func (a attribute) check(name string) error {
	if a.StringListValues != nil || a.BinaryListValues != nil {
		return fail("UnsupportedOperation", "Message attribute list values in SendMessage operation are not supported.")
	}
	if a.DataType == "" {
		return invalid("Message (user) attribute '%s' must contain a non-empty attribute type.", name)
	}
	if len(a.DataType) > 256 {
		return invalid("Message (user) attribute types must be shorter than 256 Bytes")
	}
	empty := invalid("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, a.kind())
	switch a.kind() {
	case "Binary":
		if len(a.BinaryValue) == 0 || a.StringValue != nil {
			return empty
		}
		return nil
	case "String", "Number":
		if a.StringValue == nil || *a.StringValue == "" || a.BinaryValue != nil {
			return empty
		}
	default:
		return invalid("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	}
	if !legal(*a.StringValue) {
		return invalid("%s", illegalText) // not InvalidMessageContents, which is for bodies
	}
	if a.kind() == "Number" && !number.MatchString(*a.StringValue) {
		return invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	return nil
}

// attributesMD5 returns the service's digest of message attributes: of name, type
// and value in the order of the names, each preceded by its length, the value also
// by a byte for its kind. It is "" for no attributes.
//
// Source: SQS Developer Guide, "Calculating the MD5 message digest for message
// attributes".
func attributesMD5(attrs map[string]attribute) string {
	if len(attrs) == 0 {
		return ""
	}
	h := md5.New()
	field := func(v string) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(v))))
		h.Write([]byte(v))
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		field(name)
		field(a.DataType)
		if a.StringValue != nil {
			h.Write([]byte{1})
		} else {
			h.Write([]byte{2})
		}
		field(a.value())
	}
	return hex.EncodeToString(h.Sum(nil))
}
