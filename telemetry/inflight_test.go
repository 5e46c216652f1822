package telemetry

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestInFlight: a hung request is counted and its age is shown. A finished request is not counted,
// for every way to finish.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, _ := start(t, Config{}, nil)
		mux := http.NewServeMux()
		release := map[string]chan struct{}{"first": make(chan struct{}), "second": make(chan struct{})}
		mux.HandleFunc("GET /hang/{which}", func(_ http.ResponseWriter, r *http.Request) { <-release[r.PathValue("which")] })
		mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("hunter2") })
		mux.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			panic("hunter2")
		})
		mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		h := tel.Instrument(mux)
		var requests sync.WaitGroup
		ask := func(method, path string) {
			requests.Go(func() {
				defer func() { _ = recover() }() // as net/http does, which cuts the connection
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
			})
			synctest.Wait()
		}
		const get, other = "http.request.method=GET,url.scheme=http", "http.request.method=_OTHER,url.scheme=http"
		want := func(when string, active float64, age time.Duration) {
			t.Helper()
			if got := series(t, tel, "http.server.active_requests")[get]; got != active {
				t.Errorf("%s: %v active requests, want %v", when, got, active)
			}
			if got := series(t, tel, "http.server.oldest_request.age")[""]; got != age.Seconds() {
				t.Errorf("%s: the oldest request is %v s old, want %v", when, got, age)
			}
		}

		want("at rest", 0, 0)
		ask("GET", "/hang/first")
		time.Sleep(20 * time.Second)
		want("one hangs", 1, 20*time.Second)
		ask("GET", "/hang/second")
		time.Sleep(10 * time.Second)
		want("two hang", 2, 30*time.Second)
		for _, path := range []string{"/panic", "/late", "/abort", "/none"} {
			ask("GET", path)
			want("after "+path, 2, 30*time.Second)
		}
		close(release["first"])
		synctest.Wait()
		want("the first has ended", 1, 10*time.Second)
		ask("HUNTER2", "/panic") // an unknown method
		close(release["second"])
		requests.Wait()
		want("both have ended", 0, 0)
		if got := series(t, tel, "http.server.active_requests"); len(got) != 2 || got[other] != 0 {
			t.Errorf("series: %v", got)
		}
	})
}
