package sumo_test

import (
	"context"
	"fmt"
	"net/http"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

// An endpoint is a secret: it prints as scheme and host only.
func ExampleParseEndpoint() {
	ep, err := sumo.ParseEndpoint("https://collectors.example.com/receiver/v1/http/SECRET==", "")
	fmt.Println(ep, err)
	_, err = sumo.ParseEndpoint("collectors.example.com/SECRET", "")
	fmt.Println(err)
	// Output:
	// https://collectors.example.com/… <nil>
	// not an absolute URL; want https://…, as shown in Sumo Logic
}

// A delivery retries while the source is unavailable, and names the events that
// were not confirmed in the end.
func ExampleClient() {
	source := sumotest.New(sumotest.Statuses(503, 200, 400)...)
	client := &sumo.Client{HTTP: &http.Client{Transport: source}, InFlight: 1, InitialBackoff: 1}
	ep, err := sumo.ParseEndpoint("https://collectors.example.com/receiver/v1/http/SECRET==", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	d := client.Begin(context.Background(), ep)
	d.Add(sumo.Source{Category: "ecs/web"}, 0, []byte("first"))
	d.Add(sumo.Source{Category: "ecs/web"}, 1, []byte("second"))
	d.Add(sumo.Source{Category: "ecs/api"}, 2, []byte("third"))
	out := d.Wait()
	fmt.Println(out.Confirmed, "confirmed, not event", out.Unconfirmed)
	fmt.Println(out.Err)
	fmt.Printf("%q\n", source.Taken())
	// Output:
	// 2 confirmed, not event [2]
	// rejected: the source answered 400 Bad Request
	// ["first" "second"]
}
