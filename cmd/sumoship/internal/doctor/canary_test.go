package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pipe is a stack that answers a canary after a while.
type pipe struct {
	at      time.Time // when the forwarder has written its report
	report  string    // its members
	put     string
	lineErr error
	found   time.Time
}

func (p *pipe) Put(_ context.Context, _, _, message string, at time.Time) error {
	time.Sleep(40 * time.Millisecond)
	p.put, p.at = message, at.Add(900*time.Millisecond)
	return nil
}

func (p *pipe) Lines(context.Context, string, time.Time) ([]string, error) {
	if p.report == "" || time.Now().Before(p.at) {
		return []string{"START", `{"time":"1999-01-01T00:00:00Z","logGroup":"/hb","events":1,"confirmed":1}`}, p.lineErr
	}
	return []string{fmt.Sprintf(`{"time":%q,"logGroup":"/other","events":9}`, p.at.Format(time.RFC3339Nano)),
		fmt.Sprintf(`{"time":%q,"logGroup":"/hb","ms":50,%s}`, p.at.Format(time.RFC3339Nano), p.report)}, nil
}

func (p *pipe) Count(_ context.Context, word string, _ time.Time) (int, error) {
	if p.found.IsZero() || time.Now().Before(p.found) || !strings.Contains(p.put, word) {
		return 0, nil
	}
	return 1, nil
}

func TestCanaryFollowsItsWay(t *testing.T) {
	for name, c := range map[string]struct {
		report string
		err    error
		search time.Duration
		want   []string
	}{
		"all the way":   {`"events":1,"confirmed":1`, nil, 5 * time.Second, []string{"sound log group 40 /hb", "sound forwarder 850 invoked with 1 log event", "sound Sumo Logic 900 confirmed", "sound search 6040 found 1 time"}},
		"dropped":       {`"events":1,"confirmed":1`, nil, time.Hour, []string{"sound log group 40 /hb", "sound forwarder 850 invoked with 1 log event", "sound Sumo Logic 900 confirmed", "broken search 31040 not found, though Sumo Logic answered 200: see the processing rules of the source, its partition, and the daily limit"}},
		"dead-lettered": {`"events":1,"deadLettered":1,"error":"401"`, nil, 0, []string{"sound log group 40 /hb", "sound forwarder 850 invoked with 1 log event", "broken Sumo Logic 900 dead-lettered: 401"}},
		"lost":          {`"events":1,"lost":1,"error":"no queue"`, nil, 0, []string{"sound log group 40 /hb", "sound forwarder 850 invoked with 1 log event", "broken Sumo Logic 900 lost: no queue"}},
		"filtered":      {`"events":1,"filtered":{"blank":1}`, nil, 0, []string{"sound log group 40 /hb", "sound forwarder 850 invoked with 1 log event", "broken Sumo Logic 900 not sent: a rule drops it (map[blank:1])"}},
		"not invoked":   {"", nil, 0, []string{"sound log group 40 /hb", "broken forwarder 30040 no invocation for this log group in the log of the forwarder"}},
		"not readable":  {"", errors.New("AccessDenied"), 0, []string{"sound log group 40 /hb", "broken forwarder 30040 AccessDenied"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipe{report: c.report, lineErr: c.err}
				if c.search > 0 {
					p.found = time.Now().Add(c.search)
				}
				waits := map[string]int{}
				got, err := Follow(t.Context(), p, CanaryOptions{Group: "/hb", Forwarder: "/fw", Patience: 30 * time.Second, Search: p, Progress: func(hop string) { waits[hop]++ }})
				if err != nil {
					t.Fatal(err)
				}
				if waits["the forwarder's report"] == 0 || (waits["the search of Sumo Logic"] > 0) != (c.search > 0) {
					t.Errorf("progress %v", waits)
				}
				var hops []string
				for _, h := range got.Hops {
					hops = append(hops, fmt.Sprint(h.Status, " ", h.Name, " ", h.Millis, " ", h.Seen))
				}
				broken := strings.Contains(strings.Join(c.want, " "), "broken")
				if diff := cmp.Diff(c.want, hops); diff != "" || got.Arrived() == broken {
					t.Errorf("arrived %v (-want +got):\n%s", got.Arrived(), diff)
				}
			})
		})
	}
}

func TestSearchJob(t *testing.T) {
	states := []string{`{"state":"NOT STARTED","messageCount":0}`, `{"state":"GATHERING RESULTS","messageCount":0}`, `{"state":"DONE GATHERING RESULTS","messageCount":2}`}
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, key, _ := r.BasicAuth()
		if id != "id" || key != "key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		calls = append(calls, r.Method+" "+r.URL.Path)
		switch r.Method {
		case http.MethodPost:
			http.SetCookie(w, &http.Cookie{Name: "server", Value: "7"})
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"id":"J1"}`)
		case http.MethodGet:
			if c, err := r.Cookie("server"); err != nil || c.Value != "7" {
				t.Errorf("the cookie of the session is missing: %v", err)
			}
			fmt.Fprint(w, states[0])
			states = states[1:]
		}
	}))
	defer server.Close()
	api := &SumoAPI{Base: server.URL + "/", AccessID: "id", Key: "key"}
	n, err := api.Count(t.Context(), "canary1", time.Now())
	want := []string{"POST /api/v1/search/jobs", "GET /api/v1/search/jobs/J1", "GET /api/v1/search/jobs/J1", "GET /api/v1/search/jobs/J1", "DELETE /api/v1/search/jobs/J1"}
	if diff := cmp.Diff(want, calls); n != 2 || err != nil || diff != "" {
		t.Errorf("%d, %v (-want +got):\n%s", n, err, diff)
	}
	api.Key = "SECRETKEY"
	if _, err := api.Count(t.Context(), "canary1", time.Now()); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
}
