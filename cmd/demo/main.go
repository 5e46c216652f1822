// Command demo is a small job service. Its own instruments decide its health.
//
//	demo [flags]                    run the service
//	demo probe URL                  exit 0 if URL answers 200, else 1
//	demo fault [-off] NAME          turn a fault of a running demo on or off
//	demo load [-for TIME] URL       post jobs to the service at URL
//
// -addr serves POST /jobs, GET /jobs/{id}, GET /panic (a handler with a bug), and the probes
// /health, /ready and /startup. -admin-addr serves the same probes, /metrics, /status,
// /status.json, /blackbox/, /maintenance and /faults/{name}.
//
// ADMIN_TOKEN is the bearer token of the routes that change something. Without it, these routes
// exist only if -admin-addr is a loopback address. DATABASE_URL (postgres://…) replaces SQLite.
// CACHE_URL (redis://…) replaces the cache in memory. HEALTH_OVERRIDES overrides what a failing
// check does. The OTEL_* variables configure the export.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command runs the command in args and returns the exit code. 2 means a wrong argument.
func command(args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) > 0 && args[0] == "probe":
		err = probeCommand(args[1:], stderr)
	case len(args) > 0 && args[0] == "fault":
		err = faultCommand(args[1:], stderr)
	case len(args) > 0 && args[0] == "load":
		err = loadCommand(args[1:], stderr)
	default:
		err = serveCommand(args, stdout, stderr)
	}
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage) && args[0] != "probe": // a probe exits with 0 or 1, because Docker reserves 2
		fmt.Fprintln(stderr, "demo:", err)
		return 2
	}
	fmt.Fprintln(stderr, "demo:", err)
	return 1
}

// usageError is a wrong argument.
type usageError struct{ error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// config holds the flags and the environment variables.
type config struct {
	addr, adminAddr string
	load, queue     int
	drain, stall    time.Duration
	interval        time.Duration // of the checks
	data            string
	token           string
	databaseURL     string
	cacheURL        string
	overrides       string
	maintenance     string
	peers           string
	traceURL        string
	blackbox        string
	globals         bool // make the providers OpenTelemetry's global ones
}

func serveCommand(args []string, stdout, stderr io.Writer) error {
	var cfg config
	flags := newFlags("demo", "[flags]", stderr)
	flags.StringVar(&cfg.addr, "addr", "localhost:8000", "`address` of the service and its probes")
	flags.StringVar(&cfg.adminAddr, "admin-addr", "localhost:8001", "`address` of /metrics, /status and the faults")
	flags.IntVar(&cfg.load, "load", 10, "requests a second that the demo sends to itself; 0 for none")
	flags.IntVar(&cfg.queue, "queue", 100, "capacity of the queue in `jobs`")
	flags.DurationVar(&cfg.drain, "drain", 5*time.Second, "how long to serve requests after SIGTERM, while readiness fails; 0 for no drain")
	flags.DurationVar(&cfg.stall, "stall", time.Minute, "liveness fails if a job makes no progress for this long")
	flags.DurationVar(&cfg.interval, "check-interval", 0, "time from one run of a check to the next; 5s if 0")
	flags.StringVar(&cfg.data, "data", "", "`directory` of the database; empty for a temporary one")
	flags.StringVar(&cfg.overrides, "overrides", "", "`file` that overrides what failing checks do: NAME=not-ready, NAME=warn, NAME=show, NAME=shadow, NAME=enforce")
	flags.StringVar(&cfg.maintenance, "maintenance", "", "`file` that puts the demo into maintenance: {\"reason\": …, \"until\": …}")
	flags.StringVar(&cfg.peers, "peers", "", "`name:port` of the other instances; if most of them don't work either, a failing check takes none out")
	flags.StringVar(&cfg.traceURL, "trace-url", "", "`URL` of a trace for the status page; {trace} stands for the trace id")
	flags.StringVar(&cfg.blackbox, "blackbox", "", "`directory` for records of failing probes; empty for none. In Kubernetes it must outlive the container")
	version := flags.Bool("version", false, "print the version and exit")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("unknown command %q; see demo -help", flags.Arg(0))
	}
	if *version {
		fmt.Fprintln(stdout, "demo", releaseVersion())
		return nil
	}
	switch {
	case cfg.load < 0:
		return usagef("-load %d is negative", cfg.load)
	case cfg.load > 10000:
		return usagef("-load %d is more than 10000", cfg.load)
	case cfg.queue < 1:
		return usagef("-queue %d is less than 1", cfg.queue)
	case cfg.drain < 0:
		return usagef("-drain %v is negative", cfg.drain)
	case cfg.stall <= 0:
		return usagef("-stall %v is not positive", cfg.stall)
	case cfg.interval != 0 && cfg.interval < 100*time.Millisecond:
		return usagef("-check-interval %v is less than 100ms", cfg.interval)
	}
	cfg.token, cfg.databaseURL, cfg.cacheURL = os.Getenv("ADMIN_TOKEN"), os.Getenv("DATABASE_URL"), os.Getenv("CACHE_URL")

	clean := func() {}
	if cfg.data == "" && cfg.databaseURL == "" {
		temp, err := os.MkdirTemp("", "otelhealth-demo-")
		if err != nil {
			return fmt.Errorf("-data: %w", err)
		}
		cfg.data = temp
		clean = func() { os.RemoveAll(temp) }
		defer clean()
	}
	defer exitOnSecondSignal(clean)()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := listen(cfg)
	if err != nil {
		return err
	}
	cfg.globals = true // this process is one service, and the SDK's own instruments go to the global provider
	return serve(ctx, cfg, l, stdout)
}

// exitOnSecondSignal cleans up and exits at once when a second signal arrives.
func exitOnSecondSignal(clean func()) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 1; ; n++ {
			if _, open := <-signals; !open {
				return
			}
			if n == 2 {
				clean()
				os.Exit(1)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

func newFlags(name, args string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // command prints the error, once
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: %s %s\n", name, args)
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		flags.SetOutput(io.Discard)
	}
	return flags
}

// parse returns a wrong flag as an error of one line. Only -help prints the usage.
func parse(flags *flag.FlagSet, args []string) error {
	usage := flags.Usage
	flags.Usage = func() {}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage()
		return err
	case err != nil:
		return usageError{err}
	}
	return nil
}
