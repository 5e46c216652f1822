package promhealth

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestExtend: rules read a MeterProvider and a registry, and a metric in neither is not created.
func TestExtend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "jobs_depth"})
		late := prometheus.NewGauge(prometheus.GaugeOpts{Name: "late_depth"})
		reg.MustRegister(depth)
		m := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
			{Name: "registry", Value: rule.Last("jobs_depth"), Fail: rule.Above(5), OnFail: healthcheck.NotReady},
			{Name: "provider", Value: rule.Last("cache.size"), Fail: rule.Above(5)},
			{Name: "late", Value: rule.Last("late_depth"), Fail: rule.Above(5)},
			{Name: "neither", Value: rule.Last("no.such"), Fail: rule.Above(5), OnFail: healthcheck.ShowOnly},
		}})
		in := sdkmetric.NewManualReader()
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(in), sdkmetric.WithView(m.View()))
		size, err := provider.Meter("test").Int64Gauge("cache.size")
		if err != nil {
			t.Fatal(err)
		}
		size.Record(t.Context(), 3)
		if err := m.StartWith(t.Context(), healthcheck.Pipeline{Reader: Extend(in, reg), MeterProvider: provider}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Stop)
		pass(2 * time.Second)
		wantValue(t, m, "registry", 0)
		wantValue(t, m, "provider", 3)
		want(t, m, "late", verdict.Unknown, `no instrument named "late_depth" has been created`)
		want(t, m, "neither", verdict.Unknown, `no instrument named "no.such" has been created`)

		depth.Set(9)
		size.Record(t.Context(), 8)
		late.Set(7)
		reg.MustRegister(late)
		pass(maxLook + 2*time.Second)
		want(t, m, "registry", verdict.Fail, "9 of at most 5")
		want(t, m, "provider", verdict.Fail, "8 of at most 5")
		want(t, m, "late", verdict.Fail, "7 of at most 5")
		if v := m.Verdict(); v.Readiness.State != verdict.Fail {
			t.Errorf("readiness: %+v", v.Readiness)
		}
	})
}

// TestExtendRefusesTheVerdict: a rule on health_* would judge itself.
func TestExtendRefusesTheVerdict(t *testing.T) {
	m := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{{Name: "self", Value: rule.Last("health_check_status"), Fail: rule.Above(0)}}})
	in := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(in), sdkmetric.WithView(m.View()))
	if err := m.StartWith(t.Context(), healthcheck.Pipeline{Reader: Extend(in, prometheus.NewRegistry()), MeterProvider: provider}); err == nil {
		m.Stop()
		t.Error("it started")
	}
}
