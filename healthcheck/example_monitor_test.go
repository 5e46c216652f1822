package healthcheck_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// provider gives a Monitor a provider of its own, and its reader.
func provider(m *healthcheck.Monitor) *sdkmetric.ManualReader {
	reader := sdkmetric.NewManualReader()
	m.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(m.View()))
	m.Logger = slog.New(slog.DiscardHandler)
	return reader
}

// What must be loaded before there is traffic takes a hold.
func ExampleMonitor_Hold() {
	health := &healthcheck.Monitor{}
	reader := provider(health)
	loaded := health.Hold("catalogue")
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	fmt.Println(health.Status(healthcheck.Startup), health.Verdict().Output(healthcheck.Startup))
	loaded()
	health.Evaluate(ctx) // a service waits for the next judgement
	fmt.Println(health.Status(healthcheck.Startup), health.Verdict().Lifecycle)
	// Output:
	// fail starting: catalogue
	// pass running
}

// Out of traffic for an upgrade, and alive: Kubernetes restarts nothing.
func ExampleMonitor_Maintain() {
	health := &healthcheck.Monitor{}
	reader := provider(health)
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	lift, err := health.Maintain("upgrade of the database", time.Now().Add(time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	v := health.Evaluate(ctx)
	fmt.Println(v.Lifecycle, v.Status(healthcheck.Readiness), v.Status(healthcheck.Liveness))
	lift()
	fmt.Println(health.Evaluate(ctx).Lifecycle)
	_, err = health.Maintain("for good", time.Now().Add(48*time.Hour))
	fmt.Println(err != nil)
	// Output:
	// maintenance fail pass
	// running
	// true
}

// On its way out: /ready answers 503 while everything goes on.
func ExampleMonitor_Drain() {
	health := &healthcheck.Monitor{}
	reader := provider(health)
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	health.Drain()
	v := health.Evaluate(ctx)
	fmt.Printf("%s: %s\n", v.Status(healthcheck.Readiness), v.Output(healthcheck.Readiness))
	// Output:
	// fail: draining
}

// The probes at paths of your own. The handler answers before Start, too.
func ExampleMonitor_Handler() {
	health := &healthcheck.Monitor{}
	mux := http.NewServeMux()
	mux.Handle("/livez", health.Handler(healthcheck.Liveness))
	mux.Handle("/readyz", health.Handler(healthcheck.Readiness))
	for _, path := range []string{"/livez", "/readyz"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /livez 200
	// /readyz 503
}

// Serving until the context ends, as SIGTERM ends one of signal.NotifyContext, and
// the drain delay has passed. ListenAndServe does the same on srv.Addr.
func ExampleMonitor_Serve() {
	ctx, terminate := context.WithCancel(context.Background())
	defer terminate()
	health := &healthcheck.Monitor{}
	if err := health.Start(ctx, provider(health)); err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	health.Register(mux)
	served := make(chan error)
	go func() { served <- health.Serve(&http.Server{Handler: mux}, l, 100*time.Millisecond) }()

	resp, err := http.Get("http://" + l.Addr().String() + "/ready")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode)
	terminate()
	fmt.Println(<-served, health.Status(healthcheck.Readiness))
	// Output:
	// 200
	// <nil> fail
}

// An address that can't be listened on is an error at once.
func ExampleMonitor_ListenAndServe() {
	health := &healthcheck.Monitor{}
	if err := health.Start(ctx, provider(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	fmt.Println(health.ListenAndServe(&http.Server{Addr: "127.0.0.1:99999"}, 10*time.Second))
	// Output:
	// healthcheck: listen tcp: address 99999: invalid port
}

// Following the verdict: tell somebody, stop taking jobs from a broker.
func ExampleMonitor_Watch() {
	health := &healthcheck.Monitor{}
	if err := health.Start(ctx, provider(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(ctx) {
		if v.Lifecycle == healthcheck.Draining {
			fmt.Println("takes no more jobs")
			break
		}
		health.Drain() // somebody's, while the loop goes on
	}
	// Output:
	// takes no more jobs
}

// A worker that is busy and gives no sign of life is stuck; an idle one is not.
func ExampleMonitor_Heartbeat() {
	health := &healthcheck.Monitor{}
	reader := provider(health)
	worker := health.Heartbeat("worker", 50*time.Millisecond)
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	worker.Busy()
	for range 3 {
		worker.Beat() // after each part of the job
	}
	time.Sleep(60 * time.Millisecond) // a part that hangs
	fmt.Println(health.Evaluate(ctx).Status(healthcheck.Liveness))
	worker.Idle()
	fmt.Println(health.Evaluate(ctx).Status(healthcheck.Liveness))
	// Output:
	// fail
	// pass
}

// The queue of a worker: its length, and how long items wait in it, are exported
// and may be judged.
func ExampleNewQueue() {
	type job struct{ queued time.Time }
	jobs := make(chan job, 4)
	health := &healthcheck.Monitor{Checks: []healthcheck.Check{
		{Name: "queue", Role: healthcheck.Core, Limit: healthcheck.Last("queue.length").AtMost(3)},
		{Name: "wait", Limit: healthcheck.Quantile("queue.wait.duration", .5, time.Minute).MinCount(1).AtMost(10)},
	}}
	reader := provider(health)
	queue, err := healthcheck.NewQueue(health.MeterProvider, "jobs", cap(jobs), func() int { return len(jobs) })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer queue.Close()
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	show := func() {
		for _, c := range health.Evaluate(ctx).Checks {
			fmt.Println(strings.TrimSpace(fmt.Sprint(c.Name, " ", c.State, " ", c.Output)))
		}
	}
	for range 4 {
		jobs <- job{time.Now().Add(-time.Minute)}
	}
	show()
	j := <-jobs
	queue.Waited(ctx, time.Since(j.queued))
	show()
	// Output:
	// queue fail 4 of at most 3
	// wait pass
	// queue pass
	// wait fail p50 over 10 s of at most 10
}

// What a verdict tells to operators: the whole response with the texts of errors.
func ExampleVerdict() {
	health := &healthcheck.Monitor{Checks: []healthcheck.Check{{Name: "queue", Role: healthcheck.Core, Limit: healthcheck.Last("queue.length").AtMost(3)}}}
	reader := provider(health)
	if _, err := healthcheck.NewQueue(health.MeterProvider, "jobs", 0, func() int { return 4 }); err != nil {
		fmt.Println(err)
		return
	}
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	v := health.Evaluate(ctx)
	fmt.Println(v.Status(healthcheck.Readiness), v.Output(healthcheck.Readiness))
	fmt.Println(v.Since(healthcheck.Readiness).After(v.Time), v.Stale(), len(v.JSON(healthcheck.Readiness)) > 0)
	// Output:
	// fail queue: 4 of at most 3
	// false false true
}
