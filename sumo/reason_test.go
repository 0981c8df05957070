package sumo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
)

// The words are those of this package, of the system and of the resolver, whatever they
// are wrapped in; any other text may quote the request.
func TestReasons(t *testing.T) {
	host := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Addr: host, Err: err} }
	const dialled = "dial tcp 192.0.2.1:443: "
	for _, tt := range []struct {
		err  error
		want string
	}{
		{context.DeadlineExceeded, "no answer in time"},
		{context.Canceled, "no answer in time"},
		{http.ErrSchemeMismatch, http.ErrSchemeMismatch.Error()},
		{x509.UnknownAuthorityError{}, "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "a"}, "tls: failed to verify certificate: x509: certificate is not valid for this host"},
		{x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.NotAuthorizedToSign}, "the response is not HTTP/1.1, or the connection broke off"},
		{&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.NotAuthorizedToSign}}, "tls: failed to verify certificate: x509: certificate is not valid"},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "tls: first record does not look like a TLS handshake"},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(40)}, "remote error: tls: handshake failure"},
		{&net.OpError{Op: "local error", Err: tls.AlertError(40)}, "local error: tls: handshake failure"},
		{dial(&os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}), dialled + "connect: connection refused"},
		{dial(syscall.ECONNRESET), dialled + "connection reset by peer"},
		{dial(&net.DNSError{Err: "no such host", Name: "a.example", IsNotFound: true}), dialled + "lookup a.example: no such host"},
		{dial(errors.New("S3CRET")), dialled + "failed"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial(syscall.ECONNREFUSED)}, "proxyconnect tcp: " + dialled + "connection refused"},
		{&net.DNSError{Err: "no such host", Name: "a.example"}, "lookup a.example: no such host"},
		{io.EOF, "EOF"},
		{io.ErrUnexpectedEOF, "unexpected EOF"},
		{net.ErrClosed, "use of closed network connection"},
		{timeout{}, "timeout"},
		{errors.New("http: server closed idle connection"), "http: server closed idle connection"},
		{errors.New("malformed HTTP response \"S3CRET\""), "the response is not HTTP/1.1, or the connection broke off"},
	} {
		err := fmt.Errorf("wrapped: %w", &url.Error{Op: "Post", URL: "https://example.com/S3CRET", Err: tt.err})
		if got := Reason(err); got != tt.want {
			t.Errorf("%T %v: %q, want %q", tt.err, tt.err, got, tt.want)
		}
	}
}

// timeout is a network error that the system does not know.
type timeout struct{}

func (timeout) Error() string   { return "S3CRET took too long" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }
