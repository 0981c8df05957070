// Package lambdatest runs a built Lambda function as Lambda does: as a process
// that asks a Runtime API for events. It stands in for the service in tests.
//
// Source: AWS Lambda Developer Guide, "Using the Lambda runtime API" and "Error
// handling for asynchronous invocation".
package lambdatest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Build compiles a function's main package as it is shipped, and returns the
// path of the bootstrap. The build cache keeps what go run links, but not what go
// build does, which would link the same function anew for each test.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "run", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-exec", "cp", pkg, out)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, b)
	}
	return out
}

// Result is the outcome of one invocation.
type Result struct {
	Payload   []byte // what the function returned; nil if it failed
	ErrorType string // of a failure: the type that Lambda reports
	Error     string // of a failure: its message
}

// Failed reports whether Lambda would try the event again.
func (r Result) Failed() bool { return r.ErrorType != "" }

// Function is a deployed function: one execution environment, started anew
// after it has died.
type Function struct {
	t         testing.TB
	bootstrap string
	name      string
	env       []string
	url       string

	share float64 // of a processor; 0 means all
	most  int64   // bytes of memory; 0 means any

	next   chan invocation
	calls  int
	starts int

	mu     sync.Mutex
	output bytes.Buffer
	cmd    *exec.Cmd
	exited chan struct{}
	result chan Result
	id     string

	// DeadLetters are the events that failed all their tries.
	DeadLetters [][]byte
}

type invocation struct {
	id       string
	event    []byte
	deadline time.Time
}

// Deploy starts a bootstrap with these variables and those that Lambda sets. It
// ends with the test.
func Deploy(t testing.TB, bootstrap string, variables map[string]string) *Function {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Function{t: t, bootstrap: bootstrap, name: "sumoship-test", next: make(chan invocation)}
	if name, ok := variables["AWS_LAMBDA_FUNCTION_NAME"]; ok {
		f.name = name
	}
	srv := &http.Server{Handler: f}
	go func() { _ = srv.Serve(ln) }() // until the test ends
	f.url = ln.Addr().String()
	f.env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + f.url, "AWS_LAMBDA_FUNCTION_NAME=" + f.name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token", "AWS_EC2_METADATA_DISABLED=true", "_HANDLER=bootstrap",
		"HOME=" + t.TempDir(), "TZ=:UTC",
		// Lambda does not clear it when it starts the function anew.
		"TMPDIR=" + t.TempDir(),
	}
	for name, value := range variables {
		f.env = append(f.env, name+"="+value)
	}
	t.Cleanup(func() {
		f.kill()
		_ = srv.Close()
	})
	return f
}

// Output is what the function has written to its log.
func (f *Function) Output() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.output.String()
}

// Write takes the output of the process.
func (f *Function) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.output.Write(p)
}

// Resources returns what the running process has: resident memory in bytes, and open
// file descriptors. They are 0 if the system does not say.
func (f *Function) Resources() (resident int64, descriptors int) {
	if f.cmd == nil {
		return 0, 0
	}
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.cmd.Process.Pid)); err == nil {
		descriptors = len(open)
	}
	return f.status("VmRSS:"), descriptors
}

// Goroutines ends the running process, which will be started anew, and returns how many
// goroutines it had.
func (f *Function) Goroutines() int {
	f.t.Helper()
	if f.cmd == nil {
		return 0
	}
	before := len(f.Output())
	_ = f.cmd.Process.Signal(syscall.SIGQUIT) // it may have ended
	<-f.exited
	f.cmd = nil
	return strings.Count(f.Output()[before:], "\ngoroutine ")
}

// PeakMemory returns the most memory that the running process has had resident, in
// bytes, or 0 if the system does not say.
func (f *Function) PeakMemory() int64 { return f.status("VmHWM:") }

// Processor returns the user and system time that the running process has taken, to a
// hundredth of a second, or 0 if the system does not say.
func (f *Function) Processor() time.Duration {
	if f.cmd == nil {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // its name may have blanks
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// status returns a size that the system states of the running process, in bytes.
func (f *Function) status(name string) int64 {
	if f.cmd == nil {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), name)
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0
	}
	return kilobytes << 10
}

// Slow gives the function this share of a processor from its next start on, as
// Lambda does: 0.145 for 256 MB. Deploy it with GOMAXPROCS=1.
func (f *Function) Slow(share float64) { f.share = share }

// Memory has the function killed, from its next start on, when more bytes of it are
// resident, as Lambda does.
func (f *Function) Memory(bytes int64) { f.most = bytes }

// bound kills a process that takes too much memory.
func bound(p *os.Process, memory int64, exited <-chan struct{}) {
	page := int64(os.Getpagesize())
	for {
		var size, resident int64
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Pid)) // it may have ended
		if _, err := fmt.Sscan(string(b), &size, &resident); err == nil && resident*page > memory {
			_ = p.Kill()
		}
		select {
		case <-exited:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// slow stops and continues a process until it ends.
func slow(p *os.Process, share float64, exited <-chan struct{}) {
	const period = 50 * time.Millisecond
	on := time.Duration(share * float64(period))
	for {
		for _, step := range []struct {
			signal syscall.Signal
			pause  time.Duration
		}{{syscall.SIGCONT, on}, {syscall.SIGSTOP, period - on}} {
			_ = p.Signal(step.signal) // it may have ended
			select {
			case <-exited:
				return
			case <-time.After(step.pause):
			}
		}
	}
}

func (f *Function) start() {
	f.cmd = exec.Command(f.bootstrap)
	f.cmd.Env, f.cmd.Stdout, f.cmd.Stderr = f.env, f, f
	f.cmd.WaitDelay = time.Second
	f.starts++
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	cmd, exited := f.cmd, make(chan struct{})
	f.exited = exited
	if f.share > 0 {
		go slow(cmd.Process, f.share, exited)
	}
	if f.most > 0 {
		go bound(cmd.Process, f.most, exited)
	}
	go func() {
		_ = cmd.Wait() // a function ends by being killed
		close(exited)
	}()
}

func (f *Function) kill() {
	if f.cmd != nil {
		_ = f.cmd.Process.Kill() // it may have ended
		<-f.exited
		f.cmd = nil
	}
}

// Invoke calls the function and waits. A function that has not answered by the
// end of timeout is killed, as Lambda does.
func (f *Function) Invoke(event []byte, timeout time.Duration) Result {
	f.t.Helper()
	return f.InvokeKilled(event, timeout, nil)
}

// InvokeKilled is Invoke with a function that is killed when the moment comes, unless it
// has answered by then.
func (f *Function) InvokeKilled(event []byte, timeout time.Duration, moment <-chan struct{}) Result {
	f.t.Helper()
	served := f.calls > 0 && f.cmd != nil
	if f.cmd == nil {
		f.start()
	}
	f.calls++
	result := make(chan Result, 1)
	inv := invocation{fmt.Sprintf("00000000-0000-4000-8000-%012d", f.calls), event, time.Now().Add(timeout)}
	f.mu.Lock()
	f.result, f.id = result, inv.id
	f.mu.Unlock()
	ended := Result{ErrorType: "Runtime.ExitError", Error: "the process ended"}
	took := false
	for !took {
		select {
		case f.next <- inv:
			took = true
			continue
		case <-moment:
			f.kill()
			return ended
		case <-f.exited:
			f.cmd = nil
		}
		if served { // it ended after its last answer
			served = false
			f.start()
			continue
		}
		return Result{ErrorType: "Runtime.ExitError", Error: "the process ended at its start"}
	}
	select {
	case r := <-result:
		return r
	case <-moment:
		f.kill()
		return ended
	case <-f.exited:
		f.cmd = nil
		return ended
	case <-time.After(timeout):
		f.kill()
		return Result{ErrorType: "Sandbox.Timedout", Error: "the function timed out"}
	}
}

// Starts returns how often a process was started. What an earlier one kept in memory is
// gone.
func (f *Function) Starts() int { return f.starts }

// Freeze stops the function for a while, as Lambda does between two invocations.
func (f *Function) Freeze(d time.Duration) {
	if f.cmd == nil {
		return
	}
	_ = f.cmd.Process.Signal(syscall.SIGSTOP) // it may have ended
	time.Sleep(d)
	_ = f.cmd.Process.Signal(syscall.SIGCONT)
}

// InvokeAsync calls the function as CloudWatch Logs does: a failed event is
// tried twice more, without Lambda's pauses, and then is dead-lettered.
func (f *Function) InvokeAsync(event []byte, timeout time.Duration) Result {
	f.t.Helper()
	var r Result
	for range 3 {
		if r = f.Invoke(event, timeout); !r.Failed() {
			return r
		}
	}
	f.DeadLetters = append(f.DeadLetters, event)
	return r
}

// ServeHTTP is the Runtime API.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/2018-06-01/runtime/")
	if path == "invocation/next" {
		select {
		case inv := <-f.next:
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:"+f.name)
			h.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
			_, _ = w.Write(inv.event) // the function may have ended
		case <-r.Context().Done():
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	result := Result{Payload: body}
	if !strings.HasSuffix(path, "/response") {
		var e struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal(body, &e); err != nil {
			e.ErrorMessage = fmt.Sprintf("not an error of the Runtime API: %s", body)
		}
		result = Result{ErrorType: e.ErrorType, Error: e.ErrorMessage}
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(path, "invocation/"+f.id+"/") || path == "init/error" {
		select {
		case f.result <- result:
		default:
		}
	}
}
