package realtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// rules read each kind of metric. The limits of the second lie between two boundaries.
func rules() (all []*query.Rule) {
	const latency, failed = "http.server.request.duration", "jobs.failed"
	all200 := rule.Increase(latency)
	for _, r := range []rule.Rule{
		{Value: rule.Quantile(.9, latency).Where("http.route", "/a"), Window: 2 * time.Minute, Fail: rule.Above(500 * time.Millisecond), Warn: rule.Above(250 * time.Millisecond)},
		{Value: rule.Quantile(.9, latency), Per: []string{"http.route"}, Window: time.Minute, Fail: rule.Above(300 * time.Millisecond)},
		{Value: rule.ShareAbove(time.Second, latency), Fail: rule.Above(.05)},
		{Value: rule.Ratio(rule.Increase(latency).Where("http.route", "/b"), all200), Window: time.Minute, Fail: rule.Above(.4)},
		{Value: rule.Increase(latency).Where("http.route", "/a"), Fail: rule.Above(300)},
		{Value: rule.Increase(failed), Window: 10 * time.Minute, Fail: rule.Above(40), Warn: rule.Above(30)},
		{Value: rule.Last("queue.length").Where("queue.name", "jobs"), Fail: rule.Above(25)},
		{Value: rule.TimeSince("backup.last_success"), Warn: rule.Above(30 * time.Minute), Fail: rule.Above(50 * time.Minute)},
	} {
		all = append(all, &query.Rule{Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per), Bounds: query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn))})
	}
	return all
}

// judged has the results of the real sampler: certain and possible crossings. Values are left out, because they
// differ if only some buckets are read.
type judged struct{ samplers []*evidence.Sampler }

func newJudged(rules []*query.Rule) *judged {
	j := &judged{}
	for _, r := range rules {
		j.samplers = append(j.samplers, evidence.NewSampler(r, false, func(string) bool { return false }))
	}
	return j
}

func (j *judged) sample(at time.Time, c evidence.Catalog) string {
	var out []string
	for n, s := range j.samplers {
		s.Sample(at, c)
		r, _ := s.Reading()
		var lines []string
		for _, m := range r.Groups {
			doubt := ""
			if m.Doubt != nil {
				doubt = fmt.Sprintf(" in doubt %v %.6g–%.6g", m.Doubt.Bound, m.Doubt.Low, m.Doubt.High)
			}
			lines = append(lines, fmt.Sprintf("%s: crossed %v%s empty %v bad %v", evidence.GroupName(m.Group), m.Crossed, doubt, m.Empty, m.Bad))
		}
		slices.Sort(lines)
		out = append(out, fmt.Sprintf("%d %s %s", n, r.Problem, strings.Join(lines, "; ")))
	}
	return strings.Join(out, "\n")
}

// TestJudged: the real sampler gives the same results for the data read back and for the SDK's own collections,
// although only the buckets around the limits are read.
func TestJudged(t *testing.T) {
	const n = 7 * 60 * 4
	for _, d := range []struct {
		name  string
		names otlptranslator.TranslationStrategyOption
		exact bool
	}{
		{"classic, dots", otlptranslator.NoTranslation, false},
		{"classic, underscores", otlptranslator.UnderscoreEscapingWithSuffixes, false},
		{"native", otlptranslator.UnderscoreEscapingWithSuffixes, true},
	} {
		t.Run(d.name, func(t *testing.T) {
			all := stories(begin, n, d.exact)
			dir := t.TempDir()
			block(t, dir, d.names, openMetricsLE, all)
			url := prometheus(t, dir, "global: {}\n")
			rules := rules()
			var needs []history.Need
			for _, r := range rules {
				needs = append(needs, history.NeedsOf(r, false)...)
			}
			for _, way := range []history.Way{history.RemoteRead, history.Query} {
				t.Run(string(way), func(t *testing.T) {
					s := &history.Source{URL: url, Client: client, Selector: `job="shop"`, Way: way}
					h, err := s.Find(t.Context(), needs, begin, begin.Add(8*time.Hour))
					if err != nil {
						t.Fatal(err)
					}
					crossed := 0
					for k, i := range h.Instances {
						truth, is, m := newJudged(rules), newJudged(rules), 0
						for c, err := range h.Read(t.Context(), i) {
							if err != nil {
								t.Fatal(err)
							}
							moment := all[k].moments[m]
							m++
							if c.Restarted {
								truth, is = newJudged(rules), newJudged(rules)
							}
							sm := []metricdata.ScopeMetrics{{Metrics: moment.metrics}}
							want := truth.sample(c.At, evidence.NewCatalog(&metricdata.ResourceMetrics{ScopeMetrics: sm}))
							if got := is.sample(c.At, c.Metrics); got != want {
								t.Fatalf("%s at %v:\n%s\nwant\n%s", i.Name, c.At, got, want)
							}
							crossed += strings.Count(want, "crossed Above")
						}
						if m != len(all[k].moments) {
							t.Errorf("%s: %d collections, want %d", i.Name, m, len(all[k].moments))
						}
					}
					if crossed < 100 {
						t.Errorf("only %d crossings: the stories show nothing", crossed)
					}
				})
			}
		})
	}
}
