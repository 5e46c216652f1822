package main

import (
	"net/http"
	"slices"
	"strings"
)

// faults break resources, never verdicts: health must find out by itself.
type faults map[string]func(on bool)

func newFaults(db *database, j *jobs) faults {
	return faults{
		"database-down":  func(on bool) { db.down.Store(on) },
		"paused-workers": j.pause.set,
	}
}

func (f faults) names() string {
	var names []string
	for n := range f {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// handler puts a fault with PUT and lifts it with DELETE.
func (f faults) handler(on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		set, ok := f[r.PathValue("name")]
		if !ok {
			problem(w, http.StatusNotFound, "no such fault; there are "+f.names())
			return
		}
		set(on)
		w.WriteHeader(http.StatusNoContent)
	}
}
