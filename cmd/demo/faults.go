package main

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// faults break resources, never verdicts. The health checks must detect them.
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

// lift turns all faults off.
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

// handler turns a fault on or off.
func (f faults) handler(on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		set, ok := f[r.PathValue("name")]
		if !ok {
			problem(w, http.StatusNotFound, "no such fault; the faults are "+f.names())
			return
		}
		set(on)
		w.WriteHeader(http.StatusNoContent)
	}
}

// traffic handles all requests to the service: a limit, and the faults of requests.
type traffic struct {
	slow, failing atomic.Bool
	hang          pause
	every         atomic.Int64
	open          atomic.Int64
}

const (
	slowness    = 800 * time.Millisecond
	maxRequests = 1000 // at a time, so that hung requests don't exhaust the memory
)

func (t *traffic) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer t.open.Add(-1)
		if t.open.Add(1) > maxRequests {
			w.Header().Set("Retry-After", "1")
			problem(w, http.StatusServiceUnavailable, "too many requests in flight")
			return
		}
		t.hang.wait(nil) // ignores everything, even a client that disconnects
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
