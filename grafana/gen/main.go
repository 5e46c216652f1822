// Command gen generates the alerts and dashboards from the instruments in the code: go generate, in
// grafana/gen.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
)

//go:generate go run . -out ..
//go:generate go run . -out .. -names mimir -rules alerts/mimir -only rules
//go:generate cp ../alerts/otelhealth.yaml ../../deploy/kubernetes/prometheus/

// namings are the translations of OpenTelemetry's names, by the flag's value.
var namings = map[string]otlptranslator.TranslationStrategyOption{
	"default": otlptranslator.UnderscoreEscapingWithSuffixes,
	"mimir":   otlptranslator.UnderscoreEscapingWithoutSuffixes, // Mimir's default
	"utf8":    otlptranslator.NoUTF8EscapingWithSuffixes,
	"otel":    otlptranslator.NoTranslation,
}

const repository = "https://github.com/otelhealth/otelhealth/blob/main/"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	root := flags.String("root", "../..", "`directory` of the repository with the instruments")
	out := flags.String("out", "..", "`directory` to write alerts and dashboards in")
	names := flags.String("names", "default", "translation of names: "+strings.Join(slices.Sorted(maps.Keys(namings)), ", "))
	groups := flags.String("group-labels", "", "`labels` that separate the jobs of clusters, such as cluster,namespace")
	histograms := flags.String("histograms", "classic", "histograms: classic or native")
	only := flags.String("only", "", "write rules only, or dashboards only")
	alerts := flags.String("rules", "alerts", "`directory` of the rules, relative to -out")
	desired := flags.String("desired", "", "`PromQL` for the desired number of instances by job, such as "+
		`label_join(kube_deployment_spec_replicas, "job", "/", "namespace", "deployment")`)
	selector := flags.String("selector", "", "`matchers` of the services' series, such as 'namespace=~\"shop|pay\"'")
	var l settings
	l.flags(flags)
	var b bases
	flags.StringVar(&b.runbooks, "runbooks", repository+"docs/runbooks/", "`URL` of the runbooks; gen appends NAME.md")
	flags.StringVar(&b.dashboards, "grafana", "", "`URL` of Grafana; gen appends /d/…; without it alerts have no link to a dashboard")
	if err := flags.Parse(args); err != nil {
		return err
	}
	naming, ok := namings[*names]
	switch {
	case !ok:
		return fmt.Errorf("-names: unknown value %q", *names)
	case *histograms != "classic" && *histograms != "native":
		return fmt.Errorf("-histograms: unknown value %q", *histograms)
	case *only != "" && *only != "rules" && *only != "dashboards":
		return fmt.Errorf("-only: unknown value %q", *only)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	s, err := readSeries(*root)
	if err != nil {
		return err
	}
	d := dialect{names: naming, native: *histograms == "native", series: s, settings: l}
	d.series.native = d.native
	if *groups != "" {
		d.group = strings.Split(*groups, ",")
	}
	for _, label := range d.group {
		if label == "" || naming.ShouldEscape() && !model.LegacyValidation.IsValidLabelName(label) {
			return fmt.Errorf("-group-labels: %q is not a label with these names", label)
		}
	}
	if *selector != "" {
		if d.selector, err = promQL.ParseMetricSelector("{" + *selector + "}"); err != nil {
			return fmt.Errorf("-selector: %w", err)
		}
	}
	if *only != "dashboards" {
		if err := writeRules(filepath.Join(*out, *alerts), d, b, *desired); err != nil {
			return err
		}
	}
	if *only == "rules" {
		return nil
	}
	files, err := dashboards(d)
	if err != nil {
		return err
	}
	dir := filepath.Join(*out, "dashboards")
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
