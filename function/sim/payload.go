package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// zipper makes payloads; a new gzip.Writer for each would take longer than the rest.
type zipper struct {
	w   *gzip.Writer
	out bytes.Buffer
}

func newZipper() *zipper {
	z := new(zipper)
	z.w, _ = gzip.NewWriterLevel(&z.out, gzip.HuffmanOnly) // a valid level
	return z
}

// payload is an event of CloudWatch Logs with one log event, of that number.
func (z *zipper) payload(n int) []byte {
	z.out.Reset()
	z.w.Reset(&z.out)
	fmt.Fprintf(z.w, `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/ecs/web","logStream":"web/app/1","subscriptionFilters":["f"],`+
		`"logEvents":[{"id":"%d","timestamp":1767323045000,"message":"event %d"}]}`, n, n)
	_ = z.w.Close() // to a bytes.Buffer: this cannot fail
	return fmt.Appendf(nil, `{"awslogs":{"data":"%s"}}`, base64.StdEncoding.EncodeToString(z.out.Bytes()))
}

// number returns the number of the log event in what payload returned.
func number(body string) (int, error) {
	var event struct{ AWSLogs struct{ Data []byte } }
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		return 0, err
	}
	r, err := gzip.NewReader(bytes.NewReader(event.AWSLogs.Data))
	if err != nil {
		return 0, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	var doc struct{ LogEvents []struct{ ID string } }
	if err := json.Unmarshal(b, &doc); err != nil {
		return 0, err
	}
	if len(doc.LogEvents) != 1 {
		return 0, errors.New("not one log event")
	}
	return strconv.Atoi(doc.LogEvents[0].ID)
}
