// Package lint compares a service's checks, manifests and alerts, and reports contradictions.
//
// It follows names inside the manifests: from a probe, a Service or a NetworkPolicy to a port, and
// from a path to a volume and a key of a ConfigMap.
//
// It knows the flags and variables of this repository's demo: -drain, -addr, -peers and
// OTEL_EXPORTER_OTLP_ENDPOINT. It reads Peers in the code too.
package lint

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// ErrFound says that there are contradictions. The output lists them.
var ErrFound = errors.New("contradictions")

// Command returns the command.
func Command() *cobra.Command {
	var code, alerts string
	c := &cobra.Command{
		Use:   "lint DIR...",
		Short: "Compare checks in code, manifests and alerts",
		Long: `lint reports contradictions, such as a drain that the grace period cuts off, or a Service port that
no container has. It exits with 1 if it found any.

If DIR has a kustomization.yaml, lint renders it as kustomize does. From any other directory, and from
a file, it reads all documents, PrometheusRules too. The fields of the checks must be constants.`,
		Example: "  otelhealth lint --code ./cmd/orders --alerts alerts/otelhealth.yaml deploy/overlays/prod",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := read(code, alerts, args)
			if err != nil {
				return err
			}
			found := s.lint()
			for _, f := range found {
				fmt.Fprintln(c.OutOrStdout(), f)
			}
			if len(found) > 0 {
				return ErrFound
			}
			return nil
		},
	}
	c.Flags().StringVar(&code, "code", "", "`directory` of the Go package with the checks")
	c.Flags().StringVar(&alerts, "alerts", "", "`file` of Prometheus rules")
	return c
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
