package transform

import (
	"errors"
	"fmt"
)

// StreamRecord is a record of a Kinesis stream, in the event of its event source
// mapping.
type StreamRecord struct {
	Source   string // eventSource
	ID       string // eventID: shard and sequence number
	Sequence string // sequence number, unique within its shard
	Data     []byte // base64 in quotes, as written; a part of the event
}

// AppendEvent appends the Lambda event of CloudWatch Logs with the record's data,
// which is that of awslogs.data if CloudWatch Logs has written the record.
func (r StreamRecord) AppendEvent(dst []byte) []byte {
	dst = append(dst, packHead[:len(packHead)-1]...)
	dst = append(dst, r.Data...)
	return append(dst, packTail[1:]...)
}

// StreamRecords reads the event of an event source mapping of Kinesis,
// {"Records":[{"kinesis":{"sequenceNumber":"…","data":"…"},"eventID":"…","eventSource":"…"}]}.
// Whatever is not wholly understood is an error, which holds nothing of the content.
//
// Source: AWS Lambda Developer Guide, "Using Lambda to process records from Amazon
// Kinesis Data Streams".
func StreamRecords(event []byte) ([]StreamRecord, error) {
	var records []StreamRecord
	found := false
	start := scanSpace(event, 0)
	end := scanObject(event, start, func(key []byte, i int) int {
		if !keyIs(key, "Records") {
			return skip(event, i)
		}
		if found {
			return -1
		}
		found = true
		return scanArray(event, i, func(i int) int {
			r, end := readStreamRecord(event, i)
			records = append(records, r)
			return end
		})
	})
	switch {
	case start == len(event):
		return nil, errors.New("the event is empty")
	case end < 0 || scanSpace(event, end) != len(event):
		return nil, errors.New("the event is not one JSON object with an array of records of a stream, each member once")
	case len(records) == 0:
		return nil, errors.New("the event has no records")
	}
	for n, r := range records {
		for _, m := range []struct {
			name  string
			given bool
		}{{"eventSource", r.Source != ""}, {"kinesis.sequenceNumber", r.Sequence != ""}, {"kinesis.data", r.Data != nil}} {
			if !m.given {
				return nil, fmt.Errorf("record %d of the event has no %s", n, m.name)
			}
		}
	}
	return records, nil
}

// readStreamRecord reads the record at b[i]. end is -1 if it is not as expected.
func readStreamRecord(b []byte, i int) (r StreamRecord, end int) {
	set := func(to *string, i int) int {
		end, _ := scanString(b, i)
		if end < 0 || *to != "" {
			return -1
		}
		*to = text(b[i:end])
		return end
	}
	within := false
	end = scanObject(b, i, func(key []byte, i int) int {
		switch {
		case keyIs(key, "eventSource"):
			return set(&r.Source, i)
		case keyIs(key, "eventID"):
			return set(&r.ID, i)
		case !keyIs(key, "kinesis"):
			return skip(b, i)
		case within:
			return -1
		}
		within = true
		return scanObject(b, i, func(key []byte, i int) int {
			switch {
			case keyIs(key, "sequenceNumber"):
				return set(&r.Sequence, i)
			case !keyIs(key, "data"):
				return skip(b, i)
			}
			end, _ := scanString(b, i)
			if end < 0 || r.Data != nil {
				return -1
			}
			r.Data = b[i:end:end]
			return end
		})
	})
	return r, end
}

// skip returns the end of the value at b[i].
func skip(b []byte, i int) int {
	end, _ := scanValue(b, i, 0)
	return end
}
