// Command stack runs the demo, the collector and Prometheus with the shipped configurations,
// without Docker. In the root of the repository:
//
//	go -C e2e run ./stack [flags] [-- flags of the demo]
//
// The first run builds the two servers. This takes minutes. Ctrl-C stops all of them in an order
// that loses no data.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

type config struct {
	addr, adminAddr, otlpAddr, prometheusAddr string
	data                                      string
	demo                                      []string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("stack: ")
	var cfg config
	flag.StringVar(&cfg.addr, "addr", "localhost:8000", "`address` of the demo's service and probes")
	flag.StringVar(&cfg.adminAddr, "admin-addr", "localhost:8001", "`address` of the demo's /metrics, /status and faults")
	flag.StringVar(&cfg.otlpAddr, "otlp-addr", "localhost:4317", "`address` of the collector, for OTLP over gRPC")
	flag.StringVar(&cfg.prometheusAddr, "prometheus-addr", "localhost:9090", "`address` of Prometheus")
	flag.StringVar(&cfg.data, "data", "", "`directory` for all files; empty for a temporary one")
	flag.Parse()
	cfg.demo = flag.Args()
	if err := run(cfg); err != nil {
		log.Fatal(err)
	}
}

// run runs the stack. It returns nil if a signal stopped it and all processes exited in order.
func run(cfg config) (err error) {
	parent, end := os.Getppid(), make(chan os.Signal, 2)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT) // a closed terminal sends SIGHUP
	if err := cfg.free(); err != nil {                                                 // before a long build
		return err
	}
	root, err := repository()
	if err != nil {
		return err
	}
	dir, err := cfg.directory()
	if err != nil {
		return err
	}
	if cfg.data == "" {
		defer os.RemoveAll(dir)
	}

	paths := map[string]string{}
	built := make(chan error, 1)
	go func() { built <- build(root, dir, paths) }()
	select {
	case err := <-built:
		if err != nil {
			return err
		}
	case <-end:
		return errors.New("stopped while building; the next run continues from here")
	}

	var started processes
	defer func() { err = errors.Join(err, started.end(end)) }()
	others, err := servers.Free(3)
	if err != nil {
		return err
	}
	at := servers.CollectorAddrs{GRPC: cfg.otlpAddr, HTTP: others[0], Health: others[1], Metrics: others[2]}
	env, err := servers.CollectorEnv(at, cfg.prometheusAddr, filepath.Join(dir, "collector"))
	if err != nil {
		return err
	}
	// A receiver starts before its senders, and stops after them.
	for _, c := range []*child{
		{name: "prometheus", args: servers.PrometheusArgs(root, cfg.prometheusAddr, filepath.Join(dir, "prometheus")),
			ready: "http://" + cfg.prometheusAddr + "/-/ready"},
		{name: "collector", args: []string{"--config", servers.CollectorConfig(root)}, env: env, ready: "http://" + at.Health},
		{name: "demo", args: append([]string{"-addr", cfg.addr, "-admin-addr", cfg.adminAddr, "-data", filepath.Join(dir, "jobs")}, cfg.demo...),
			env: export(cfg.otlpAddr), ready: "http://" + cfg.addr + "/startup"},
	} {
		c.path, c.log = paths[c.name], filepath.Join(dir, c.name+".log")
		if err := started.start(c, end); err != nil {
			return err
		}
	}
	fmt.Printf(`demo        http://%s/ready, faults and /metrics at http://%s
            go run ./cmd/demo fault -admin-addr %[2]s paused-workers
Prometheus  http://%s/api/v1/query?query=health_probe_status (only the API, no web pages)
collector   OTLP at %s, its own metrics at http://%s/metrics
files       %s
Ctrl-C stops all of them.
`, cfg.addr, cfg.adminAddr, cfg.prometheusAddr, cfg.otlpAddr, at.Metrics, dir)
	return started.wait(end, parent)
}

// free returns an error for each address in use.
func (c config) free() (err error) {
	for _, a := range []struct{ name, addr string }{
		{"addr", c.addr}, {"admin-addr", c.adminAddr}, {"otlp-addr", c.otlpAddr}, {"prometheus-addr", c.prometheusAddr},
	} {
		l, e := net.Listen("tcp", a.addr)
		switch {
		case e == nil:
			defer l.Close() // close them at the end, because two addresses may be the same
		case errors.Is(e, syscall.EADDRINUSE):
			err = errors.Join(err, fmt.Errorf("%s is in use: stop the program that listens there, or choose another address with -%s", a.addr, a.name))
		default:
			err = errors.Join(err, fmt.Errorf("-%s: %w", a.name, e))
		}
	}
	return err
}

// repository finds the root of the repository, here or above.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module github.com/otelhealth/otelhealth\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run it in the repository of github.com/otelhealth/otelhealth")
		}
	}
}

func (c config) directory() (string, error) {
	if c.data == "" {
		return os.MkdirTemp("", "otelhealth-stack-")
	}
	dir, err := filepath.Abs(c.data)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("-data: %w", err)
	}
	return dir, nil
}

// build builds missing programs. It logs its progress every few seconds.
func build(root, dir string, paths map[string]string) (err error) {
	for _, name := range []string{"demo", "collector", "prometheus"} {
		var packages atomic.Int64
		done := make(chan struct{})
		go func() {
			began, tick := time.Now(), time.NewTicker(5*time.Second)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					log.Printf("building the %s: %v, %d packages so far", name, time.Since(began).Round(time.Second), packages.Load())
				}
			}
		}()
		progress := func(string) { packages.Add(1) }
		if name == "demo" {
			paths[name], err = servers.PrepareDemo(root, dir, progress)
		} else {
			paths[name], err = servers.Prepare(root, name, progress)
		}
		close(done)
		if err != nil {
			return err
		}
	}
	return nil
}

// export sends the demo's telemetry to the collector, more often than by default, because somebody
// is watching.
func export(otlp string) []string {
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + otlp}
	if os.Getenv("OTEL_METRIC_EXPORT_INTERVAL") == "" {
		env = append(env, "OTEL_METRIC_EXPORT_INTERVAL=5000")
	}
	return env
}
