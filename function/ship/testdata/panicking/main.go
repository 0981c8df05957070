// Panicking is replay with an HTTP client that panics on a record with the word
// "panic", in a goroutine of the delivery.
package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"sumoship/function"
	"sumoship/function/ship"
)

type client struct{}

func (client) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(body, []byte("panic")) {
		var none []string
		_ = none[len(body)]
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultTransport.RoundTrip(r)
}

func main() {
	r, err := ship.NewReplayer(ship.ReplayOptions{
		Options:   ship.Options{Env: function.Env{Getenv: os.Getenv, Out: os.Stdout}, HTTP: &http.Client{Transport: client{}}},
		Temporary: os.TempDir(),
	})
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(r)
}
