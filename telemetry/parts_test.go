package telemetry

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
)

// points counts the points of histograms by name and series, and the requests that hold them.
func (s *sink) points() (series map[string]int, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	series = map[string]int{}
	for _, r := range s.metrics {
		for _, rm := range r.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					for _, p := range m.GetHistogram().GetDataPoints() {
						series[m.Name+" "+p.Attributes[0].Value.GetStringValue()]++
					}
				}
			}
		}
	}
	return series, len(s.metrics)
}

// recordMany makes histograms with 1900 series each. The SDK's limit is 2000.
func recordMany(t *testing.T, tel *Telemetry, histograms int) {
	t.Helper()
	meter := tel.MeterProvider.Meter("test")
	for n := range histograms {
		h, err := meter.Float64Histogram("histogram." + strconv.Itoa(n))
		if err != nil {
			t.Fatal(err)
		}
		for s := range 1900 {
			h.Record(t.Context(), float64(s), metric.WithAttributes(attribute.String("a.series", fmt.Sprintf("series-%04d", s)), attribute.String("tenant", strings.Repeat("x", 40))))
		}
	}
}

// TestLargeExports: 19,000 histograms arrive at a server with the default limit of 4 MiB, each
// once, in as few requests as fit.
func TestLargeExports(t *testing.T) {
	for _, http := range []bool{false, true} {
		var s sink
		tel, log := start(t, Config{}, s.serve(t, http))
		recordMany(t, tel, 10)
		if err := tel.metrics.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		series, requests := s.points()
		if len(series) < 19_000 || requests < 3 || requests > 6 {
			t.Errorf("%d series in %d requests", len(series), requests)
		}
		for name, n := range series {
			if n != 1 {
				t.Fatalf("%s came %d times", name, n)
			}
		}
		for _, r := range s.metrics {
			if size := proto.Size(r); size > requestLimit {
				t.Errorf("a request of %d bytes", size)
			}
			if len(r.ResourceMetrics) != 1 || len(r.ResourceMetrics[0].Resource.GetAttributes()) == 0 {
				t.Error("a part without the resource")
			}
		}
		if strings.Contains(log.String(), "WARN") {
			t.Error(log)
		}
	}
}

// TestRefusedPart: an export fails if one of its parts does. The others arrive.
func TestRefusedPart(t *testing.T) {
	s := sink{refuse: 2}
	tel, _ := start(t, Config{}, s.serve(t, false))
	recordMany(t, tel, 6)
	if err := tel.metrics.ForceFlush(t.Context()); err == nil || s.asked < 3 {
		t.Errorf("%d requests, error %v", s.asked, err)
	}
	if got := series(t, tel, "telemetry.export.failures"); len(got) != 1 || got["error.type=Unknown,telemetry.signal=metrics"] != 1 {
		t.Errorf("failures: %v", got)
	}
	if got := series(t, tel, "telemetry.export.last_success.timestamp"); len(got) != 0 {
		t.Errorf("successes: %v", got)
	}
}

// TestLargeBatches: a batch of spans or log records over 4 MiB arrives too.
func TestLargeBatches(t *testing.T) {
	var s sink
	env := s.serve(t, false)
	env["OTEL_BSP_SCHEDULE_DELAY"], env["OTEL_BLRP_SCHEDULE_DELAY"] = "3600000", "3600000"
	env["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"] = "-1" // none
	tel, log := start(t, Config{}, env)
	large := strings.Repeat("x", 20_000)
	for range 400 {
		_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "span", trace.WithAttributes(attribute.String("db.query.text", large)))
		span.End()
		tel.Logger.Info("stack", "stack", large)
	}
	if err := tel.traces.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	if err := tel.logs.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	spans, records := 0, 0
	for _, r := range s.traces {
		spans += len(r.ResourceSpans[0].ScopeSpans[0].Spans)
	}
	for _, r := range s.logs {
		for _, one := range r.ResourceLogs[0].ScopeLogs {
			records += len(one.LogRecords)
		}
	}
	if spans != 400 || records < 400 || strings.Contains(log.String(), "WARN") {
		t.Errorf("%d spans and %d records", spans, records)
	}
}

// TestParts: cutting loses no point and no metric of any size. A single point over the limit is in a part of its own.
// Metrics that fit are not copied.
func TestParts(t *testing.T) {
	point := func(size int) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attribute.String("k", strings.Repeat("x", size)))}
	}
	scope := func(metrics ...[]int) metricdata.ScopeMetrics {
		var sm metricdata.ScopeMetrics
		for n, sizes := range metrics {
			var points []metricdata.DataPoint[int64]
			for _, size := range sizes {
				points = append(points, point(size))
			}
			sm.Metrics = append(sm.Metrics, metricdata.Metrics{Name: strconv.Itoa(n), Data: metricdata.Sum[int64]{DataPoints: points, IsMonotonic: true}})
		}
		return sm
	}
	const big, over = requestLimit / 3, requestLimit * 2
	for n, c := range []struct {
		scopes []metricdata.ScopeMetrics
		want   string // points by part
	}{
		{nil, "0"},
		{[]metricdata.ScopeMetrics{scope([]int{1, 1}, nil, []int{1})}, "3"},
		{[]metricdata.ScopeMetrics{scope([]int{big, big, big, big})}, "2 2"},
		{[]metricdata.ScopeMetrics{scope([]int{big}, []int{big}, []int{big}), scope([]int{big, 1}, nil)}, "2 3"},
		{[]metricdata.ScopeMetrics{scope([]int{over})}, "1"},
		{[]metricdata.ScopeMetrics{scope([]int{1, over, 1})}, "1 1 1"},
		{[]metricdata.ScopeMetrics{scope([]int{over}, []int{over}), scope([]int{over}, []int{1, 1})}, "1 1 1 2"},
		{[]metricdata.ScopeMetrics{scope(nil, []int{over}), scope([]int{big, big, big, big, big, big, big})}, "1 2 2 2 1"},
	} {
		rm := &metricdata.ResourceMetrics{ScopeMetrics: c.scopes}
		parts := metricParts(rm)
		var got []string
		metrics := map[string]bool{}
		for _, part := range parts {
			points := 0
			for s, sm := range part.ScopeMetrics {
				for _, m := range sm.Metrics {
					points += pointsOf(m.Data)
					metrics[fmt.Sprint(s, m.Name)] = true
					if !m.Data.(metricdata.Sum[int64]).IsMonotonic {
						t.Error("another kind of sum")
					}
				}
			}
			got = append(got, strconv.Itoa(points))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%d: %v, want %s", n, got, c.want)
		}
		if len(parts) == 1 && parts[0] != rm {
			t.Errorf("%d: it is copied", n)
		}
	}
}
