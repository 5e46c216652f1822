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
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// pipeline makes a provider for one Monitor with its reader. Any cumulative reader will do.
func pipeline(m *healthcheck.Monitor) healthcheck.Pipeline {
	reader := sdkmetric.NewManualReader()
	return healthcheck.Pipeline{
		Reader:        reader,
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(m.View())),
		Logger:        slog.New(slog.DiscardHandler),
	}
}

// until waits for a verdict.
func until(health *healthcheck.Monitor, is func(*verdict.Verdict) bool) *verdict.Verdict {
	for v := range health.Watch(ctx) {
		if is(v) {
			return v
		}
	}
	return health.Verdict()
}

func running(v *verdict.Verdict) bool { return v.Phase == "running" }

// Take a hold while the process loads data that it needs for traffic.
func ExampleMonitor_Hold() {
	health := healthcheck.New(healthcheck.Config{})
	loaded := health.Hold("catalogue")
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	fmt.Println(health.Verdict().Startup.State, health.Verdict().Startup.Reason)
	loaded()
	fmt.Println(until(health, running).Startup.State)
	// Output:
	// fail starting: catalogue
	// pass
}

// During an upgrade the instance gets no traffic and stays alive: Kubernetes restarts nothing.
func ExampleMonitor_Maintain() {
	health := healthcheck.New(healthcheck.Config{})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	lift, err := health.Maintain("upgrade of the database", time.Now().Add(time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	v := until(health, func(v *verdict.Verdict) bool { return v.Phase == "maintenance" })
	fmt.Println(v.Readiness.Reason, v.Readiness.State, v.Liveness.State)
	lift()
	fmt.Println(until(health, running).Readiness.State)
	_, err = health.Maintain("for good", time.Now().Add(48*time.Hour))
	fmt.Println(err != nil)
	// Output:
	// maintenance: upgrade of the database fail pass
	// pass
	// true
}

// Shutdown: /ready answers 503 as soon as the context ends. Servers other than net/http end after
// the drain too.
func ExampleMonitor_Drained() {
	ctx, terminate := context.WithCancel(context.Background()) // or of signal.NotifyContext
	defer terminate()
	health := healthcheck.New(healthcheck.Config{DrainDelay: 50 * time.Millisecond})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	terminate()
	<-health.Drained()
	fmt.Println(health.Verdict().Readiness.State, health.Verdict().Readiness.Reason)
	health.Stop() // grpcServer.GracefulStop() comes before
	// Output:
	// fail draining
}

// The probes at your own paths. The handlers answer before Start, too.
func ExampleMonitor_ReadinessHandler() {
	health := healthcheck.New(healthcheck.Config{})
	mux := http.NewServeMux()
	mux.Handle("/livez", health.LivenessHandler())
	mux.Handle("/readyz", health.ReadinessHandler())
	for _, path := range []string{"/livez", "/readyz"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /livez 200
	// /readyz 503
}

// Serve serves until the context ends and the drain delay has passed. SIGTERM ends a context of
// signal.NotifyContext. ListenAndServe does the same on the server's Addr.
func ExampleMonitor_Serve() {
	ctx, terminate := context.WithCancel(context.Background())
	defer terminate()
	health := healthcheck.New(healthcheck.Config{DrainDelay: 100 * time.Millisecond})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- health.Serve(&http.Server{Handler: health.Wrap(http.NewServeMux())}, l) }()

	resp, err := http.Get("http://" + l.Addr().String() + "/ready")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode)
	terminate()
	fmt.Println(<-served, health.Verdict().Readiness.State)
	// Output:
	// 200
	// <nil> fail
}

// An address that can't be listened on is an error at once.
func ExampleMonitor_ListenAndServe() {
	health := healthcheck.New(healthcheck.Config{})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	fmt.Println(health.ListenAndServe(&http.Server{Addr: "127.0.0.1:99999"}))
	// Output:
	// healthcheck: listen tcp: address 99999: invalid port
}

// Watch the verdict to notify others, or to stop taking jobs from a broker.
func ExampleMonitor_Watch() {
	ctx, terminate := context.WithCancel(context.Background())
	defer terminate()
	health := healthcheck.New(healthcheck.Config{})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(context.Background()) {
		if v.Phase == "draining" {
			fmt.Println("takes no more jobs")
			break
		}
		terminate() // SIGTERM, while the loop goes on
	}
	// Output:
	// takes no more jobs
}

// A busy worker without a beat is stuck. An idle one is not.
func ExampleMonitor_Heartbeat() {
	health := healthcheck.New(healthcheck.Config{})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	worker := health.Heartbeat("worker", 50*time.Millisecond) // may be called at any time
	worker.Begin()
	for range 3 {
		worker.Beat() // after each part of the job; the next part hangs
	}
	stuck := until(health, func(v *verdict.Verdict) bool { return v.Liveness.State == verdict.Fail })
	fmt.Println(stuck.Results[0].Name, stuck.Results[0].State)
	worker.End()
	fmt.Println(until(health, func(v *verdict.Verdict) bool { return v.Liveness.State == verdict.Pass }).Results[0].State)
	// Output:
	// worker fail
	// pass
}

// The queue of a worker exports its length and the waiting time of its items. Rules may judge them.
func ExampleMonitor_Queue() {
	type job struct{ queued time.Time }
	jobs := make(chan job, 4)
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
		{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(3), OnFail: healthcheck.NotReady},
		{Name: "wait", Value: rule.Quantile(.5, "queue.wait.duration"), MinEvents: 1, Fail: rule.Above(10 * time.Second)},
	}})
	queue := health.Queue("jobs", cap(jobs), func() int { return len(jobs) })
	defer queue.Close()
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	show := func() {
		for _, r := range later(health).Results {
			fmt.Println(strings.TrimSpace(fmt.Sprint(r.Name, " ", r.State, " ", r.Reason)))
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

// Checks of tenants' databases are added and removed while the process runs.
func ExampleMonitor_Add() {
	health := healthcheck.New(healthcheck.Config{})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	remove, err := health.Add(healthcheck.Check{Name: "tenant 7", OnFail: healthcheck.WarnOnly, Func: func(context.Context) error { return context.DeadlineExceeded }})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(until(health, func(v *verdict.Verdict) bool { return len(v.Results) == 1 && v.Results[0].State == verdict.Fail }).Readiness.Reason)
	remove()
	fmt.Println(len(health.Verdict().Results), health.Verdict().Readiness.State)
	// Output:
	// tenant 7: 1 failure in a row, the last: timeout
	// 0 pass
}

// Operators see everything, with the texts of errors.
func ExampleMonitor_DetailsHandler() {
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{
		Name: "database", Func: func(context.Context) error { return fmt.Errorf("no such table: orders") },
	}}})
	if err := health.StartWith(ctx, pipeline(health)); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	until(health, func(v *verdict.Verdict) bool { return v.Results[0].State == verdict.Fail })
	w := httptest.NewRecorder()
	health.DetailsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/details", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "no such table"))
	// Output:
	// 503 true
}
