// Package grpcprobe tests grpchealth with grpc-health-probe, a tool in many images. This module's
// go.mod names it as a tool.
package grpcprobe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"

	"github.com/otelhealth/otelhealth/e2e/servers"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The exit codes of grpc-health-probe.
const (
	serving     = 0
	unconnected = 2
	refused     = 3 // the call failed: no such service, or no server
	notServing  = 4
)

// probe runs grpc-health-probe and requires an exit code.
func probe(t *testing.T, when, addr, service string, want int, flags ...string) {
	t.Helper()
	args := append([]string{"-addr", addr, "-service", service, "-connect-timeout", "30s", "-rpc-timeout", "30s"}, flags...)
	cmd := exec.Command(servers.Build(t, ".", "github.com/grpc-ecosystem/grpc-health-probe"), args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("%s: the probe of %q ends with %d, want %d: %s", when, service, got, want, out)
	}
}

// listen starts a gRPC server and returns its address.
func listen(t *testing.T, s *grpc.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }() // until Stop
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// TestExitCodes: the probe sees the same states as /health, /ready and /startup.
func TestExitCodes(t *testing.T) {
	var databaseDown, cacheDown atomic.Bool
	check := func(down *atomic.Bool) func(context.Context) error {
		return func(context.Context) error {
			if down.Load() {
				return errors.New("down")
			}
			return nil
		}
	}
	reader := sdkmetric.NewManualReader()
	m := healthcheck.New(healthcheck.Config{
		Defaults: healthcheck.Check{Interval: 200 * time.Millisecond, FailureThreshold: 1, SuccessThreshold: 1},
		Checks: []healthcheck.Check{
			{Name: "database", Func: check(&databaseDown)},
			{Name: "cache", Func: check(&cacheDown), OnFail: healthcheck.WarnOnly},
		},
	})
	worker := m.Heartbeat("worker", time.Second)
	server := grpc.NewServer()
	grpchealth.Register(server, m)
	addr := listen(t, server)

	// is waits until the Monitor has the state, and expects it from the probe.
	is := func(when string, liveness, readiness, startup int) {
		t.Helper()
		codes := map[string]int{"liveness": liveness, "readiness": readiness, "": readiness, "startup": startup}
		servers.Poll(t, when, func() error {
			v := m.Verdict()
			for _, p := range []verdict.Result{v.Liveness, v.Readiness, v.Startup} {
				if (p.State == verdict.Fail) != (codes[p.Name] == notServing) {
					return fmt.Errorf("%s is %s", p.Name, p.State)
				}
			}
			return nil
		})
		for _, service := range slices.Sorted(maps.Keys(codes)) {
			probe(t, when, addr, service, codes[service])
		}
	}
	is("before Start", serving, notServing, notServing)
	probe(t, "unknown", addr, "orders", refused)
	ctx, drain := context.WithCancel(t.Context())
	defer drain()
	pipeline := healthcheck.Pipeline{
		Reader: reader, MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: slog.New(slog.DiscardHandler),
	}
	if err := m.StartWith(ctx, pipeline); err != nil {
		t.Fatal(err)
	}
	is("running", serving, serving, serving)
	databaseDown.Store(true)
	is("without its database", serving, notServing, serving)
	databaseDown.Store(false)
	is("with its database", serving, serving, serving)
	cacheDown.Store(true)
	servers.Poll(t, "it warns", func() error {
		if s := m.Verdict().Readiness.State; s != verdict.Warn {
			return fmt.Errorf("it is %s", s)
		}
		return nil
	})
	is("without its cache", serving, serving, serving)
	lift, err := m.Maintain("upgrade", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	is("in maintenance", serving, notServing, serving)
	lift()
	is("after maintenance", serving, serving, serving)
	worker.Begin()
	is("with a stuck worker", notServing, notServing, serving)
	worker.End()
	is("with an idle worker", serving, serving, serving)
	drain()
	is("draining", serving, notServing, serving)
	m.Stop()
	is("stopped", serving, notServing, serving)
	server.GracefulStop()
	probe(t, "gone", addr, "", unconnected, "-connect-timeout", "1s")
}

// TestNoHealth: a server without the health service, and a server that never answers.
func TestNoHealth(t *testing.T) {
	probe(t, "without the service", listen(t, grpc.NewServer()), "", refused)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts connections, but no server reads
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	probe(t, "silent", silent.Addr().String(), "", unconnected, "-connect-timeout", "1s")
}
