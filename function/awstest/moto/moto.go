// Package moto finds the programs that tests need, and starts moto_server, which
// fakes AWS.
package moto

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Tool returns the path of a program that a test needs. Without the program the test
// is skipped; in CI it fails. With -short the test is skipped too: what the program does
// is most of its time.
func Tool(t testing.TB, name, install string) (path string) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs", name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI needs %s (%s): %v", name, install, err)
		}
		t.Skipf("no %s on PATH", name)
	}
	return path
}

// Python returns the path of a Python that has moto and SAM's translator.
func Python(t testing.TB) (path string) {
	t.Helper()
	const from = "pip install 'moto[server]==5.2.1' aws-sam-translator cfn-lint"
	path = Tool(t, "python3", from)
	// To look for them takes a tenth of the time of importing them.
	const look = `import sys; from importlib.util import find_spec
sys.exit(", ".join(m for m in ("boto3", "moto", "flask", "samtranslator") if not find_spec(m)) or 0)`
	if out, err := exec.Command(path, "-c", look).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI needs %s: %v\n%s", from, err, out)
		}
		t.Skipf("python3 lacks something: %s", from)
	}
	return path
}

// Start starts an empty moto_server, which stops at the end of the test.
func Start(t testing.TB) (endpoint string) {
	t.Helper()
	bin := Tool(t, "moto_server", "pip install 'moto[server]==5.2.1'")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}

	var log bytes.Buffer
	cmd := exec.Command(bin, "-H", "127.0.0.1", "-p", port)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &log, &log, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		t.Log("moto_server:", <-ended)
	})

	endpoint = "http://127.0.0.1:" + port
	for start := time.Now(); time.Since(start) < 60*time.Second; time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("moto_server ended: %v\n%s", err, log.String())
		default:
		}
		resp, err := http.Post(endpoint+"/moto-api/reset", "", nil)
		if err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK {
			return endpoint
		}
	}
	t.Fatal("moto_server does not answer")
	return ""
}
