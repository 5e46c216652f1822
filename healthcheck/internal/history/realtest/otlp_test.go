package realtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
)

// push sends a collection by OTLP.
func push(t testing.TB, url, instance string, m moment) {
	t.Helper()
	send(t, url+"/api/v1/otlp/v1/metrics", instance, m)
}

// send sends it to any receiver.
func send(t testing.TB, endpoint, instance string, m moment) {
	t.Helper()
	all := pmetric.NewMetrics()
	rm := all.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	rm.Resource().Attributes().PutStr("service.instance.id", instance)
	scope := rm.ScopeMetrics().AppendEmpty()
	scope.Scope().SetName("shop/http")
	for _, one := range m.metrics {
		otlp(scope.Metrics().AppendEmpty(), one, m.at)
	}
	body, err := pmetricotlp.NewExportRequestFromMetrics(all).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Post(endpoint, "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", res.Status, text)
	}
}

// otlp writes one metric, as the SDK's exporter does.
func otlp(to pmetric.Metric, m metricdata.Metrics, at time.Time) {
	to.SetName(m.Name)
	to.SetUnit(m.Unit)
	number := func(p pmetric.NumberDataPoint, d metricdata.DataPoint[int64]) {
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetIntValue(d.Value)
		set(p.Attributes(), d.Attributes)
	}
	float := func(p pmetric.NumberDataPoint, d metricdata.DataPoint[float64]) {
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetDoubleValue(d.Value)
		set(p.Attributes(), d.Attributes)
	}
	const cumulative = pmetric.AggregationTemporalityCumulative
	switch d := m.Data.(type) {
	case metricdata.Gauge[int64]:
		g := to.SetEmptyGauge()
		for _, p := range d.DataPoints {
			number(g.DataPoints().AppendEmpty(), p)
		}
	case metricdata.Sum[int64]:
		s := to.SetEmptySum()
		s.SetIsMonotonic(d.IsMonotonic)
		s.SetAggregationTemporality(cumulative)
		for _, p := range d.DataPoints {
			number(s.DataPoints().AppendEmpty(), p)
		}
	case metricdata.Gauge[float64]:
		g := to.SetEmptyGauge()
		for _, p := range d.DataPoints {
			float(g.DataPoints().AppendEmpty(), p)
		}
	case metricdata.Sum[float64]:
		s := to.SetEmptySum()
		s.SetIsMonotonic(d.IsMonotonic)
		s.SetAggregationTemporality(cumulative)
		for _, p := range d.DataPoints {
			float(s.DataPoints().AppendEmpty(), p)
		}
	case metricdata.Histogram[float64]:
		h := to.SetEmptyHistogram()
		h.SetAggregationTemporality(cumulative)
		for _, d := range d.DataPoints {
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
			p.SetCount(d.Count)
			p.SetSum(d.Sum)
			p.ExplicitBounds().FromRaw(d.Bounds)
			p.BucketCounts().FromRaw(d.BucketCounts)
			set(p.Attributes(), d.Attributes)
		}
	case metricdata.ExponentialHistogram[float64]:
		h := to.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(cumulative)
		for _, d := range d.DataPoints {
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
			p.SetCount(d.Count)
			p.SetScale(min(d.Scale, 8))
			p.SetZeroCount(d.ZeroCount)
			p.Positive().SetOffset(d.PositiveBucket.Offset)
			p.Positive().BucketCounts().FromRaw(d.PositiveBucket.Counts)
			set(p.Attributes(), d.Attributes)
		}
	}
}

func set(to pcommon.Map, attrs attribute.Set) {
	for _, kv := range attrs.ToSlice() {
		switch kv.Value.Type() {
		case attribute.INT64:
			to.PutInt(string(kv.Key), kv.Value.AsInt64())
		default:
			to.PutStr(string(kv.Key), kv.Value.AsString())
		}
	}
}

// TestOTLP: what the SDK's exporter pushed to Prometheus is read back in every naming that Prometheus
// has, and with every encoding of its chunks.
func TestOTLP(t *testing.T) {
	const each = "global: {external_labels: {cluster: eu}}\notlp: {translation_strategy: %s%s}\n"
	for _, c := range []struct {
		name, strategy, more string
		flags                []string
		exact, scoped        bool
	}{
		{"underscores and suffixes", "UnderscoreEscapingWithSuffixes", "", nil, false, false},
		{"as shipped", "UnderscoreEscapingWithSuffixes", ", promote_resource_attributes: [service.instance.id, service.name]", nil, false, false},
		{"with scopes", "UnderscoreEscapingWithSuffixes", ", promote_scope_metadata: true", nil, false, true},
		{"underscores", "UnderscoreEscapingWithoutSuffixes", "", nil, true, false},
		{"dots and suffixes", "NoUTF8EscapingWithSuffixes", "", nil, true, false},
		{"dots", "NoTranslation", "", nil, false, false},
		{"type and unit labels", "NoTranslation", "", []string{"--enable-feature=type-and-unit-labels"}, false, false},
		{"custom buckets", "UnderscoreEscapingWithSuffixes", ", convert_histograms_to_nhcb: true", nil, false, false}, // a query shows those with events alone
		{"start timestamps", "UnderscoreEscapingWithSuffixes", "", []string{"--enable-feature=st-storage"}, true, false},
		{"start timestamps, explicit", "UnderscoreEscapingWithSuffixes", "", []string{"--enable-feature=st-storage"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := time.Now().Add(-50 * time.Minute).Truncate(time.Second)
			all := stories(from, 80, c.exact)
			url := prometheus(t, t.TempDir(), fmt.Sprintf(each, c.strategy, c.more), c.flags...)
			moments := 0
			for n := range all[0].moments { // in order of time
				for _, s := range all {
					for _, m := range s.moments {
						if d := m.at.Sub(all[0].moments[n].at); d >= 0 && d < 15*time.Second {
							push(t, url, s.name, m)
							moments++
						}
					}
				}
			}
			for _, way := range []history.Way{history.RemoteRead, history.Query} {
				if c.name == "custom buckets" && way == history.Query {
					continue
				}
				t.Run(string(way), func(t *testing.T) {
					s := &history.Source{URL: url, Client: client, Selector: `job="shop"`, Way: way}
					is := read(t, s, needs(), from, from.Add(time.Hour))
					for _, list := range is {
						for n := range list {
							for _, more := range []string{",service_name=shop", "service_name=shop"} { // of the resource
								list[n].text = strings.ReplaceAll(list[n].text, more, "")
							}
							if c.scoped {
								list[n].text = strings.ReplaceAll(list[n].text, " shop/http ", "  ")
							}
						}
					}
					same(t, all, is)
				})
			}
		})
	}
}
