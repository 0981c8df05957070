package logstest_test

import (
	"archive/zip"
	"bytes"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
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

// createRole makes the role that functions of moto want, without the SDK of IAM.
func createRole(t *testing.T, endpoint string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", endpoint, strings.NewReader(url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {"function"},
		"AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Fatalf("the role cannot be made: %s", resp.Status)
	}
}

func createFunction(t *testing.T, functions *lambda.Client, name string) {
	t.Helper()
	var code bytes.Buffer
	w := zip.NewWriter(&code)
	if _, err := w.Create("bootstrap"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: &name, Role: aws.String("arn:aws:iam::123456789012:role/function"),
		Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Code: &types.FunctionCode{ZipFile: code.Bytes()}})
	if err != nil {
		t.Fatal(err)
	}
}
