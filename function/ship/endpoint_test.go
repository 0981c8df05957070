package ship_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/sumo/sumotest"
)

// stored returns a world whose endpoint is in a store.
func stored(store *secrets, steps ...sumotest.Step) *world {
	w := newWorld(steps...)
	w.secrets = store
	delete(w.vars, "SUMO_ENDPOINT")
	return w
}

func TestEndpointIsReadAgainAfterItWasRefused(t *testing.T) {
	for _, refused := range []int{401, 403, 404} {
		synctest.Test(t, func(t *testing.T) {
			store := &secrets{values: []string{"https://old.example.com/a", `{"endpoint":"https://new.example.com/b","token":"tok"}`}}
			w := stored(store, sumotest.Statuses(200, refused)...)
			f := w.forwarder(t)
			for range 4 {
				if _, err := f.Ship(t.Context(), event("a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			if len(store.reads) != 2 {
				t.Errorf("%d: read %q, want 2 reads", refused, store.reads)
			}
			requests := w.source.Requests()
			if len(requests) != 4 || requests[1].URI != "/a" || requests[2].URI != "/b" || requests[2].Header.Get("X-Sumo-Token") != "tok" {
				t.Errorf("%d: requests %+v", refused, requests)
			}
		})
	}
}

// An endpoint that stays refused does not use up the rate of its store.
func TestRefusedEndpointIsReadRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{values: []string{endpoint}}
		f := stored(store, sumotest.Statuses(repeated(401, 300)...)...).forwarder(t)
		for range 300 {
			if _, err := f.Ship(t.Context(), event("a")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		// 300 seconds: one read at the start, then one every 20 to 40 seconds.
		if n := len(store.reads); n < 7 || n > 16 {
			t.Errorf("%d reads in 300 invocations, want 7 to 16", n)
		}
	})
}

func TestUnreadableEndpointIsReadRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{err: errors.New("AccessDeniedException")}
		f := stored(store).forwarder(t)
		for range 300 {
			r, err := f.Ship(t.Context(), event("a"))
			if err != nil || r.DeadLettered != 1 || r.Class != "misconfigured" {
				t.Fatalf("%+v, %v", r, err)
			}
			time.Sleep(time.Second)
		}
		if n := len(store.reads); n < 7 || n > 16 {
			t.Errorf("%d reads in 300 invocations, want 7 to 16", n)
		}
		store.err, store.values = nil, []string{endpoint}
		time.Sleep(time.Minute)
		if r, err := f.Ship(t.Context(), event("a")); err != nil || r.Confirmed != 1 {
			t.Errorf("the store is back: %+v, %v", r, err)
		}
	})
}

// A rotation is seen without a refusal, and an environment that was frozen for
// longer than the endpoint lives reads it at once.
func TestEndpointExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{values: []string{"https://old.example.com/a", "https://new.example.com/b"}}
		w := stored(store)
		f := w.forwarder(t)
		for range 20 {
			if _, err := f.Ship(t.Context(), event("a")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if len(store.reads) != 2 || w.source.Requests()[19].URI != "/b" {
			t.Errorf("read %d times, the last request went to %s", len(store.reads), w.source.Requests()[19].URI)
		}
	})
}

func TestStaleEndpointIsUsedWhileItsStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &secrets{values: []string{endpoint}}
		w := stored(store)
		f := w.forwarder(t)
		for i := range 40 {
			if i == 1 {
				store.err = errors.New("no route to the store")
			}
			if r, err := f.Ship(t.Context(), event("a")); err != nil || r.Confirmed != 1 {
				t.Fatalf("event %d: %+v, %v", i, r, err)
			}
			time.Sleep(time.Minute)
		}
		if n := strings.Count(w.log.String(), "the endpoint could not be read again"); n < 2 || n > 40 {
			t.Errorf("%d warnings, want some", n)
		}
	})
}

func repeated(status, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = status
	}
	return all
}
