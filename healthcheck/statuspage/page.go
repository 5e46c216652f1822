// Package statuspage shows a Monitor's verdict to people: what is wrong, since when, why, how
// near the limits are, and the last hour of each check, on one page that needs nothing from
// anywhere else. It shows the texts of errors: serve it to operators only.
//
//	page := statuspage.New(ctx, health, statuspage.Config{})
//	admin.Handle("/status/", page)
//	admin.Handle("/status", page)
//
// The page keeps itself up to date by server-sent events, which come each second and at once
// when something has changed. Where they do not come, it asks each two seconds. After five
// seconds without an answer it says that contact is lost, and calls nothing it shows the
// present. An open page holds one connection, and a browser opens six to a host over HTTP/1.1: a
// seventh page waits. Once the Monitor has drained, the events end, so a server's Shutdown does
// not wait for open pages.
//
// The last hour is kept in memory, in 360 steps of ten seconds: the worst state of each, and
// the last value in that state. It takes 1,800 bytes for a check, whatever happens. A check that
// is removed keeps its history for that hour, under its name. The history begins anew with the
// process.
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
	// TraceURL leads to a trace: "{trace}" stands for its id. No links if empty.
	TraceURL string

	// MaintenancePath takes PUT {"reason", "until"} and DELETE, with a bearer token that the
	// person types. It is the path that the browser asks, so with the prefix that a proxy adds.
	// No such form if empty.
	MaintenancePath string
}

// New makes the page of a Monitor. It serves /status, /status/data and /status/events to any
// number of goroutines; behind a proxy that adds a prefix to the path, it finds the other two. It
// notes the history until ctx ends or the Monitor has stopped, and the events end with ctx too. New
// may be called before the Monitor starts.
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

// maxStreams is how many pages may be live; more of them ask again and again.
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
		_ = json.NewEncoder(w).Encode(p.snapshot(true)) // the client has gone
	case "/status/events":
		p.events(w, r)
	default:
		http.NotFound(w, r)
	}
}

// headline is what is said of readiness.
type headline struct {
	Now      time.Time     `json:"now"`
	Stale    bool          `json:"stale"` // the judge has stopped: Verdict says nothing any more
	State    verdict.State `json:"-"`
	Title    string        `json:"title"`
	Sentence string        `json:"sentence"`       // why it is so
	Since    time.Time     `json:"since,omitzero"` // since when it is so
}

// snapshot is all that the page draws.
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

// events streams a snapshot with the history, and then one whenever there is a verdict. After
// the drain it sends one and ends, and the browser comes again.
func (p *page) events(w http.ResponseWriter, r *http.Request) {
	if p.streams.Add(1) > maxStreams {
		p.streams.Add(-1)
		http.Error(w, "too many streams: ask /status/data", http.StatusServiceUnavailable)
		return
	}
	defer p.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // the time limit below stays on it
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
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second)) // the server's own would end the stream
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

	// Nothing from anywhere else, nor inline but these two.
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
	_ = document.Execute(w, struct { // or the client has gone
		headline
		CSS         template.CSS
		JS          template.JS
		Maintenance string
	}{headlineOf(p.monitor.Verdict(), time.Now()), template.CSS(css), template.JS(js), p.config.MaintenancePath})
}
