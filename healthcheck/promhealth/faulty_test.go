package promhealth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// world has a collector that a rule names, another one, and a gauge.
type world struct {
	named, other *faultyCollector
	gauge        prometheus.Gauge
	m            *healthcheck.Monitor
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{named: newFaultyCollector("named"), other: newFaultyCollector("other"), gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"})}
	reg := prometheus.NewRegistry()
	reg.MustRegister(w.named, w.other, w.gauge)
	w.m = begin(t, reg,
		rule.Rule{Name: "named", Value: rule.Last("named"), Fail: rule.Above(5)},
		rule.Rule{Name: "count", Value: rule.Ratio(rule.Last("named"), rule.Last("gauge")), Fail: rule.Above(5)},
		rule.Rule{Name: "gauge", Value: rule.Last("gauge"), Fail: rule.Above(5)})
	w.gauge.Set(1)
	pass(2 * time.Second)
	wantValue(t, w.m, "named", 1)
	wantValue(t, w.m, "gauge", 1)
	return w
}

// panicking is a metric that panics.
type panicking struct{ prometheus.Metric }

func (panicking) Write(*dto.Metric) error { panic("hunter2") }

// TestFaultyCollector: a fault of a collector makes only the rules on it unknown, and nobody sees
// the text of its error.
func TestFaultyCollector(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(m *faultyCollector, ch chan<- prometheus.Metric)
		text string
	}{
		"errs": {func(m *faultyCollector, ch chan<- prometheus.Metric) {
			ch <- prometheus.NewInvalidMetric(m.desc, errors.New("hunter2"))
		}, "its collector returned an error"},
		"errs for all": {func(_ *faultyCollector, ch chan<- prometheus.Metric) {
			ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errors.New("hunter2")), errors.New("hunter2"))
		}, "its collector returned an error"},
		"panics": {func(*faultyCollector, chan<- prometheus.Metric) { panic("hunter2") }, "its collector panicked"},
		"panics in Write": {func(m *faultyCollector, ch chan<- prometheus.Metric) {
			ch <- panicking{prometheus.NewInvalidMetric(m.desc, nil)}
		}, "its collector panicked"},
		"exits":              {func(*faultyCollector, chan<- prometheus.Metric) { runtime.Goexit() }, "its collector ended its goroutine"},
		"closes the channel": {func(m *faultyCollector, ch chan<- prometheus.Metric) { close(ch) }, "named has no value"},
		"sends later": {func(m *faultyCollector, ch chan<- prometheus.Metric) {
			time.AfterFunc(time.Millisecond, func() { m.fine(ch) })
		}, "named has no value"},
		"closes and sends": {func(m *faultyCollector, ch chan<- prometheus.Metric) {
			close(ch)
			m.fine(ch)
		}, "its collector panicked"},
		"sends nothing": {func(*faultyCollector, chan<- prometheus.Metric) {}, "named has no value"},
		"sends kinds": {func(m *faultyCollector, ch chan<- prometheus.Metric) {
			m.fine(ch)
			ch <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, 1)
		}, "has series of several kinds"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				bad := func(m *faultyCollector) func(ch chan<- prometheus.Metric) {
					return func(ch chan<- prometheus.Metric) { c.do(m, ch) }
				}
				w.other.will(bad(w.other))
				pass(time.Minute)
				wantValue(t, w.m, "named", 1)
				w.named.will(bad(w.named))
				w.gauge.Set(2)
				pass(maxPause + 2*time.Second)
				want(t, w.m, "named", verdict.Unknown, c.text)
				wantValue(t, w.m, "gauge", 2)
				rec := httptest.NewRecorder()
				w.m.DetailsHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/details", nil))
				if strings.Contains(rec.Body.String(), "hunter2") {
					t.Errorf("the text of an error is shown: %s", rec.Body)
				}
				w.named.will(w.named.fine)
				pass(maxPause + 2*time.Second)
				wantValue(t, w.m, "named", 1)
			})
		})
	}
}

// TestBlocked: a blocked collector without rules has no effect. With rules its last result counts
// for 10 s, and then they are unknown. Other rules are judged every second, and Stop does not wait.
func TestBlocked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		gate := make(chan struct{})
		w.other.will(func(chan<- prometheus.Metric) { <-gate })
		w.named.will(func(chan<- prometheus.Metric) { <-gate })
		pass(8 * time.Second)
		wantValue(t, w.m, "named", 1)
		pass(4 * time.Second)
		want(t, w.m, "named", verdict.Unknown, "can't be read: its collector has not answered for 1")
		want(t, w.m, "count", verdict.Unknown, "can't be read")
		for n := range 20 {
			w.gauge.Set(float64(n % 3))
			pass(1100 * time.Millisecond)
			wantValue(t, w.m, "gauge", float64(n%3))
		}
		if r := w.m.Verdict().Readiness; r.State == verdict.Fail {
			t.Errorf("readiness fails: %s", r.Reason)
		}
		before := runtime.NumGoroutine()
		pass(10 * time.Minute)
		if after := runtime.NumGoroutine(); after > before+2 {
			t.Errorf("%d goroutines, %d before", after, before)
		}
		w.named.will(w.named.fine)
		close(gate)
		pass(2 * time.Second)
		wantValue(t, w.m, "named", 1)
	})
}

// TestBlockedAtStart: Start and Stop do not wait long for a blocked collector, nor does the Start of a
// later Monitor.
func TestBlockedAtStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		gate := make(chan struct{})
		defer close(gate)
		named := newFaultyCollector("named")
		named.will(func(chan<- prometheus.Metric) { <-gate })
		reg.MustRegister(named)
		began := time.Now()
		m := begin(t, reg, rule.Rule{Name: "named", Value: rule.Last("named"), Fail: rule.Above(5)})
		if took := time.Since(began); took > 2*firstPatience {
			t.Errorf("Start took %v", took)
		}
		want(t, m, "named", verdict.Unknown, "can't be read: its collector has not answered yet")
		began = time.Now()
		m.Stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("Stop took %v", took)
		}
	})
}

// TestSlow: a slow collector is asked rarely, and its result counts in between. The result stays
// the same to the last bit, although the SDK reuses memory.
func TestSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		slow := &faultyCollector{desc: prometheus.NewDesc("slow", "m", []string{"n"}, nil)}
		slow.will(func(ch chan<- prometheus.Metric) {
			time.Sleep(200 * time.Millisecond)
			for _, n := range []string{"1", "2", "3"} {
				ch <- prometheus.MustNewConstMetric(slow.desc, prometheus.GaugeValue, 42, n)
			}
		})
		reg.MustRegister(slow)
		r := rule.Rule{Name: "slow", Value: rule.Last("slow"), Per: []string{"n"}, Fail: rule.Above(42), Warn: rule.Above(41)}
		m := begin(t, reg, r, rule.Rule{Name: "below", Value: rule.Last("slow"), Per: []string{"n"}, Fail: rule.Below(42)})
		before := slow.asked()
		for range 60 {
			pass(time.Second)
			want(t, m, "slow", verdict.Warn, "42, warns above 41")
			want(t, m, "below", verdict.Pass, "")
		}
		if n := slow.asked() - before; n < 10 || n > 13 {
			t.Errorf("a collector that takes 200 ms was asked %d times in a minute; want every 5 s", n)
		}
		m.Stop()
		pass(time.Second)
	})
}

// TestDescribe: undescribed metrics count as not registered. A collector that panics in Describe
// has no effect. Start does not wait long for one that blocks there.
func TestDescribe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		c := &blockingDescriber{faultyCollector: newFaultyCollector("described")}
		reg.MustRegister(c, prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"}))
		r := rule.Rule{Name: "described", Value: rule.Last("described"), Fail: rule.Above(5)}
		c.will(func() { panic("hunter2") })
		m := begin(t, reg, r)
		want(t, m, "described", verdict.Unknown, "described is not registered")
		m.Stop()

		gate := make(chan struct{})
		c.will(func() { <-gate })
		began := time.Now()
		m = begin(t, Join(prometheus.NewRegistry(), reg), r)
		if took := time.Since(began); took > 2*firstPatience {
			t.Errorf("Start took %v", took)
		}
		want(t, m, "described", verdict.Unknown, "could not be looked up yet: Describe of some collector has not returned")
		pass(time.Minute)
		c.will(func() {})
		close(gate)
		pass(maxPause + 2*time.Second)
		wantValue(t, m, "described", 1)
	})
}

type blockingDescriber struct {
	*faultyCollector
	describing func()
}

func (f *blockingDescriber) will(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.describing = do
}

func (f *blockingDescriber) Describe(ch chan<- *prometheus.Desc) {
	f.mu.Lock()
	do := f.describing
	f.mu.Unlock()
	if do != nil {
		do()
	}
	f.faultyCollector.Describe(ch)
}
