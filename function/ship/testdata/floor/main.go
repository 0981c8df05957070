// Command floor is the least that a forwarder costs as a process, and not a forwarder: a
// Lambda function of the standard library alone that does base64, gunzip and gzip, and
// posts CloudWatch's JSON as it is.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	invocations := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	f := floor{endpoint: os.Getenv("SUMO_ENDPOINT"), out: gzip.NewWriter(io.Discard)}
	for {
		if err := f.next(invocations); err != nil {
			log.Fatal(err)
		}
	}
}

// floor keeps its buffers, as any forwarder would.
type floor struct {
	endpoint string
	in       gzip.Reader
	out      *gzip.Writer
	doc      bytes.Buffer
}

// next asks Lambda for an invocation and answers it.
func (f *floor) next(invocations string) error {
	resp, err := http.Get(invocations + "next")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	event, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if err := f.forward(event); err != nil {
		return err
	}
	answer, err := http.Post(invocations+resp.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader([]byte("null")))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// forward posts the document of an event.
func (f *floor) forward(event []byte) error {
	_, rest, _ := bytes.Cut(event, []byte(`"data":"`))
	data, _, found := bytes.Cut(rest, []byte(`"`))
	if !found {
		return errors.New("no awslogs.data")
	}
	if err := f.in.Reset(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(data))); err != nil {
		return err
	}
	f.doc.Reset()
	if _, err := f.doc.ReadFrom(&f.in); err != nil {
		return err
	}
	var body bytes.Buffer
	f.out.Reset(&body)
	if _, err := f.out.Write(f.doc.Bytes()); err != nil {
		return err
	}
	if err := f.out.Close(); err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, f.endpoint, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the source answered %d", resp.StatusCode)
	}
	return nil
}
