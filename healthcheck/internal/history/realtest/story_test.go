// Package realtest reads history from the real Prometheus. Its tests are in a module of their own,
// because Prometheus has hundreds of modules.
package realtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
)

const cumulative = metricdata.CumulativeTemporality

// A moment is what one process exported at one time.
type moment struct {
	at        time.Time
	metrics   []metricdata.Metrics
	restarted bool
	probe     string
}

// A story is the life of one instance.
type story struct {
	name    string
	moments []moment
}

var bounds = []float64{.005, .05, .1, .25, .5, 1, 2.5, 10}

// process counts as a service does.
type process struct {
	r      *rand.Rand
	routes []string
	counts map[string][]uint64 // by route
	jobs   int64
	exact  bool                        // exponential histograms instead of explicit ones
	fine   map[string]map[int32]uint64 // the same in exponential buckets
}

func newProcess(seed uint64, routes ...string) *process {
	return &process{r: rand.New(rand.NewPCG(seed, 1)), routes: routes, counts: map[string][]uint64{}, fine: map[string]map[int32]uint64{}}
}

// run counts for some seconds.
func (p *process) run(seconds int, slow float64) {
	for n, route := range p.routes {
		if p.counts[route] == nil {
			p.counts[route], p.fine[route] = make([]uint64, len(bounds)+1), map[int32]uint64{}
		}
		for range p.r.IntN(20*seconds/(n+1) + 1) {
			v := .02 * slow * (1 + p.r.ExpFloat64()*2)
			at, _ := slices.BinarySearch(bounds, v)
			p.counts[route][at]++
			p.fine[route][bucketOf(v, 3)]++
		}
	}
	p.jobs += int64(p.r.IntN(3))
}

// export is a collection of the SDK.
func (p *process) export(at time.Time) (all []metricdata.Metrics) {
	h := metricdata.Histogram[float64]{Temporality: cumulative}
	x := metricdata.ExponentialHistogram[float64]{Temporality: cumulative}
	for _, route := range p.routes {
		counts := slices.Clone(p.counts[route])
		if counts == nil {
			continue
		}
		attrs := attribute.NewSet(attribute.String("http.route", route), attribute.Int("http.response.status_code", 200))
		total := uint64(0)
		for _, c := range counts {
			total += c
		}
		h.DataPoints = append(h.DataPoints, metricdata.HistogramDataPoint[float64]{Attributes: attrs, Time: at.Add(time.Millisecond), Count: total, Bounds: bounds, BucketCounts: counts, Sum: float64(total) / 10})
		x.DataPoints = append(x.DataPoints, exponentialOf(attrs, at.Add(time.Millisecond), p.fine[route], total))
	}
	latency := metricdata.Metrics{Name: "http.server.request.duration", Unit: "s", Data: h}
	if p.exact {
		latency.Data = x
	}
	one := func(v int64, kv ...attribute.KeyValue) []metricdata.DataPoint[int64] {
		return []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(kv...), Time: at, Value: v}}
	}
	return []metricdata.Metrics{
		latency,
		{Name: "jobs.failed", Unit: "{job}", Data: metricdata.Sum[int64]{Temporality: cumulative, IsMonotonic: true, DataPoints: one(p.jobs)}},
		{Name: "queue.length", Unit: "{item}", Data: metricdata.Sum[int64]{Temporality: cumulative, DataPoints: one(int64(p.r.IntN(30)), attribute.String("queue.name", "jobs"))}},
		{Name: "backup.last_success", Unit: "s", Data: metricdata.Gauge[int64]{DataPoints: one(at.Unix() / 3600 * 3600)}},
	}
}

// exponentialOf has the scale 3, as the SDK has it for such values.
func exponentialOf(attrs attribute.Set, at time.Time, counts map[int32]uint64, total uint64) metricdata.ExponentialHistogramDataPoint[float64] {
	p := metricdata.ExponentialHistogramDataPoint[float64]{Attributes: attrs, Time: at, Scale: 3, Count: total}
	if total == 0 {
		p.Scale = 20
		return p
	}
	keys := slices.Sorted(maps.Keys(counts))
	p.PositiveBucket = metricdata.ExponentialBucket{Offset: keys[0], Counts: make([]uint64, keys[len(keys)-1]-keys[0]+1)}
	for k, n := range counts {
		p.PositiveBucket.Counts[k-keys[0]] = n
	}
	return p
}

// verdict is the recorded state of readiness.
func verdict(state string) metricdata.Metrics {
	s := metricdata.Sum[int64]{Temporality: cumulative}
	for _, one := range []string{"pass", "warn", "fail"} {
		n := int64(0)
		if one == state {
			n = 1
		}
		s.DataPoints = append(s.DataPoints, metricdata.DataPoint[int64]{Value: n, Attributes: attribute.NewSet(attribute.String("health.probe.name", "readiness"), attribute.String("health.probe.state", one))})
	}
	return metricdata.Metrics{Name: "health.probe.status", Unit: "1", Data: s}
}

// stories are three instances: one is steady, the next restarts after its last flush, and the third
// begins late and gets a new route.
func stories(begin time.Time, n int, exact bool) (all []story) {
	const every = 15 * time.Second
	for k := range 3 {
		s := story{name: fmt.Sprintf("10.0.0.%d:8080", k+1)}
		p := newProcess(uint64(k), "/a", "/b")
		restarted := false
		for i := range n {
			at := begin.Add(time.Duration(i) * every)
			slow, state := 1.0, "pass"
			if i > n/3 && i < n/2 {
				slow, state = 12, "fail"
			}
			p.exact = exact
			if k == 2 && i < n/2 {
				continue
			}
			if k == 2 && i == n*3/4 {
				p.routes = append(p.routes, "/new")
			}
			if k == 1 && i > n*2/3 && i < n*2/3+8 {
				continue // it is down
			}
			if k == 1 && i == n*2/3+8 {
				p, restarted = newProcess(99, "/a", "/b"), true
				p.exact = exact
			}
			p.run(15, slow)
			s.moments = append(s.moments, moment{at, append(p.export(at), verdict(state)), restarted, state})
			restarted = false
			if k == 1 && i == n*2/3 { // the last flush
				p.run(1, slow)
				at = at.Add(51 * time.Millisecond)
				s.moments = append(s.moments, moment{at, append(p.export(at), verdict(state)), false, state})
			}
		}
		all = append(all, s)
	}
	return all
}

// text writes a collection so that two can be compared.
func text(c evidence.Catalog) string {
	var lines []string
	for name, all := range c {
		for _, m := range all {
			for _, p := range points(m.Data) {
				lines = append(lines, name+" "+m.Scope.Name+" "+p)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// points writes the points as Prometheus keeps them: attributes are texts, and gauges and up-down
// counters are the same.
func points(data metricdata.Aggregation) (out []string) {
	attrs := func(set attribute.Set) string { return evidence.GroupName(set) }
	switch d := data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprint("histogram ", attrs(p.Attributes), p.Count, p.Bounds, p.BucketCounts))
		}
	case metricdata.ExponentialHistogram[float64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprint("exponential ", attrs(p.Attributes), p.Count, p.Scale, p.ZeroCount, p.PositiveBucket, p.NegativeBucket))
		}
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprint("number ", d.IsMonotonic, attrs(p.Attributes), p.Value))
		}
	case metricdata.Sum[float64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprint("number ", d.IsMonotonic, attrs(p.Attributes), int64(p.Value)))
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprint("number ", false, attrs(p.Attributes), p.Value))
		}
	}
	return out
}

// want returns the collection that a moment must be read as.
func (m moment) want() string {
	c := evidence.NewCatalog(&metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: m.metrics}}})
	delete(c, "health.probe.status")
	return text(c)
}

// needs are those of all metrics of the stories.
func needs() []history.Need {
	return append([]history.Need{
		{Metric: "http.server.request.duration", Kind: history.Histogram, Keys: []string{"http.route", "http.response.status_code"}, Duration: true},
		{Metric: "jobs.failed", Kind: history.Counter},
		{Metric: "queue.length", Keys: []string{"queue.name"}},
		{Metric: "backup.last_success"},
	}, history.Verdicts()...)
}
