package healthcheck

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestWrapAnswersItsPaths: Wrap answers its paths, with or without a trailing slash, and nothing
// else. It works with patterns that conflict with these paths in one mux.
func TestWrapAnswersItsPaths(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		own    [3]string // liveness, readiness, startup
	}{
		"by default": {Config{}, [3]string{"/health", "/ready", "/startup"}},
		"own ones":   {Config{LivenessPath: "/-/live", ReadinessPath: "/-/ready/", StartupPath: "/started"}, [3]string{"/-/live", "/-/ready", "/started"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.config.Checks = []Check{{Name: "database", Func: down}}
				k := newKit(t, c.config)
				service := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "service") }
				for _, pattern := range []string{"GET /", "POST /", "GET /{id}", "GET /health/{part}"} {
					k.mux.HandleFunc(pattern, service)
				}
				k.start()
				wait(time.Second)
				ask := func(method, path string) (int, string) {
					w := httptest.NewRecorder()
					k.handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
					return w.Code, w.Body.String()
				}
				for n, path := range c.own {
					for _, asked := range []string{path, path + "/", path + "?verbose", path + "/?verbose"} {
						want := 200
						if n == 1 {
							want = 503
						}
						if code, body := ask("GET", asked); code != want || body == "service" {
							t.Errorf("GET %s: %d %s, want %d of the Monitor", asked, code, body, want)
						}
					}
					if code, _ := ask("POST", path); code != 405 {
						t.Errorf("POST %s: %d", path, code)
					}
				}
				for _, path := range []string{"/", "/7", "/healthy", "/readyz", "/health/parts", c.own[1] + "//", "/READY", "/a" + c.own[1]} {
					if code, body := ask("GET", path); body != "service" && code != 301 && code != 307 && code != 404 || len(path) < 6 && body != "service" {
						t.Errorf("GET %s: %d %s, want the service", path, code, body)
					}
					if code, body := ask("POST", "/orders"); code != 200 || body != "service" {
						t.Errorf("POST: %d %s", code, body)
					}
				}
				w := httptest.NewRecorder()
				k.Wrap(nil).ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
				if w.Code != http.StatusNotFound {
					t.Errorf("a listener with probes alone answers %d", w.Code)
				}
			})
		})
	}
}

// TestNotReadyClosesConnections: while readiness fails, answers close their connection, so that a
// client goes to another instance: by Connection: close, and by GOAWAY in HTTP/2.
func TestNotReadyClosesConnections(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			k := newKit(t, Config{})
			k.mux.HandleFunc("/orders", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "orders") })
			k.start()
			srv := httptest.NewUnstartedServer(k.handler)
			srv.EnableHTTP2 = h2
			srv.StartTLS()
			defer srv.Close()
			client := srv.Client()
			defer client.CloseIdleConnections()
			ask := func() (reused bool, res *http.Response) {
				trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
				req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", srv.URL+"/orders", nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err = client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				return reused, res
			}
			ask()
			if reused, res := ask(); !reused || res.Close || (res.ProtoMajor == 2) != h2 {
				t.Fatalf("while ready: %s, reused %v, closes %v", res.Proto, reused, res.Close)
			}
			lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			k.evaluate()
			if reused, res := ask(); !reused || res.StatusCode != 200 || !h2 && !res.Close {
				t.Errorf("not ready: %d, reused %v, closes %v; want an answer, and the end of its connection", res.StatusCode, reused, res.Close)
			}
			// Until GOAWAY arrives, requests on the same connection are answered.
			for began := time.Now(); ; {
				reused, res := ask()
				if res.StatusCode != 200 {
					t.Fatalf("not ready: %d", res.StatusCode)
				}
				if !reused {
					break
				}
				if !h2 || time.Since(began) > 30*time.Second {
					t.Fatal("the connection is used again")
				}
			}
			lift()
			k.evaluate()
			ask()
			if reused, res := ask(); !reused || res.Close {
				t.Errorf("ready again: reused %v, closes %v", reused, res.Close)
			}
		})
	}
}

// TestStaleClosesConnections: Wrap also closes connections if the verdict is stale.
func TestStaleClosesConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		closes := func() bool {
			w := httptest.NewRecorder()
			k.handler.ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
			return w.Header().Get("Connection") == "close"
		}
		k.halt()
		if closes() {
			t.Error("a ready instance closes connections")
		}
		wait(16 * time.Second)
		if !closes() {
			t.Error("an instance with a stale verdict closes no connection")
		}
		k.want("/ready", 503, verdict.Fail)
	})
}

// TestWrapLeavesPathsAlone: a path of "-" belongs to the service, and Wrap still closes connections.
// A request for an upgrade keeps its connection.
func TestWrapLeavesPathsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{LivenessPath: "-", ReadinessPath: "-", StartupPath: "-", Checks: []Check{{Name: "database", Func: down}}})
		k.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "service") })
		k.start()
		wait(time.Second)
		for _, path := range []string{"/", "/health", "/ready", "/startup", "/-", "/ready/"} {
			for _, upgrade := range []string{"", "websocket"} {
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
				want := "close"
				if upgrade != "" {
					r.Header.Set("Upgrade", upgrade)
					want = ""
				}
				k.handler.ServeHTTP(w, r)
				if w.Body.String() != "service" || w.Header().Get("Connection") != want {
					t.Errorf("%s, Upgrade %q: %s, Connection %q", path, upgrade, w.Body, w.Header().Get("Connection"))
				}
			}
		}
	})
}
