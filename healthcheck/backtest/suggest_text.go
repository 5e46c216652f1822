package backtest

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/suggest"
)

// WriteText writes the suggestions for people.
func (s *Suggestions) WriteText(w io.Writer) error {
	t := &lines{w: w}
	of := s.Selector
	if of != "" {
		of = " on " + of
	}
	whom := "each instance"
	if s.Service {
		whom = "the service"
	}
	t.line("Limits for %s%s, %s to %s. Warnings are those of %s.", count(len(s.Rules), "rule"), of, stamp(s.From), stamp(s.To), whom)
	for _, r := range s.Rules {
		t.line("")
		t.line("%s: %s, %s of %s", r.Name, r.Text, suggest.Weeks(r.Weeks), count(len(r.Instances), "instance"))
		v := r.value
		t.line("  median %s, p90 %s, p99 %s, p99.9 %s, max %s", v(r.All.Median), v(r.All.P90), v(r.All.P99), v(r.All.P999), v(r.All.Max))
		t.line("  p99 by hour (UTC): %s", r.ends(hourly(r.Hours)))
		if len(r.Instances) > 1 {
			t.line("  p99 by instance:   %s", r.ends(r.Instances))
		}
		for _, l := range r.Limits {
			goal := fmt.Sprintf("at most %s a week", count1(l.PerWeek))
			if l.PerWeek < 1 {
				goal = fmt.Sprintf("at most one in %.3g weeks", 1/l.PerWeek)
			}
			if !l.Found {
				t.line("  %s: none: %s", goal, l.Why)
				continue
			}
			t.line("  %s: %s (%d counted, at most %.3g a week with 90 %% certainty); %s would have made %d", goal, v(l.Limit), l.Counted, l.Bound, v(l.Easier), l.EasierCounted)
		}
		if len(r.Worst) > 0 {
			t.line("  The worst times. If one was a real fault, leave it out:")
			for _, i := range r.Worst {
				t.line("    --incident %s/%s", i.From.UTC().Format(time.RFC3339), i.To.UTC().Format(time.RFC3339))
			}
		}
	}
	if s.With != nil {
		t.line("")
		t.line("With the first limit of each rule as Fail:")
		t.table([]string{"", "PASS", "WARN", "FAIL", "CAN'T TELL", "FLIPS", "FIRST NOT READY", "LAST UNTIL"}, s.With.totals())
		t.line("  most out at once: %s%s", number(s.With.Fleet.MostOut, false), at(s.With.Fleet.MostOut))
	}
	for _, n := range s.Notes {
		t.line("")
		t.line("%s", n)
	}
	return t.err
}

func count1(n float64) string {
	if n == 1 {
		return "one warning"
	}
	return fmt.Sprintf("%.3g warnings", n)
}

func (r *Suggestion) value(v float64) string {
	if r.Unit == "s" {
		return query.Number{Value: v, Duration: true}.String()
	}
	return fmt.Sprintf("%.4g", v)
}

func hourly(all [24]Spread) map[string]Spread {
	out := map[string]Spread{}
	for h, s := range all {
		if s.Samples > 0 {
			out[fmt.Sprintf("%02d h", h)] = s
		}
	}
	return out
}

// ends are the lowest and the highest p99.
func (r *Suggestion) ends(all map[string]Spread) string {
	names := slices.Sorted(maps.Keys(all))
	if len(names) == 0 {
		return "no sample"
	}
	by := func(a, b string) int { return cmp.Compare(all[a].P99, all[b].P99) }
	low, high := slices.MinFunc(names, by), slices.MaxFunc(names, by)
	return fmt.Sprintf("lowest %s (%s), highest %s (%s)", r.value(all[low].P99), low, r.value(all[high].P99), high)
}

// SuggestFlags adds the flags of a program that calls [Suggest], as [Flags] does for [Run].
func SuggestFlags(set *flag.FlagSet) Program {
	f := &flags{header: http.Header{}}
	f.add(set, "28d")
	set.StringVar(&f.format, "format", "text", "`format` of the result: text or json")
	var o SuggestOptions
	set.Func("per-week", "`warnings` a week that a limit may make; may be given more than once; 1 and 0.25 if it is not", func(text string) error {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n > 0) {
			return fmt.Errorf("%q is not a number above 0", text)
		}
		o.PerWeek = append(o.PerWeek, n)
		return nil
	})
	set.BoolVar(&o.Service, "service", false, "count the warnings of all instances together, not of each")
	set.Func("incident", "a `time` of a real fault, whose warnings don't count: 2026-11-28T14:00:00Z/2026-11-28T14:20:00Z; may be given more than once", func(text string) error {
		from, to, ok := strings.Cut(text, "/")
		a, err1 := date("incident", from)
		b, err2 := date("incident", to)
		if !ok || err1 != nil || err2 != nil || b.Before(a) {
			return fmt.Errorf("%q is no time: write 2026-11-28T14:00:00Z/2026-11-28T14:20:00Z", text)
		}
		o.Incidents = append(o.Incidents, Incident{a, b})
		return nil
	})
	return func(ctx context.Context, c healthcheck.Config, stdout, stderr io.Writer) (code int, err error) {
		if f.format != "text" && f.format != "json" {
			return Failed, fmt.Errorf("suggest: -format %q is not text or json", f.format)
		}
		err = f.judge(ctx, "suggest", c, stdout, stderr, func(options Options) (func(io.Writer) error, error) {
			o.Options = options
			s, err := Suggest(ctx, o)
			if err == nil && f.format == "json" {
				return func(w io.Writer) error { return json.NewEncoder(w).Encode(s) }, nil
			}
			return func(w io.Writer) error { return s.WriteText(w) }, err
		})
		if err != nil {
			return Failed, err
		}
		return Well, nil
	}
}
