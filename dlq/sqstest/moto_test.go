package sqstest_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// startMoto starts a moto_server for the time of the test. Where there is none
// the test is skipped, but not in CI: there the contract must be held.
func startMoto(t *testing.T) (endpoint string) {
	t.Helper()
	bin, err := exec.LookPath("moto_server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI needs moto_server (pip install 'moto[server]==5.2.1'): %v", err)
		}
		t.Skip("no moto_server on PATH")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()

	var log bytes.Buffer
	cmd := exec.Command(bin, "-H", "127.0.0.1", "-p", port)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &log, &log, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})

	endpoint = "http://127.0.0.1:" + port
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
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
