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
	"github.com/otelhealth/otelhealth/healthcheck/blackbox"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/statuspage"
	"github.com/otelhealth/otelhealth/internal/buildinfo"
	"github.com/otelhealth/otelhealth/telemetry"
)

// serviceName is used unless OTEL_SERVICE_NAME is set.
const serviceName = "demo"

func releaseVersion() string { return buildinfo.Version() }

const requestDuration = "http.server.request.duration"

// monitored returns the Monitor's configuration. serve adds the checks later, together with their
// resources.
func monitored(cfg config) healthcheck.Config {
	drain := cfg.drain
	if drain == 0 {
		drain = -1 // no drain; zero would be the default
	}
	c := healthcheck.Config{Rules: rules(cfg), DrainDelay: drain, OverrideFile: cfg.overrides, MaintenanceFile: cfg.maintenance, Peers: cfg.peers}
	c.Defaults.Interval = cfg.interval // for tests; deployments are checked with the default
	return c
}

// rules are the conditions on the demo's metrics.
func rules(cfg config) []rule.Rule {
	requests := rule.Increase(requestDuration)
	capacity := float64(cfg.queue)
	return []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, requestDuration), Fail: rule.Above(500 * time.Millisecond), MinEvents: 100},
		{ // a full queue answers 503, and the rule on the queue judges that
			Name: "errors", Fail: rule.Above(.05), MinEvents: 100,
			Value: rule.Ratio(requests.Where("http.response.status_code", "500", "502", "504"), requests),
		},
		{
			Name: "queue", OnFail: healthcheck.NotReady,
			Value: rule.Last("queue.length").Where("queue.name", "jobs"), Fail: rule.Above(.8 * capacity), Warn: rule.Above(.5 * capacity),
		},
		{ // if all requests hang, the histogram of the rule latency counts none
			Name: "request-age", Value: rule.Last("http.server.oldest_request.age"), Fail: rule.Above(10 * time.Second),
		},
	}
}

// checks are the checks of the demo's dependencies.
func checks(db *database, c *cache) []healthcheck.Check {
	return []healthcheck.Check{
		{Name: "database", Func: db.ping},
		{Name: "cache", Func: c.ping, OnFail: healthcheck.WarnOnly},
	}
}

// listeners open first, so a port in use stops the demo before anything else happens.
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

// serve serves until ctx ends. Then it drains and shuts down: readiness fails at once, the server
// accepts requests for the drain delay, requests in flight finish, accepted jobs finish, telemetry
// is exported, and the admin listener closes last.
func serve(ctx context.Context, cfg config, l listeners, stdout io.Writer) (err error) {
	adminServer := newServer(nil)
	defer adminServer.Close()
	defer l.admin.Close()
	defer l.app.Close()

	health := healthcheck.New(monitored(cfg))
	jobs := newJobs(health, cfg)
	release := health.Hold("opening the database and the cache")
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: serviceName, Health: health, SetGlobals: cfg.globals})
	if err != nil {
		return err
	}
	defer tel.Close() // last, so that the final export reports the shutdown

	// The database and the cache are instrumented, so they need tel. Their checks are added after them.
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
	defer health.Stop() // before its resources close
	for _, c := range checks(db, cached) {
		if _, err := health.Add(c); err != nil {
			return err
		}
	}
	release()
	var box *blackbox.Box
	if cfg.blackbox != "" {
		box, err = blackbox.New(ctx, health, blackbox.Options{Dir: cfg.blackbox, Logger: tel.Logger, Reader: tel.Reader, MeterProvider: tel.MeterProvider})
		if err != nil {
			return err
		}
		defer box.Close()
	}

	jobs.begin(db, cached)
	defer jobs.stop()
	var requests traffic
	faults := newFaults(db, cached, jobs, &requests)
	defer faults.lift()                   // a hung goroutine must not outlive the demo
	defer context.AfterFunc(ctx, func() { // hung requests must end, or the drain does not
		requests.hang.set(false)
	})()

	loopback := isLoopback(l.admin.Addr())
	page, names := statuspage.Config{TraceURL: cfg.traceURL}, ""
	if changeable(cfg.token, loopback) {
		page.MaintenancePath, names = "/maintenance", faults.names()
	}
	if box != nil {
		if r, left := box.Previous(); left {
			page.Before = &statuspage.Before{Probe: r.Probe, Time: r.Time, Summary: r.Summary, URL: "/blackbox/" + r.Name}
		}
	}
	home := indexOf(l.app.Addr(), l.admin.Addr(), names)
	adminServer.Handler = health.Wrap(adminRoutes(health, tel, faults, statuspage.New(ctx, health, page), home, box, cfg.token, loopback))
	go func() { _ = adminServer.Serve(l.admin) }() // Close ends it

	banner(stdout, l.app.Addr(), l.admin.Addr(), names)
	go generateLoad(ctx, "http://"+l.app.Addr().String()+"/jobs", cfg.load)
	return health.Serve(newServer(health.Wrap(tel.Instrument(requests.handler(jobs.routes(home))))), l.app)
}

// newServer has limits, so a slow or hostile client can't hold a connection.
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

// banner prints what runs where and what to try, in ten lines at most. It leaves out the faults if
// their routes don't exist.
func banner(w io.Writer, app, admin net.Addr, faults string) {
	fmt.Fprintf(w, `demo %s
service   http://%[2]s   POST /jobs, GET /jobs/{id}; probes /health, /ready, /startup
admin     http://%[3]s   /metrics, /status.json, and the page:
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
	fmt.Fprintf(w, `          %[1]sdatabase-down        503 within ten seconds; the page says why
          %[1]s-off database-down   200 again
faults    %[2]s
`, command, faults)
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
