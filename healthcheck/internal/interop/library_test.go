package interop

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	goruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	_ "modernc.org/sqlite"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// mistyped wants a check to say that there is no instrument of the name that it
// reads, and which.
func (k *kit) mistyped(check, metric string) {
	k.t.Helper()
	c := k.want(check, healthcheck.Unknown)
	if want := fmt.Sprintf("no instrument named %q has been created", metric); c.Output != want {
		k.t.Errorf("%s: %q, want %q", check, c.Output, want)
	}
}

// exported logs what a library really exports.
func (k *kit) exported() {
	k.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := k.reader.Collect(k.t.Context(), &rm); err != nil {
		k.t.Fatal(err)
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if !strings.HasPrefix(m.Name, "health.") {
				k.t.Logf("%s %T %s", m.Name, m.Data, m.Unit)
			}
		}
	}
}

// TestGoRuntime: rules on contrib/instrumentation/runtime.
func TestGoRuntime(t *testing.T) {
	const crowd, most = 1000, 16 << 20
	rest := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(rest)
	k := newKit(t,
		healthcheck.Check{Name: "goroutines", Limit: healthcheck.Last("go.goroutine.count").AtMost(float64(rest[0].Value.Uint64() + crowd/2))},
		healthcheck.Check{Name: "stacks", Limit: healthcheck.Last("go.memory.used").Where("go.memory.type", "stack").
			AtMost(float64(rest[1].Value.Uint64() + most))},
		healthcheck.Check{Name: "kinds", Limit: healthcheck.Last("go.memory.used").Per("go.memory.type").AtMost(1 << 40)},
		healthcheck.Check{Name: "processors", Limit: healthcheck.Last("go.processor.limit").AtLeast(1)},
		healthcheck.Check{Name: "allocating", Limit: healthcheck.Increase("go.memory.allocated", time.Minute).AtMost(4 * most)},
		healthcheck.Check{Name: "ambiguous", Limit: healthcheck.Last("go.memory.used").AtMost(1)},
		healthcheck.Check{Name: "typo", Limit: healthcheck.Last("go.goroutines.count").AtMost(1)},
	)
	err := goruntime.Start(goruntime.WithMeterProvider(k.provider), goruntime.WithMinimumReadMemStatsInterval(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	k.start()
	k.exported()
	for name, unit := range map[string]string{"goroutines": "{goroutine}", "stacks": "By", "kinds": "By", "processors": "{thread}", "allocating": "By"} {
		if c := k.want(name, healthcheck.Pass); !c.HasValue || c.Unit != unit || (c.Value <= 0 && name != "allocating") {
			t.Errorf("%s: value %v %s (%t), want some of %s", name, c.Value, c.Unit, c.HasValue, unit)
		}
	}
	if c := k.want("ambiguous", healthcheck.Unknown); !strings.Contains(c.Output, "go.memory.used") {
		t.Errorf("ambiguous: %q", c.Output)
	}
	k.mistyped("typo", "go.goroutines.count")

	end, ready := make(chan struct{}), make(chan struct{})
	leave := sync.OnceFunc(func() { close(end) })
	defer leave()
	for range crowd {
		go func() {
			deep(200)
			ready <- struct{}{}
			<-end
		}()
	}
	for range crowd {
		<-ready
	}
	waste := make([]byte, 8*most)
	defer func() { clear(waste) }()
	for _, name := range []string{"goroutines", "stacks", "allocating"} {
		k.want(name, healthcheck.Fail)
	}
	leave()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if state(k, "goroutines") == healthcheck.Pass {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("goroutines does not pass again")
		}
	}
}

// deep makes the stack grow.
//
//go:noinline
func deep(n int) (sum byte) {
	var frame [256]byte
	frame[n%len(frame)] = byte(n)
	if n > 0 {
		sum = deep(n - 1)
	}
	return sum + frame[(n+1)%len(frame)]
}

func state(k *kit, name string) healthcheck.State {
	for _, c := range k.Evaluate(k.t.Context()).Checks {
		if c.Name == name {
			return c.State
		}
	}
	return ""
}

// slow is grpc.health.v1 with a service that takes its time and one that fails.
type slow struct{ *health.Server }

func (s slow) Check(ctx context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	switch in.Service {
	case "slow":
		time.Sleep(320 * time.Millisecond)
	case "broken":
		return nil, status.Error(codes.Internal, "broken")
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// TestGRPC: rules on otelgrpc. The limit of 301 ms lies between its boundaries and
// becomes one of them.
func TestGRPC(t *testing.T) {
	const name, window = "rpc.server.call.duration", time.Minute
	k := newKit(t,
		healthcheck.Check{Name: "latency", Limit: healthcheck.Quantile(name, .9, window).AtMost(.301)},
		healthcheck.Check{Name: "slow calls", Limit: healthcheck.Over(name, .302, window).AtMost(.1)},
		healthcheck.Check{Name: "errors", Limit: healthcheck.Ratio(
			healthcheck.Increase(name, window).Where("rpc.response.status_code", "INTERNAL"),
			healthcheck.Increase(name, window)).AtMost(.05)},
		healthcheck.Check{Name: "one method", Limit: healthcheck.Quantile(name, .9, window).
			Where("rpc.method", "grpc.health.v1.Health/Check").AtMost(.301)},
		healthcheck.Check{Name: "typo", Limit: healthcheck.Quantile("rpc.server.duration", .9, window).AtMost(.301)},
	)
	srv := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithMeterProvider(k.provider))))
	healthpb.RegisterHealthServer(srv, slow{health.NewServer()})
	l := bufconn.Listen(1 << 16)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	client := healthpb.NewHealthClient(conn)
	defer func() {
		conn.Close()
		srv.GracefulStop() // otelgrpc records when a call's last statistics come: after the client has its answer
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	call := func(n int, service string) {
		var calls sync.WaitGroup
		defer calls.Wait()
		for range n {
			calls.Go(func() {
				_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
				if (err != nil) != (service == "broken") {
					t.Errorf("%s: %v", service, err)
				}
			})
		}
	}
	// counted waits until the server has recorded n calls.
	counted := func(n uint64) {
		t.Helper()
		var got uint64
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if got = histogramCount(k, name); got == n {
				return
			}
		}
		t.Fatalf("%s has %d measurements, want %d", name, got, n)
	}

	k.start()
	rules := []string{"latency", "slow calls", "errors", "one method"}
	for _, rule := range rules {
		if c := k.want(rule, healthcheck.Pass); c.HasValue {
			t.Errorf("%s has the value %v without a call", rule, c.Value)
		}
	}
	call(400, "fast")
	counted(400)
	k.exported()
	for _, rule := range rules {
		if c := k.want(rule, healthcheck.Pass); !c.HasValue {
			t.Errorf("%s has no value", rule)
		}
	}
	call(60, "slow")
	counted(460)
	for _, rule := range []string{"latency", "slow calls", "one method"} {
		k.want(rule, healthcheck.Fail)
	}
	k.want("errors", healthcheck.Pass)
	call(60, "broken")
	counted(520)
	k.want("errors", healthcheck.Fail)
	k.mistyped("typo", "rpc.server.duration") // its name until semantic conventions 1.39
}

// histogramCount is the number of measurements of a histogram.
func histogramCount(k *kit, name string) (n uint64) {
	k.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := k.reader.Collect(k.t.Context(), &rm); err != nil {
		k.t.Fatal(err)
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name != name {
				continue
			}
			for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				n += p.Count
			}
		}
	}
	return n
}

// TestSQL: rules on otelsql, the pool's and the operations'.
func TestSQL(t *testing.T) {
	const pool, operations, window = "db.sql.connection.open", "db.client.operation.duration", time.Minute
	const most = 4
	k := newKit(t,
		healthcheck.Check{Name: "pool", Role: healthcheck.Core,
			Limit: healthcheck.Last(pool).Where("status", "inuse").AtMost(most - 1).WarnAbove(most / 2)},
		healthcheck.Check{Name: "each", Limit: healthcheck.Last(pool).Per("status").AtMost(most - 1)},
		healthcheck.Check{Name: "share", Limit: healthcheck.Ratio(
			healthcheck.Last(pool).Where("status", "inuse"), healthcheck.Last("db.sql.connection.max_open")).AtMost(.8)},
		healthcheck.Check{Name: "waits", Limit: healthcheck.Increase("db.sql.connection.wait", window).AtMost(0)},
		healthcheck.Check{Name: "latency", Limit: healthcheck.Quantile(operations, .9, window).Where("db.operation.name", "sql.conn.query").AtMost(3)},
		healthcheck.Check{Name: "slow", Limit: healthcheck.Quantile(operations, .9, window).
			Where("db.operation.name", "sql.conn.query").AtMost(.000_000_001)},
		healthcheck.Check{Name: "errors", Limit: healthcheck.Increase(operations, window).WhereNot("error.type", "").AtMost(0)},
		healthcheck.Check{Name: "typo", Limit: healthcheck.Last("db.sql.connections.open").AtMost(1)},
	)
	options := []otelsql.Option{otelsql.WithMeterProvider(k.provider), otelsql.WithAttributes(attribute.String("db.system.name", "sqlite"))}
	db, err := otelsql.Open("sqlite", "file:"+t.TempDir()+"/test.db", options...)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(most)
	reg, err := otelsql.RegisterDBStatsMetrics(db, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reg.Unregister(); err != nil {
			t.Error(err)
		}
	}()
	k.start()
	for _, rule := range []string{"pool", "each", "share", "waits", "latency", "slow", "errors"} {
		k.want(rule, healthcheck.Pass)
	}
	k.mistyped("typo", "db.sql.connections.open")

	for range 20 {
		var one int
		if err := db.QueryRowContext(t.Context(), "SELECT 1").Scan(&one); err != nil {
			t.Fatal(err)
		}
	}
	k.exported()
	for _, rule := range []string{"pool", "each", "share", "waits", "latency"} {
		if c := k.want(rule, healthcheck.Pass); !c.HasValue {
			t.Errorf("%s has no value", rule)
		}
	}
	k.want("slow", healthcheck.Fail) // no query takes less than a nanosecond

	k.want("errors", healthcheck.Pass)
	if _, err := db.ExecContext(t.Context(), "SELEKT 1"); err == nil {
		t.Fatal("no error")
	}
	k.want("errors", healthcheck.Fail)

	var taken []*sql.Conn
	for range most {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := db.Conn(ctx); err == nil {
		t.Fatal("a connection too many")
	}
	if c := k.want("pool", healthcheck.Fail); c.Value != most {
		t.Errorf("%v connections, want %d", c.Value, most)
	}
	k.want("each", healthcheck.Fail)
	k.want("share", healthcheck.Fail)
	k.want("waits", healthcheck.Fail)
	if v := k.Verdict(); v.Status(healthcheck.Readiness) != healthcheck.Fail || v.Output(healthcheck.Readiness) != "pool: 4 of at most 3" {
		t.Errorf("%s: %q", v.Status(healthcheck.Readiness), v.Output(healthcheck.Readiness))
	}
	for _, c := range taken {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	k.want("pool", healthcheck.Pass)
	k.want("share", healthcheck.Pass)
}
