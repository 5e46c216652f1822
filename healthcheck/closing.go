package healthcheck

import (
	"net/http"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// A closer is a handler whose answers close their connections while readiness of its Monitor fails.
type closer struct {
	http.HandlerFunc
	of *Monitor
}

// closing makes every answer of next close its connection while readiness fails. Load balancers move
// only new connections, so a client with an open one would stay. Over HTTP/2 the server sends a GOAWAY,
// and requests in flight finish. If next is nil, it is the default mux, as in [http.Server]. A handler
// made by Wrap closes connections already.
func (m *Monitor) closing(next http.Handler) http.Handler {
	if c, is := next.(closer); is && c.of == m {
		return next
	}
	if next == nil {
		next = http.DefaultServeMux
	}
	return closer{func(w http.ResponseWriter, r *http.Request) {
		m.closeUnready(w, r)
		next.ServeHTTP(w, r)
	}, m}
}

// closeUnready closes the connection of this answer if readiness fails. A request for an upgrade,
// such as a WebSocket, keeps its connection.
func (m *Monitor) closeUnready(w http.ResponseWriter, r *http.Request) {
	if m.answer(states.Readiness, "").Code != http.StatusOK && r.Header.Get("Upgrade") == "" {
		w.Header()["Connection"] = closes
	}
}
