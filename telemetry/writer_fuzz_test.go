package telemetry

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzWriter: a handler that uses its writer and its body in any order gets the same
// results behind Instrument as without, and the client sees the same answer.
func FuzzWriter(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14})
	random := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		steps := make([]byte, 1+random.IntN(12))
		for n := range steps {
			steps[n] = byte(random.Uint32())
		}
		f.Add(steps)
	}
	tel, err := Start(f.Context(), Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	results := make(chan string, 1)
	performer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		steps, _ := hex.DecodeString(r.Header.Get("X-Steps"))
		results <- perform(w, r, steps)
	})
	type pair struct{ bare, own *httptest.Server }
	var pairs []pair
	for _, p := range protocols {
		run := func(h http.Handler) *httptest.Server {
			srv := httptest.NewUnstartedServer(h)
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // of superfluous WriteHeaders
			if srv.EnableHTTP2 = p.two; p.two {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			f.Cleanup(srv.Close)
			return srv
		}
		pairs = append(pairs, pair{run(performer), run(tel.Instrument(performer))})
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		steps = steps[:min(len(steps), 40)]
		for n, p := range pairs {
			bare, own := play(t, p.bare, steps, results), play(t, p.own, steps, results)
			if bare != own {
				t.Errorf("%s, steps %v\nbehind Instrument:\n%s\nwithout:\n%s", protocols[n].name, steps, own, bare)
			}
		}
	})
}

// play returns what the handler got and what the client saw.
func play(t *testing.T, srv *httptest.Server, steps []byte, results chan string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL, strings.NewReader("a question of some length, in one piece"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Steps", hex.EncodeToString(steps))
	if srv.TLS == nil { // the server may just be closing the last connection, and then no handler runs
		srv.Client().CloseIdleConnections()
	}
	res, err := srv.Client().Do(req)
	seen := "no answer"
	if err == nil {
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		res.Header.Del("Date")
		seen = fmt.Sprint(res.Status, res.Header, res.Close, len(b), err != nil, res.Trailer) + string(b[:min(len(b), 100)])
	}
	return <-results + seen
}

// perform takes the steps and returns all results.
func perform(w http.ResponseWriter, r *http.Request, steps []byte) string {
	var got strings.Builder
	c, limited, refused := http.NewResponseController(w), false, false
	for _, step := range steps {
		if op := step % 16; refused && (op == 11 || op == 13 || op == 15) {
			continue
		}
		size := []int{0, 1, 40, 600, 3000, 70_000}[int(step/16)%6]
		data := bytes.Repeat([]byte("x"), size)
		switch step % 16 {
		case 0:
			n, err := w.Write(data)
			fmt.Fprintln(&got, "Write", n, err)
		case 1:
			n, err := w.(io.StringWriter).WriteString(string(data))
			fmt.Fprintln(&got, "WriteString", n, err)
		case 2:
			status := []int{200, 204, 304, 404, 500, 599}[int(step/16)%6]
			w.WriteHeader(status)
			// A client of HTTP/2 sends no more of its body then, and does not end it, so reading waits for ever.
			refused = refused || r.ProtoMajor == 2 && status >= 300
		case 3:
			w.WriteHeader([]int{100, 102, 103}[int(step/16)%3])
		case 4:
			w.(http.Flusher).Flush()
		case 5:
			fmt.Fprintln(&got, "FlushError", c.Flush())
		case 6:
			n, err := io.Copy(w, bytes.NewReader(data))
			fmt.Fprintln(&got, "Copy", n, err)
		case 7:
			n, err := io.Copy(w, io.MultiReader(bytes.NewReader(data), failingReader{}))
			fmt.Fprintln(&got, "Copy of a failing source", n, err)
		case 8:
			w.Header().Set("X-Step", fmt.Sprint(step))
		case 9:
			if r.ProtoMajor == 1 { // over HTTP/2 a client that gets too much ends the stream at any time
				w.Header().Set("Content-Length", fmt.Sprint(size))
			}
		case 10:
			w.Header().Set(http.TrailerPrefix+"X-Late", fmt.Sprint(step))
		case 11:
			n, err := io.ReadFull(r.Body, make([]byte, size%50))
			fmt.Fprintln(&got, "Read", n, err)
		case 12:
			fmt.Fprintln(&got, "deadlines", c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}))
		case 13:
			_, err := r.Body.Read(nil)
			fmt.Fprintln(&got, "Body", r.ContentLength, err)
		case 14:
			fmt.Fprintln(&got, "close body", r.Body.Close())
		case 15:
			if limited { // what one has met, another one hides
				continue
			}
			limited = true
			n, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(size)))
			fmt.Fprintln(&got, "limit", n, err)
		}
	}
	return ports.ReplaceAllString(got.String(), "")
}

var ports = regexp.MustCompile(`:\d{4,5}\b`) // in the texts of errors
