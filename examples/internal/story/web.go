package story

import (
	"context"
	"database/sql"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Web runs a web service through its life. The service has the checks database and latency, and one
// route. The route asks the database. The service starts without its database, gets it, becomes
// slow, and ends while a request is in flight. After every change /metrics must agree with the
// probes. slow checks the metrics after twenty slow requests, a fast one and one to an unknown
// path.
func Web(t *testing.T, serve func(context.Context, net.Listener, *sql.DB, time.Duration) error, slow func(*Service)) {
	New(t).Web(serve, slow)
}

// Web does the same on a given service.
func (s *Service) Web(serve func(context.Context, net.Listener, *sql.DB, time.Duration) error, slow func(*Service)) {
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

	s.Database.Delay.Store(int64(600 * time.Millisecond))
	s.orders(20)
	s.Until("/ready", 200, "warn", "latency: p99 between 0.")
	s.Says("readiness", "warn")
	slow(s)

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
		s.t.Errorf("the request in flight got %d", code)
	}
	s.Ended()
}

func (s *Service) want(path string, code int, body string) {
	s.t.Helper()
	if c, b := s.Get(path); c != code || (body != "" && b != body) {
		s.t.Errorf("%s: %d %q; want %d %q", path, c, b, code, body)
	}
}

// orders sends n requests at once.
func (s *Service) orders(n int) {
	s.t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() { s.want("/orders/42", 200, "order 42: paid") })
	}
	all.Wait()
}

// Routed checks that http.server.request.duration on /metrics has the story's requests by
// http.route, and no probe.
func Routed(route string) func(*Service) {
	return func(s *Service) {
		s.t.Helper()
		got := map[string]uint64{}
		for _, m := range s.Metrics()["http_server_request_duration_seconds"].GetMetric() {
			got[label(m, "http_route")] += m.GetHistogram().GetSampleCount()
		}
		if want := Requests(route); !maps.Equal(got, want) {
			s.t.Errorf("requests by route: %v, want %v", got, want)
		}
	}
}

// Requests returns the number of the story's requests before the drain, by http.route.
func Requests(route string) map[string]uint64 { return map[string]uint64{route: 21, "": 1} }
