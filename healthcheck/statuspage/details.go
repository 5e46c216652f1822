package statuspage

import (
	"bytes"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// details keeps the body that DetailsHandler gave for the last verdict: however many pages are
// open, it is written once a verdict, and not at all while nobody looks.
type details struct {
	monitor *healthcheck.Monitor
	handler http.Handler

	mu   sync.Mutex
	of   mark
	body []byte
}

// A mark tells one verdict from another. The time alone does not: a verdict may grow stale.
type mark struct {
	time   time.Time
	phase  string
	state  verdict.State
	reason string
}

// now is the present verdict, and the body of the same. If judgements come faster than bodies
// are written, they may be one judgement apart.
func (d *details) now() (*verdict.Verdict, []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for tries := 0; ; tries++ {
		v := d.monitor.Verdict()
		m := mark{v.Time, v.Phase, v.Readiness.State, v.Readiness.Reason}
		if m == d.of || tries == 3 {
			return v, d.body
		}
		var b body
		d.handler.ServeHTTP(&b, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{}})
		d.of, d.body = m, b.Bytes()
	}
}

// body is a response of which only the body counts.
type body struct {
	bytes.Buffer
	header http.Header
}

func (b *body) WriteHeader(int) {}

func (b *body) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}
