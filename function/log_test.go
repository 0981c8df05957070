package function_test

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sumoship/function"
)

// lines is a writer that may be read meanwhile.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A server that sends on an idle connection what it was asked before: net/http logs a
// line of its own, without the quotation.
func TestUnsolicitedResponsesAreNotQuoted(t *testing.T) {
	out := new(lines)
	function.RedactLog(out)
	defer log.SetOutput(os.Stderr)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		time.Sleep(50 * time.Millisecond)
		io.WriteString(conn, "GET /receiver/v1/http/SECRETPATH")
	}()
	client := &http.Client{Transport: new(http.Transport)}
	r, err := client.Get("http://" + server.Addr().String() + "/receiver/v1/http/SECRETPATH")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	for i := 0; !strings.Contains(out.String(), "\n"); i++ {
		if i > 500 {
			t.Fatal("net/http logs nothing")
		}
		time.Sleep(10 * time.Millisecond)
	}
	log.Print("another line")
	if got := out.String(); strings.Contains(got, "SECRET") || !strings.Contains(got, "a server sent something unasked") || !strings.Contains(got, "another line\n") {
		t.Errorf("%s", got)
	}
}
