package promhealth

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// found looks families up, and returns the number of collectors that are asked for them.
func found(t *testing.T, g Registry, names ...string) (f *families, collectors int) {
	t.Helper()
	f = newFamilies(g)
	limits := map[string][]float64{}
	for _, name := range names {
		limits[name] = nil
	}
	f.Want(limits)
	l := f.start(f.wanted.Load())
	<-l.done
	f.sources = l.sources
	f.known.Store(&l.known)
	return f, len(l.sources)
}

// TestLookup finds the collector of each family, in each order in which a registry lists them, and
// leaves nothing in the registry.
func TestLookup(t *testing.T) {
	for range 100 {
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
			several("a_1", "a_2"), several("b_1", "b_2", "b_3"), histogramVec("c_seconds"), newFaultyCollector("d"))
		before := len(describe(reg))
		f, n := found(t, reg, "go_goroutines", "go_threads", "process_open_fds", "a_2", "b_1", "b_3", "c_seconds", "c_seconds_count", "d", "no_such")
		if n != 6 {
			t.Fatalf("%d collectors; want 6", n)
		}
		for name := range f.wanted.Load().limits {
			registered, quiet, known := f.Known(name)
			if !known || registered != (name != "no_such") || quiet != (name == "c_seconds" || name == "c_seconds_count") {
				t.Errorf("%s: registered %v, quiet %v, known %v", name, registered, quiet, known)
			}
		}
		if after := len(describe(reg)); after != before {
			t.Fatalf("%d descriptions, %d before", after, before)
		}
	}
}

// TestWrapped: rules use the prefix and the labels of a wrapped Registerer.
func TestWrapped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		const help = `has "quotes", constLabels: {a="b"}, and \`
		for n, shard := range []string{"1", "2"} {
			g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth", Help: help, ConstLabels: prometheus.Labels{"kind": "k"}})
			g.Set(float64(n + 1))
			prometheus.WrapRegistererWithPrefix("app_", prometheus.WrapRegistererWith(prometheus.Labels{"shard": shard, "quoted": `"}`}, reg)).MustRegister(g)
		}
		prometheus.WrapRegistererWithPrefix("app_", reg).MustRegister(several("depth_1", "depth_2", "depth"+"_"))
		vec := histogramVec("x_seconds")
		prometheus.WrapRegistererWith(prometheus.Labels{"shard": "3"}, reg).MustRegister(vec)
		m := begin(t, reg,
			rule.Rule{Name: "second", Value: rule.Last("app_depth").Where("shard", "2").Where("kind", "k").Where("quoted", `"}`), Fail: rule.Above(5)},
			rule.Rule{Name: "each", Value: rule.Last("app_depth"), Per: []string{"shard"}, Fail: rule.Above(1)},
			rule.Rule{Name: "several", Value: rule.Last("app_depth_2"), Fail: rule.Above(5)},
			rule.Rule{Name: "inner", Value: rule.Last("depth"), Fail: rule.Above(5)},
			rule.Rule{Name: "latency", Value: rule.Quantile(.99, "x_seconds").Where("shard", "3").Where("code", "200"), Fail: rule.Above(half)},
		)
		wantValue(t, m, "second", 2)
		want(t, m, "each", verdict.Fail, "2 of at most 1 (shard=2)")
		wantValue(t, m, "several", 1)
		want(t, m, "inner", verdict.Unknown, "is not registered")
		for range 20 {
			vec.WithLabelValues("200").Observe(2)
		}
		pass(2 * time.Second)
		want(t, m, "latency", verdict.Fail, "p99")
	})
}

// TestUnchecked: a collector without descriptions is not found, and its registry is not gathered
// for it.
func TestUnchecked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		asked := 0
		unchecked := several("unchecked")
		inner := unchecked.collect
		unchecked.descs, unchecked.collect = nil, func(ch chan<- prometheus.Metric) { asked++; inner(ch) }
		reg.MustRegister(unchecked)
		m := begin(t, reg, rule.Rule{Name: "u", Value: rule.Last("unchecked"), Fail: rule.Above(5)})
		pass(time.Minute)
		want(t, m, "u", verdict.Unknown, "is not registered")
		if asked > 0 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// opaque is a Gatherer of an unknown type.
type opaque struct{ prometheus.Gatherer }

// TestGatherers: the Gatherers of client_golang are taken apart. Any other is gathered.
func TestGatherers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two, three, four := prometheus.NewRegistry(), prometheus.NewRegistry(), prometheus.NewRegistry(), prometheus.NewRegistry()
		four.MustRegister(newFaultyCollector("four"))
		other := newFaultyCollector("other")
		one.MustRegister(newFaultyCollector("one"))
		two.MustRegister(newFaultyCollector("two"), histogramVec("two_seconds"), other)
		vec := histogramVec("three_seconds")
		three.MustRegister(newFaultyCollector("three"), vec)
		m := begin(t, Join(one, prometheus.Gatherers{one, prometheus.Gatherers{two}, opaque{three}, opaque{four}}),
			rule.Rule{Name: "one", Value: rule.Last("one"), Fail: rule.Above(5)},
			rule.Rule{Name: "two", Value: rule.Last("two"), Fail: rule.Above(5)},
			latency("two_seconds", half),
			rule.Rule{Name: "four", Value: rule.Last("four"), Fail: rule.Above(5)},
			rule.Rule{Name: "three", Value: rule.Last("three"), Fail: rule.Above(5)},
			rule.Rule{Name: "count", Value: rule.Increase("three_seconds_count"), Fail: rule.Above(5)},
			rule.Rule{Name: "typo", Value: rule.Last("no_such"), Fail: rule.Above(5)},
		)
		for _, name := range []string{"one", "two", "three", "four"} {
			wantValue(t, m, name, 1)
		}
		want(t, m, "latency", verdict.Pass, "")
		want(t, m, "count", verdict.Unknown, "is not in the Gatherer's answer")
		want(t, m, "typo", verdict.Unknown, "is not in the Gatherer's answer")
		vec.WithLabelValues("200")
		pass(maxPause + 2*time.Second)
		wantValue(t, m, "count", 0)
		if other.asked() > 0 {
			t.Error("a registry was gathered")
		}
	})
}

// TestReplaced: an unregistered metric is no longer judged, and its successor is.
func TestReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		first, second := prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth"}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth"})
		reg.MustRegister(first)
		m := begin(t, reg, rule.Rule{Name: "depth", Value: rule.Last("depth"), Fail: rule.Above(5)})
		reg.Unregister(first)
		second.Set(3)
		reg.MustRegister(second)
		pass(maxLook + 2*time.Second)
		wantValue(t, m, "depth", 3)
		reg.Unregister(second)
		pass(maxLook + 2*time.Second)
		want(t, m, "depth", verdict.Unknown, "is not registered")
	})
	// Collectors that share descriptions, that can't be compared, and that are wrapped.
	for name, wrap := range map[string]func(prometheus.Registerer) prometheus.Registerer{
		"plain": func(r prometheus.Registerer) prometheus.Registerer { return r },
		"wrapped": func(r prometheus.Registerer) prometheus.Registerer {
			return prometheus.WrapRegistererWithPrefix("", prometheus.WrapRegistererWith(prometheus.Labels{"a": "b"}, r))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				first := several("a", "b")
				second := first
				second.collect = func(ch chan<- prometheus.Metric) {
					ch <- prometheus.MustNewConstMetric(first.descs[1], prometheus.GaugeValue, 3)
				}
				wrap(reg).MustRegister(first, newFaultyCollector("c"))
				m := begin(t, reg, rule.Rule{Name: "b", Value: rule.Last("b"), Fail: rule.Above(5)})
				wantValue(t, m, "b", 1)
				wrap(reg).Unregister(first)
				wrap(reg).MustRegister(second)
				pass(maxLook + 2*time.Second)
				wantValue(t, m, "b", 3)
			})
		})
	}
}

// TestRulesComeAndGo: a collector is asked while a rule names it. A later limit becomes a boundary
// of a native histogram, and earlier readings still count.
func TestRulesComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x_seconds", NativeHistogramBucketFactor: 1.1})
		mood := newFaultyCollector("mood")
		reg.MustRegister(h, mood)
		m := begin(t, reg)
		remove, err := m.AddRule(rule.Rule{Name: "mood", Value: rule.Last("mood"), Fail: rule.Above(5)})
		if err != nil {
			t.Fatal(err)
		}
		pass(half)
		wantValue(t, m, "mood", 1)
		remove()
		pass(2 * time.Second)
		n := mood.asked()
		pass(time.Minute)
		if mood.asked() != n {
			t.Error("a collector is asked that no rule names")
		}
		for limit := range 3 {
			r := latency("x_seconds", time.Duration(limit+1)*370*time.Millisecond)
			r.Name = fmt.Sprint("latency", limit)
			remove, err := m.AddRule(r)
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				h.Observe(3)
			}
			pass(2 * time.Second)
			want(t, m, r.Name, verdict.Fail, "p99")
			remove()
		}
	})
}

// TestBesideScrapes: lookups, collections, scrapes and registrations at once, for the race detector
// and for a pedantic registry, which must never refuse.
func TestBesideScrapes(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	vec := histogramVec("x_seconds")
	reg.MustRegister(vec, collectors.NewGoCollector(), several("a_1", "a_2"))
	m := begin(t, reg, latency("x_seconds", half), rule.Rule{Name: "a", Value: rule.Last("a_2"), Fail: rule.Above(5)})
	var all sync.WaitGroup
	many := func(f func(n int)) {
		all.Go(func() {
			for n := range 100 {
				f(n)
			}
		})
	}
	many(func(int) {
		if code, body := scrape(t, reg); code != http.StatusOK {
			t.Errorf("%d %s", code, body)
		}
	})
	many(func(n int) { vec.WithLabelValues(fmt.Sprint(n % 7)).Observe(.1) })
	many(func(n int) { vec.DeleteLabelValues(fmt.Sprint(n % 5)) })
	many(func(int) {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "come_and_go"})
		reg.MustRegister(c)
		reg.Unregister(c)
	})
	many(func(int) {
		if f, n := found(t, reg, "x_seconds", "a_2", "go_goroutines"); n != 3 {
			t.Errorf("%d collectors; want 3: %v", n, *f.known.Load())
		}
	})
	many(func(n int) {
		if n%10 > 0 {
			return
		}
		remove, err := m.AddRule(rule.Rule{Name: "b", Value: rule.Last("a_1"), Fail: rule.Above(5)})
		if err != nil {
			t.Error(err)
			return
		}
		remove()
	})
	all.Wait()
	if slices.ContainsFunc(m.Verdict().Results, func(r verdict.Result) bool { return r.State != verdict.Pass }) {
		t.Errorf("%+v", m.Verdict().Results)
	}
}
