package fleet

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
)

// payload is an event of CloudWatch Logs with one log event, of that number.
func payload(n int) []byte {
	var zipped bytes.Buffer
	w, _ := gzip.NewWriterLevel(&zipped, gzip.HuffmanOnly)
	fmt.Fprintf(w, `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/ecs/web","logStream":"web/app/1","subscriptionFilters":["f"],`+
		`"logEvents":[{"id":"%d","timestamp":1767323045000,"message":"event %d"}]}`, n, n)
	w.Close()
	return fmt.Appendf(nil, `{"awslogs":{"data":"%s"}}`, base64.StdEncoding.EncodeToString(zipped.Bytes()))
}
