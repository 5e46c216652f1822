package history

import (
	"slices"
	"strings"
	"unicode"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// This file has the names of OpenTelemetry's metrics in Prometheus. Prometheus, its remote write and the
// exporters use one of four strategies: with or without dots, with or without the unit and _total.

// units are the suffixes of names, with the unit of the instrument.
var units = []struct{ suffix, unit string }{
	{"", ""},
	{"_seconds", "s"}, {"_milliseconds", "ms"}, {"_microseconds", "us"}, {"_nanoseconds", "ns"}, {"_minutes", "min"}, {"_hours", "h"}, {"_days", "d"},
	{"_bytes", "By"}, {"_kibibytes", "KiBy"}, {"_mebibytes", "MiBy"}, {"_gibibytes", "GiBy"}, {"_tibibytes", "TiBy"},
	{"_kilobytes", "KBy"}, {"_megabytes", "MBy"}, {"_gigabytes", "GBy"}, {"_terabytes", "TBy"},
	{"_ratio", "1"}, {"_percent", "%"}, {"_celsius", "Cel"}, {"_hertz", "Hz"}, {"_volts", "V"}, {"_amperes", "A"}, {"_joules", "J"}, {"_watts", "W"},
	{"_grams", "g"}, {"_meters", "m"},
}

// per are the suffixes of rates.
var per = []struct{ suffix, unit string }{
	{"", ""}, {"_per_second", "/s"}, {"_per_minute", "/m"}, {"_per_hour", "/h"}, {"_per_day", "/d"},
}

// A form is how a metric is kept.
type form int

const (
	plain   form = iota // one value a series, or one native histogram
	classic             // a series for each bucket
	counted             // the count of a classic histogram without its buckets
)

// A candidate is a name that a metric may have.
type candidate struct {
	name string
	unit string // "" if the name does not tell
	form form
}

// candidates are the names that a metric may have, the likeliest first.
func candidates(n *Need) (all []candidate) {
	bases := []string{n.Metric}
	for _, collapse := range []bool{true, false} {
		if u := underscored(n.Metric, collapse); !slices.Contains(bases, u) {
			bases = append(bases, u)
		}
	}
	add := func(name, unit string, f form) {
		if !slices.ContainsFunc(all, func(c candidate) bool { return c.name == name }) {
			all = append(all, candidate{name, unit, f})
		}
	}
	for _, base := range bases {
		for _, u := range units {
			for _, p := range per {
				name, unit := base+u.suffix+p.suffix, u.unit+p.unit
				if u.suffix != "" && strings.HasSuffix(base, u.suffix) {
					continue
				}
				switch n.Kind {
				case Counter:
					add(name+"_total", unit, plain)
					add(name, unit, plain)
					add(name+"_bucket", unit, classic)
					add(name+"_count", unit, counted)
				case Histogram:
					add(name+"_bucket", unit, classic)
					add(name, unit, plain)
				case Gauge:
					add(name, unit, plain)
				}
			}
		}
	}
	return all
}

// underscored is a name of OpenTelemetry as older Prometheus allows it.
func underscored(name string, collapse bool) string {
	var b strings.Builder
	last := rune(0)
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == ':') {
			r = '_'
		}
		if r != '_' || last != '_' || !collapse {
			b.WriteRune(r)
		}
		last = r
	}
	out := b.String()
	if collapse {
		out = strings.Trim(out, "_")
	}
	if out != "" && unicode.IsDigit(rune(out[0])) {
		out = "_" + out
	}
	return out
}

// resolve returns the names that exist, the likeliest first. All have the same unit and form as the
// first, because others would be another metric.
func resolve(n *Need, exists map[string]bool) (all []candidate) {
	for _, c := range candidates(n) {
		if exists[c.name] && (len(all) == 0 || c.unit == all[0].unit && c.form == all[0].form) {
			all = append(all, c)
		}
	}
	return all
}

// similar are names that begin alike, for a text.
func similar(metric string, exist []string) (all []string) {
	plain := underscored(metric, true)
	for length := len(plain); length >= 4 && len(all) == 0; length-- {
		for _, name := range exist {
			if strings.HasPrefix(underscored(name, true), plain[:length]) && len(all) < 3 {
				all = append(all, name)
			}
		}
	}
	return all
}

// labelNames are the labels that an attribute may be.
func labelNames(key string) []string {
	all := []string{key}
	for _, collapse := range []bool{true, false} {
		l := underscored(key, collapse)
		if strings.HasPrefix(l, "_") && l[1:] != "" && unicode.IsDigit(rune(l[1])) {
			l = "key" + l
		}
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// unitOf returns the unit of a metric: the given one, or the suffix of its name in the backend. If it has
// neither and is compared with a duration, the unit is seconds, as in the semantic conventions.
func unitOf(n *Need, found string) string {
	switch {
	case n.Unit != "":
		return n.Unit
	case found != "":
		return found
	case query.TimeUnit(n.Metric, "") != "":
		return query.TimeUnit(n.Metric, "")
	case n.Duration:
		return "s"
	}
	return ""
}
