package grpchealth_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
)

// dial serves in memory, because a bubble has no network.
func dial(t *testing.T, server *grpc.Server) healthpb.HealthClient {
	l := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		conn.Close()
	})
	return healthpb.NewHealthClient(conn)
}

var quiet = healthcheck.Pipeline{Logger: slog.New(slog.DiscardHandler)}

// TestStates: in each state gRPC answers like the probes.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		m := healthcheck.New(healthcheck.Config{
			Checks: []healthcheck.Check{{Name: "database", Interval: time.Second, FailureThreshold: 1, SuccessThreshold: 1,
				Func: func(context.Context) error {
					if down.Load() {
						return errors.New("down")
					}
					return nil
				}}},
		})
		worker := m.Heartbeat("worker", 5*time.Second)
		server := grpc.NewServer()
		grpchealth.Register(server, m, "shop.Orders", "liveness") // liveness keeps its meaning
		client := dial(t, server)
		want := func(when string, liveness, readiness, startup healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			list, err := client.List(t.Context(), &healthpb.HealthListRequest{})
			if err != nil {
				t.Fatal(err)
			}
			all := map[string]healthpb.HealthCheckResponse_ServingStatus{
				"liveness": liveness, "readiness": readiness, "": readiness, "shop.Orders": readiness, "startup": startup}
			if len(list.Statuses) != len(all) {
				t.Errorf("%s: the list has %v", when, list.Statuses)
			}
			for service, want := range all {
				got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
				if err != nil {
					t.Fatal(err)
				}
				if got.Status != want || list.Statuses[service].GetStatus() != want {
					t.Errorf("%s: %q is %v, in the list %v; want %v", when, service, got.Status, list.Statuses[service].GetStatus(), want)
				}
			}
		}
		want("before Start", serving, notServing, notServing)
		if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "orders"}); status.Code(err) != codes.NotFound {
			t.Errorf("an unknown service: %v", err)
		}
		watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "shop.Orders"})
		if err != nil {
			t.Fatal(err)
		}
		next := func(when string, want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			got, err := watch.Recv()
			if err != nil || got.Status != want {
				t.Errorf("%s: the watcher gets %v, %v; want %v", when, got, err, want)
			}
		}
		next("before Start", notServing)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		if err := m.StartWith(ctx, quiet); err != nil {
			t.Fatal(err)
		}
		next("once it runs", serving)
		want("running", serving, serving, serving)
		down.Store(true)
		next("without a database", notServing)
		want("without a database", serving, notServing, serving)
		down.Store(false)
		next("with a database", serving)
		worker.Begin()
		next("with a stuck worker", notServing)
		want("with a stuck worker", notServing, notServing, serving)
		worker.End()
		next("with an idle worker", serving)
		end()
		next("draining", notServing)
		want("draining", serving, notServing, serving)
		m.Stop()
		want("stopped", serving, notServing, serving)
	})
}

// TestWatchEnds: a server's GracefulStop never waits for watchers, however the Monitor ends, and for early
// and late watchers.
func TestWatchEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		delay time.Duration
		end   func(cancel context.CancelFunc, m *healthcheck.Monitor)
		after time.Duration
	}{
		{"drained", 7 * time.Second, func(cancel context.CancelFunc, _ *healthcheck.Monitor) { cancel() }, 7 * time.Second},
		{"drained at once", -1, func(cancel context.CancelFunc, _ *healthcheck.Monitor) { cancel() }, 0},
		{"stopped", 7 * time.Second, func(_ context.CancelFunc, m *healthcheck.Monitor) { m.Stop() }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := healthcheck.New(healthcheck.Config{DrainDelay: c.delay})
				server := grpc.NewServer()
				grpchealth.Register(server, m)
				client := dial(t, server)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if err := m.StartWith(ctx, quiet); err != nil {
					t.Fatal(err)
				}
				defer m.Stop()
				watch := func(service string, first healthpb.HealthCheckResponse_ServingStatus) grpc.ServerStreamingClient[healthpb.HealthCheckResponse] {
					t.Helper()
					w, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: service})
					if err != nil {
						t.Fatal(err)
					}
					if got, err := w.Recv(); err != nil || got.Status != first {
						t.Errorf("%q: the watcher gets %v, %v; want %v", service, got, err, first)
					}
					return w
				}
				ends := func(w grpc.ServerStreamingClient[healthpb.HealthCheckResponse]) {
					t.Helper()
					var err error
					for err == nil {
						_, err = w.Recv()
					}
					if status.Code(err) != codes.Unavailable {
						t.Errorf("the stream ends with %v", err)
					}
				}
				all := []grpc.ServerStreamingClient[healthpb.HealthCheckResponse]{
					watch("", serving), watch("liveness", serving), watch("orders", healthpb.HealthCheckResponse_SERVICE_UNKNOWN),
				}
				began := time.Now()
				c.end(cancel, m)
				synctest.Wait()
				if c.after > 0 { // a client that comes in the drain gets an answer too
					all = append(all, watch("", notServing))
				}
				<-m.Drained()
				ends(watch("", notServing)) // and one that comes after it
				server.GracefulStop()
				if took := time.Since(began); took != c.after {
					t.Errorf("GracefulStop returns %v after the end; want %v", took, c.after)
				}
				for _, w := range all {
					ends(w)
				}
			})
		})
	}
}
