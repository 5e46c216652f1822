package main

import (
	"context"
	"database/sql"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/examples/internal/orders"
	"github.com/otelhealth/otelhealth/examples/internal/story"
)

const serving, notServing = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING

func TestService(t *testing.T) {
	calls, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := story.New(t)
	s.Database.Down.Store(true)
	s.Start(func(ctx context.Context, admin net.Listener, db *sql.DB, drain time.Duration) error {
		return serve(ctx, calls, admin, db, drain)
	})
	conn, err := grpc.NewClient(calls.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	probes := healthpb.NewHealthClient(conn)
	probe := func(service string, want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if res, err := probes.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}); err != nil || res.Status != want {
			t.Errorf("%q is %v, %v; want %v", service, res.GetStatus(), err, want)
		}
	}
	get := func() error {
		state, err := orders.Get(t.Context(), conn, "42")
		if err == nil && state != "paid" {
			t.Errorf("the order is %q", state)
		}
		return err
	}

	s.Until("/ready", 503, "fail", "database: ")
	probe("", notServing)
	probe("liveness", serving)
	s.Says("readiness", "fail")
	if err := get(); status.Code(err) != codes.Internal {
		t.Errorf("a call without the database: %v", err)
	}

	s.Database.Down.Store(false)
	s.Until("/ready", 200, "pass", "")
	probe("readiness", serving)
	watch, err := probes.Watch(t.Context(), &healthpb.HealthCheckRequest{})
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

	const slow = 20
	s.Database.Delay.Store(int64(600 * time.Millisecond))
	var all sync.WaitGroup
	for range slow {
		all.Go(func() {
			if err := get(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.Until("/ready", 200, "warn", "latency: p99 between 0.")
	s.Says("readiness", "warn")
	probe("", serving)
	counted := map[string]uint64{}
	for _, m := range s.Metrics()["rpc_server_call_duration_seconds"].GetMetric() {
		for _, l := range m.Label {
			if l.GetName() == "rpc_method" {
				counted[l.GetValue()] += m.Histogram.GetSampleCount()
			}
		}
	}
	if len(counted) != 1 || counted["orders.Orders/Get"] != 1+slow { // no probe
		t.Errorf("calls in the histogram: %v", counted)
	}

	s.Database.Delay.Store(int64(time.Second))
	late := make(chan error, 1)
	go func() { late <- get() }()
	for s.Database.Queries.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Terminate()
	told(notServing)
	s.Until("/ready", 503, "fail", "draining")
	probe("liveness", serving)
	s.Says("readiness", "fail")
	if err := <-late; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the watcher's end: %v", err)
	}
	s.Ended()
}
