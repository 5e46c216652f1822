package promhealth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// everything returns a Monitor that has a series of each instrument.
func everything(t *testing.T) *healthcheck.Monitor {
	t.Helper()
	runs := 0
	m := healthcheck.New(healthcheck.Config{
		OverrideFile: filepath.Join(t.TempDir(), "overrides"),
		Peers:        "127.0.0.1:1", // nobody listens there
		Checks: []healthcheck.Check{
			{Name: "down", Interval: time.Second, FailureThreshold: 1, Func: func(context.Context) error {
				if runs++; runs > 6 {
					return errors.New("x")
				}
				return nil
			}},
			{Name: "good", Func: func(context.Context) error { return nil }},
			{Name: "bad", Func: func(context.Context) error { return errors.New("x") }},
		},
		Rules: []rule.Rule{{Name: "depth", Value: rule.Last("depth"), Warn: rule.Above(1), Fail: rule.Above(2)}},
	})
	m.Heartbeat("worker", 0).Begin()
	m.Queue("jobs", 10, func() int { return 7 }).Waited(t.Context(), time.Second)
	return m
}

// exercise makes each instrument of a running Monitor have a series.
func exercise(t *testing.T, m *healthcheck.Monitor, depth prometheus.Gauge) {
	t.Helper()
	m.ReadinessHandler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/ready", nil))
	m.Queue("more", 10, func() int { return 7 })
	depth.Set(3)
	pass(2 * time.Second)
	release := m.Hold("a while")
	pass(2 * time.Second)
	release()
	pass(2 * time.Second)
}

// TestOneRegistry: /metrics has all families of the Monitor beside those of the service, also in a
// pedantic registry. They look as in the exporter of OpenTelemetry without scope and target_info.
func TestOneRegistry(t *testing.T) {
	for name, reg := range map[string]*prometheus.Registry{"plain": prometheus.NewRegistry(), "pedantic": prometheus.NewPedanticRegistry()} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HEALTH_OVERRIDES", "bad=warn,worker=shadow")
			bubble(t, func(t *testing.T) {
				m := everything(t)
				depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth"})
				reg.MustRegister(depth, collectors.NewGoCollector())
				q := m.Queue("other", 5, func() int { return 3 })
				if err := Start(t.Context(), m, reg); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(m.Stop)
				q.Waited(t.Context(), 30*time.Millisecond)
				exercise(t, m, depth)
				code, body := scrape(t, reg)
				if code != http.StatusOK {
					t.Fatalf("%d %s", code, body)
				}
				for i := range exported {
					if f := &exported[i]; !strings.Contains(body, "# HELP "+f.name+" "+f.help+"\n") {
						t.Errorf("there is no %s", f.name)
					}
				}
				for _, line := range []string{
					`health_check_status{health_check_name="bad",health_check_state="fail"} 1`,
					`health_check_duration_seconds_count{health_check_name="good"} `,
					`health_check_limit{health_check_limit_type="max.warn",health_check_name="depth"} 1`,
					`health_check_override{health_check_effect="warn",health_check_name="bad"} 1`,
					`health_check_value{health_check_name="depth"} 3`,
					`health_heartbeat_active{health_heartbeat_name="worker"} 1`,
					`health_probe_requests_total{health_probe_name="readiness",http_response_status_code="`,
					`queue_length{queue_name="other"} 3`,
					`queue_wait_duration_seconds_bucket{queue_name="other",le="0.05"} 1`,
					"# TYPE health_probe_state_duration_seconds_total counter", "# TYPE health_check_info gauge", "# TYPE health_check_duration_seconds histogram",
					"\ndepth 3\n", "\ngo_goroutines ",
				} {
					if !strings.Contains(body, line) {
						t.Errorf("there is no %s", line)
					}
				}
				for _, not := range []string{"otel_scope", "target_info"} {
					if strings.Contains(body, not) {
						t.Errorf("there is %s", not)
					}
				}
			})
		})
	}
}

// TestExported compares the table with a Monitor's instruments and their attributes.
func TestExported(t *testing.T) {
	t.Setenv("HEALTH_OVERRIDES", "bad=warn,worker=shadow")
	bubble(t, func(t *testing.T) {
		m := everything(t)
		created := map[string]string{}
		labels := map[string]map[string]bool{}
		manual := sdkmetric.NewManualReader()
		depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth"})
		reg := prometheus.NewRegistry()
		reg.MustRegister(depth)
		in := &reader{ManualReader: manual, families: newFamilies(reg)}
		note := func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			created[i.Name] = i.Description + "|" + suffix(i)
			return sdkmetric.Stream{}, false
		}
		q := m.Queue("other", 5, func() int { return 3 })
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(in), sdkmetric.WithView(m.View(note)))
		if err := m.StartWith(t.Context(), healthcheck.Pipeline{Reader: in, MeterProvider: provider}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Stop)
		q.Waited(t.Context(), time.Second)
		exercise(t, m, depth)
		var rm metricdata.ResourceMetrics
		if err := manual.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		for _, sm := range rm.ScopeMetrics {
			for _, metric := range sm.Metrics {
				labels[metric.Name] = map[string]bool{}
				for _, set := range sets(t, metric.Data) {
					for _, kv := range set.ToSlice() {
						labels[metric.Name][underscored(string(kv.Key))] = true
					}
				}
			}
		}
		for i := range exported {
			f := &exported[i]
			if want := f.help + "|" + strings.TrimPrefix(f.name, underscored(f.instrument)); created[f.instrument] != want {
				t.Errorf("%s is %q; the table has %q", f.instrument, created[f.instrument], want)
			}
			if got := slices.Sorted(maps.Keys(labels[f.instrument])); !slices.Equal(got, f.labels) {
				t.Errorf("%s has the attributes %v; the table has %v", f.instrument, got, f.labels)
			}
			delete(created, f.instrument)
		}
		for name := range created {
			t.Errorf("%s is not in the table", name)
		}
	})
}

// suffix returns the suffix that Prometheus adds to the name of an instrument.
func suffix(i sdkmetric.Instrument) (s string) {
	if i.Unit == "s" {
		s = "_seconds"
	}
	if i.Kind == sdkmetric.InstrumentKindCounter || i.Kind == sdkmetric.InstrumentKindObservableCounter {
		s += "_total"
	}
	return s
}

func sets(t *testing.T, data metricdata.Aggregation) (all []attribute.Set) {
	t.Helper()
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		all = setsOf(d.DataPoints)
	case metricdata.Gauge[float64]:
		all = setsOf(d.DataPoints)
	case metricdata.Sum[int64]:
		all = setsOf(d.DataPoints)
	case metricdata.Sum[float64]:
		all = setsOf(d.DataPoints)
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			all = append(all, p.Attributes)
		}
	default:
		t.Errorf("own does not export %T", data)
	}
	return all
}

func setsOf[N int64 | float64](points []metricdata.DataPoint[N]) (all []attribute.Set) {
	for _, p := range points {
		all = append(all, p.Attributes)
	}
	return all
}

// TestSecondMonitor: a registry takes one Monitor, or two with labels. A new one replaces a stopped
// one. A failed Start leaves none.
func TestSecondMonitor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		labelled := func(reg *prometheus.Registry, service string) Registry {
			return Join(prometheus.WrapRegistererWith(prometheus.Labels{"service": service}, reg), reg)
		}
		refused := func(m *healthcheck.Monitor, reg Registry, text string) {
			t.Helper()
			if err := Start(t.Context(), m, reg); err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%v; want %s", err, text)
			}
		}
		reg := prometheus.NewPedanticRegistry()
		first := healthcheck.New(healthcheck.Config{})
		if err := Start(t.Context(), first, reg); err != nil {
			t.Fatal(err)
		}
		refused(healthcheck.New(healthcheck.Config{}), reg, "another Monitor is in this registry already; for two Monitors in a process, use promhealth.Join(")
		refused(healthcheck.New(healthcheck.Config{}), labelled(reg, "b"), "the other needs one with the same labels")
		if err := Start(t.Context(), first, reg); !errors.Is(err, cfgerrors.ErrStarted) {
			t.Errorf("%v; want ErrStarted", err)
		}
		first.Stop()
		if _, body := scrape(t, reg); !strings.Contains(body, `health_lifecycle_status{health_lifecycle_state="draining"} 1`) {
			t.Error("the last scrape does not show the end")
		}
		second := begin(t, reg)
		pass(2 * time.Second)
		if _, body := scrape(t, reg); !strings.Contains(body, `health_lifecycle_status{health_lifecycle_state="running"} 1`) {
			t.Error("the second Monitor is not on /metrics")
		}
		second.Stop()

		two := prometheus.NewPedanticRegistry()
		depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth"})
		two.MustRegister(depth)
		full := rule.Rule{Name: "depth", Value: rule.Last("depth"), Fail: rule.Above(1)}
		a, b := begin(t, labelled(two, "a"), full), begin(t, labelled(two, "b"))
		refused(healthcheck.New(healthcheck.Config{}), two, "the other needs one with the same labels")
		depth.Set(2)
		pass(2 * time.Second)
		want(t, a, "depth", verdict.Fail, "2 of at most 1")
		if code, body := scrape(t, two); code != http.StatusOK || strings.Count(body, "\nhealth_lifecycle_status{") != 8 {
			t.Errorf("%d, %d of 8 lines", code, strings.Count(body, "\nhealth_lifecycle_status{"))
		}
		b.Stop()
		begin(t, labelled(two, "b"))

		failing := prometheus.NewRegistry()
		m := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{full}, ShutdownTimeout: -1})
		refused(m, failing, "ShutdownTimeout")
		if families, err := failing.Gather(); err != nil || len(families) > 0 {
			t.Errorf("%v %v stays", families, err)
		}
		begin(t, failing)
	})
}

// TestRefused: rules on the verdict are errors, at Start and later. The service's own metrics with
// similar names are evidence.
func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		on := func(metric string) rule.Rule {
			return rule.Rule{Name: "self", Value: rule.Last(metric), Fail: rule.Above(1)}
		}
		const text = "self Value: health_check_consecutive_failures comes from the rules"
		reg := prometheus.NewRegistry()
		reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "health_score"}))
		wantErrors(t, Start(t.Context(), healthcheck.New(healthcheck.Config{Rules: []rule.Rule{on("health_check_consecutive_failures")}}), reg), text)
		m := begin(t, reg)
		_, err := m.AddRule(on("health_check_consecutive_failures"))
		wantErrors(t, err, text)
		if _, err := m.AddRule(on("health_score")); err != nil {
			t.Error(err)
		}
		pass(2 * time.Second)
		wantValue(t, m, "self", 0)
	})
}

// TestNilRegistry: a nil pointer is an error of Start. A nil Gatherer among several has no metrics.
func TestNilRegistry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var none *prometheus.Registry
		for _, r := range []Registry{none, Join(none, prometheus.NewRegistry()), Join(prometheus.NewRegistry(), nil)} {
			wantErrors(t, Start(t.Context(), healthcheck.New(healthcheck.Config{}), r), "Registry: is a nil pointer, or a part of it is")
		}
		reg := prometheus.NewRegistry()
		reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"}))
		m := begin(t, Join(reg, prometheus.Gatherers{nil, none, reg}), rule.Rule{Name: "gauge", Value: rule.Last("gauge"), Fail: rule.Above(5)})
		pass(2 * time.Second)
		wantValue(t, m, "gauge", 0)
	})
}

// TestNoLoop: a scrape asks the same collectors as the registry itself. A collection asks only the
// collectors that a rule names, once a second.
func TestNoLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		named, other := newFaultyCollector("named"), newFaultyCollector("other")
		reg.MustRegister(named, other)
		begin(t, reg, rule.Rule{Name: "named", Value: rule.Last("named"), Fail: rule.Above(1)})
		before := named.asked()
		pass(20*time.Second + half)
		if n := named.asked() - before; n < 19 || n > 22 || other.asked() != 0 {
			t.Errorf("in 20 s the named collector was asked %d times, the other one %d times", n, other.asked())
		}
		before = named.asked()
		for range 5 {
			scrape(t, reg)
		}
		if n := named.asked() - before; n != 5 || other.asked() != 5 {
			t.Errorf("in 5 scrapes the named collector was asked %d times, the other one %d times", n, other.asked())
		}
	})
}

// TestQueues: rules read a queue by its names on /metrics, and its histogram gets their limits.
func TestQueues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
			{Name: "length", Value: rule.Last("queue_length").Where("queue_name", "jobs"), Fail: rule.Above(5)},
			{Name: "wait", Value: rule.Quantile(.9, "queue_wait_duration_seconds").Where("queue_name", "jobs"), Fail: rule.Above(123 * time.Millisecond)},
		}})
		q := m.Queue("jobs", 10, func() int { return 7 })
		m.Queue("other", 10, func() int { return 3 })
		if err := Start(t.Context(), m, prometheus.NewRegistry()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Stop)
		pass(2 * time.Second)
		want(t, m, "length", verdict.Fail, "7 of at most 5")
		want(t, m, "wait", verdict.Pass, "")
		for range 20 {
			q.Waited(t.Context(), 124*time.Millisecond)
		}
		pass(2 * time.Second)
		want(t, m, "wait", verdict.Fail, "of at most 0.123")
	})
}

// TestQueueNames: the service may use the names of queues, without a queue and after the first one.
func TestQueueNames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		m := begin(t, reg, rule.Rule{Name: "length", Value: rule.Last("queue_length"), Fail: rule.Above(5)})
		theirs := prometheus.NewGauge(prometheus.GaugeOpts{Name: "queue_length"})
		theirs.Set(3)
		reg.MustRegister(theirs)
		pass(10 * time.Second)
		wantValue(t, m, "length", 3)
		m.Queue("jobs", 10, func() int { return 7 })
		pass(maxLook + 2*time.Second)
		if code, body := scrape(t, reg); code != http.StatusOK || !strings.Contains(body, "\nqueue_length 3\n") {
			t.Errorf("%d %s", code, body)
		}

		late := prometheus.NewPedanticRegistry()
		m = begin(t, late, rule.Rule{Name: "length", Value: rule.Last("queue_length"), Fail: rule.Above(5)})
		want(t, m, "length", verdict.Unknown, "is not registered")
		m.Queue("jobs", 10, func() int { return 7 })
		pass(maxLook + 2*time.Second)
		want(t, m, "length", verdict.Fail, "7 of at most 5")
		if code, body := scrape(t, late); code != http.StatusOK || !strings.Contains(body, `queue_length{queue_name="jobs"} 7`) {
			t.Errorf("%d %s", code, body)
		}
	})
}

// TestServiceID: the serviceId is never unknown_service, empty or a variable that was not replaced.
func TestServiceID(t *testing.T) {
	executable := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	for _, c := range []struct{ attributes, name, want string }{
		{"", "", executable},
		{"", "orders", "orders"},
		{"service.name=orders", "", "orders"},
		{"service.name=a%20b", " ", "a b"},
		{"service.name=shop", "orders", "orders"},
		{"service.name=", "", executable},
		{"service.name=$(NAME)", "", executable},
		{"service.name=orders,service.instance.id=$(POD_UID)", "${NAME}", "orders"},
		{"a, service.name = %{NAME}", "{{ .Name }}", executable},
	} {
		t.Run(c.attributes+" "+c.name, func(t *testing.T) {
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", c.attributes)
			t.Setenv("OTEL_SERVICE_NAME", c.name)
			m := begin(t, prometheus.NewRegistry())
			w := httptest.NewRecorder()
			m.LivenessHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
			if id := regexp.MustCompile(`"serviceId": ?"([^"]*)"`).FindStringSubmatch(w.Body.String()); id == nil || id[1] != c.want {
				t.Errorf("%v; want %s: %s", id, c.want, w.Body)
			}
		})
	}
}

// TestServiceVersion: the other attributes of the service apply too. A version that was not replaced
// does not.
func TestServiceVersion(t *testing.T) {
	for version, is := range map[string]bool{"1.2.3": true, "$(VERSION)": false} {
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version="+version)
		m := begin(t, prometheus.NewRegistry())
		w := httptest.NewRecorder()
		m.LivenessHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
		if strings.Contains(w.Body.String(), version) != is {
			t.Errorf("%s: %s", version, w.Body)
		}
	}
}

// TestDefaultRegistry: nil means the default registry, and its metrics are found.
func TestDefaultRegistry(t *testing.T) {
	m := begin(t, nil, rule.Rule{Name: "goroutines", Value: rule.Last("go_goroutines"), Fail: rule.Below(1)})
	r := judged(t, m, "goroutines")
	for range m.Watch(t.Context()) { // on a busy machine a collector of the registry takes longer than the first judgement waits
		if r = judged(t, m, "goroutines"); r.State != verdict.Unknown || !strings.Contains(r.Reason, "yet") {
			break
		}
	}
	if r.State != verdict.Pass || r.Value == nil || *r.Value < 1 {
		t.Errorf("%s %q %v", r.State, r.Reason, r.Value)
	}
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil || !slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "health_probe_status" }) {
		t.Errorf("health_probe_status is not there: %v", err)
	}
}
