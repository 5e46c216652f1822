package interop

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	"modernc.org/sqlite"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// mistyped expects a rule to say that there is no instrument with this name.
func (k *kit) mistyped(rule, metric string) {
	k.t.Helper()
	r := k.want(rule, verdict.Unknown)
	if want := fmt.Sprintf("no instrument named %q has been created", metric); r.Reason != want {
		k.t.Errorf("%s: %q, want %q", rule, r.Reason, want)
	}
}

// exported logs the metrics that a library really exports.
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
func TestGoRuntime(t *testing.T) { synctest.Test(t, testGoRuntime) }

func testGoRuntime(t *testing.T) {
	const crowd, most = 1000, 16 << 20
	rest := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(rest)
	goroutines, stacks := rest[0].Value.Uint64(), rest[1].Value.Uint64()
	k := newKit(t, healthcheck.Config{Rules: []rule.Rule{
		{Name: "goroutines", Value: rule.Last("go.goroutine.count"), Fail: rule.Above(float64(goroutines + crowd/2))},
		{Name: "stacks", Value: rule.Last("go.memory.used").Where("go.memory.type", "stack"), Fail: rule.Above(float64(stacks + most))},
		{Name: "kinds", Value: rule.Last("go.memory.used"), Per: []string{"go.memory.type"}, Fail: rule.Above(1 << 40)},
		{Name: "processors", Value: rule.Last("go.processor.limit"), Fail: rule.Below(1)},
		{Name: "allocating", Value: rule.Increase("go.memory.allocated"), Window: time.Minute, Fail: rule.Above(4 * most)},
		{Name: "memory", Value: rule.Last("go.memory.used"), Fail: rule.Above(1)}, // all kinds, added up
		{Name: "typo", Value: rule.Last("go.goroutines.count"), Fail: rule.Above(1)},
	}})
	err := goruntime.Start(goruntime.WithMeterProvider(k.provider), goruntime.WithMinimumReadMemStatsInterval(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	k.start()
	k.exported()
	judged()
	for name, unit := range map[string]string{"goroutines": "{goroutine}", "stacks": "By", "kinds": "By", "processors": "{thread}", "allocating": "By"} {
		if r := k.want(name, verdict.Pass); r.Value == nil || r.Unit != unit || (*r.Value <= 0 && name != "allocating") {
			t.Errorf("%s: %s, want some of %s", name, valueOf(r), unit)
		}
	}
	if r, kinds := k.want("memory", verdict.Fail), k.want("kinds", verdict.Pass); *r.Value <= *kinds.Value {
		t.Errorf("memory is %v, and its greatest kind %v", *r.Value, *kinds.Value)
	}
	k.mistyped("typo", "go.goroutines.count")

	end := make(chan struct{})
	leave := sync.OnceFunc(func() { close(end) })
	defer leave()
	for range crowd {
		go deep(200, end)
	}
	waste := make([]byte, 8*most)
	defer func() { clear(waste) }()
	judged()
	for _, name := range []string{"goroutines", "stacks", "allocating"} {
		k.want(name, verdict.Fail)
	}
	leave()
	judged()
	k.want("goroutines", verdict.Pass)
}

// deep makes the stack grow, and waits at its end, so that the stack does not shrink.
//
//go:noinline
func deep(n int, end <-chan struct{}) (sum byte) {
	var frame [256]byte
	frame[n%len(frame)] = byte(n)
	if n > 0 {
		sum = deep(n-1, end)
	} else {
		<-end
	}
	return sum + frame[(n+1)%len(frame)]
}

// services is grpc.health.v1 with slow services and one that fails.
type services struct{ *health.Server }

func (services) Check(_ context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	switch in.Service {
	case "fast":
		time.Sleep(300 * time.Millisecond)
	case "slow":
		time.Sleep(303 * time.Millisecond)
	case "broken":
		return nil, status.Error(codes.Internal, "broken")
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// TestGRPC: rules on otelgrpc. The limits of 301 and 302 ms lie between its boundaries of 250 and
// 500 ms and become boundaries, so they tell calls of 300 ms from calls of 303 ms.
func TestGRPC(t *testing.T) { synctest.Test(t, testGRPC) }

func testGRPC(t *testing.T) {
	const name, window, limit = "rpc.server.call.duration", time.Minute, 301 * time.Millisecond
	k := newKit(t, healthcheck.Config{Rules: []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.9, name), Window: window, Fail: rule.Above(limit)},
		{Name: "slow calls", Value: rule.ShareAbove(302*time.Millisecond, name), Window: window, Fail: rule.Above(.1)},
		{Name: "errors", Value: rule.Ratio(rule.Increase(name).Where("rpc.response.status_code", "INTERNAL"), rule.Increase(name)),
			Window: window, Fail: rule.Above(.05)},
		{Name: "one method", Value: rule.Quantile(.9, name).Where("rpc.method", "grpc.health.v1.Health/Check"),
			Window: window, Fail: rule.Above(limit)},
		{Name: "typo", Value: rule.Quantile(.9, "rpc.server.duration"), Window: window, Fail: rule.Above(limit)},
	}})
	srv := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithMeterProvider(k.provider))))
	healthpb.RegisterHealthServer(srv, services{health.NewServer()})
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
		srv.GracefulStop() // otelgrpc records a call after the client has its answer
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
	// calls makes n calls, and checks that each one is recorded before the judgement.
	all := 0
	calls := func(n int, service string) {
		t.Helper()
		call(n, service)
		judged()
		if all += n; histogramCount(k, name) != uint64(all) {
			t.Fatalf("%s has %d measurements, want %d", name, histogramCount(k, name), all)
		}
	}

	k.start()
	judged()
	rules := []string{"latency", "slow calls", "errors", "one method"}
	for _, rule := range rules {
		if r := k.want(rule, verdict.Pass); r.Value != nil {
			t.Errorf("%s has the value %v without a call", rule, *r.Value)
		}
	}
	calls(400, "fast")
	k.exported()
	for _, rule := range rules {
		if r := k.want(rule, verdict.Pass); r.Value == nil {
			t.Errorf("%s has no value", rule)
		}
	}
	calls(60, "slow")
	for _, rule := range []string{"latency", "slow calls", "one method"} {
		k.want(rule, verdict.Fail)
	}
	k.want("errors", verdict.Pass)
	calls(60, "broken")
	k.want("errors", verdict.Fail)
	k.mistyped("typo", "rpc.server.duration") // the metric's name until semantic conventions 1.39
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

// nap is how long the SQL function nap() takes.
const nap = 20 * time.Millisecond

func init() {
	sqlite.MustRegisterScalarFunction("nap", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		time.Sleep(nap)
		return int64(1), nil
	})
}

// TestSQL: rules on otelsql, on the pool and on operations.
func TestSQL(t *testing.T) { synctest.Test(t, testSQL) }

func testSQL(t *testing.T) {
	const pool, operations, window = "db.sql.connection.open", "db.client.operation.duration", time.Minute
	const most = 4
	latency := rule.Quantile(.9, operations).Where("db.operation.name", "sql.conn.query")
	k := newKit(t, healthcheck.Config{Rules: []rule.Rule{
		{Name: "pool", OnFail: healthcheck.NotReady, Value: rule.Last(pool).Where("status", "inuse"), Fail: rule.Above(most - 1), Warn: rule.Above(most / 2)},
		{Name: "each", Value: rule.Last(pool), Per: []string{"status"}, Fail: rule.Above(most - 1)},
		{Name: "share", Value: rule.Ratio(rule.Last(pool).Where("status", "inuse"), rule.Last("db.sql.connection.max_open")), Fail: rule.Above(.8)},
		{Name: "waits", Value: rule.Increase("db.sql.connection.wait"), Window: window, Fail: rule.Above(0)},
		{Name: "latency", Value: latency, Window: window, Fail: rule.Above(nap + time.Millisecond)},
		{Name: "slow", Value: latency, Window: window, Fail: rule.Above(nap - time.Millisecond)},
		{Name: "errors", Value: rule.Increase(operations).WhereNot("error.type", ""), Window: window, Fail: rule.Above(0)},
		{Name: "typo", Value: rule.Last("db.sql.connections.open"), Fail: rule.Above(1)},
	}})
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
	judged()
	for _, rule := range []string{"pool", "each", "share", "waits", "latency", "slow", "errors"} {
		k.want(rule, verdict.Pass)
	}
	k.mistyped("typo", "db.sql.connections.open")

	for range 20 {
		var one int
		if err := db.QueryRowContext(t.Context(), "SELECT nap()").Scan(&one); err != nil {
			t.Fatal(err)
		}
	}
	k.exported()
	judged()
	for _, rule := range []string{"pool", "each", "share", "waits", "latency"} {
		if r := k.want(rule, verdict.Pass); r.Value == nil {
			t.Errorf("%s has no value", rule)
		}
	}
	k.want("slow", verdict.Fail)
	k.want("errors", verdict.Pass)
	if _, err := db.ExecContext(t.Context(), "SELEKT 1"); err == nil {
		t.Fatal("no error")
	}
	judged()
	k.want("errors", verdict.Fail)

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
	judged()
	if r := k.want("pool", verdict.Fail); r.Value == nil || *r.Value != most {
		t.Errorf("%s, want %d connections", valueOf(r), most)
	}
	k.want("each", verdict.Fail)
	k.want("share", verdict.Fail)
	k.want("waits", verdict.Fail)
	if v := k.Verdict().Readiness; v.State != verdict.Fail || v.Reason != "pool: 4 of at most 3" {
		t.Errorf("%s: %q", v.State, v.Reason)
	}
	for _, c := range taken {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	judged()
	k.want("pool", verdict.Pass)
	k.want("share", verdict.Pass)
}
