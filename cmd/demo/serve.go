package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/statuspage"
	"github.com/otelhealth/otelhealth/internal/buildinfo"
	"github.com/otelhealth/otelhealth/telemetry"
)

// serviceName is the demo's unless OTEL_SERVICE_NAME says otherwise.
const serviceName = "demo"

func releaseVersion() string { return buildinfo.Version() }

const requestDuration = "http.server.request.duration"

// checks are what the demo is judged by.
func checks(cfg config, db *database, c *cache) []healthcheck.Check {
	requests := healthcheck.Increase(requestDuration, 30*time.Second)
	capacity := float64(cfg.queue)
	return []healthcheck.Check{
		{
			Name:  "latency",
			Limit: healthcheck.Quantile(requestDuration, .99, 30*time.Second).MinCount(100).AtMost(.5),
		},
		{ // a full queue answers 503: that is not an error, it is the queue check's business
			Name:  "errors",
			Limit: healthcheck.Ratio(requests.Where("http.response.status_code", "500", "502", "504"), requests).MinCount(100).AtMost(.05),
		},
		{
			Name: "queue", Role: healthcheck.Core,
			Limit: healthcheck.Last("queue.length").Where("queue.name", "jobs").AtMost(.8 * capacity).WarnAbove(.5 * capacity),
		},
		{
			Name: "database", Role: healthcheck.Core, ComponentType: "datastore",
			Func: db.ping, Interval: 2 * time.Second, Timeout: time.Second, Failures: 2, Successes: 1,
		},
		{
			Name: "cache", ComponentType: "datastore",
			Func: c.ping, Interval: 2 * time.Second, Timeout: time.Second, Failures: 2, Successes: 1,
		},
		{ // when all requests hang, none is in the histogram that latency looks at
			Name:  "request-age",
			Limit: healthcheck.Last("http.server.oldest_request.age").AtMost(10),
		},
	}
}

// listeners are open before anything else, so that a port in use is the first
// thing to be known.
type listeners struct{ app, admin net.Listener }

func listen(cfg config) (l listeners, err error) {
	if l.app, err = net.Listen("tcp", cfg.addr); err != nil {
		return l, fmt.Errorf("-addr: %w", err)
	}
	if l.admin, err = net.Listen("tcp", cfg.adminAddr); err != nil {
		l.app.Close()
		return l, fmt.Errorf("-admin-addr: %w", err)
	}
	return l, nil
}

// serve serves until ctx ends, then drains and shuts down: readiness fails at
// once, requests are served for the drain delay, those in flight finish, jobs that
// were accepted are done, telemetry is exported, and the admin listener closes
// last.
func serve(ctx context.Context, cfg config, l listeners, stdout io.Writer) (err error) {
	adminServer := newServer(nil)
	defer adminServer.Close()
	defer l.admin.Close()
	defer l.app.Close()
	// Prepared before the providers are: their instruments come to life with those.
	var db *database
	if cfg.databaseURL != "" {
		if db, err = openPostgres(ctx, cfg.databaseURL); err != nil {
			return fmt.Errorf("DATABASE_URL: %w", err)
		}
	} else if db, err = openSQLite(ctx, cfg.data); err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	defer func() { err = errors.Join(err, db.close()) }()
	cached, err := openCache(cfg.cacheURL)
	if err != nil {
		return fmt.Errorf("CACHE_URL: %w", err)
	}
	defer cached.store.Close()

	health := &healthcheck.Monitor{Checks: checks(cfg, db, cached), EffectsFile: cfg.effects, MaintenanceFile: cfg.maintenance}
	tel, err := telemetry.Start(telemetry.Config{ServiceName: serviceName, View: health.View})
	if err != nil {
		return err
	}
	defer tel.Close() // after everything else, so that it tells of the end

	// Its own and not the global ones, which a second demo in the process takes over.
	health.MeterProvider, health.TracerProvider, health.Logger = tel.MeterProvider, tel.TracerProvider, tel.Logger
	if tel.Exporting { // for people: a dead collector moves no traffic
		health.Checks = append(health.Checks, healthcheck.Check{
			Name: "telemetry", Role: healthcheck.Informational,
			Limit: healthcheck.Increase("telemetry.export.failures", 2*time.Minute).AtMost(0),
		})
	}

	jobs, err := newJobs(tel.MeterProvider, cfg.queue, db, cached, health.Heartbeat("worker", cfg.stall))
	if err != nil {
		return err
	}
	defer jobs.stop()
	var requests traffic
	faults := newFaults(db, cached, jobs, &requests)
	defer faults.lift()                   // what hangs must not outlive the demo
	defer context.AfterFunc(ctx, func() { // requests in flight must end, or the drain can't
		requests.hang.set(false)
	})()
	api := tel.Handler(requests.handler(jobs.routes()))
	if err := health.Start(ctx, tel.Reader); err != nil {
		return err
	}
	defer health.Stop()

	loopback := isLoopback(l.admin.Addr())
	options, names := statuspage.Options{TraceURL: cfg.traceURL}, ""
	if changeable(cfg.token, loopback) {
		options.MaintenancePath, names = "/maintenance", faults.names()
	}
	page := statuspage.New(ctx, health, options)
	adminServer.Handler = adminRoutes(health, tel, faults, page, cfg.token, loopback)
	go func() { _ = adminServer.Serve(l.admin) }() // ends with Close

	mux := http.NewServeMux()
	health.Register(mux)
	mux.Handle("/", api)
	banner(stdout, l.app.Addr(), l.admin.Addr(), names)
	go generateLoad(ctx, "http://"+l.app.Addr().String()+"/jobs", cfg.load)
	return health.Serve(newServer(mux), l.app, cfg.drain)
}

// newServer has the limits that keep a slow or hostile client from holding a
// connection.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// banner says what runs where and what to try, in ten lines at most. The faults are
// left out where they can't be put.
func banner(w io.Writer, app, admin net.Addr, faults string) {
	fmt.Fprintf(w, `demo %s
service   http://%[2]s   POST /jobs, GET /jobs/{id}; probes /health, /ready, /startup
admin     http://%[3]s   /metrics, /status.json, and for people:
          http://%[3]s/status
try       curl -i http://%[2]s/ready
`, releaseVersion(), app, admin)
	if faults == "" {
		return
	}
	command := "go run ./cmd/demo fault "
	if !isLoopback(admin) || !strings.HasSuffix(admin.String(), ":8001") {
		command += "-admin-addr " + admin.String() + " "
	}
	fmt.Fprintf(w, `          %[1]sdatabase-down        after four seconds 503, and the page says why
          %[1]s-off database-down   200 again
faults    %[2]s
`, command, faults)
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
