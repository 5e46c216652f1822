package blackbox

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowClient: a client that reads nothing does not block the next record.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		r.fail(errSecret)
		r.wait(30 * time.Second)
		read := make(chan struct{})
		var clients sync.WaitGroup
		for _, name := range []string{mustRecords(t, r.box)[0].Name, "now", ""} {
			clients.Go(func() {
				r.box.ServeHTTP(slowWriter{httptest.NewRecorder(), read}, httptest.NewRequest("GET", "/blackbox/"+name, nil))
			})
		}
		go r.worker.Do(t.Context(), func(ctx context.Context) { <-read })
		r.wait(2 * time.Minute)
		r.records(2)
		close(read)
		clients.Wait()
		r.stop()
	})
}

type slowWriter struct {
	*httptest.ResponseRecorder
	read chan struct{}
}

func (w slowWriter) Write(p []byte) (int, error) { <-w.read; return len(p), nil }

// TestHandler: ServeHTTP lists and shows records, and no other file in the directory.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		get := func(method, path string) (int, string) {
			w := httptest.NewRecorder()
			r.box.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			return w.Code, w.Body.String()
		}
		if code, body := get("GET", "/blackbox/"); code != 200 || body != "no probe has failed\n" {
			t.Errorf("%d %q", code, body)
		}
		r.wait(5 * time.Second)
		r.fail(errSecret)
		r.wait(time.Minute)
		name := mustRecords(t, r.box)[0].Name
		if code, body := get("GET", "/blackbox/"); code != 200 || !strings.HasPrefix(body, name+" ") {
			t.Errorf("%d %q", code, body)
		}
		if code, body := get("GET", "/blackbox/"+name); code != 200 || !strings.HasPrefix(body, "readiness fail since ") {
			t.Errorf("%d %.200q", code, body)
		}
		if code, body := get("GET", "/blackbox/now"); code != 200 || !strings.HasPrefix(body, "readiness fail since ") || !strings.Contains(body, "\n== end ==\n") || len(mustRecords(t, r.box)) != 1 {
			t.Errorf("%d %.200q", code, body)
		}
		for _, path := range []string{"/message", "/..%2fmessage", "/" + strings.Replace(name, "readiness", "liveness", 1)} {
			if code, body := get("GET", path); code == 200 && !strings.HasPrefix(body, name+" ") {
				t.Errorf("%s: %d %.200q", path, code, body)
			}
		}
		if code, _ := get("POST", "/"); code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", code)
		}
		r.stop()
	})
}
