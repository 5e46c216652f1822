package migrating

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/runtime"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// database is a driver. It connects, or fails with a secret in the error's text.
type database struct{}

func (database) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("dial postgres://user:secret@db")
}
func (database) Driver() driver.Driver { return nil }

// TestFailingDatabase compares each library's answer with the page, and with ours.
func TestFailingDatabase(t *testing.T) {
	db := sql.OpenDB(database{})
	defer db.Close()
	d := deps{db: db, search: func(context.Context) error { return nil }}
	handler := func(h http.Handler, err error) http.Handler {
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, tt := range []struct {
		name   string
		before http.Handler
		path   string
		code   int
		head   int
		after  healthcheck.Config
		ready  string
	}{
		{"byhand", byHandBefore(d), "/healthz", 503, 503, byHandAfter(d), "/healthz"},
		{"alexliesenfeld", alexliesenfeldBefore(d), "/", 503, 503, alexliesenfeldAfter(d), "/ready"},
		{"hellofresh", handler(hellofreshBefore(d)), "/", 503, 503, hellofreshAfter(d), "/ready"},
		{"heptiolabs", heptiolabsBefore(d), "/ready?full=1", 503, 405, heptiolabsAfter(d), "/ready"},
		{"invision", handler(invisionBefore(d)), "/", 500, 500, invisionAfter(d), "/ready"},
		{"sundheit", handler(sundheitBefore(d)), "/", 503, 503, sundheitAfter(d), "/ready"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if body := answer(t, tt.before, tt.path, tt.code); !strings.Contains(body, "secret") {
				t.Errorf("before: the answer lacks the error's text: %s", body)
			}
			if code := head(tt.before, tt.path); code != tt.head {
				t.Errorf("before: HEAD is %d, want %d", code, tt.head)
			}
			after := monitor(t, tt.after)
			body := answer(t, after, tt.ready, 503)
			if code := head(after, tt.ready); code != 503 {
				t.Errorf("after: HEAD is %d, want 503", code)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("after: the answer has the error's text: %s", body)
			}
			if !strings.Contains(body, `"output":"database: `) {
				t.Errorf("after: the output does not begin with database: %s", body)
			}
		})
	}
}

// TestSundheit: before the first run and for a check that is not critical it answers as the page says.
func TestSundheit(t *testing.T) {
	db := sql.OpenDB(good{})
	defer db.Close()
	running, end := make(chan bool, 1), make(chan error)
	h, err := sundheitBefore(deps{db: db, search: func(context.Context) error {
		select {
		case running <- true:
		default:
		}
		return <-end
	}})
	if err != nil {
		t.Fatal(err)
	}
	if w := get(h, "/"); w.Code != 503 || !strings.Contains(w.Body.String(), "didn't run yet") {
		t.Errorf("before the first run: %d %s", w.Code, w.Body)
	}
	<-running
	end <- errors.New("secret")
	answer(t, h, "/", 503) // each check is critical
	if w := get(h, "/?type=short"); w.Code != 503 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("short: %d %s", w.Code, w.Body)
	}
	close(end)
}

// TestFailingSearch: before and after, a check that is not fatal does not change readiness.
func TestFailingSearch(t *testing.T) {
	db := sql.OpenDB(good{})
	defer db.Close()
	d := deps{db: db, search: func(context.Context) error { return errors.New("down") }}
	hello, err := hellofreshBefore(d)
	if err != nil {
		t.Fatal(err)
	}
	body := answer(t, hello, "/", 200)
	if !strings.Contains(body, "Partially Available") {
		t.Errorf("hellofresh: %s", body)
	}
	for name, config := range map[string]healthcheck.Config{"hellofresh": hellofreshAfter(d), "invision": invisionAfter(d)} {
		h := monitor(t, config)
		end := time.Now().Add(30 * time.Second)
		for body := ""; !strings.Contains(body, `"output":"search: `); body = answer(t, h, "/ready", 200) {
			if time.Now().After(end) {
				t.Fatalf("%s: %s", name, body)
			}
		}
	}
}

// good is a driver. Its connections do nothing.
type good struct{}

func (good) Connect(context.Context) (driver.Conn, error) { return conn{}, nil }
func (good) Driver() driver.Driver                        { return nil }

type conn struct{ driver.Conn }

func (conn) Close() error { return nil }

// monitor starts a Monitor.
func monitor(t *testing.T, c healthcheck.Config) http.Handler {
	m := healthcheck.New(c)
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(m.View()))
	if err := runtime.Start(runtime.WithMeterProvider(mp)); err != nil { // telemetry does the same
		t.Fatal(err)
	}
	if err := m.StartWith(t.Context(), healthcheck.Pipeline{Reader: reader, MeterProvider: mp}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m.Wrap(nil)
}

// answer polls until the code matches and every check has run, in our words or go-sundheit's.
func answer(t *testing.T, h http.Handler, path string, code int) string {
	t.Helper()
	last := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		w := get(h, path)
		last = w.Body.String()
		if w.Code == code && !strings.Contains(last, "has not run yet") && !strings.Contains(last, "didn't run yet") {
			return last
		}
	}
	t.Fatalf("%s: no %d; the last answer: %s", path, code, last)
	return ""
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func head(h http.Handler, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, path, nil))
	return w.Code
}

// TestBlocks: each Go block of the page is in a file, word for word. Each function in a file is on
// the page.
func TestBlocks(t *testing.T) {
	page, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		code += string(text)
	}
	blocks := regexp.MustCompile("(?s)\n```go\n(.*?)```\n").FindAllStringSubmatch(string(page), -1)
	shown := ""
	for _, b := range blocks {
		shown += b[1]
		if !strings.Contains(code, "\n"+b[1]) {
			t.Errorf("in no file:\n%s", b[1])
		}
	}
	for _, f := range regexp.MustCompile(`(?m)^func .*$`).FindAllString(code, -1) {
		if !strings.Contains(shown, f) {
			t.Errorf("not on the page: %s", f)
		}
	}
}
