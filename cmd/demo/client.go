package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// probeCommand asks a probe. Images without shell and curl need it.
func probeCommand(args []string, stderr io.Writer) error {
	flags := newFlags("demo probe", "URL", stderr)
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return usagef("probe takes one URL, for example http://localhost:8000/ready")
	}
	return expect(http.MethodGet, flags.Arg(0), http.StatusOK)
}

// faultCommand turns a fault of a running demo on or off.
func faultCommand(args []string, stderr io.Writer) error {
	flags := newFlags("demo fault", "[-off] NAME", stderr)
	addr := flags.String("admin-addr", "localhost:8001", "`address` of the demo's admin listener")
	off := flags.Bool("off", false, "turn the fault off")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return usagef("fault takes one name, after the flags, for example: demo fault -off paused-workers")
	}
	method := http.MethodPut
	if *off {
		method = http.MethodDelete
	}
	return expect(method, "http://"+*addr+"/faults/"+flags.Arg(0), http.StatusNoContent)
}

// loadCommand posts jobs for some time, for example from a Job in a cluster. SIGTERM ends it.
func loadCommand(args []string, stderr io.Writer) error {
	flags := newFlags("demo load", "URL", stderr)
	rate := flags.Int("rate", 10, "requests a second")
	length := flags.Duration("for", time.Minute, "how long")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case flags.NArg() != 1:
		return usagef("load takes one URL, after the flags, for example: demo load -for 5m http://demo")
	case *rate < 1 || *rate > 10000:
		return usagef("-rate %d is not from 1 to 10000", *rate)
	case *length <= 0:
		return usagef("-for %v is not positive", *length)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *length)
	defer cancel()
	generateLoad(ctx, strings.TrimSuffix(flags.Arg(0), "/")+"/jobs", *rate)
	return nil
}

// expect sends a request. If the status is not code, it returns the answer as an error.
func expect(method, url string, code int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	if token := os.Getenv("ADMIN_TOKEN"); token != "" && method != http.MethodGet {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != code {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return fmt.Errorf("%s %s: %s %s", method, url, res.Status, bytes.TrimSpace(body))
	}
	return nil
}
