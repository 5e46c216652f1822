// Package truth compares what a process judges with what PromQL says of the metrics that it exported,
// behind the real collector and Prometheus.
package truth

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/e2e/servers"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	"github.com/otelhealth/otelhealth/telemetry"
)

// window is not a multiple of a second, so that no collection is at its edge.
const window = 9500 * time.Millisecond

// rules are judged in the process. Their limits are crossed now and then.
func rules() []rule.Rule {
	jobs := rule.Increase("jobs.done")
	all := []rule.Rule{
		{Name: "increase", Value: jobs, Fail: rule.Above(150)},
		{Name: "ratio", Value: rule.Ratio(jobs.Where("outcome", "error"), jobs), Fail: rule.Above(.2)},
		{Name: "share", Value: rule.ShareAbove(500*time.Millisecond, "job.duration"), Fail: rule.Above(.2)},
		{Name: "quantile", Value: rule.Quantile(.8, "job.duration"), Fail: rule.Above(500 * time.Millisecond)},
		{Name: "observed", Value: rule.Increase("worker.done"), Fail: rule.Above(900)},
		{Name: "stuck", Value: rule.Increase("worker.done").Where("worker", "0"), Fail: rule.Below(50)},
	}
	for n := range all {
		all[n].Window = window
	}
	return all
}

// workers are series of an observable counter that begin, end, come back and restart. They change every 1.5 s,
// so that each state is in a collection.
type workers struct {
	*rand.Rand
	mu     sync.Mutex
	counts [6]int64
	gone   [6]bool
}

func (w *workers) change() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range w.counts {
		switch w.IntN(12) {
		case 0:
			w.gone[n] = n > 0 && !w.gone[n]
		case 1:
			w.counts[n] = 0
		}
		w.counts[n] += int64(w.IntN(75))
	}
}

func (w *workers) observe(_ context.Context, o metric.Int64Observer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, v := range w.counts {
		if !w.gone[n] {
			o.Observe(v, metric.WithAttributes(attribute.Int("worker", n)))
		}
	}
	return nil
}

// TestTruth: over random series that begin, end, come back and reset, the value of each rule is the value of
// PromQL at the time of the collection, and the state follows from it. The judged metrics are the exported ones,
// so nearly all judgements have a sample of the same collection.
func TestTruth(t *testing.T) {
	addrs := servers.FreeAddrs(t, 2)
	servers.Prometheus(t, "../..", addrs[1], t.TempDir())
	p := prometheus{t, "http://" + addrs[1]}
	servers.Collector(t, "../..", addrs[0], t.TempDir(), []string{
		"PROMETHEUS_OTLP_ENDPOINT=" + p.url + "/api/v1/otlp",
		"COLLECTOR_METRICS_INTERVAL=500",
	})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addrs[0])
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "1000")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 14))

	health := healthcheck.New(healthcheck.Config{Rules: rules()})
	tel, err := telemetry.Start(t.Context(), telemetry.Config{ServiceName: "truth", Health: health})
	if err != nil {
		t.Fatal(err)
	}
	meter := tel.MeterProvider.Meter("truth")
	done, _ := meter.Int64Counter("jobs.done")
	took, _ := meter.Float64Histogram("job.duration", metric.WithUnit("s"))
	w := &workers{Rand: rand.New(rand.NewPCG(seed, 15))}
	if _, err := meter.Int64ObservableCounter("worker.done", metric.WithInt64Callback(w.observe)); err != nil {
		t.Fatal(err)
	}
	var seen []verdict.Verdict
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	begun, changes := time.Now(), 0
	for ; time.Since(begun) < 45*time.Second; <-tick.C {
		if v := health.Verdict(); len(seen) == 0 || !v.Time.Equal(seen[len(seen)-1].Time) {
			seen = append(seen, *v)
		}
		if n := int(time.Since(begun) / (1500 * time.Millisecond)); n > changes {
			changes = n
			w.change()
		}
		bad := .1 + .2*math.Sin(float64(time.Now().UnixMilli())/4000) // good and bad times
		for range random.IntN(3) {
			outcome := "ok"
			if random.Float64() < bad {
				outcome = "error"
			}
			tenant := attribute.Int("tenant", random.IntN(1+len(seen)/4)) // new series all the time
			done.Add(t.Context(), 1, metric.WithAttributes(attribute.String("outcome", outcome), tenant))
			took.Record(t.Context(), math.Exp(random.NormFloat64()-1.6+2*bad), metric.WithAttributes(tenant))
		}
	}
	if err := tel.Close(); err != nil {
		t.Fatal(err)
	}
	health.Stop()
	servers.Poll(t, "the last export is in Prometheus", func() error {
		if got := p.query(`health_lifecycle_status{job="truth", health_lifecycle_state="draining"} == 1`, time.Now()); len(got) != 1 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	compare(t, p, seen)
}

// compare compares each verdict with Prometheus at the time of the collection before it.
func compare(t *testing.T, p prometheus, seen []verdict.Verdict) {
	collections := p.times(`health_probe_requests_total{job="truth"}[2m]`, `health_probe_status{job="truth"}[2m]`)
	if len(collections) < 20 {
		t.Fatalf("%d collections arrived", len(collections))
	}
	expected := map[time.Time]map[string]float64{}
	for _, at := range collections {
		expected[at] = p.expected(at)
	}
	count := map[string]int{}
	crossed := map[string]int{}
	for _, v := range seen {
		n, _ := slices.BinarySearchFunc(collections, v.Time, time.Time.Compare)
		if n < 2 || v.Time.Sub(collections[n-1]) > 900*time.Millisecond || collections[n-1].Sub(collections[0]) < 2*window {
			continue // before the first one, or its collection did not arrive
		}
		same := map[string]bool{}
		for _, r := range v.Results {
			want, ok := expected[collections[n-1]][r.Name]
			if !ok || r.Value == nil {
				continue
			}
			count[r.Name]++
			limit := rules()[slices.IndexFunc(rules(), func(x rule.Rule) bool { return x.Name == r.Name })]
			value := *r.Value
			if r.Name == "quantile" {
				if !same["share"] {
					continue
				}
				value = want // only the state is compared
			}
			if math.Abs(value-want) > 1e-9*math.Max(1, math.Abs(want)) {
				// On a busy machine the judge now and then collects once more than is exported, or the
				// other way round.
				count["other"]++
				t.Logf("%s at %v: %v; PromQL says %v at %v", r.Name, v.Time, value, want, collections[n-1])
				continue
			}
			same[r.Name] = true
			over := want > bounds[r.Name]
			if r.Name == "stuck" {
				over = want < bounds[r.Name]
			}
			if over {
				crossed[r.Name]++
			}
			if over != (r.State != verdict.Pass) {
				t.Errorf("%s at %v: %s (%s); PromQL says %v, limit %+v", r.Name, v.Time, r.State, r.Reason, want, limit.Fail)
			}
		}
	}
	t.Logf("compared %v, crossed %v", count, crossed)
	for _, r := range rules() {
		if count[r.Name] < 10 {
			t.Errorf("%s: %d values compared", r.Name, count[r.Name])
		}
	}
	total := 0
	for name, n := range count {
		if name != "other" {
			total += n
		}
	}
	// On a quiet machine all are equal. On a busy one up to a half had no sample of their own collection.
	if count["other"]*10 > total*7 {
		t.Errorf("%d of %d values differ", count["other"], total)
	}
}

// bounds are the limits of rules, as numbers. Of the quantile it is the share beyond the limit.
var bounds = map[string]float64{"increase": 150, "ratio": .2, "share": .2, "quantile": .2, "observed": 900, "stuck": 50}
