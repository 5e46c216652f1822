package realtest

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/e2e/servers"
	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
)

const root = "../../../.."

// bucketOf is the bucket of a value in an exponential histogram.
func bucketOf(v float64, scale int) int32 {
	return int32(math.Ceil(math.Ldexp(math.Log2(v), scale))) - 1
}

// prometheus starts the server with its data in dir.
func prometheus(t testing.TB, dir, config string, flags ...string) string {
	t.Helper()
	addr := servers.FreeAddrs(t, 1)[0]
	file := filepath.Join(t.TempDir(), "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	servers.PrometheusWith(t, root, file, addr, dir, append(flags, "--storage.tsdb.retention.time=100y")...)
	return "http://" + addr
}

// A writer writes stories into a block, as a Prometheus that got them would have.
type writer struct {
	t        testing.TB
	app      storage.Appender
	names    otlptranslator.TranslationStrategyOption
	le       func(float64) string
	instance string
	more     []labels.Label
}

// plainLE and openMetricsLE are the two texts of a boundary.
func plainLE(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func openMetricsLE(v float64) string {
	s := plainLE(v)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// block writes the stories. Series that end get a stale marker, as from a scrape.
func block(t testing.TB, dir string, names otlptranslator.TranslationStrategyOption, le func(float64) string, all []story, more ...labels.Label) {
	t.Helper()
	w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), dir, (30 * 24 * time.Hour).Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, s := range all {
		var last []labels.Labels
		wr := &writer{t: t, app: w.Appender(ctx), names: names, le: le, instance: s.name, more: more}
		for _, m := range s.moments {
			var now []labels.Labels
			for _, metric := range m.metrics {
				now = append(now, wr.write(metric, m.at)...)
			}
			last = now
		}
		end := s.moments[len(s.moments)-1].at.Add(15 * time.Second).UnixMilli()
		for _, l := range last {
			wr.append(l, end, math.Float64frombits(value.StaleNaN))
		}
		if err := wr.app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func (w *writer) append(l labels.Labels, at int64, v float64) {
	if _, err := w.app.Append(0, l, at, v); err != nil {
		w.t.Fatal(err)
	}
}

// write writes one metric and returns the labels of its series.
func (w *writer) write(m metricdata.Metrics, at time.Time) (out []labels.Labels) {
	put := func(name string, attrs attribute.Set, late time.Duration, v float64, more ...labels.Label) {
		l := w.labels(name, attrs, more...)
		w.append(l, at.Add(late).UnixMilli(), v)
		out = append(out, l)
	}
	switch d := m.Data.(type) {
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			put(w.name(m, otlptranslator.MetricTypeGauge), p.Attributes, 0, float64(p.Value))
		}
	case metricdata.Sum[int64]:
		var kind otlptranslator.MetricType = otlptranslator.MetricTypeNonMonotonicCounter
		if d.IsMonotonic {
			kind = otlptranslator.MetricTypeMonotonicCounter
		}
		for _, p := range d.DataPoints {
			put(w.name(m, kind), p.Attributes, 0, float64(p.Value))
		}
	case metricdata.Histogram[float64]:
		name := w.name(m, otlptranslator.MetricTypeHistogram)
		for _, p := range d.DataPoints {
			n := uint64(0)
			for k, c := range p.BucketCounts {
				n += c
				le := "+Inf"
				if k < len(p.Bounds) {
					le = w.le(p.Bounds[k])
				}
				put(name+"_bucket", p.Attributes, time.Millisecond, float64(n), labels.Label{Name: "le", Value: le})
			}
			put(name+"_count", p.Attributes, time.Millisecond, float64(p.Count))
			put(name+"_sum", p.Attributes, time.Millisecond, p.Sum)
		}
	case metricdata.ExponentialHistogram[float64]:
		name := w.name(m, otlptranslator.MetricTypeHistogram)
		for _, p := range d.DataPoints {
			h := &histogram.Histogram{Schema: p.Scale, Count: p.Count, Sum: 1, ZeroThreshold: 1e-128,
				PositiveSpans: []histogram.Span{{Offset: p.PositiveBucket.Offset + 1, Length: uint32(len(p.PositiveBucket.Counts))}}}
			before := int64(0)
			for _, c := range p.PositiveBucket.Counts {
				h.PositiveBuckets = append(h.PositiveBuckets, int64(c)-before)
				before = int64(c)
			}
			l := w.labels(name, p.Attributes)
			if _, err := w.app.AppendHistogram(0, l, at.Add(time.Millisecond).UnixMilli(), h, nil); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return out
}

func (w *writer) name(m metricdata.Metrics, kind otlptranslator.MetricType) string {
	namer := otlptranslator.NewMetricNamer("", w.names)
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kind})
	if err != nil {
		w.t.Fatal(err)
	}
	return name
}

func (w *writer) labels(name string, attrs attribute.Set, more ...labels.Label) labels.Labels {
	namer := otlptranslator.LabelNamer{UTF8Allowed: !w.names.ShouldEscape()}
	b := labels.NewBuilder(labels.FromStrings("__name__", name, "job", "shop", "instance", w.instance))
	for _, kv := range attrs.ToSlice() {
		l, err := namer.Build(string(kv.Key))
		if err != nil {
			w.t.Fatal(err)
		}
		b.Set(l, kv.Value.String())
	}
	for _, l := range append(more, w.more...) {
		b.Set(l.Name, l.Value)
	}
	return b.Labels()
}

// got is a collection that was read.
type got struct {
	at        time.Time
	text      string
	restarted bool
	probe     string
}

// read reads all instances.
func read(t testing.TB, s *history.Source, n []history.Need, from, to time.Time) map[string][]got {
	t.Helper()
	ctx := t.Context()
	h, err := s.Find(ctx, n, from, to)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]got{}
	for _, i := range h.Instances {
		for c, err := range h.Read(ctx, i) {
			if err != nil {
				t.Fatal(err)
			}
			out[i.Name] = append(out[i.Name], got{c.At, text(c.Metrics), c.Restarted, c.Recorded.Probes["readiness"]})
		}
	}
	return out
}

// same compares what was read with the stories.
func same(t *testing.T, all []story, is map[string][]got) {
	t.Helper()
	if len(is) != len(all) {
		t.Errorf("%d instances, want %d", len(is), len(all))
	}
	for _, s := range all {
		list := is[s.name]
		if len(list) != len(s.moments) {
			t.Errorf("%s: %d collections, want %d", s.name, len(list), len(s.moments))
		}
		for n, m := range s.moments[:min(len(s.moments), len(list))] {
			g := list[n]
			if late := g.at.Sub(m.at); late < 0 || late > 2*time.Millisecond || g.restarted != m.restarted || g.probe != m.probe {
				t.Fatalf("%s: collection %d is %v, restarted %v, %q; want %v, %v, %q", s.name, n, g.at, g.restarted, g.probe, m.at, m.restarted, m.probe)
			}
			if want := m.want(); g.text != want {
				t.Fatalf("%s: collection %d at %v is\n%s\nwant\n%s", s.name, n, g.at, g.text, want)
			}
		}
	}
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
