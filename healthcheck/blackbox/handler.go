package blackbox

import (
	"fmt"
	"net/http"
	"path"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// ServeHTTP lists the records as text. If the path ends with the name of a record, it answers with that
// record. If the path ends with /now, it makes a record of this moment and does not keep it; a second
// request meanwhile gets 503. Serve it only to operators, because a record may hold secrets.
func (b *Box) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	switch name := path.Base(r.URL.Path); {
	case name == "now":
		b.serveNow(w)
	case recordName.MatchString(name):
		text, err := b.dir.read(name)
		if err != nil {
			http.Error(w, "there is no such record", http.StatusNotFound)
			return
		}
		_, _ = w.Write(text) // the client may have gone
	default:
		b.serveList(w)
	}
}

func (b *Box) serveList(w http.ResponseWriter) {
	all, err := b.dir.records()
	if err != nil {
		http.Error(w, "the directory of records can't be read", http.StatusInternalServerError)
		return
	}
	for _, rec := range all {
		fmt.Fprintf(w, "%s %d bytes\n", rec.Name, rec.Size)
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "no probe has failed")
	}
}

// serveNow makes one record at a time, because it costs more than any other answer.
func (b *Box) serveNow(w http.ResponseWriter) {
	if !b.now.TryLock() {
		http.Error(w, "another record is being made", http.StatusServiceUnavailable)
		return
	}
	v := b.monitor.Verdict()
	p := v.Readiness
	if v.Liveness.State == verdict.Fail {
		p = v.Liveness
	}
	i := b.incident(p, v)
	i.history = b.history.copy()
	i.look()
	i.exemplars, i.untraced = b.traced.take()
	text := i.text()
	b.now.Unlock() // a client may be slow
	_, _ = w.Write(text)
}
