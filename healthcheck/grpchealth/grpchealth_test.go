package grpchealth_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
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

// TestStates: the answers of gRPC are those of the probes, in each state.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := make(chan bool, 1)
		is := false
		reader := sdkmetric.NewManualReader()
		m := &healthcheck.Monitor{
			MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: slog.New(slog.DiscardHandler),
			Checks: []healthcheck.Check{{Name: "database", Role: healthcheck.Core, Interval: time.Second, Failures: 1, Successes: 1,
				Func: func(context.Context) error {
					select {
					case is = <-down:
					default:
					}
					if is {
						return errors.New("down")
					}
					return nil
				}}},
		}
		worker := m.Heartbeat("worker", 5*time.Second)
		server := grpc.NewServer()
		grpchealth.Register(server, m)
		l := bufconn.Listen(1 << 16)
		go func() { _ = server.Serve(l) }()
		conn, err := grpc.NewClient("passthrough:", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		client := healthpb.NewHealthClient(conn)
		want := func(when string, liveness, readiness, startup healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			list, err := client.List(t.Context(), &healthpb.HealthListRequest{})
			if err != nil {
				t.Fatal(err)
			}
			for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
				"liveness": liveness, "readiness": readiness, "": readiness, "startup": startup} {
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
		unknown, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "orders"})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unknown.Recv(); err != nil || got.Status != healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
			t.Errorf("watching an unknown service: %v %v", got, err)
		}
		watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
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
		if err := m.Start(t.Context(), reader); err != nil {
			t.Fatal(err)
		}
		next("once it runs", serving)
		want("running", serving, serving, serving)
		down <- true
		next("without a database", notServing)
		want("without a database", serving, notServing, serving)
		down <- false
		next("with a database", serving)
		worker.Busy()
		next("with a stuck worker", notServing)
		want("with a stuck worker", notServing, notServing, serving)
		worker.Idle()
		next("with an idle worker", serving)
		m.Drain()
		next("draining", notServing)
		want("draining", serving, notServing, serving)
		m.Stop()
		if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("after Stop the watcher gets %v", err)
		}
		if _, err := unknown.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("after Stop the watcher of an unknown service gets %v", err)
		}
		server.GracefulStop()
		conn.Close()
	})
}
