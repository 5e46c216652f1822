package main

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// faults break resources, never verdicts: health must find out by itself.
type faults map[string]func(on bool)

func newFaults(db *database, c *cache, j *jobs, t *traffic) faults {
	return faults{
		"database-down":    db.down.Store,
		"cache-down":       c.down.Store,
		"paused-workers":   j.pause.set,
		"wedged-worker":    j.wedge.set,
		"slow-requests":    t.slow.Store,
		"failing-requests": t.failing.Store,
		"hung-requests":    t.hang.set,
		"hung-check":       db.hang.set,
		"panicking-check":  db.panic.Store,
	}
}

// lift takes all faults away.
func (f faults) lift() {
	for _, set := range f {
		set(false)
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

// traffic is what the requests to the service go through: a limit, and the faults
// that are of requests.
type traffic struct {
	slow, failing atomic.Bool
	hang          gate
	every         atomic.Int64
	open          atomic.Int64
}

const (
	slowness    = 800 * time.Millisecond
	maxRequests = 1000 // at a time: a pile of hung requests must not take the process with it
)

func (t *traffic) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer t.open.Add(-1)
		if t.open.Add(1) > maxRequests {
			w.Header().Set("Retry-After", "1")
			problem(w, http.StatusServiceUnavailable, "too many requests are under way")
			return
		}
		t.hang.wait(nil) // heeds nothing, not even the client
		if t.slow.Load() {
			time.Sleep(slowness)
		}
		if t.failing.Load() && t.every.Add(1)%2 == 0 {
			problem(w, http.StatusInternalServerError, "failing-requests: the fault is on")
			return
		}
		next.ServeHTTP(w, r)
	})
}
