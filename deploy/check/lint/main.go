// Command lint compares a service's checks, manifests and alerts, and reports contradictions:
//
//	go run ./lint [-code DIR] [-alerts FILE] DIR...
//
// If DIR has a kustomization.yaml, lint renders it as kustomize does. From any other directory, and
// from a file, it reads all documents. -code is the Go package with the checks. Their fields must
// be constants. -alerts is a file of Prometheus rules. lint also reads a PrometheusRule in the
// manifests. The exit code is 1 if lint found anything.
//
// lint follows names inside the manifests: from a probe, a Service or a NetworkPolicy to a port,
// and from a path to a volume and a key of a ConfigMap.
//
// lint knows the flags and variables of this repository's demo: -drain, -addr, -peers and
// OTEL_EXPORTER_OTLP_ENDPOINT. It reads Peers in the code too.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

func command(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("lint", flag.ContinueOnError)
	flags.SetOutput(stderr)
	code := flags.String("code", "", "`directory` of the Go package with the checks")
	alerts := flags.String("alerts", "", "`file` of Prometheus rules")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		fmt.Fprintln(stderr, "usage: lint [-code DIR] [-alerts FILE] DIR...")
		return 2
	}
	s, err := read(*code, *alerts, flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "lint:", err)
		return 2
	}
	found := s.lint()
	for _, f := range found {
		fmt.Fprintln(stdout, f)
	}
	if len(found) > 0 {
		return 1
	}
	return 0
}

// read reads everything. An empty argument is an error, because lint would find nothing in it.
func read(code, alerts string, dirs []string) (s system, err error) {
	for _, dir := range dirs {
		if err := s.readManifests(dir); err != nil {
			return s, err
		}
	}
	if len(s.workloads) == 0 {
		return s, fmt.Errorf("no Deployment, StatefulSet or DaemonSet in %q", dirs)
	}
	if alerts != "" {
		if err := s.readAlerts(alerts); err != nil {
			return s, err
		}
	}
	if code != "" {
		if s.checks, err = readChecks(code); err != nil {
			return s, err
		}
		if s.peers, err = readPeers(code); err != nil {
			return s, err
		}
	}
	return s, nil
}
