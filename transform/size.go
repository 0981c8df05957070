package transform

import (
	"encoding/base64"
	"encoding/binary"
)

// SizeHint returns how many bytes an event says that its payload inflates to, or 0
// if it does not say: only the last member of gzip counts, and it may lie. So it
// serves to plan; Decode with a limit enforces.
func SizeHint(event []byte) int64 {
	data, err := payloadOf(event)
	if err != nil {
		return 0
	}
	var end [8]byte
	n, err := base64.StdEncoding.Decode(end[:], data[max(0, len(data)-8):])
	if err != nil || n < 4 {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(end[n-4:])), int64(len(data))*maxRatio)
}
