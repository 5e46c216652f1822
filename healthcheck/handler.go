package healthcheck

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// LivenessHandler answers, at any path, whether the process should be restarted. All three handlers
// answer GET and HEAD with 200, or with 503 if the probe fails. They run no check and take no lock,
// because they serve a rendered verdict. With ?verbose the body has every check, within 8 KiB;
// otherwise it is under 1 KiB.
//
// Mount the handlers outside of instrumentation, or probes dilute the request latency.
func (m *Monitor) LivenessHandler() http.Handler { return m.handler(states.Liveness) }

// ReadinessHandler answers, at any path, whether the instance may get traffic. It closes no connections
// while readiness fails. [Monitor.Wrap] and [Monitor.Serve] do.
func (m *Monitor) ReadinessHandler() http.Handler { return m.handler(states.Readiness) }

// StartupHandler answers, at any path, whether the process has started.
func (m *Monitor) StartupHandler() http.Handler { return m.handler(states.Startup) }

// DetailsHandler answers readiness with all checks and with the texts of errors. Serve it only to
// operators, because these texts may contain secrets.
func (m *Monitor) DetailsHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !readOnly(w, r) {
			return
		}
		v, p := m.current.Load(), states.Readiness
		a := answer.Full(v.Verdict, v.service, p, time.Now())
		write(w, r, &a)
	})
}

// Wrap answers the three configured paths, with or without a trailing slash, and passes all other
// requests to next. If next is nil, it answers them with 404. While readiness fails, every answer
// of next closes its connection, so that the client goes to another instance. A request with an
// Upgrade header, such as a WebSocket, keeps its connection.
//
// Put Wrap outside of instrumentation: health.Wrap(tel.Instrument(mux)).
func (m *Monitor) Wrap(next http.Handler) http.Handler {
	if next == nil {
		next = http.NotFoundHandler()
	}
	paths := m.paths()
	return closer{func(w http.ResponseWriter, r *http.Request) {
		for _, p := range states.Probes {
			if path := paths[p]; path != "" && (r.URL.Path == path || len(r.URL.Path) == len(path)+1 && r.URL.Path[len(path)] == '/' && r.URL.Path[:len(path)] == path) {
				m.serve(w, r, p)
				return
			}
		}
		m.closeUnready(w, r)
		next.ServeHTTP(w, r)
	}, m}
}

// noPath is the configuration of a probe that Wrap does not answer.
const noPath = "-"

// paths returns the paths that Wrap answers; empty for none.
func (m *Monitor) paths() (all [len(states.Probes)]string) {
	for p, path := range map[states.Probe][2]string{
		states.Liveness:  {m.config.LivenessPath, "/health"},
		states.Readiness: {m.config.ReadinessPath, "/ready"},
		states.Startup:   {m.config.StartupPath, "/startup"},
	} {
		switch {
		case path[0] == "":
			all[p] = path[1]
		case path[0] != noPath:
			all[p] = strings.TrimRight(path[0], "/")
		}
	}
	return all
}

// validatePaths returns the mistakes in the paths.
func (m *Monitor) validatePaths() (errs []error) {
	taken := map[string]string{}
	paths := m.paths()
	for _, of := range []struct {
		probe       states.Probe
		field, path string
	}{
		{states.Liveness, "LivenessPath", m.config.LivenessPath},
		{states.Readiness, "ReadinessPath", m.config.ReadinessPath},
		{states.Startup, "StartupPath", m.config.StartupPath},
	} {
		path, field, problem := paths[of.probe], of.field, ""
		switch {
		case path == "" && of.path == noPath:
			continue
		case !strings.HasPrefix(path, "/"):
			problem = "does not begin with / or has nothing after it"
		case strings.ContainsAny(path, "?#{} "):
			problem = "is not a plain path: remove ?, #, braces and spaces"
		case taken[path] != "":
			problem = "is also " + taken[path]
		}
		taken[path] = field
		if problem != "" {
			errs = append(errs, &cfgerrors.Error{Field: field, Problem: `"` + path + `" ` + problem})
		}
	}
	return errs
}

var (
	contentType = []string{"application/health+json"}
	noStore     = []string{"no-store"}
	nosniff     = []string{"nosniff"}
	allowed     = []string{"GET, HEAD"}
	closes      = []string{"close"}
)

func (m *Monitor) handler(p states.Probe) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, p) })
}

func (m *Monitor) serve(w http.ResponseWriter, r *http.Request, p states.Probe) {
	if !readOnly(w, r) {
		return
	}
	if p == states.Readiness && m.config.Peers != "" && r.URL.RawQuery != "" {
		if checks, is := peers.Asked(r.URL.RawQuery); is {
			m.testify(w, r, checks)
			return
		}
	}
	a := m.answer(p, r.URL.RawQuery)
	write(w, r, a)
	m.requests.count(p, a.Code)
}

// answer returns the present answer of a probe.
func (m *Monitor) answer(p states.Probe, query string) *answer.Answer {
	v := m.current.Load()
	a := &v.page[p]
	switch {
	case v.Stale(time.Now()):
		return &a.Stale
	case query != "" && verbose(query):
		return &a.Verbose
	}
	return &a.Short
}

func verbose(query string) bool {
	q, _ := url.ParseQuery(query) // after an error it has the valid parts
	return q.Has("verbose")
}

// readOnly refuses every method but GET and HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) (ok bool) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header()["Allow"] = allowed
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	return false
}

func write(w http.ResponseWriter, r *http.Request, a *answer.Answer) {
	h := w.Header()
	h["Cache-Control"] = noStore
	h["Content-Length"] = a.Length
	h["Content-Type"] = contentType
	h["X-Content-Type-Options"] = nosniff
	if a.Retry != nil {
		h["Retry-After"] = a.Retry
	}
	w.WriteHeader(a.Code)
	if r.Method == http.MethodGet {
		_, _ = w.Write(a.Body) // an error means that the client has gone
	}
}

// requestCounts counts the probe requests without touching the SDK.
type requestCounts [len(states.Probes)]struct{ ok, unavailable atomic.Int64 }

func (c *requestCounts) count(p states.Probe, code int) {
	if code == http.StatusOK {
		c[p].ok.Add(1)
	} else {
		c[p].unavailable.Add(1)
	}
}

func (c *requestCounts) each(f func(p states.Probe, code int, n int64)) {
	for _, p := range states.Probes {
		f(p, http.StatusOK, c[p].ok.Load())
		f(p, http.StatusServiceUnavailable, c[p].unavailable.Load())
	}
}
