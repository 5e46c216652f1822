// Command demo is a small job service that is judged from its own instruments.
//
//	demo [flags]                    run the service
//	demo probe URL                  exit 0 if URL answers 200, else 1
//	demo fault [-off] NAME          put or lift a fault of a running demo
//
// On -addr: POST /jobs, GET /jobs/{id}, GET /panic (a handler with a bug), and
// the probes /health, /ready, /startup. On -admin-addr: the probes again,
// /metrics, /status, /status.json, /maintenance and /faults/{name}.
//
// ADMIN_TOKEN, if set, is the bearer token of the routes that change something;
// without it they exist only where -admin-addr is a loopback address. DATABASE_URL
// (postgres://…) and CACHE_URL (redis://…) take the place of SQLite and of a cache
// in this process. HEALTH_OVERRIDES replaces what failing checks do. The OTEL_*
// variables configure export.
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

// command runs what the arguments ask for and returns the exit code: 2 for a
// mistake in them.
func command(args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) > 0 && args[0] == "probe":
		err = probeCommand(args[1:], stderr)
	case len(args) > 0 && args[0] == "fault":
		err = faultCommand(args[1:], stderr)
	default:
		err = serveCommand(args, stdout, stderr)
	}
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage) && args[0] != "probe": // a probe is 0 or 1: 2 is reserved by Docker
		fmt.Fprintln(stderr, "demo:", err)
		return 2
	}
	fmt.Fprintln(stderr, "demo:", err)
	return 1
}

// usageError is a mistake in the arguments.
type usageError struct{ error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// config is what the flags say.
type config struct {
	addr, adminAddr string
	load, queue     int
	drain, stall    time.Duration
	data            string
	token           string
	databaseURL     string
	cacheURL        string
	overrides       string
	maintenance     string
	traceURL        string
}

func serveCommand(args []string, stdout, stderr io.Writer) error {
	var cfg config
	flags := newFlags("demo", "[flags]", stderr)
	flags.StringVar(&cfg.addr, "addr", "localhost:8000", "`address` of the service and its probes")
	flags.StringVar(&cfg.adminAddr, "admin-addr", "localhost:8001", "`address` of /metrics, /status and the faults")
	flags.IntVar(&cfg.load, "load", 10, "POSTs a second that the demo sends to itself; 0 for none")
	flags.IntVar(&cfg.queue, "queue", 100, "`jobs` that the queue holds")
	flags.DurationVar(&cfg.drain, "drain", 5*time.Second, "how long to serve on after SIGTERM, while readiness fails; 0 for not at all")
	flags.DurationVar(&cfg.stall, "stall", time.Minute, "how long a job may show no progress before liveness fails")
	flags.StringVar(&cfg.data, "data", "", "`directory` to keep the database in; a temporary one if empty")
	flags.StringVar(&cfg.overrides, "overrides", "", "`file` that replaces what failing checks do: NAME=not-ready, NAME=warn, NAME=show")
	flags.StringVar(&cfg.maintenance, "maintenance", "", "`file` that puts the demo into maintenance: {\"reason\": …, \"until\": …}")
	flags.StringVar(&cfg.traceURL, "trace-url", "", "`URL` of a trace for the status page, {trace} standing for its id")
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
	return serve(ctx, cfg, l, stdout)
}

// exitOnSecondSignal ends the process at once when a second signal comes, after
// cleaning up.
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
	flags.SetOutput(io.Discard) // the error is printed once, by command
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: %s %s\n", name, args)
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		flags.SetOutput(io.Discard)
	}
	return flags
}

// parse turns a mistake into one line; only -help prints the usage.
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
