package telemetry

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// protocols are net/http's.
var protocols = []struct {
	name string
	two  bool
}{{"HTTP/1", false}, {"HTTP/2", true}}

// served is a test server that can wait for the end of its requests.
type served struct {
	*httptest.Server
	running sync.WaitGroup
}

func serve(t *testing.T, h http.Handler, two bool) *served {
	t.Helper()
	s := &served{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Done()
		h.ServeHTTP(w, r)
	}))
	if s.EnableHTTP2 = two; two {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}
