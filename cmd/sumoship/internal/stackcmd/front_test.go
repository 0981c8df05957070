package stackcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"

	"sumoship/function/awstest/moto"
)

// front stands before moto. It translates the protocol of CloudWatch, which moto does
// not speak, and changes answers where moto cannot hold a state: those changes are
// checked against the model of the API. What was read from a service is kept until
// something is written to it, so that a look costs moto little.
type front struct {
	moto string

	mu     sync.Mutex
	kept   map[string]map[string]answer // by service and request
	edits  map[string][]edit            // by operation
	put    func(group, message string)  // is told of each log event
	models []modelled
}

// answer is one of moto.
type answer struct {
	status int
	kind   string // its Content-Type
	body   []byte
}

// edit changes an answer.
type edit func(*answer) error

// modelled are members that an edit has set, which the model must know.
type modelled struct {
	Service, Operation, List string
	Members                  map[string]any
}

var scope = regexp.MustCompile(`Credential=[^/]+/\d+/[^/]+/([^/]+)/`)

// operations of Lambda, by path.
var operations = []struct {
	path *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`/functions/[^/]+/configuration$`), "GetFunctionConfiguration"},
	{regexp.MustCompile(`/event-source-mappings/?$`), "ListEventSourceMappings"},
}

// called returns the service and the operation of a request.
func called(r *http.Request, body []byte) (service, operation string) {
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		service = m[1]
	}
	if _, op, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return service, op
	}
	if _, op, ok := strings.Cut(r.URL.Path, "/operation/"); ok {
		return service, op
	}
	if m := regexp.MustCompile(`Action=(\w+)`).FindSubmatch(body); m != nil {
		return service, string(m[1])
	}
	for _, op := range operations {
		if r.Method == http.MethodGet && op.path.MatchString(r.URL.Path) {
			return service, op.name
		}
	}
	return service, r.Method
}

var reads = regexp.MustCompile(`^(GET|Get|Describe|List|Filter)`)

// ServeHTTP answers a call of AWS.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := f.answer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	if a.kind == "application/cbor" {
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client may be gone
}

func (f *front) answer(r *http.Request) (answer, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return answer{}, err
	}
	service, operation := called(r, body)
	binary := r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor"
	if binary {
		v, err := cbor.Decode(body)
		if err != nil {
			return answer{}, err
		}
		if body, err = json.Marshal(plain(v)); err != nil {
			return answer{}, err
		}
		r.URL.Path = "/"
		r.Header.Del("Smithy-Protocol")
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+operation)
	}
	a, err := f.ask(r, service, operation, body)
	if err != nil {
		return a, err
	}
	f.mu.Lock()
	edits, put := f.edits[operation], f.put
	f.mu.Unlock()
	for _, e := range edits {
		if err := e(&a); err != nil {
			return a, fmt.Errorf("%s: %w: %s", operation, err, a.body)
		}
	}
	if operation == "PutLogEvents" && put != nil {
		var in struct {
			LogGroupName string
			LogEvents    []struct{ Message string }
		}
		if err := json.Unmarshal(body, &in); err != nil {
			return a, err
		}
		for _, e := range in.LogEvents {
			go put(in.LogGroupName, e.Message)
		}
	}
	if binary {
		d := json.NewDecoder(bytes.NewReader(a.body))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil || v == nil {
			v = map[string]any{} // moto answers nothing in several ways
		}
		a.kind, a.body = "application/cbor", cbor.Encode(packed("", v))
	}
	return a, nil
}

// ask returns the answer of moto, one that was kept if there is one.
func (f *front) ask(r *http.Request, service, operation string, body []byte) (answer, error) {
	if operation == "DescribeAccountPolicies" { // moto does not have it
		return answer{http.StatusOK, "application/x-amz-json-1.1", []byte("{}")}, nil
	}
	key := strings.Join([]string{r.Method, r.URL.RequestURI(), operation, string(body)}, " ")
	read := reads.MatchString(operation)
	f.mu.Lock()
	a, ok := f.kept[service][key]
	if !read {
		delete(f.kept, service)
	}
	f.mu.Unlock()
	if ok {
		return a, nil
	}
	to, err := http.NewRequestWithContext(r.Context(), r.Method, f.moto+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	to.Header = r.Header.Clone()
	to.Header.Del("Content-Length")
	resp, err := http.DefaultClient.Do(to)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, kind: resp.Header.Get("Content-Type")}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return a, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !read {
		delete(f.kept, service) // what was read meanwhile
	} else {
		if f.kept[service] == nil {
			f.kept[service] = map[string]answer{}
		}
		f.kept[service][key] = a
	}
	return a, nil
}

// change edits the answers of an operation until undo is called.
func (f *front) change(operation string, e edit) (undo func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.edits[operation] = append(f.edits[operation], e)
	n := len(f.edits[operation])
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.edits[operation] = slices.Delete(slices.Clone(f.edits[operation]), n-1, n)
	}
}

// text puts a text in place of another, which has to be there.
func (f *front) text(operation, was, is string) (undo func()) {
	return f.change(operation, func(a *answer) error {
		if !bytes.Contains(a.body, []byte(was)) {
			return fmt.Errorf("no %s", was)
		}
		a.body = bytes.ReplaceAll(a.body, []byte(was), []byte(is))
		return nil
	})
}

// refuse answers with an error of AWS.
func (f *front) refuse(operation, code, message string) (undo func()) {
	return f.change(operation, func(a *answer) error {
		a.status = http.StatusForbidden
		a.body = fmt.Appendf(nil, `{"__type":%q,"message":%q}`, code, message)
		return nil
	})
}

// set sets members of answers, or of the elements of a list in them, that contain a
// text.
func (f *front) set(service, operation, list, containing string, members map[string]any) (undo func()) {
	f.mu.Lock()
	f.models = append(f.models, modelled{service, operation, list, members})
	f.mu.Unlock()
	return f.change(operation, func(a *answer) error {
		if !bytes.Contains(a.body, []byte(containing)) {
			return nil
		}
		var out map[string]any
		if err := json.Unmarshal(a.body, &out); err != nil {
			return err
		}
		if list == "" {
			maps.Copy(out, members)
		} else {
			elements, _ := out[list].([]any)
			for _, e := range elements {
				maps.Copy(e.(map[string]any), members)
			}
		}
		var err error
		a.body, err = json.Marshal(out)
		return err
	})
}

// check holds what was set to the models of the APIs, by which the AWS CLI reads them.
func (f *front) check(t *testing.T) {
	t.Helper()
	const script = `
import json, sys
import botocore.session
from botocore.validate import ParamValidator
session = botocore.session.get_session()
def enums(shape, value, at):
    if shape.type_name == "structure":
        for k, v in value.items():
            enums(shape.members[k], v, at + "." + k)
    elif shape.type_name == "list":
        for v in value:
            enums(shape.member, v, at)
    elif getattr(shape, "enum", None) and value not in shape.enum:
        print(at, value, "is none of", shape.enum)
for m in json.load(sys.stdin):
    shape = session.get_service_model(m["Service"]).operation_model(m["Operation"]).output_shape
    if m["List"]:
        shape = shape.members[m["List"]].member
    errors = ParamValidator().validate(m["Members"], shape).generate_report()
    if errors:
        print(m["Operation"], errors)
    else:
        enums(shape, m["Members"], m["Operation"])
`
	in, err := json.Marshal(f.models)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(moto.Python(t), "-c", script)
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("answers that AWS would not give: %v\n%s", err, out)
	}
}

// plain is a value of CBOR as JSON has it.
func plain(v cbor.Value) any {
	switch v := v.(type) {
	case cbor.Map:
		m := map[string]any{}
		for k, e := range v {
			m[k] = plain(e)
		}
		return m
	case cbor.List:
		l := []any{}
		for _, e := range v {
			l = append(l, plain(e))
		}
		return l
	case *cbor.Tag: // a time, in seconds
		return plain(v.Value)
	case cbor.String:
		return string(v)
	case cbor.Bool:
		return bool(v)
	case cbor.Uint:
		return uint64(v)
	case cbor.Float64:
		return float64(v)
	case cbor.Float32:
		return float64(v)
	}
	return nil
}

var decimals = regexp.MustCompile(`^(Values|Threshold|Value)$`)

// packed is a value of JSON as CBOR, under the name that it has there.
func packed(name string, v any) cbor.Value {
	switch v := v.(type) {
	case map[string]any:
		m := cbor.Map{}
		for k, e := range v {
			if e != nil {
				m[k] = packed(k, e)
			}
		}
		return m
	case []any:
		l := cbor.List{}
		for _, e := range v {
			l = append(l, packed(name, e))
		}
		return l
	case string:
		return cbor.String(v)
	case bool:
		return cbor.Bool(v)
	case json.Number:
		f, err := v.Float64()
		switch {
		case err != nil:
			return &cbor.Nil{}
		case strings.Contains(name, "Timestamp"):
			return &cbor.Tag{ID: 1, Value: cbor.Float64(f)}
		case decimals.MatchString(name) || f < 0:
			return cbor.Float64(f)
		}
		return cbor.Uint(f)
	}
	return &cbor.Nil{}
}
