package healthcheck

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/replay"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var backtests = flag.Int("backtests", 1, "stories that are recorded and judged again")

// storyLength is the length of a story, in seconds.
const storyLength = 1000

// shares are the probabilities of faults in every second of a story.
type shares struct{ slow, wrong, jobs, queue, stuck []float64 }

func newShares(r *rand.Rand) *shares {
	s := &shares{}
	base := .001 + .002*r.Float64()
	for range storyLength {
		s.slow, s.wrong, s.jobs = append(s.slow, base), append(s.wrong, .003), append(s.jobs, .02)
		s.queue, s.stuck = append(s.queue, 20), append(s.stuck, 0)
	}
	for range 4 {
		took := []int{3, 8, 20, 45, 90, 180}[r.IntN(6)]
		at := 60 + r.IntN(storyLength-60-took)
		bad := []float64{.02, .04, .1, .5, 1}[r.IntN(5)]
		kind := r.IntN(5)
		for n := at; n < at+took; n++ {
			switch kind {
			case 0:
				s.slow[n] = bad
			case 1:
				s.wrong[n] = bad
			case 2:
				s.jobs[n] = 3 * bad
			case 3:
				s.queue[n] = 20 + 100*bad
			case 4:
				s.stuck[n] = 1
			}
		}
	}
	return s
}

const requestDuration = "http.server.request.duration"

// replayed are the rules that are judged live and again.
func replayed() (all []rule.Rule) {
	for _, w := range []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute} {
		for name, r := range map[string]rule.Rule{
			"quantile": {Value: rule.Quantile(.99, requestDuration), Fail: rule.Above(500 * time.Millisecond)},
			"share":    {Value: rule.ShareAbove(500*time.Millisecond, requestDuration), Fail: rule.Above(.05), Warn: rule.Above(.02)},
			"per":      {Value: rule.ShareAbove(500*time.Millisecond, requestDuration), Fail: rule.Above(.1), Per: []string{"http.route"}},
			"increase": {Value: rule.Increase("jobs.failed"), Fail: rule.Above(int(w / time.Second / 3))},
			"ratio":    {Value: rule.Ratio(rule.Increase(requestDuration).Where("http.response.status_code", "500"), rule.Increase(requestDuration)), Fail: rule.Above(.05)},
			"few":      {Value: rule.Increase(requestDuration), Fail: rule.Below(int(w / time.Second * 10))},
			"finer":    {Value: rule.Quantile(.95, "task.duration"), Fail: rule.Above(500 * time.Millisecond)},
		} {
			r.Window = w
			r.Name = name + " " + w.String()
			all = append(all, r)
			if w >= 30*time.Second && (name == "share" || name == "increase" || name == "ratio" || name == "quantile") {
				out := r
				out.Name, out.OnFail = name+" "+w.String()+" ejects", NotReady
				all = append(all, out)
			}
			if w < 30*time.Second {
				continue // with For, nearly no state of them is certain
			}
			r.Name, r.For, r.KeepFor = r.Name+" for", 30*time.Second, time.Minute
			all = append(all, r)
		}
	}
	last := rule.Rule{Name: "last", Value: rule.Last("queue.length"), Fail: rule.Above(80), Warn: rule.Above(50)}
	since := rule.Rule{Name: "since", Value: rule.TimeSince("last.success"), Fail: rule.Above(30 * time.Second)}
	all = append(all, last, since)
	last.Name, last.For = "last for", 30*time.Second
	since.Name, since.For = "since for", 30*time.Second
	return append(all, last, since)
}

// recorded has the judgements of a Monitor, and their times.
type recorded struct {
	instance    string
	names       []string
	collections []collected
	states      [][]verdict.State // after each collection, by rule
	ready       []verdict.State
}

type collected struct {
	at      time.Time
	metrics evidence.Catalog
}

// judgesOwn is a reader whose collections are kept. A collection takes some milliseconds.
type judgesOwn struct {
	*sdkmetric.ManualReader
	random *rand.Rand
	last   collected
}

func (r *judgesOwn) Snapshot(ctx context.Context) (*metricdata.ResourceMetrics, error) {
	time.Sleep(time.Duration(r.random.IntN(4000)) * time.Microsecond)
	rm := &metricdata.ResourceMetrics{}
	err := r.Collect(ctx, rm)
	r.last = collected{time.Now(), evidence.NewCatalog(rm)}
	time.Sleep(time.Duration(r.random.IntN(4000)) * time.Microsecond)
	return rm, err
}

// record runs a story with a real Monitor, and records all its collections.
func record(t *testing.T, seed uint64, rules []rule.Rule) *recorded {
	out := &recorded{}
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 18))
		story := newShares(r)
		m := New(Config{Rules: rules})
		reader := &judgesOwn{ManualReader: sdkmetric.NewManualReader(), random: rand.New(rand.NewPCG(seed, 19))}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(m.View(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "task.duration"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}}))))
		meter := provider.Meter("test")
		requests, _ := meter.Float64Histogram(requestDuration, metric.WithUnit("s"))
		tasks, _ := meter.Float64Histogram("task.duration", metric.WithUnit("s"))
		jobs, _ := meter.Int64Counter("jobs.failed")
		queue, _ := meter.Int64Gauge("queue.length")
		success, _ := meter.Float64Gauge("last.success", metric.WithUnit("s"))
		ctx := t.Context()
		unix := func() float64 { return float64(time.Now().UnixNano()) / 1e9 }
		queue.Record(ctx, 0)
		success.Record(ctx, unix())
		sets := map[string]metric.MeasurementOption{}
		for _, route := range []string{"/a", "/b", "/c"} {
			for _, code := range []int{200, 500} {
				sets[route+strconv.Itoa(code)] = metric.WithAttributeSet(attribute.NewSet(attribute.String("http.route", route), attribute.Int("http.response.status_code", code)))
			}
		}
		if err := m.StartWith(ctx, quiet(reader, provider)); err != nil {
			t.Fatal(err)
		}
		defer m.Stop()
		out.instance = m.identity.Load().instance
		time.Sleep(50 * time.Millisecond) // the collections drift slowly through the steps
		var last time.Time
		for s := range storyLength {
			for step := range 10 {
				for range 2 {
					d := .1 + .3*r.Float64()
					if r.Float64() < story.slow[s] {
						d = .6 + r.Float64()
					}
					code := "200"
					if r.Float64() < story.wrong[s] {
						code = "500"
					}
					requests.Record(ctx, d, sets[[]string{"/a", "/a", "/b", "/c"}[r.IntN(4)]+code])
					tasks.Record(ctx, d)
				}
				if r.Float64() < story.jobs[s]/10 {
					jobs.Add(ctx, 1)
				}
				if step == 3 {
					queue.Record(ctx, int64(story.queue[s]))
					if story.stuck[s] == 0 && s%5 == 0 {
						success.Record(ctx, unix())
					}
				}
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				if reader.last.at.After(last) {
					v := m.Verdict()
					if !v.Time.Before(reader.last.at) {
						last = reader.last.at
						out.collections = append(out.collections, reader.last)
						out.ready = append(out.ready, v.Readiness.State)
						var all []verdict.State
						out.names = out.names[:0]
						for _, c := range v.Results {
							all = append(all, c.State)
							out.names = append(out.names, c.Name)
						}
						out.states = append(out.states, all)
					}
				}
			}
		}
	})
	return out
}

// agreement counts how a replay agrees with what was recorded.
type agreement struct{ all, unsure, wrong int }

func (a agreement) String() string {
	return fmt.Sprintf("%d samples, %.2f %% can't tell, %d wrong", a.all, 100*float64(a.unsure)/float64(max(1, a.all)), a.wrong)
}

// judgeAgain replays every n-th collection, and compares the result with the recorded judgement.
func (r *recorded) judgeAgain(t *testing.T, rules []rule.Rule, every int) map[string]*agreement {
	i := replay.New(replay.Config{
		Rules: replayRules(rules), Tick: time.Second, Gap: 5 * time.Minute, Exists: func(string) bool { return true },
		Jitter: func(rule string) (low, high float64) { return jitter(r.instance, rule), jitter(r.instance, rule) },
	})
	out := map[string]*agreement{}
	i.Collect(r.collections[0].at.Add(-time.Second), nil, false) // of another process
	for n := 0; n < len(r.collections); n += every {
		c := r.collections[n]
		j := i.Collect(c.at, c.metrics, n == 0)
		for k, is := range append(j.Rules, j.Ready) {
			name, was := "readiness", r.ready[n]
			if k < len(r.names) {
				name, was = r.names[k], r.states[n][k]
			}
			a := out[name]
			if a == nil {
				a = &agreement{}
				out[name] = a
			}
			if n < 150 {
				continue // the windows fill
			}
			a.all++
			if !is.Certain() {
				a.unsure++
			}
			if !is.Has(was) {
				if a.wrong++; a.wrong < 3 {
					t.Errorf("every %d s, %s at second %d: was %s, replayed %v", every, name, n, was, is)
				}
			}
		}
	}
	return out
}

func replayRules(rules []rule.Rule) (all []replay.Rule) {
	for _, r := range rules {
		effect := r.OnFail
		if effect == "" {
			effect = WarnOnly
		}
		all = append(all, replay.Rule{Name: r.Name, Query: queryOf(&r), For: r.For, KeepFor: r.KeepFor, OnFail: effect})
	}
	return all
}

// intervals are the seconds between two samples. All of them take long.
func intervals() []int {
	if *backtests > 1 {
		return []int{5, 15, 30, 60}
	}
	return []int{15, 60}
}

// TestReplayAgrees: the certain states of a replay are those of the Monitor. If a window has two samples or more,
// nearly all states are certain, because the limits are bucket boundaries.
func TestReplayAgrees(t *testing.T) {
	rules := replayed()
	total, summary := map[string]*agreement{}, map[string]*agreement{}
	for seed := range uint64(*backtests) {
		r := record(t, seed, rules)
		for _, every := range intervals() {
			for name, a := range r.judgeAgain(t, rules, every) {
				add(total, fmt.Sprintf("%02d s, %s", every, name), a)
				if every == 15 && !strings.HasSuffix(name, " ejects") && (strings.Contains(name, "30s") || strings.Contains(name, "2m0s")) {
					add(summary, strconv.FormatBool(strings.HasSuffix(name, " for")), a)
				}
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%-28s %v", key, total[key])
	}
	for of, most := range map[string]float64{"false": .05, "true": .1} { // with For and KeepFor
		a := summary[of]
		t.Logf("windows of 30s and 2m, with For %s: %v", of, a)
		if share := float64(a.unsure) / float64(a.all); share > most {
			t.Errorf("with For %s: can't tell %.1f %%; want at most %.0f %%", of, 100*share, 100*most)
		}
	}
}

func add(to map[string]*agreement, key string, a *agreement) {
	if to[key] == nil {
		to[key] = &agreement{}
	}
	to[key].all += a.all
	to[key].unsure += a.unsure
	to[key].wrong += a.wrong
}
