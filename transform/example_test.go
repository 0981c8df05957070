package transform_test

import (
	"context"
	"fmt"

	"sumoship/transform"
)

const payload = `{"messageType":"DATA_MESSAGE","logGroup":"/ecs/shop","logStream":"shop/web/0123456789abcdef0123456789abcdef","logEvents":[
	{"id":"1","timestamp":1767323045000,"message":"GET /cart 200"},
	{"id":"2","timestamp":1767323046000,"message":"{ \"level\": \"warn\", \"ms\": 1.50 }"},
	{"id":"3","timestamp":1767323047000,"message":"\n"}]}`

// What CloudWatch Logs sends becomes records: a message that is JSON stays as it
// is written, and an empty one is dropped with its reason.
func ExampleOptions_Records() {
	batch, err := transform.Decode(transform.Pack([]byte(payload)), transform.DefaultLimit)
	if err != nil {
		fmt.Println(err)
		return
	}
	o := transform.Options{Source: transform.Source{Category: "ecs/{container}"}}
	for r := range o.Records(batch) {
		fmt.Println(r.Dropped, r.Source.Category, string(r.Line))
	}
	// Output:
	// kept ecs/web {"timestamp":1767323045000,"message":"GET /cart 200"}
	// kept ecs/web {"timestamp":1767323046000,"message":{"level":"warn","ms":1.50}}
	// blank ecs/web
}

// A payload that cannot be read is a permanent error, which names the stage.
func ExampleDecode() {
	_, err := transform.Decode([]byte(`{"awslogs":{"data":"H4sIAAAA"}}`), transform.DefaultLimit)
	fmt.Println(err)
	// Output: decode gzip: the data is truncated
}

// The events that were not delivered become a payload of their own, which Decode
// reads again.
func ExampleBatch_Rebuild() {
	batch, err := transform.Decode(transform.Pack([]byte(payload)), transform.DefaultLimit)
	if err != nil {
		fmt.Println(err)
		return
	}
	for part := range batch.Rebuild(context.Background(), func(event int) bool { return event == 1 }, 256<<10) {
		rest, err := transform.Decode(part.Event, transform.DefaultLimit)
		if err != nil {
			fmt.Println(err)
			return
		}
		for r := range (transform.Options{EventID: true}).Records(rest) {
			fmt.Println(string(r.Line))
		}
	}
	// Output:
	// {"id":"2","timestamp":1767323046000,"message":{"level":"warn","ms":1.50}}
}
