package story

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Web is the life of a web service with the checks database, latency and errors and
// the one route, which asks the database: it starts without its database, gets it,
// becomes slow, and ends while a request is under way.
func Web(t *testing.T, route string, serve func(context.Context, net.Listener, *sql.DB, time.Duration) error) {
	s := New(t)
	s.Database.Down.Store(true)
	s.Start(serve)
	s.Until("/ready", 503, "fail", "database: ")
	s.Until("/health", 200, "pass", "")
	s.Until("/startup", 200, "pass", "")
	s.Says("readiness", "fail")
	s.Says("liveness", "pass")

	s.Database.Down.Store(false)
	s.Until("/ready", 200, "pass", "")
	s.Says("readiness", "pass")
	s.want("/orders/42", 200, "order 42: paid")
	s.want("/nowhere/42", 404, "")

	const slow = 20
	s.Database.Delay.Store(int64(600 * time.Millisecond))
	s.orders(slow)
	s.Until("/ready", 200, "warn", "latency: p99 0.")
	s.Says("readiness", "warn")
	s.routes(map[string]uint64{route: 1 + slow, "": 1}) // and not one probe

	s.Database.Delay.Store(int64(time.Second))
	late := make(chan int, 1)
	go func() {
		code, _ := s.Get("/orders/43")
		late <- code
	}()
	for s.Database.Queries.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Terminate()
	s.Until("/ready", 503, "fail", "draining")
	s.Until("/health", 200, "pass", "")
	s.Says("readiness", "fail")
	if code := <-late; code != http.StatusOK {
		t.Errorf("the request under way got %d", code)
	}
	s.Ended()
}

func (s *Service) want(path string, code int, body string) {
	s.t.Helper()
	if c, b := s.Get(path); c != code || (body != "" && b != body) {
		s.t.Errorf("%s: %d %q; want %d %q", path, c, b, code, body)
	}
}

// orders makes n requests at once.
func (s *Service) orders(n int) {
	s.t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() { s.want("/orders/42", 200, "order 42: paid") })
	}
	all.Wait()
}

// routes wants http.server.request.duration to have these requests, by http.route,
// and no others.
func (s *Service) routes(want map[string]uint64) {
	s.t.Helper()
	got := map[string]uint64{}
	for _, m := range s.Metrics()["http_server_request_duration_seconds"].GetMetric() {
		got[label(m, "http_route")] += m.GetHistogram().GetSampleCount()
	}
	for route, n := range want {
		if got[route] != n {
			s.t.Errorf("%d requests to %q, want %d", got[route], route, n)
		}
		delete(got, route)
	}
	if len(got) > 0 {
		s.t.Errorf("requests to other routes: %v", got)
	}
}
