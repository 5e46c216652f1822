// Command lint reads what judges a service, what runs it and what alerts on it, and
// says where they disagree:
//
//	go run ./lint [-code DIR] [-alerts FILE] DIR...
//
// DIR is rendered as kustomize does if it has a kustomization.yaml; of any other, and
// of a file, all documents are read. -code is the Go package that has the checks, whose
// fields must be constants to be seen. -alerts is a file of Prometheus' rules; a
// PrometheusRule among the manifests is read as well. The exit code is 1 if anything
// was found.
//
// Names are followed as far as they lead to something among the manifests: from a probe,
// a Service or a NetworkPolicy to a port, from a path to a volume and a ConfigMap's key.
//
// What it knows of the service is how this repository's demo is told: -drain, -addr and
// OTEL_EXPORTER_OTLP_ENDPOINT.
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
	code := flags.String("code", "", "`directory` of the Go package that has the checks")
	alerts := flags.String("alerts", "", "`file` of Prometheus' rules")
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

// read gathers a system. It is an error if something that was named has nothing in it:
// a lint of nothing finds nothing.
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
	}
	return s, nil
}
