package transform

import "unicode/utf8"

// Document reads a document of CloudWatch Logs that is not packed, as Decode reads
// the one of a payload. The batch refers to doc.
//
// Errors: *DecodeError.
func (d *Decoder) Document(doc []byte) (*Batch, error) {
	if !utf8.Valid(doc) {
		doc = validUTF8(doc)
	}
	b, err := parse(doc, d.index[:0])
	if err == nil {
		d.index = b.index
	}
	return b, err
}
