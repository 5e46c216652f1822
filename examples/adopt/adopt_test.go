// Package adopt tests the programs of ../../docs/adopt.md: three services before and after their
// adoption of otelhealth.
package adopt

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/examples/internal/orders"
	"github.com/otelhealth/otelhealth/examples/internal/story"
)

// each runs the test of a service before and after the adoption. Both must pass the same checks.
func each(t *testing.T, story func(t *testing.T, version string, after bool)) {
	t.Parallel()
	for _, version := range []string{"before", "after"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			story(t, version, version == "after")
		})
	}
}

func TestRegistry(t *testing.T) {
	each(t, func(t *testing.T, version string, after bool) {
		p := start(t, "registry/"+version)
		addr := p.address("orders")
		at := "http://" + addr
		p.answers(at+"/healthz", 200, "")
		p.answers(at+"/orders/42", 200, "order 42: paid\n")
		p.answers(at+"/metrics", 200, "\norders_request_duration_seconds_count{code=\"200\",route=\"/orders/{id}\"} 1\n")
		if a := p.ask(http.MethodGet, at+"/metrics?"); a.code != http.StatusUnauthorized {
			t.Errorf("/metrics without the token: %d %s", a.code, a.text)
		}
		if after {
			p.answers(at+"/ready", 200, `"status":"pass"`)
			p.answers(at+"/startup", 200, "")
			p.answers(at+"/metrics", 200, `health_probe_status{health_probe_name="readiness",health_probe_state="pass"} 1`)
			p.limit(at+"/ready?verbose", "latency", .5)
		}

		p.breakDatabase()
		p.answers(at+"/healthz", 503, "")
		if after {
			p.answers(at+"/ready", 503, "database: 3 failures in a row")
			p.answers(at+"/health", 200, "")
		}
		p.mendDatabase()
		p.answers(at+"/healthz", 200, "")

		p.holdDatabase()
		const taken = 85 // the two workers have two of them
		for n := range taken {
			if a := p.ask(http.MethodPost, fmt.Sprint(at, "/orders/", n)); a.code != http.StatusAccepted {
				t.Fatalf("order %d: %d %s", n, a.code, a.text)
			}
		}
		p.held(2)
		p.answers(at+"/metrics", 200, "\norders_queued 83\n")
		if after {
			p.answers(at+"/ready", 503, "queue: 83 of at most 80")
			p.answers(at+"/metrics", 200, `health_check_status{health_check_name="queue",health_check_state="fail"} 1`)
		}

		late := []func(){p.begin(at+"/orders/43", 3)}
		p.terminate()
		if after {
			p.answers(at+"/ready", 503, "draining")
			p.answers(at+"/healthz", 503, "draining")
			p.answers(at+"/health", 200, "")
			late = append(late, p.begin(at+"/orders/44", 4)) // a client that has not heard of the end yet
		}
		p.refuses(addr)
		p.mendDatabase() // late: everything is still in flight or in the queue
		for _, wait := range late {
			wait()
		}
		p.exits()
		if n := strings.Count(p.said.String(), ": shipped\n"); n != taken {
			t.Errorf("%d orders were taken, and %d shipped", taken, n)
		}
	})
}

func TestProvider(t *testing.T) {
	each(t, func(t *testing.T, version string, after bool) {
		collector := story.Collect(t)
		p := start(t, "provider/"+version, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_METRIC_EXPORT_INTERVAL=100")
		conn, err := grpc.NewClient(p.address("orders"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		probes := healthpb.NewHealthClient(conn)
		says := func(service string, want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			p.until(service+" is not "+want.String(), func() bool {
				res, err := probes.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
				return err == nil && res.Status == want
			})
		}
		const serving, notServing = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING
		exported := func(state string) {
			t.Helper()
			p.until("readiness is not exported as "+state, func() bool { return slices.Equal(collector.States("readiness"), []string{state}) })
		}

		says("", serving)
		says("orders.Orders", serving)
		if state, err := orders.Get(t.Context(), conn, "42"); err != nil || state != "paid" {
			t.Errorf("a call: %q %v", state, err)
		}
		p.until("the call is not exported", func() bool { return len(collector.Boundaries("rpc.server.call.duration")) > 0 })
		if has := slices.Contains(collector.Boundaries("rpc.server.call.duration"), .4); has != after {
			t.Errorf("a bucket boundary of 0.4 is exported: %v, want %v", has, after)
		}
		if after {
			exported("pass")
		}

		p.breakDatabase()
		says("", notServing)
		says("orders.Orders", notServing)
		if _, err := orders.Get(t.Context(), conn, "42"); status.Code(err) != codes.Internal {
			t.Errorf("a call without the database: %v", err)
		}
		if after {
			says("liveness", serving)
			exported("fail")
		}
		p.mendDatabase()
		says("", serving)

		watch, err := probes.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "orders.Orders"})
		if err != nil {
			t.Fatal(err)
		}
		told := func(want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			if res, err := watch.Recv(); err != nil || res.Status != want {
				t.Errorf("the watcher got %v, %v; want %v", res.GetStatus(), err, want)
			}
		}
		told(serving)
		p.holdDatabase()
		call := func() (ended chan error) {
			ended = make(chan error, 1)
			go func() {
				_, err := orders.Get(t.Context(), conn, "43")
				ended <- err
			}()
			return ended
		}
		late := []chan error{call()}
		p.held(1)
		p.terminate()
		told(notServing)
		if after {
			says("liveness", serving)
			late = append(late, call()) // a client that has not heard of the end yet
			p.held(2)
			exported("fail")
			if _, err := watch.Recv(); status.Code(err) != codes.Unavailable { // the drain is over
				t.Errorf("the watcher's end: %v", err)
			}
		}
		p.mendDatabase()
		for n, ended := range late {
			if err := <-ended; err != nil {
				t.Errorf("call %d in flight: %v", n, err)
			}
		}
		if !after {
			conn.Close() // GracefulStop would wait for the watcher for ever
		}
		p.exits()
		if strings.Contains(p.said.String(), "no instrument named") {
			t.Error("the Monitor starts before the instruments exist")
		}
		if states := collector.States("readiness"); after && !slices.Equal(states, []string{"fail"}) {
			t.Errorf("the last export has readiness %q", states)
		}
	})
}

func TestRunGroup(t *testing.T) {
	each(t, func(t *testing.T, version string, after bool) {
		env, trust := certificate(t)
		p := start(t, "rungroup/"+version, append(env, "ADMIN_ADDR=127.0.0.1:0")...)
		p.client.Transport.(*http.Transport).TLSClientConfig = trust
		addr, admin := p.address("public"), "http://"+p.address("admin")
		at := "https://" + addr
		p.answers(at+"/readyz", 200, "")
		p.answers(at+"/livez", 200, "")
		p.answers(at+"/orders/42", 200, "order 42: paid\n")
		p.answers(admin+"/queue", 200, "0\n")
		if after {
			p.answers(at+"/startup", 200, "")
			p.answers(admin+"/health", 200, `"database"`)
		}

		p.breakDatabase()
		p.answers(at+"/readyz", 503, "")
		if after {
			if a := p.ask(http.MethodGet, at+"/readyz?verbose"); strings.Contains(a.text, "database") || a.body.Status != "fail" {
				t.Errorf("/readyz is not terse: %s", a.text)
			}
			p.answers(admin+"/health", 503, "faultdb: the database is down")
		}
		p.answers(at+"/livez", 200, "")
		p.mendDatabase()
		p.answers(at+"/readyz", 200, "")

		p.holdDatabase()
		const taken = 5
		for n := range taken {
			if a := p.ask(http.MethodPost, fmt.Sprint(at, "/orders/", n, "/invoice")); a.code != http.StatusAccepted {
				t.Fatalf("invoice %d: %d %s", n, a.code, a.text)
			}
		}
		p.held(2) // the workers hang
		p.answers(admin+"/queue", 200, "3\n")
		if after {
			p.answers(at+"/livez", 503, "")
			p.answers(admin+"/health", 503, "invoices: ")
		}

		late := []func(){p.begin(at+"/orders/43", 3)}
		p.terminate()
		if after {
			p.answers(admin+"/health", 503, "draining")
			p.answers(at+"/readyz", 503, "")
			p.answers(at+"/livez", 200, "")                  // a drain restarts nothing
			late = append(late, p.begin(at+"/orders/44", 4)) // a client that has not heard of the end yet
		}
		p.refuses(addr)
		p.mendDatabase() // late: everything is still in flight or in the queue
		for _, wait := range late {
			wait()
		}
		p.exits()
		if n := strings.Count(p.said.String(), ": sent\n"); n != taken {
			t.Errorf("%d invoices were taken, and %d sent", taken, n)
		}
	})
}

// begin begins a request, the nth query that waits for the database. The returned function waits for
// the end of the request.
func (p *program) begin(url string, n int64) (wait func()) {
	p.t.Helper()
	got := make(chan answer, 1)
	go func() { got <- p.ask(http.MethodGet, url) }()
	p.held(n)
	return func() {
		p.t.Helper()
		if a := <-got; a.code != http.StatusOK || !strings.HasSuffix(a.text, ": paid\n") {
			p.t.Errorf("%s, in flight at the end: %d %s", url, a.code, a.text)
		}
	}
}

// limit wants a check to have a limit.
func (p *program) limit(url, check string, limit float64) {
	p.t.Helper()
	a := p.ask(http.MethodGet, url)
	if c := a.body.Checks[check]; len(c) != 1 || c[0].Limit != limit {
		p.t.Errorf("%s: no limit of %v: %s", check, limit, a.text)
	}
}

// certificate gives a program httptest's certificate, and makes its client trust it.
func certificate(t *testing.T) (env []string, trust *tls.Config) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	cert := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"TLS_CERT": {Type: "CERTIFICATE", Bytes: cert.Certificate[0]},
		"TLS_KEY":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+file)
	}
	return env, server.Client().Transport.(*http.Transport).TLSClientConfig
}
