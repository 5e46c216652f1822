package peers

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// BenchmarkQuestion is one question and its answer on loopback, with both ends.
func BenchmarkQuestion(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	answer := votes.Answer{Instance: "JBSWY3DPEHPK3PXPJBSWY3DPEH", Service: "orders", Phase: states.Running, State: verdict.Fail, Admitted: true,
		Checks: map[string]votes.Check{"database": {Worked: time.Minute, Began: time.Second}}}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, is := Asked(r.URL.RawQuery); is {
			_, _ = w.Write(Encode(&answer))
		}
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	n := Machine()
	n.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	c := n.client()
	defer c.closeOthers(nil)
	b.ReportAllocs()
	for b.Loop() {
		if c.ask(b.Context(), Target{"orders-peers", "8000", "/ready"}, "127.0.0.1", []string{"database"}).answer() == nil {
			b.Fatal("no answer")
		}
	}
}
