// Package generate generates alerts, dashboards, gates of rollouts, and autoscalers from the
// instruments in the code.
package generate

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/spf13/cobra"
)

//go:generate cp ../../../../healthcheck/testdata/instruments.txt instruments/healthcheck.txt
//go:generate cp ../../../../healthcheck/blackbox/testdata/instruments.txt instruments/blackbox.txt
//go:generate cp ../../../../telemetry/testdata/instruments.txt instruments/telemetry.txt
//go:generate go run ../.. generate --out ../../../../grafana
//go:generate go run ../.. generate --out ../../../../grafana --names mimir --rules alerts/mimir --only rules
//go:generate cp ../../../../grafana/alerts/otelhealth.yaml ../../../../deploy/kubernetes/prometheus/

// namings are the translations of OpenTelemetry's names, by the flag's value.
var namings = map[string]otlptranslator.TranslationStrategyOption{
	"default": otlptranslator.UnderscoreEscapingWithSuffixes,
	"mimir":   otlptranslator.UnderscoreEscapingWithoutSuffixes, // Mimir's default
	"utf8":    otlptranslator.NoUTF8EscapingWithSuffixes,
	"otel":    otlptranslator.NoTranslation,
}

const repository = "https://github.com/otelhealth/otelhealth/blob/main/"

// options are the flags' values.
type options struct {
	out, only, rules  string
	names, groups     string
	histograms        string
	desired, selector string
	requests, status  string
	bases             bases
	gates             gateOptions
	settings          settings
}

// Command returns the command.
func Command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "generate",
		Short: "Write alerts, dashboards, gates of rollouts and autoscalers",
		Long: `generate writes Prometheus' rules, the Alertmanager's inhibitions and Grafana's dashboards into the
directories alerts and dashboards.

With --argo, --flagger, --keda or --hpa it prints manifests instead. The first two are gates of a
rollout. They compare the canary's pods with the stable ones: restarts, readiness, checks, errors and
slow requests. While the data is not enough to compare, they hold the rollout. The other two scale by
the length of a queue.

Alerts, panels and gates on requests read http.server.request.duration. If a service has a histogram of
its own, name it with --requests, and its label of the status code with --status-label. Write both as
Prometheus stores them. The histogram must be in seconds. A classic one must have the bucket boundary
0.5, because the alerts count a request as slow after half a second. prometheus.DefBuckets has it. If
yours doesn't, add .5 to Buckets in prometheus.HistogramOpts; until then HttpSlowBudgetBurn can't fire.
The alerts' half a second is fixed. For gates, choose another of the histogram's boundaries with --slow.`,
		Example: `  otelhealth generate --out monitoring
  otelhealth generate --requests http_request_duration_seconds --status-label code --out monitoring
  otelhealth generate --only rules --names mimir --group-labels cluster,namespace --out monitoring
  otelhealth generate --argo --job shop/orders --name orders --namespace shop
  otelhealth generate --flagger --job shop/orders --name orders --min-requests 500
  otelhealth generate --argo --job shop/mailer --name mailer --no-traffic ignore --checks core
  otelhealth generate --keda --job shop/orders --name orders --queue jobs --queue-limit 80 --pod-capacity 10
  otelhealth generate --hpa --job shop/orders --name orders --queue jobs --queue-limit 80`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			printed := o.gates.any()
			if err := mixed(c.Flags(), printed); err != nil {
				return err
			}
			d, err := o.dialect()
			switch {
			case err != nil:
				return err
			case printed:
				return o.gates.print(c.OutOrStdout(), d)
			}
			return o.write(d)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.out, "out", ".", "`directory` to write alerts and dashboards in")
	f.StringVar(&o.only, "only", "", "write rules only, or dashboards only")
	f.StringVar(&o.rules, "rules", "alerts", "`directory` of the rules, relative to --out")
	f.StringVar(&o.names, "names", "default", "translation of names: "+strings.Join(slices.Sorted(maps.Keys(namings)), ", "))
	f.StringVar(&o.groups, "group-labels", "", "`labels` that separate the jobs of clusters, such as cluster,namespace")
	f.StringVar(&o.histograms, "histograms", "classic", "histograms: classic or native")
	f.StringVar(&o.selector, "selector", "", "`matchers` of the services' series, such as 'namespace=~\"shop|pay\"'")
	f.StringVar(&o.requests, "requests", "", "`histogram` of requests, as Prometheus stores it, without _bucket; in seconds, with the boundary 0.5 (default http.server.request.duration, by --names)")
	f.StringVar(&o.status, "status-label", "", "`label` of that histogram with the status code (default http.response.status_code, by --names)")
	f.StringVar(&o.desired, "desired", "", "`PromQL` for the desired number of instances by job, such as "+
		`label_join(kube_deployment_spec_replicas, "job", "/", "namespace", "deployment")`)
	f.StringVar(&o.bases.runbooks, "runbooks", repository+"docs/runbooks/", "`URL` of the runbooks; NAME.md is appended")
	f.StringVar(&o.bases.dashboards, "grafana", "", "`URL` of Grafana; /d/… is appended; without it alerts have no link to a dashboard")
	o.settings.flags(f)
	o.gates.flags(f)
	return c
}

// dialect returns the naming that the flags ask for.
func (o options) dialect() (dialect, error) {
	naming, ok := namings[o.names]
	switch {
	case !ok:
		return dialect{}, fmt.Errorf("--names: unknown value %q", o.names)
	case o.histograms != "classic" && o.histograms != "native":
		return dialect{}, fmt.Errorf("--histograms: unknown value %q", o.histograms)
	}
	s, err := readSeries()
	if err != nil {
		return dialect{}, err
	}
	d := dialect{names: naming, native: o.histograms == "native", series: s, settings: o.settings}
	d.series.native = d.native
	if o.groups != "" {
		d.group = strings.Split(o.groups, ",")
	}
	for _, label := range d.group {
		if label == "" || naming.ShouldEscape() && !model.LegacyValidation.IsValidLabelName(label) {
			return d, fmt.Errorf("--group-labels: %q is not a label with these names", label)
		}
	}
	if o.selector != "" {
		if d.selector, err = promQL.ParseMetricSelector("{" + o.selector + "}"); err != nil {
			return d, fmt.Errorf("--selector: %w", err)
		}
	}
	d.request, err = d.own(o.requests, o.status)
	return d, err
}

// write writes the files.
func (o options) write(d dialect) error {
	if o.only != "" && o.only != "rules" && o.only != "dashboards" {
		return fmt.Errorf("--only: unknown value %q", o.only)
	}
	if o.only != "dashboards" {
		if err := writeRules(filepath.Join(o.out, o.rules), d, o.bases, o.desired); err != nil {
			return err
		}
	}
	if o.only == "rules" {
		return nil
	}
	files, err := dashboards(d)
	if err != nil {
		return err
	}
	dir := filepath.Join(o.out, "dashboards")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
