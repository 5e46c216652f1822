package healthcheck

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

var (
	contentType = []string{"application/health+json"}
	noStore     = []string{"no-store"}
	nosniff     = []string{"nosniff"}
	allowed     = []string{"GET, HEAD"}
)

// Handler answers one probe: 200, or 503 where the probe fails, and nothing
// else to GET and HEAD. It runs no check and takes no lock: it serves the last
// verdict as it was rendered. With ?verbose the body has every check, within
// 8 KiB; otherwise it is under 1 KiB.
//
// Mount it outside of instrumentation, or probes dilute the request latency.
func (m *Monitor) Handler(p Probe) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, p) })
}

// Register mounts the three probes at /health, /ready and /startup. A trailing
// slash answers the same, without a redirect.
func (m *Monitor) Register(mux *http.ServeMux) {
	for path, p := range map[string]Probe{"/health": Liveness, "/ready": Readiness, "/startup": Startup} {
		mux.Handle(path, m.Handler(p))
		mux.Handle(path+"/{$}", m.Handler(p))
	}
}

func (m *Monitor) serve(w http.ResponseWriter, r *http.Request, p Probe) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h["Allow"] = allowed
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	a := m.answerTo(r.URL, p)
	h["Cache-Control"] = noStore
	h["Content-Length"] = a.Length
	h["Content-Type"] = contentType
	h["X-Content-Type-Options"] = nosniff
	if a.Retry != nil {
		h["Retry-After"] = a.Retry
	}
	w.WriteHeader(a.Code)
	if r.Method == http.MethodGet {
		_, _ = w.Write(a.Body) // the client has gone: nobody to tell
	}
	m.requests.count(p, a.Code)
}

func (m *Monitor) answerTo(u *url.URL, p Probe) *answer.Answer {
	v := m.verdict.Load()
	if v == nil {
		v = unjudged
	}
	a := &v.page[p]
	switch {
	case v != unjudged && v.judged.Stale(time.Now()):
		return &a.Stale
	case u.RawQuery != "" && u.Query().Has("verbose"):
		return &a.Verbose
	}
	return &a.Short
}

// unjudged is what is served before the first verdict: alive, not started.
var unjudged = newVerdict(judge.Unjudged(), answer.Who{})

// requestCounts counts the probe requests without touching the SDK.
type requestCounts [len(states.Probes)]struct{ ok, unavailable atomic.Int64 }

func (c *requestCounts) count(p Probe, code int) {
	if code == http.StatusOK {
		c[p].ok.Add(1)
	} else {
		c[p].unavailable.Add(1)
	}
}

func (c *requestCounts) each(f func(p Probe, code int, n int64)) {
	for _, p := range states.Probes {
		f(p, http.StatusOK, c[p].ok.Load())
		f(p, http.StatusServiceUnavailable, c[p].unavailable.Load())
	}
}
