package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// SumoAPI is Sumo Logic's Search Job API.
//
// Source: Sumo Logic docs, "Search Job APIs".
type SumoAPI struct {
	Base            string // https://api.eu.sumologic.com
	AccessID, Key   string
	HTTP            *http.Client // nil means a new one
	pauseForResults time.Duration
}

// searchTime bounds one search job.
const searchTime = time.Minute

// Count returns how many messages hold a word since a time.
func (a *SumoAPI) Count(ctx context.Context, word string, since time.Time) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	jar, err := cookiejar.New(nil) // the jobs of a session are on one server
	if err != nil {
		return 0, err
	}
	client := http.Client{Jar: jar, Timeout: 20 * time.Second}
	if a.HTTP != nil {
		client.Transport = a.HTTP.Transport
	}
	jobs := strings.TrimSuffix(a.Base, "/") + "/api/v1/search/jobs"
	var job struct{ ID string }
	query := map[string]any{"query": fmt.Sprintf("%q", word), "from": since.UnixMilli(), "to": time.Now().Add(time.Minute).UnixMilli(), "timeZone": "UTC"}
	if err := a.call(ctx, &client, http.MethodPost, jobs, query, &job); err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = a.call(ctx, &client, http.MethodDelete, jobs+"/"+url.PathEscape(job.ID), nil, nil) // it would end by itself
	}()
	for {
		var status struct {
			State        string
			MessageCount int
		}
		if err := a.call(ctx, &client, http.MethodGet, jobs+"/"+url.PathEscape(job.ID), nil, &status); err != nil {
			return 0, err
		}
		switch {
		case status.MessageCount > 0:
			return status.MessageCount, nil
		case status.State == "DONE GATHERING RESULTS":
			return 0, nil
		case strings.HasPrefix(status.State, "CANCELLED"), status.State == "FORCE PAUSED":
			return 0, fmt.Errorf("search of Sumo Logic: the job is %s", strings.ToLower(status.State))
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(max(a.pauseForResults, time.Millisecond)):
		}
	}
}

// NewSumoAPI returns the API at a base URL.
func NewSumoAPI(base, accessID, key string) *SumoAPI {
	return &SumoAPI{Base: base, AccessID: accessID, Key: key, pauseForResults: time.Second}
}

func (a *SumoAPI) call(ctx context.Context, client *http.Client, method, address string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, address, &body)
	if err != nil {
		return errors.New("search of Sumo Logic: the URL of the API is not valid; want https://api.DEPLOYMENT.sumologic.com")
	}
	r.SetBasicAuth(a.AccessID, a.Key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("search of Sumo Logic: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("search of Sumo Logic: %s: want an access ID and key of this deployment, with the right to search", resp.Status)
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("search of Sumo Logic: %s", resp.Status)
	case err != nil:
		return fmt.Errorf("search of Sumo Logic: %w", err)
	case out != nil && json.Unmarshal(text, out) != nil:
		return errors.New("search of Sumo Logic: the response is not JSON; is the URL that of the API, https://api.DEPLOYMENT.sumologic.com?")
	}
	return nil
}
