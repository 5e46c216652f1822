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

// details keeps the body of DetailsHandler for the last verdict. The body is written once for every
// verdict, for any number of open pages, and not at all without readers.
type details struct {
	monitor *healthcheck.Monitor
	handler http.Handler

	mu   sync.Mutex
	of   mark
	body []byte
}

// A mark identifies a verdict. The time alone does not, because a verdict may grow stale.
type mark struct {
	time   time.Time
	phase  string
	state  verdict.State
	reason string
}

// now returns the present verdict and its body. If judgements come faster than bodies are written,
// they may be one judgement apart.
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

// body is a ResponseWriter that keeps only the body.
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
