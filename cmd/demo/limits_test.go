package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network, so a synctest bubble can control time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error { return nil }
func (pipes) Addr() net.Addr { return &net.UnixAddr{} }

// TestServerLimits: no slow or hostile client keeps a connection for long.
func TestServerLimits(t *testing.T) {
	for name, c := range map[string]struct {
		send   string // then nothing more
		answer string
		reads  bool
		within time.Duration
	}{
		"half a header":               {"GET / HTTP/1.1\r\nHost: a\r\n", "", true, 5 * time.Second},
		"half a body":                 {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf", "400", true, 11 * time.Second},
		"idle":                        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200", true, 2 * time.Minute},
		"a client that does not read": {"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", "", false, 31 * time.Second},
		"a large header":              {"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 21<<10), "431", true, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handled := make(chan error, 1)
				srv := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err != nil {
						w.WriteHeader(http.StatusBadRequest)
						return
					}
					if r.URL.Path == "/large" {
						_, err := w.Write(make([]byte, 1<<20))
						handled <- err
					}
				}))
				l := make(pipes)
				go func() { _ = srv.Serve(l) }()
				client, server := net.Pipe()
				l <- server
				began := time.Now()
				go func() { _, _ = io.WriteString(client, c.send) }() // the server does not read all of a large header
				if !c.reads {
					if err := <-handled; err == nil {
						t.Error("the handler wrote the whole answer")
					}
				} else {
					text, err := io.ReadAll(bufio.NewReader(client))
					if err != nil && !errors.Is(err, io.ErrClosedPipe) {
						t.Fatal(err)
					}
					if code, _, _ := strings.Cut(strings.TrimPrefix(string(text), "HTTP/1.1 "), " "); code != c.answer {
						t.Errorf("answer %.60q, want %q", text, c.answer)
					}
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("it took %v, want at most %v", took, c.within)
				}
				client.Close()
				close(l)
				srv.Close()
			})
		})
	}
}
