package telemetry

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// abilities names the optional methods of a writer.
func abilities(w http.ResponseWriter) string {
	var all []string
	add := func(name string, has bool) {
		if has {
			all = append(all, name)
		}
	}
	_, ok := w.(http.Flusher)
	add("Flusher", ok)
	_, ok = w.(interface{ FlushError() error })
	add("FlushError", ok)
	_, ok = w.(closeNotifier)
	add("CloseNotifier", ok)
	_, ok = w.(http.Hijacker)
	add("Hijacker", ok)
	_, ok = w.(io.ReaderFrom)
	add("ReaderFrom", ok)
	_, ok = w.(io.StringWriter)
	add("StringWriter", ok)
	_, ok = w.(http.Pusher)
	add("Pusher", ok)
	_, ok = w.(interface{ SetReadDeadline(time.Time) error })
	add("SetReadDeadline", ok)
	_, ok = w.(interface{ SetWriteDeadline(time.Time) error })
	add("SetWriteDeadline", ok)
	_, ok = w.(interface{ EnableFullDuplex() error })
	add("EnableFullDuplex", ok)
	return strings.Join(all, " ")
}

// TestWriterLikeNetHTTP: behind Instrument each optional and private method of net/http's writers
// does the same as without it.
func TestWriterLikeNetHTTP(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 64<<10)
	for _, c := range []struct {
		name    string
		body    func() io.Reader
		only1   bool
		handler http.HandlerFunc
	}{
		{name: "optional methods", handler: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, abilities(w)) }},
		{name: "Flusher", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.WriteHeader(500) // too late
			fmt.Fprint(w, "flushed")
		}},
		{name: "FlushError", handler: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, http.NewResponseController(w).Flush())
		}},
		{name: "ReaderFrom", handler: func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.Copy(w, bytes.NewReader(large))
			fmt.Fprint(w, n, err)
		}},
		{name: "ReaderFrom that fails at once", handler: func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.Copy(w, failingReader{}); err != nil {
				http.Error(w, "no source", http.StatusBadGateway) // nothing was sent
			}
		}},
		{name: "WriteString", handler: func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.WriteString(w, "abcdef")
			fmt.Fprint(w, n, err)
		}},
		{name: "Hijacker", only1: true, handler: func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			fmt.Fprint(rw, "HTTP/1.1 299 By hand\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
			rw.Flush()
		}},
		{name: "Hijacker over HTTP/2", handler: func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor == 2 {
				_, _, err := http.NewResponseController(w).Hijack()
				fmt.Fprint(w, errors.Is(err, http.ErrNotSupported))
			}
		}},
		{name: "Pusher", handler: func(w http.ResponseWriter, _ *http.Request) {
			if p, ok := w.(http.Pusher); ok {
				fmt.Fprint(w, p.Push("/other", nil))
			}
		}},
		{name: "deadlines", handler: func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			fmt.Fprint(w, c.SetReadDeadline(time.Now().Add(time.Hour)), c.SetWriteDeadline(time.Now().Add(time.Hour)))
		}},
		{name: "a read deadline that has passed", body: unfinished, handler: func(w http.ResponseWriter, r *http.Request) {
			err := http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
			_, read := io.ReadAll(r.Body)
			fmt.Fprint(w, err, read != nil)
		}},
		{name: "EnableFullDuplex", body: textOf("question"), handler: func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, http.NewResponseController(w).EnableFullDuplex())
			_ = http.NewResponseController(w).Flush()
			b, err := io.ReadAll(r.Body) // still there after the header was sent
			fmt.Fprint(w, string(b), err)
		}},
		{name: "CloseNotifier", handler: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, w.(closeNotifier).CloseNotify() != nil)
		}},
		{name: "103 and 204", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
		}},
		{name: "announced trailers", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			fmt.Fprint(w, "body")
			w.Header().Set("X-Sum", "42")
		}},
		{name: "other trailers", handler: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "body")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Late", "43")
		}},
		{name: "trailers of the request", body: func() io.Reader { return io.MultiReader(strings.NewReader("in chunks")) }, handler: func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, r.Trailer, err)
		}},
		{name: "requestTooLarge", body: bytesOf(large), handler: func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
			http.Error(w, fmt.Sprint(err), http.StatusRequestEntityTooLarge)
		}},
		{name: "less than its limit", body: textOf("0123456789"), handler: func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
			fmt.Fprint(w, len(b), err)
		}},
		{name: "as much as its limit", body: textOf("0123456789"), handler: func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
			fmt.Fprint(w, len(b), err)
		}},
		{name: "requestTooLarge in a copy of the request", body: bytesOf(large), handler: func(w http.ResponseWriter, r *http.Request) {
			http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				fmt.Fprint(w, err)
			}), 4096).ServeHTTP(w, r)
		}},
		{name: "requestTooLarge without an answer", body: bytesOf(large), handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 7))
		}},
		{name: "requestTooLarge with EnableFullDuplex", body: bytesOf(large), handler: func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
			http.Error(w, fmt.Sprint(err), http.StatusRequestEntityTooLarge)
		}},
		{name: "requestTooLarge after the header", body: bytesOf(large), handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
			fmt.Fprint(w, err)
		}},
		{name: "requestTooLarge in a form", body: textOf("a=" + strings.Repeat("x", 9000)), handler: func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = http.MaxBytesReader(w, r.Body, 1000)
			http.Error(w, fmt.Sprint(r.ParseForm()), http.StatusRequestEntityTooLarge)
		}},
		{name: "a body that nobody reads", body: bytesOf(large), handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(large)
		}},
		{name: "a body closed early", body: bytesOf(bytes.Repeat(large, 8)), handler: func(w http.ResponseWriter, r *http.Request) {
			_ = r.Body.Close()
			_, err := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, err)
		}},
		{name: "too little", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "half")
		}},
		{name: "ErrAbortHandler", handler: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}},
	} {
		for _, p := range protocols {
			if c.only1 && p.two {
				continue
			}
			t.Run(c.name+" over "+p.name, func(t *testing.T) {
				tel, log := start(t, Config{}, nil)
				var bodies [2]io.Reader
				if c.body != nil {
					bodies = [2]io.Reader{c.body(), c.body()}
				}
				for _, b := range bodies {
					if c, ok := b.(io.Closer); ok {
						defer c.Close() // the client hides it from the transport
					}
				}
				bare := exchange(t, serve(t, c.handler, p.two), bodies[0])
				if own := exchange(t, serve(t, tel.Instrument(c.handler), p.two), bodies[1]); own != bare {
					t.Errorf("behind Instrument:\n%s\nwithout:\n%s", own, bare)
				}
				if strings.Contains(log.String(), "panicked") {
					t.Errorf("log: %s", log)
				}
			})
		}
	}
}

// exchange returns all that a client sees of one request.
func exchange(t *testing.T, srv *served, body io.Reader) string {
	t.Helper()
	var seen strings.Builder
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		fmt.Fprintln(&seen, "informational:", status, h)
		return nil
	}})
	method := "GET"
	if body != nil {
		method = "POST"
	}
	req, err := http.NewRequestWithContext(ctx, method, srv.URL+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Trailer = http.Header{"X-Announced": {"yes"}}
		if req.ContentLength > 0 {
			req.Trailer = nil
		}
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		return seen.String() + "no answer"
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if len(b) > 200 {
		b = fmt.Appendf(nil, "%d bytes", len(b))
	}
	res.Header.Del("Date")
	fmt.Fprintf(&seen, "status: %s\nheader: %v\nclose: %v\nbody: %s\nbroken: %v\ntrailer: %v", res.Status, res.Header, res.Close, b, err != nil, res.Trailer)
	return seen.String()
}

func bytesOf(b []byte) func() io.Reader { return func() io.Reader { return bytes.NewReader(b) } }
func textOf(s string) func() io.Reader  { return bytesOf([]byte(s)) }

// unfinished is a body that does not end before the answer. A body that has arrived already could be read in spite of a
// deadline.
func unfinished() io.Reader {
	r, w := io.Pipe()
	go func() { _, _ = w.Write([]byte("a part")) }() // until r is closed
	return r
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("no source") }

// TestWriterOfOthers: a middleware around Instrument decides which optional methods there are, and
// can be found by Unwrap.
func TestWriterOfOthers(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	for _, w := range []http.ResponseWriter{
		httptest.NewRecorder(),
		struct{ http.ResponseWriter }{httptest.NewRecorder()},
		&lightWriter{h: http.Header{}},
		both{&lightWriter{h: http.Header{}}},
	} {
		var got string
		found := false
		tel.Instrument(http.HandlerFunc(func(inner http.ResponseWriter, _ *http.Request) {
			got = abilities(inner)
			for inner != w {
				u, ok := inner.(interface{ Unwrap() http.ResponseWriter })
				if !ok {
					return
				}
				inner = u.Unwrap()
			}
			found = true
		})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if want := abilities(w); got != want || !found {
			t.Errorf("%T: %s, want %s; found by Unwrap: %v", w, got, want, found)
		}
	}
}

// both has more than either of net/http's writers.
type both struct{ *lightWriter }

func (both) Push(string, *http.PushOptions) error { return nil }

// TestExpectContinue: a handler that answers without reading the body does not wait for a client
// that waits for a 100 Continue.
func TestExpectContinue(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = http.NewResponseController(w).Flush()
	})
	tel, _ := start(t, Config{}, nil)
	for name, h := range map[string]http.Handler{"bare": refuse, "Instrument": tel.Instrument(refuse)} {
		conn, err := net.Dial("tcp", serve(t, h, false).Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.Body.Close(); res.StatusCode != 403 || !res.Close {
			t.Errorf("%s: %s, the connection is closed: %v", name, res.Status, res.Close)
		}
	}
}

// TestUnannouncedTrailers: the handler sees the request's trailers, although net/http writes them
// into its own request.
func TestUnannouncedTrailers(t *testing.T) {
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Trailer)
	})
	tel, _ := start(t, Config{}, nil)
	for name, h := range map[string]http.Handler{"bare": show, "Instrument": tel.Instrument(show)} {
		conn, err := net.Dial("tcp", serve(t, h, false).Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 42\r\n\r\n")
		b, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(b), "map[X-Sum:[42]]") {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}
