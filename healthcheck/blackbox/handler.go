package blackbox

import (
	"fmt"
	"net/http"
	"path"
)

// ServeHTTP lists the records as text, and answers with a record if the path ends with its name. Put
// it on a listener for operators, because a record may hold secrets.
func (b *Box) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	b.disk.Lock()
	defer b.disk.Unlock()
	if name := path.Base(r.URL.Path); recordName.MatchString(name) {
		text, err := b.dir.read(name)
		if err != nil {
			http.Error(w, "there is no such record", http.StatusNotFound)
			return
		}
		w.Write(text)
		return
	}
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
