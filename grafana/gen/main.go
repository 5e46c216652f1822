// Command gen writes what Grafana and Prometheus are given, from what the code
// records: go generate, in grafana/gen.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
)

//go:generate go run . -out ..
//go:generate go run . -out .. -names mimir -rules alerts/mimir -only rules

// namings are the ways to translate OpenTelemetry's names, by a flag's value.
var namings = map[string]otlptranslator.TranslationStrategyOption{
	"default": otlptranslator.UnderscoreEscapingWithSuffixes,
	"mimir":   otlptranslator.UnderscoreEscapingWithoutSuffixes, // what it does unless told otherwise
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
	root := flags.String("root", "../..", "`directory` of the repository, whose instruments are read")
	out := flags.String("out", "..", "`directory` to write alerts and dashboards in")
	names := flags.String("names", "default", "how names are translated: "+strings.Join(slices.Sorted(maps.Keys(namings)), ", "))
	groups := flags.String("group-labels", "", "`labels` that tell one cluster's jobs from another's, such as cluster,namespace")
	histograms := flags.String("histograms", "classic", "classic or native")
	only := flags.String("only", "", "write rules only, or dashboards only")
	alerts := flags.String("rules", "alerts", "`directory` of the rules, in that of -out")
	desired := flags.String("desired", "", "`PromQL` of how many instances a job should have, by job, such as "+
		`label_join(kube_deployment_spec_replicas, "job", "/", "namespace", "deployment")`)
	var b bases
	flags.StringVar(&b.runbooks, "runbooks", repository+"docs/runbooks/", "`URL` of the runbooks, to which NAME.md is added")
	flags.StringVar(&b.dashboards, "grafana", "", "`URL` of Grafana, to which /d/… is added")
	if err := flags.Parse(args); err != nil {
		return err
	}
	naming, ok := namings[*names]
	switch {
	case !ok:
		return fmt.Errorf("-names %q", *names)
	case *histograms != "classic" && *histograms != "native":
		return fmt.Errorf("-histograms %q", *histograms)
	case *only != "" && *only != "rules" && *only != "dashboards":
		return fmt.Errorf("-only %q", *only)
	case flags.NArg() > 0:
		return fmt.Errorf("what is %q?", flags.Arg(0))
	}
	s, err := readSeries(*root)
	if err != nil {
		return err
	}
	d := dialect{names: naming, native: *histograms == "native", series: s}
	d.series.native = d.native
	if *groups != "" {
		d.group = strings.Split(*groups, ",")
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
