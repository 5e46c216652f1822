package realtest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhealth/otelhealth/e2e/servers"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/backtest"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	states "github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const ejects = "jobs" // the rule that takes the instance out for its traffic

// limited returns rules with limits. All limits are boundaries of the histogram, also the ones that a Monitor does not
// use.
func limited(latency time.Duration, share float64, jobs, queue int, silence time.Duration) []rule.Rule {
	const duration = "http.server.request.duration"
	failed := rule.Ratio(rule.Increase(duration).Where("http.response.status_code", "500"), rule.Increase(duration))
	return []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, duration), Fail: rule.Above(latency)},
		{Name: "lasting", Value: rule.Quantile(.99, duration), Window: 2 * time.Minute, Fail: rule.Above(latency), For: 30 * time.Second, KeepFor: time.Minute},
		{Name: "share", Value: rule.ShareAbove(500*time.Millisecond, duration), Fail: rule.Above(share), Warn: rule.Above(share / 2)},
		{Name: "failed", Value: failed, Window: time.Minute, Fail: rule.Above(share)},
		{Name: ejects, Value: rule.Increase("jobs.failed"), Window: 2 * time.Minute, Fail: rule.Above(jobs), OnFail: healthcheck.NotReady},
		{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(queue), OnFail: healthcheck.NotReady},
		{Name: "silence", Value: rule.TimeSince("last.success"), Fail: rule.Above(silence)},
	}
}

// An hour has the exported metrics and the judgements of a Monitor, every 15 s.
type hour struct {
	moments []moment
	judged  []map[string]states.State // with the same collection
}

const hourLength = 2400 // seconds

// sees is a reader that keeps its collections, like the one of telemetry.
type sees struct {
	*sdkmetric.ManualReader
	at   time.Time
	last *metricdata.ResourceMetrics
}

func (s *sees) Snapshot(ctx context.Context) (*metricdata.ResourceMetrics, error) {
	rm := &metricdata.ResourceMetrics{}
	err := s.Collect(ctx, rm)
	s.at, s.last = time.Now(), rm
	return rm, err
}

// live runs the story of a seed with a real Monitor and these rules. The recorded times are shifted to begin at a
// time.
func live(t *testing.T, seed uint64, rules []rule.Rule, begin time.Time) (out hour) {
	synctest.Test(t, func(t *testing.T) {
		shift := time.Until(begin)
		r := rand.New(rand.NewPCG(seed, 7))
		m := healthcheck.New(healthcheck.Config{Rules: rules})
		reader := &sees{ManualReader: sdkmetric.NewManualReader()}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(m.View()),
			sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.instance.id", "one"))))
		meter := provider.Meter("shop/http")
		requests, _ := meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
		jobs, _ := meter.Int64Counter("jobs.failed")
		queue, _ := meter.Int64Gauge("queue.length")
		success, _ := meter.Float64Gauge("last.success", metric.WithUnit("s"))
		ctx := t.Context()
		ok, failed := metric.WithAttributes(attribute.Int("http.response.status_code", 200)), metric.WithAttributes(attribute.Int("http.response.status_code", 500))
		if err := m.StartWith(ctx, healthcheck.Pipeline{Reader: reader, MeterProvider: provider, TracerProvider: noop.NewTracerProvider(), Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		defer m.Stop()
		time.Sleep(500 * time.Millisecond) // between two collections
		kind, until, bad := 0, 0, 0.0
		for s := range hourLength {
			if s > until+60 && r.IntN(90) == 0 {
				kind, until, bad = r.IntN(5), s+[]int{5, 20, 60, 150}[r.IntN(4)], []float64{.03, .1, .5}[r.IntN(3)]
			}
			is := func(k int) float64 {
				if k == kind && s < until {
					return bad
				}
				return .002
			}
			for range 20 {
				d, of := .1+.1*r.Float64(), ok
				if r.Float64() < is(0) {
					d = .3 + 1.5*r.Float64()
				}
				if r.Float64() < is(1) {
					of = failed
				}
				requests.Record(ctx, d, of)
			}
			if r.Float64() < is(2) {
				jobs.Add(ctx, 1)
			}
			queue.Record(ctx, int64(20+150*is(3)))
			if is(4) < .01 {
				success.Record(ctx, float64(time.Now().UnixNano())/1e9)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if s%15 != 14 {
				continue
			}
			now := map[string]states.State{}
			for _, c := range m.Verdict().Results {
				now[c.Name] = c.State
			}
			mo := moment{at: reader.at.Add(shift)}
			for _, scope := range reader.last.ScopeMetrics {
				for _, one := range scope.Metrics {
					mo.metrics = append(mo.metrics, shifted(one, shift))
				}
			}
			out.moments, out.judged = append(out.moments, mo), append(out.judged, now)
		}
	})
	return out
}

// shifted is a metric whose values are shifted if they are times.
func shifted(m metricdata.Metrics, by time.Duration) metricdata.Metrics {
	g, is := m.Data.(metricdata.Gauge[float64])
	if !is || m.Name != "last.success" && m.Name != "health.check.last_transition.timestamp" {
		return m
	}
	points := slices.Clone(g.DataPoints)
	for n := range points {
		points[n].Value += by.Seconds()
	}
	m.Data = metricdata.Gauge[float64]{DataPoints: points}
	return m
}

// at is a rule's span at a time.
func at(spans []backtest.Span, t time.Time) backtest.Span {
	for _, s := range spans {
		if !t.Before(s.From) && t.Before(s.To) {
			return s
		}
	}
	return backtest.Span{}
}

// compare compares a backtest with what was judged.
func (h *hour) compare(t *testing.T, r *backtest.Result, from time.Time) {
	t.Helper()
	all, unsure, wrong, bad, ejecting, perhaps := 0, 0, 0, 0, 0, 0
	for n := range h.moments {
		if h.moments[n].at.Before(from) {
			continue
		}
		for name, was := range h.judged[n] {
			if name == ejects {
				ejecting++
			}
			is := at(r.Instances[0].Rules[name], h.moments[n].at.Add(5*time.Millisecond))
			all++
			if was != states.Pass {
				bad++
			}
			switch {
			case !is.Certain() && name == ejects: // the time of an ejection is uncertain
				perhaps++
			case !is.Certain():
				unsure++
			case is.Low != was:
				if wrong++; wrong < 5 {
					t.Errorf("%s at %v: was %s, backtest %s", name, h.moments[n].at, was, is.Low)
				}
			}
		}
	}
	share := float64(unsure) / float64(all-ejecting)
	t.Logf("%d states, %d of them not pass: %.2f %% can't tell, of the rule that ejects %.2f %%; %d wrong", all, bad, 100*share, 100*float64(perhaps)/float64(ejecting), wrong)
	if share > .05 || bad < all/50 {
		t.Errorf("can't tell %.2f %% of %d states, of which %d are not pass; want at most 5 %%, and some that are bad", 100*share, all, bad)
	}
}

// TestBacktest: an hour of a real Monitor goes through the real collector into the real Prometheus. A backtest with
// the same rules gives the same states. With other limits it gives the states of a Monitor with these limits.
func TestBacktest(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			begin := time.Now().Add(-hourLength*time.Second - 5*time.Minute).Truncate(time.Second)
			inForce := limited(500*time.Millisecond, .05, 5, 60, time.Minute)
			others := limited(time.Second, .2, 20, 30, 30*time.Second)
			was := live(t, seed, inForce, begin)

			addrs := servers.FreeAddrs(t, 3)
			servers.Prometheus(t, root, addrs[0], t.TempDir())
			servers.Collector(t, root, addrs[1], t.TempDir(), []string{"PROMETHEUS_OTLP_ENDPOINT=http://" + addrs[0] + "/api/v1/otlp", "OTLP_HTTP_ADDR=" + addrs[2]})
			for _, m := range was.moments {
				send(t, "http://"+addrs[2]+"/v1/metrics", "one", m)
			}
			const warmUp = 10 * time.Minute // the windows fill
			run := func(rules []rule.Rule) *backtest.Result {
				var r *backtest.Result
				servers.Poll(t, "all samples are in Prometheus", func() (err error) {
					r, err = backtest.Run(t.Context(), backtest.Options{Config: healthcheck.Config{Rules: rules}, URL: "http://" + addrs[0], Client: client,
						Selector: `service_instance_id="one"`, From: begin.Add(warmUp), To: begin.Add(hourLength*time.Second + time.Minute)})
					if want := len(was.moments) - int(warmUp/(15*time.Second)); err == nil && r.Samples < want {
						err = fmt.Errorf("%d samples of %d", r.Samples, want)
					}
					return err
				})
				return r
			}
			r := run(inForce)
			was.compare(t, r, begin.Add(warmUp))
			if a := r.Recorded; a == nil || a.Certain < a.Samples*9/10 || a.Equal != a.Certain {
				t.Errorf("recorded: %+v; the first difference: %+v", a, a.Differs)
			} else {
				t.Logf("recorded: %d states, %d certain, %d equal", a.Samples, a.Certain, a.Equal)
			}

			again := live(t, seed, others, begin)
			r = run(others)
			again.compare(t, r, begin.Add(warmUp))
			if a := r.Recorded; a == nil || a.Differs == nil {
				t.Errorf("with other limits nothing differs from what was recorded: %+v", a)
			}
		})
	}
}
