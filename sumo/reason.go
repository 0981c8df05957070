package sumo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Reason says why a request got no response, in words of this package, of the
// operating system or of the resolver. net/http quotes what it cannot read, and a
// server may have written what we sent it: such a text is left out.
func Reason(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "no answer in time"
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch.Error()
	}
	if reason := certificateReason(err); reason != "" {
		return reason
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return operationReason(op)
	}
	if reason := systemReason(err); reason != "" {
		return reason
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "http: server closed idle connection" {
			return err.Error()
		}
	}
	return "the response is not HTTP/1.1, or the connection broke off"
}

// certificateReason leaves out the names in the certificate.
func certificateReason(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "tls: failed to verify certificate: x509: certificate is not valid for this host"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "tls: failed to verify certificate: " + invalid.Error()
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "tls: failed to verify certificate: x509: certificate is not valid"
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "tls: " + record.Msg
	}
	return ""
}

// operationReason names the operation and the address of the host or the proxy.
func operationReason(op *net.OpError) string {
	if op.Op == "remote error" || op.Op == "local error" { // an alert of TLS
		return op.Error()
	}
	inner := systemReason(op.Err)
	if nested, ok := errors.AsType[*net.OpError](op.Err); ok {
		inner = operationReason(nested)
	}
	if inner == "" {
		inner = "failed"
	}
	return (&net.OpError{Op: op.Op, Net: op.Net, Source: op.Source, Addr: op.Addr, Err: errors.New(inner)}).Error()
}

// systemReason returns "" for what is not an error of the system or the resolver.
func systemReason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Error()
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Error()
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "timeout"
	}
	return ""
}
