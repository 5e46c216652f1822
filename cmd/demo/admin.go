package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/blackbox"
	"github.com/otelhealth/otelhealth/telemetry"
)

// changeable reports whether the listener serves the routes that change something. They need a
// token, or a loopback listener. The address of the caller does not count, because a sidecar makes
// every caller look local.
func changeable(token string, loopback bool) bool { return token != "" || loopback }

// adminRoutes returns the routes for operators. box may be nil. Its records need no token, because
// /status.json has the texts of errors too, without one.
func adminRoutes(health *healthcheck.Monitor, tel *telemetry.Telemetry, f faults, page, home http.Handler, box *blackbox.Box, token string, loopback bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", home)
	mux.Handle("GET /metrics", tel.MetricsHandler())
	mux.Handle("/status", page)
	mux.Handle("/status/", page)
	mux.Handle("GET /status.json", health.DetailsHandler())
	if box != nil {
		mux.Handle("GET /blackbox/", box)
	} else {
		mux.HandleFunc("GET /blackbox/", func(w http.ResponseWriter, _ *http.Request) {
			problem(w, http.StatusNotFound, "no black box: start the demo with -blackbox=DIR")
		})
	}
	if !changeable(token, loopback) {
		return mux
	}
	m := &window{monitor: health}
	mux.Handle("PUT /maintenance", authorized(token, m.begin))
	mux.Handle("DELETE /maintenance", authorized(token, m.end))
	mux.Handle("PUT /faults/{name}", authorized(token, f.handler(true)))
	mux.Handle("DELETE /faults/{name}", authorized(token, f.handler(false)))
	return mux
}

// local reports whether the Host header names this computer. A web page can point its own name at
// this computer (DNS rebinding), but its requests still carry that name.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// authorized compares digests, so the comparison takes the same time for every input.
func authorized(token string, next http.HandlerFunc) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(given))
		if token != "" && (!bearer || subtle.ConstantTimeCompare(want[:], got[:]) != 1) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem(w, http.StatusUnauthorized, "the bearer token is missing or wrong")
			return
		}
		if token == "" && !local(r.Host) {
			problem(w, http.StatusForbidden, "without ADMIN_TOKEN the host must be localhost")
			return
		}
		next(w, r)
	})
}

// window is the maintenance that this listener began. A new one replaces it.
type window struct {
	monitor *healthcheck.Monitor
	mu      sync.Mutex
	lift    func()
}

// begin reads {"reason": "…", "until": "RFC 3339"}.
func (m *window) begin(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Reason string    `json:"reason"`
		Until  time.Time `json:"until"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&body)
	if bad, is := errors.AsType[*time.ParseError](err); is {
		problem(w, http.StatusBadRequest, fmt.Sprintf("until: %q is no time like 2026-01-31T18:00:00Z", bad.Value))
		return
	}
	if err != nil {
		problem(w, http.StatusBadRequest, `the body is not JSON like {"reason": "upgrade", "until": "2026-01-31T18:00:00Z"}`)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lift, err := m.monitor.Maintain(body.Reason, body.Until)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if m.lift != nil {
		m.lift()
	}
	m.lift = lift
	w.WriteHeader(http.StatusNoContent)
}

func (m *window) end(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lift == nil && m.monitor.Verdict().Phase == "maintenance" {
		problem(w, http.StatusConflict, "this maintenance did not begin here: empty the maintenance file, which in Kubernetes is in a ConfigMap of all pods")
		return
	}
	if m.lift != nil {
		m.lift()
		m.lift = nil
	}
	w.WriteHeader(http.StatusNoContent)
}
