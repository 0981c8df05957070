package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// tool finds a program that a test needs. Where there is none the test is
// skipped, but not in CI.
func tool(t *testing.T, name, install string) (path string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI needs %s (%s): %v", name, install, err)
		}
		t.Skipf("no %s on PATH", name)
	}
	return path
}

// startMoto starts a moto_server for the time of the test and points the AWS
// configuration at it.
func startMoto(t *testing.T) {
	t.Helper()
	bin := tool(t, "moto_server", "pip install 'moto[server]==5.2.1'")
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

	endpoint := "http://127.0.0.1:" + port
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("moto_server ended: %v\n%s", err, log.String())
		default:
		}
		resp, err := http.Post(endpoint+"/moto-api/reset", "", nil)
		if err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK {
			setAWS(t, endpoint)
			return
		}
	}
	t.Fatal("moto_server does not answer")
}

// setAWS points the AWS configuration at an endpoint.
func setAWS(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
}
