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
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/statuspage"
	"github.com/otelhealth/otelhealth/internal/buildinfo"
	"github.com/otelhealth/otelhealth/telemetry"
)

// serviceName is the demo's unless OTEL_SERVICE_NAME says otherwise.
const serviceName = "demo"

func releaseVersion() string { return buildinfo.Version() }

const requestDuration = "http.server.request.duration"

// monitored is what health is configured with. The checks come later, with what they check.
func monitored(cfg config) healthcheck.Config {
	drain := cfg.drain
	if drain == 0 {
		drain = -1 // none; zero would be the default
	}
	return healthcheck.Config{Rules: rules(cfg), DrainDelay: drain, OverrideFile: cfg.overrides, MaintenanceFile: cfg.maintenance}
}

// rules are what the demo's metrics must be.
func rules(cfg config) []rule.Rule {
	requests := rule.Increase(requestDuration)
	capacity := float64(cfg.queue)
	return []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, requestDuration), Fail: rule.Above(500 * time.Millisecond), MinEvents: 100},
		{ // a full queue answers 503: that is not an error, it is the queue rule's business
			Name: "errors", Fail: rule.Above(.05), MinEvents: 100,
			Value: rule.Ratio(requests.Where("http.response.status_code", "500", "502", "504"), requests),
		},
		{
			Name: "queue", OnFail: healthcheck.NotReady,
			Value: rule.Last("queue.length").Where("queue.name", "jobs"), Fail: rule.Above(.8 * capacity), Warn: rule.Above(.5 * capacity),
		},
		{ // when all requests hang, none is in the histogram that latency looks at
			Name: "request-age", Value: rule.Last("http.server.oldest_request.age"), Fail: rule.Above(10 * time.Second),
		},
	}
}

// checks ask what the demo depends on.
func checks(db *database, c *cache) []healthcheck.Check {
	return []healthcheck.Check{
		{Name: "database", Func: db.ping},
		{Name: "cache", Func: c.ping, OnFail: healthcheck.WarnOnly},
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

	health := healthcheck.New(monitored(cfg))
	jobs := newJobs(health, cfg)
	release := health.Hold("the database and the cache are being opened")
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: serviceName, Health: health})
	if err != nil {
		return err
	}
	defer tel.Close() // after everything else, so that it tells of the end

	// They are instrumented, so they come after the providers, and their checks after them.
	db, err := openDatabase(ctx, cfg, tel)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	cached, err := openCache(cfg.cacheURL, tel)
	if err != nil {
		return err
	}
	defer cached.store.Close()
	defer health.Stop() // before what it checks is closed
	for _, c := range checks(db, cached) {
		if _, err := health.Add(c); err != nil {
			return err
		}
	}
	release()

	jobs.begin(db, cached)
	defer jobs.stop()
	var requests traffic
	faults := newFaults(db, cached, jobs, &requests)
	defer faults.lift()                   // what hangs must not outlive the demo
	defer context.AfterFunc(ctx, func() { // requests in flight must end, or the drain can't
		requests.hang.set(false)
	})()

	loopback := isLoopback(l.admin.Addr())
	page, names := statuspage.Config{TraceURL: cfg.traceURL}, ""
	if changeable(cfg.token, loopback) {
		page.MaintenancePath, names = "/maintenance", faults.names()
	}
	adminServer.Handler = health.Wrap(adminRoutes(health, tel, faults, statuspage.New(ctx, health, page), cfg.token, loopback))
	go func() { _ = adminServer.Serve(l.admin) }() // ends with Close

	banner(stdout, l.app.Addr(), l.admin.Addr(), names)
	go generateLoad(ctx, "http://"+l.app.Addr().String()+"/jobs", cfg.load)
	return health.Serve(newServer(health.Wrap(tel.Instrument(requests.handler(jobs.routes())))), l.app)
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
	fmt.Fprintf(w, `          %[1]sdatabase-down        within ten seconds 503, and the page says why
          %[1]s-off database-down   200 again
faults    %[2]s
`, command, faults)
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
