// Package s3test is an in-process Amazon S3 for tests, by paths: objects are listed, read
// from a byte on and if they match, and stored under conditions and with a SHA-256, which
// is compared. It refuses what it does not know. The contract test of package objects
// holds it to the same cases as moto.
package s3test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is the service. Create it with New.
type Server struct {
	// Fault, if not nil, refuses a request with a status and a code, unless that is "".
	Fault func(*http.Request) (status int, code string)

	mu      sync.Mutex
	buckets map[string]map[string]object
	version int
}

type object struct {
	body, tag, sum string
	at             time.Time
}

// New returns a service with empty buckets.
func New(buckets ...string) *Server {
	s := &Server{buckets: map[string]map[string]object{}}
	for _, name := range buckets {
		s.buckets[name] = map[string]object{}
	}
	return s
}

// Objects are the contents of a bucket by key.
func (s *Server) Objects(bucket string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for key, o := range s.buckets[bucket] {
		all[key] = o.body
	}
	return all
}

// Set stores an object without a checksum, as others may.
func (s *Server) Set(bucket, key, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucket][key] = object{body: body, tag: s.tag(), at: time.Now()}
}

// tag is an ETag that no object has had. The lock is held.
func (s *Server) tag() string {
	s.version++
	return fmt.Sprintf(`"%d"`, s.version)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>of s3test</Message></Error>", code)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever sent it is gone
	}
	if s.Fault != nil {
		if status, code := s.Fault(r); code != "" {
			refuse(w, status, code)
			return
		}
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	objects, ok := s.buckets[bucket]
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	have, there := objects[key]
	switch {
	case r.Method == http.MethodGet && key == "" && r.URL.Query().Get("list-type") == "2":
		list(w, r, objects)
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && key != "":
		read(w, r, have, there)
	case r.Method == http.MethodPut && key != "":
		s.put(w, r, objects, key, string(body))
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
}

// page is how many objects a list has.
const page = 1000

func list(w http.ResponseWriter, r *http.Request, objects map[string]object) {
	type contents struct {
		Key, ETag, LastModified string
		Size                    int
	}
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []contents
	}
	q := r.URL.Query()
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("continuation-token") {
			continue
		}
		if len(out.Contents) == page {
			out.IsTruncated, out.NextContinuationToken = true, out.Contents[page-1].Key
			break
		}
		o := objects[key]
		out.Contents = append(out.Contents, contents{key, o.tag, o.at.UTC().Format("2006-01-02T15:04:05.000Z"), len(o.body)})
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(out) // the client sees what is missing
}

func read(w http.ResponseWriter, r *http.Request, o object, there bool) {
	match := r.Header.Get("If-Match")
	switch {
	case !there:
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	case match != "" && match != o.tag:
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	from, status := 0, http.StatusOK
	if text := r.Header.Get("Range"); text != "" {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(text, "bytes="), "-"))
		if err != nil || n >= len(o.body) {
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
			return
		}
		from, status = n, http.StatusPartialContent
	}
	w.Header().Set("ETag", o.tag)
	if o.sum != "" && r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && status == http.StatusOK {
		w.Header().Set("X-Amz-Checksum-Sha256", o.sum)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(o.body)-from))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, o.body[from:])
	}
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, objects map[string]object, key, body string) {
	have, there := objects[key]
	if match := r.Header.Get("If-Match"); match != "" && !there {
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	} else if match != "" && match != have.tag || r.Header.Get("If-None-Match") == "*" && there {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	sum := sha256.Sum256([]byte(body))
	o := object{body: body, tag: s.tag(), at: time.Now()}
	if said := r.Header.Get("X-Amz-Checksum-Sha256"); said != "" {
		if o.sum = base64.StdEncoding.EncodeToString(sum[:]); said != o.sum {
			refuse(w, http.StatusBadRequest, "BadDigest")
			return
		}
		w.Header().Set("X-Amz-Checksum-Sha256", o.sum)
	}
	objects[key] = o
	w.Header().Set("ETag", o.tag)
}
