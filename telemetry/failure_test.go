package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// TestAnswersThatDoNotArrive: an answer that has not arrived is counted with the status that the client saw, and with
// error.type. If the client has disconnected, there is no status, so it is no error of the service.
func TestAnswersThatDoNotArrive(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		w.Header().Set("Content-Length", strconv.Itoa(n+10))
		_, _ = w.Write(bytes.Repeat([]byte("x"), n))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer upstream.Close()
	u, _ := url.Parse(upstream.URL)
	proxy := httputil.NewSingleHostReverseProxy(u)
	quiet := log.New(io.Discard, "", 0)
	proxy.ErrorLog = quiet
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

	const writeTimeout = time.Second // a busy machine needs a part of it until the handler begins
	const gone, late, cut = "client_disconnected", "timeout", "aborted"
	for _, c := range []struct {
		name                string
		handler             http.HandlerFunc
		impatient, shutdown bool          // the client goes, or the service ends, while the handler runs
		timeout             time.Duration // the server's WriteTimeout
		want                string        // status and error.type
		complete            bool          // the client gets the whole answer
	}{
		{name: "client's context is an error", impatient: true, want: "- " + gone, handler: func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			http.Error(w, r.Context().Err().Error(), http.StatusInternalServerError)
		}},
		{name: "nobody is told", impatient: true, want: "- " + gone, handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{name: "it is answered nevertheless", impatient: true, want: "- " + gone, handler: func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			_, _ = w.Write([]byte("hello"))
		}},
		{name: "proxy of an impatient client", impatient: true, want: "- " + gone, handler: func(w http.ResponseWriter, r *http.Request) {
			slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			defer slow.Close()
			u, _ := url.Parse(slow.URL)
			p := httputil.NewSingleHostReverseProxy(u)
			p.ErrorLog = quiet
			p.ServeHTTP(w, r)
		}},
		{name: "client of a stream", impatient: true, want: "200 " + gone, handler: func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			<-r.Context().Done()
		}},
		{name: "error that was sent before", impatient: true, want: "503 " + gone, handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			flush(w)
			<-r.Context().Done()
		}},
		{name: "client has got all", impatient: true, complete: true, want: "200 ", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = w.Write([]byte("hello"))
			flush(w)
			<-r.Context().Done()
		}},
		{name: "panic for an impatient client", impatient: true, want: "500 ", handler: func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			panic("a bug")
		}},
		{name: "end of the service", shutdown: true, complete: true, want: "500 ", handler: func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			http.Error(w, "ends", http.StatusInternalServerError)
		}},
		{name: "error", complete: true, want: "500 ", handler: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }},
		{name: "too late", timeout: writeTimeout, want: "500 " + late, handler: func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(writeTimeout * 3 / 2)
			_, _ = w.Write([]byte("hello"))
		}},
		{name: "body too late", timeout: writeTimeout, want: "200 " + late, handler: func(w http.ResponseWriter, _ *http.Request) {
			flush(w)
			time.Sleep(writeTimeout * 3 / 2)
			_, _ = w.Write([]byte("hello"))
		}},
		{name: "nothing, too late", timeout: writeTimeout, want: "500 " + late, handler: func(http.ResponseWriter, *http.Request) { time.Sleep(writeTimeout * 3 / 2) }},
		{name: "whole answer, then work", timeout: writeTimeout, complete: true, want: "200 ", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = w.Write([]byte("hello"))
			flush(w)
			time.Sleep(writeTimeout * 3 / 2)
		}},
		{name: "too little", want: "200 " + cut, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("half"))
		}},
		{name: "aborted", want: "500 " + cut, handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{name: "aborted in mid-body", want: "200 " + cut, handler: func(w http.ResponseWriter, _ *http.Request) {
			flush(w)
			panic(http.ErrAbortHandler)
		}},
		{name: "proxied body that breaks off", want: "200 " + cut, handler: func(w http.ResponseWriter, r *http.Request) {
			r.URL.RawQuery = "100000"
			proxy.ServeHTTP(w, r)
		}},
		{name: "small proxied body that breaks off", want: "500 " + cut, handler: func(w http.ResponseWriter, r *http.Request) {
			r.URL.RawQuery = "10"
			proxy.ServeHTTP(w, r)
		}},
	} {
		for _, p := range protocols {
			if p.two && c.complete && (c.timeout > 0 || c.impatient) {
				continue // HTTP/2 ends its stream when the handler returns, and the client waits for that
			}
			t.Run(c.name+" over "+p.name, func(t *testing.T) {
				tel, _ := start(t, Config{}, nil)
				began, done := make(chan struct{}), make(chan struct{})
				h := tel.Instrument(c.handler)
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					close(began)
					h.ServeHTTP(w, r)
				}))
				base, end := context.WithCancelCause(t.Context())
				srv.Config.WriteTimeout, srv.Config.ErrorLog = c.timeout, quiet
				srv.Config.BaseContext = func(net.Listener) context.Context { return base }
				if srv.EnableHTTP2 = p.two; p.two {
					srv.StartTLS()
				} else {
					srv.Start()
				}
				defer srv.Close()
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				sees := strings.HasPrefix(c.want, "200") || strings.HasPrefix(c.want, "503") // the client sees the header before it goes
				go func() {
					<-began
					switch {
					case c.impatient && !sees:
						leave()
					case c.shutdown:
						end(errors.New("SIGTERM"))
					}
				}()
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/", nil)
				client := srv.Client()
				client.Transport.(*http.Transport).DisableKeepAlives = !p.two // no second attempt
				res, err := client.Do(r)
				saw := ""
				if err == nil {
					saw = strconv.Itoa(res.StatusCode)
					if c.impatient && c.complete {
						_, err = io.ReadFull(res.Body, make([]byte, 5))
					}
					if c.impatient {
						leave()
					}
					if !c.impatient || !c.complete {
						_, err = io.ReadAll(res.Body)
					}
					res.Body.Close()
				}
				select {
				case <-began:
				case <-time.After(c.timeout + time.Second):
					t.Fatalf("the server's timeout was over before the handler began: %v", err)
				}
				<-done
				if (err == nil) != c.complete {
					t.Errorf("the client got %v", err)
				}
				if status, _, _ := strings.Cut(c.want, " "); saw != "" && saw != status {
					t.Errorf("the client saw %s", saw)
				} else if saw == "" && status != "-" && status != "500" {
					t.Errorf("the client saw no header, so it can't have seen %s", status)
				}
				points := durations(t, tel)
				if len(points) != 1 || points[0].Count != 1 {
					t.Fatalf("points: %+v", points)
				}
				set := points[0].Attributes
				status, kind := "-", ""
				if v, ok := set.Value("http.response.status_code"); ok {
					status = v.String()
				}
				if v, ok := set.Value(attribute.Key("error.type")); ok {
					kind = v.String()
				}
				if got := fmt.Sprint(status, " ", kind); got != c.want {
					t.Errorf("counted as %q, want %q", got, c.want)
				}
			})
		}
	}
}

// TestOwnDeadline: a handler that puts the server's deadline off is not late.
func TestOwnDeadline(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	srv := httptest.NewUnstartedServer(tel.Instrument(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
		time.Sleep(150 * time.Millisecond)
		_, _ = w.Write([]byte("hello"))
	})))
	srv.Config.WriteTimeout = 50 * time.Millisecond
	srv.Start()
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := count(t, tel); got[" 200"] != 1 || res.ContentLength != 5 {
		t.Errorf("%v, length %d", got, res.ContentLength)
	}
}

// failingWriter is a writer whose connection has gone.
type failingWriter struct {
	lightWriter
	err error
}

func (w *failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestFailedWrites: an error of a write is a failure, unless the handler has caused it.
func TestFailedWrites(t *testing.T) {
	for err, want := range map[error]string{
		io.ErrClosedPipe: "client_disconnected",
		&net.OpError{Op: "write", Err: context.DeadlineExceeded}: "client_disconnected",
		http.ErrBodyNotAllowed: "",
		http.ErrContentLength:  "",
	} {
		tel, _ := start(t, Config{}, nil)
		h := tel.Instrument(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
		h.ServeHTTP(&failingWriter{lightWriter{h: http.Header{}}, err}, httptest.NewRequest("GET", "/", nil))
		got, _ := durations(t, tel)[0].Attributes.Value("error.type")
		if got.AsString() != want {
			t.Errorf("%v: %q, want %q", err, got.AsString(), want)
		}
	}
}
