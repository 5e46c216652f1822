// Package statuspage shows a Monitor's verdict to people: the failing checks and their reasons, the
// limits, and the last hour of every check. The page needs no external assets. Serve it only to
// operators, because it shows the texts of errors.
//
//	page := statuspage.New(ctx, health, statuspage.Config{})
//	admin.Handle("/status/", page)
//	admin.Handle("/status", page)
//
// The page updates itself by server-sent events, every second, and at once after a change. Without
// events it polls every two seconds. After five seconds without an answer it shows "Contact lost"
// and marks all states as old. An open page holds one connection. Over HTTP/1.1 a browser opens six
// connections to a host, so a seventh page of one browser waits. At most 32 pages get events; further
// ones poll. The events end when the Monitor has drained, so a server's Shutdown does not wait for open
// pages.
//
// The last hour is kept in memory, in 360 steps of ten seconds: the worst state of every step, and
// the last value in that state. It always takes 1,800 bytes for a check. A removed check keeps its
// history for an hour, under its name. A restart of the process clears the history.
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
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Config of a page. The zero Config is usable.
type Config struct {
	// TraceURL is the URL of a trace, with "{trace}" for its id. No links if empty.
	TraceURL string

	// MaintenancePath takes PUT {"reason", "until"} and DELETE, with a bearer token that the person
	// types. The browser requests this path, so include the prefix of a proxy. No form if empty.
	MaintenancePath string

	// Before is the record of an earlier process, made from blackbox.Box.Previous. Nothing is shown if
	// nil.
	Before *Before
}

// Before is a record that an earlier process has left.
type Before struct {
	Probe   string // that failed
	Time    time.Time
	Summary string // the first lines of the record
	URL     string // of the record. The browser requests it, so include the prefix of a proxy. No links if empty.
}

// New makes the page of a Monitor. The handler serves /status, /status/data and /status/events, and is
// safe for concurrent use. It also works behind a proxy that adds a prefix to the path. The page records
// the history until ctx ends or the Monitor has stopped. The events end with ctx too. New may be called
// before the Monitor starts.
func New(ctx context.Context, m *healthcheck.Monitor, c Config) http.Handler {
	return newPage(ctx, m, c)
}

type page struct {
	monitor *healthcheck.Monitor
	config  Config
	details details
	past    history
	streams atomic.Int64
	ctx     context.Context
}

func newPage(ctx context.Context, m *healthcheck.Monitor, c Config) *page {
	p := &page{monitor: m, config: c, ctx: ctx, details: details{monitor: m, handler: m.DetailsHandler()}}
	go func() {
		for v := range m.Watch(ctx) {
			p.past.add(v)
		}
	}()
	return p
}

// maxStreams is how many pages may have a stream. Further pages poll.
const maxStreams = 32

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		p.html(w)
	case "/status/data":
		h.Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.snapshot(true)) // an error means that the client has gone
	case "/status/events":
		p.events(w, r)
	default:
		http.NotFound(w, r)
	}
}

// headline is the summary of readiness.
type headline struct {
	Now      time.Time     `json:"now"`
	Stale    bool          `json:"stale"` // the judge has stopped, so Verdict is old
	State    verdict.State `json:"-"`
	Title    string        `json:"title"`
	Sentence string        `json:"sentence"`       // the reason
	Since    time.Time     `json:"since,omitzero"` // start of the state
}

// snapshot is the data of the page.
type snapshot struct {
	headline
	Probes  map[string]verdict.State `json:"probes"`
	Verdict json.RawMessage          `json:"verdict"`          // the response format, with the texts of errors
	Traces  map[string]string        `json:"traces,omitempty"` // by check, of the last run
	Past    map[string]past          `json:"past,omitempty"`
	Step    float64                  `json:"step"` // seconds
}

func headlineOf(v *verdict.Verdict, now time.Time) headline {
	h := headline{
		Now: now.UTC(), Stale: old(v, now), State: v.Readiness.State,
		Title: titles[v.Readiness.State], Sentence: sentence(v, now),
	}
	if !h.Stale {
		h.Since = v.Readiness.Since.UTC()
	}
	return h
}

func (p *page) snapshot(withPast bool) snapshot {
	v, body := p.details.now()
	s := snapshot{
		headline: headlineOf(v, time.Now()), Verdict: body, Step: step.Seconds(),
		Probes: map[string]verdict.State{"readiness": v.Readiness.State, "liveness": v.Liveness.State, "startup": v.Startup.State},
	}
	if p.config.TraceURL != "" {
		s.Traces = map[string]string{}
		for i := range v.Results {
			if r := &v.Results[i]; r.TraceID != "" {
				s.Traces[r.Name] = strings.ReplaceAll(p.config.TraceURL, "{trace}", r.TraceID)
			}
		}
	}
	if withPast {
		s.Past = p.past.since(s.Now)
	}
	return s
}

// events streams a snapshot with the history, and then a snapshot after every verdict. After the
// drain it sends one and ends, and the browser reconnects.
func (p *page) events(w http.ResponseWriter, r *http.Request) {
	if p.streams.Add(1) > maxStreams {
		p.streams.Add(-1)
		http.Error(w, "too many streams: ask /status/data", http.StatusServiceUnavailable)
		return
	}
	defer p.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // the write deadline below stays on the connection
	}
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() { // a server's Shutdown waits for streams
		defer cancel()
		select {
		case <-p.monitor.Drained():
		case <-p.ctx.Done():
		case <-ctx.Done():
		}
	}()
	control, first := http.NewResponseController(w), true
	send := func() (sent bool) {
		b, err := json.Marshal(p.snapshot(first))
		if err != nil {
			return false
		}
		first = false
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second)) // the server's WriteTimeout would end the stream
		_, err = fmt.Fprintf(w, "data: %s\n\n", b)
		return err == nil && control.Flush() == nil
	}
	for range p.monitor.Watch(ctx) {
		if !send() {
			return
		}
	}
	if first {
		send()
	}
}

var (
	//go:embed page.css
	css string
	//go:embed page.js
	js string
	//go:embed page.html
	text string

	document = template.Must(template.New("status").Parse(text))

	// The page needs no external assets, and has no other inline code than these two.
	policy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		digest(css), digest(js))
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (p *page) html(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	_ = document.Execute(w, struct { // an error means that the client has gone
		headline
		CSS         template.CSS
		JS          template.JS
		Maintenance string
		Before      *Before
	}{headlineOf(p.monitor.Verdict(), time.Now()), template.CSS(css), template.JS(js), p.config.MaintenancePath, p.config.Before})
}
