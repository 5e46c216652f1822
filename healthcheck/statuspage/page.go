// Package statuspage shows a Monitor's verdict to people: what is wrong, since when,
// why, how near the limits are, and the last hour of each check, on one page that
// needs nothing from anywhere else. It shows the texts of errors: serve it to
// operators only.
//
// The page keeps itself up to date by server-sent events, which come each second and
// at once when something has changed; where they do not come, it asks each two
// seconds. After five seconds without an answer it says that contact is lost, and
// calls nothing it shows the present. An open page holds one connection, and a browser
// opens six to a host over HTTP/1.1: a seventh page waits.
//
// The last hour is kept in memory, in 360 steps of ten seconds: the worst state of each
// and the last value in that state, 1,800 bytes for a check whatever happens. It begins anew with the
// process.
//
//	page := statuspage.New(ctx, health, statuspage.Options{})
//	admin.Handle("/status/", page)
//	admin.Handle("/status", page)
package statuspage

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// Options of a page. The zero value is usable.
type Options struct {
	// TraceURL leads to a trace: "{trace}" stands for its id. No links if empty.
	TraceURL string

	// MaintenancePath takes PUT {"reason", "until"} and DELETE, with a bearer token
	// that the person types. It is the path that the browser asks, so with the prefix
	// that a proxy adds. No such form if empty.
	MaintenancePath string
}

// Page serves /status, /status/data and /status/events, and is safe for concurrent
// use. Behind a proxy that adds a prefix to the path, the page finds the other two.
type Page struct {
	monitor *healthcheck.Monitor
	options Options
	past    history
	streams atomic.Int64
	ctx     context.Context
}

// New makes the page of a Monitor and notes its history until ctx ends or the
// Monitor has stopped. It may be called before the Monitor starts. Streams end with ctx.
func New(ctx context.Context, m *healthcheck.Monitor, o Options) *Page {
	p := &Page{monitor: m, options: o, ctx: ctx}
	go func() {
		for v := range m.Watch(ctx) {
			p.past.add(v)
		}
	}()
	return p
}

// maxStreams is how many pages may be live; more of them ask again and again.
const maxStreams = 32

func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	switch strings.TrimSuffix(r.URL.Path, "/") {
	case "/status":
		p.page(w)
	case "/status/data":
		h.Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.snapshot(true)) // the client has gone
	case "/status/events":
		p.events(w, r)
	default:
		http.NotFound(w, r)
	}
}

// snapshot is all that the page draws.
type snapshot struct {
	Now      time.Time                    `json:"now"`
	Stale    bool                         `json:"stale"` // the judge has stopped: Verdict says nothing any more
	Title    string                       `json:"title"`
	Sentence string                       `json:"sentence"`       // why it is so
	Since    time.Time                    `json:"since,omitzero"` // since when readiness is so
	Probes   map[string]healthcheck.State `json:"probes"`
	Verdict  json.RawMessage              `json:"verdict"`          // the response format, with the texts of errors
	Traces   map[string]string            `json:"traces,omitempty"` // by check, of the last run
	Past     map[string]past              `json:"past,omitempty"`
	Step     float64                      `json:"step"` // seconds
}

func (p *Page) snapshot(withPast bool) snapshot {
	s := snapshot{Now: time.Now().UTC(), Probes: map[string]healthcheck.State{}, Step: step.Seconds(), Verdict: json.RawMessage("null")}
	for _, probe := range []healthcheck.Probe{healthcheck.Readiness, healthcheck.Liveness, healthcheck.Startup} {
		s.Probes[probe.String()] = p.monitor.Status(probe)
	}
	v := p.monitor.Verdict()
	s.Title, s.Sentence = titles[s.Probes["readiness"]], sentence(v)
	if v == nil {
		return s
	}
	if s.Stale = v.Stale(); !s.Stale {
		s.Since = v.Since(healthcheck.Readiness).UTC()
	}
	s.Verdict = v.JSON(healthcheck.Readiness)
	if p.options.TraceURL != "" {
		s.Traces = map[string]string{}
		for _, c := range v.Checks {
			if c.Span.HasTraceID() {
				s.Traces[c.Name] = strings.ReplaceAll(p.options.TraceURL, "{trace}", c.Span.TraceID().String())
			}
		}
	}
	if withPast {
		s.Past = p.past.since(s.Now)
	}
	return s
}

// events streams a snapshot with the history, and then one whenever there is a
// verdict.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	if p.streams.Add(1) > maxStreams {
		p.streams.Add(-1)
		http.Error(w, "too many streams: ask /status/data", http.StatusServiceUnavailable)
		return
	}
	defer p.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)() // a server's Shutdown waits for streams
	first := true
	for range p.monitor.Watch(ctx) {
		b, err := json.Marshal(p.snapshot(first))
		if err != nil {
			return
		}
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second)) // the server's own would end the stream
		if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil || control.Flush() != nil {
			return
		}
		first = false
	}
}

var (
	//go:embed page.css
	css string
	//go:embed page.js
	js string
	//go:embed page.html
	text string

	page = template.Must(template.New("status").Parse(text))

	// Nothing from anywhere else, nor inline but these two.
	policy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		digest(css), digest(js))
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (p *Page) page(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	data := struct {
		snapshot
		CSS         template.CSS
		JS          template.JS
		State       healthcheck.State
		Maintenance string
	}{snapshot: p.snapshot(false), CSS: template.CSS(css), JS: template.JS(js), Maintenance: p.options.MaintenancePath}
	data.State = data.Probes["readiness"]
	_ = page.Execute(w, data) // the client has gone
}
