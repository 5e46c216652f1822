package telemetry

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otellog "go.opentelemetry.io/otel/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// copies keeps copies of what is exported, because a span is used again after its export.
type copies struct{ sdktrace.SpanExporter }

func (c copies) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	all := make([]sdktrace.ReadOnlySpan, len(spans))
	for n, s := range spans {
		e := *s.(*endedSpan)
		e.attributes = slices.Clone(e.attributes)
		all[n] = &e
	}
	return c.SpanExporter.ExportSpans(ctx, all)
}

// gated returns a processor that exports every span at once, as Start's does later.
func gated(x sdktrace.SpanExporter) sdktrace.SpanProcessor {
	g := newGate(&newOutcomes(nil).traces, 1000)
	rules := spanRules{bounds{value: spanValueLimit, item: itemLimit}, false, "orders"}
	return gatedSpans{sdktrace.NewSimpleSpanProcessor(gatedSpanExporter{copies{x}, g}), g, rules}
}

// endedOf returns what is exported of a span.
func endedOf(t *testing.T, rules spanRules, record func(trace.Tracer)) *endedSpan {
	t.Helper()
	got := tracetest.NewSpanRecorder()
	record(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(got)).Tracer("test"))
	return rules.ended(got.Ended()[0])
}

// TestEndedSpan: a span that fits is exported as it is.
func TestEndedSpan(t *testing.T) {
	got := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(got)).Tracer("test", trace.WithInstrumentationVersion("1"))
	state, _ := trace.ParseTraceState("a=1,b=2")
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, TraceState: state})
	_, span := tracer.Start(trace.ContextWithRemoteSpanContext(t.Context(), parent), "name", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(trace.Link{SpanContext: parent, Attributes: []attribute.KeyValue{attribute.String("l", "1")}}))
	span.SetAttributes(attribute.String("s", "text"), attribute.Int("i", 1), attribute.StringSlice("l", []string{"a", "b"}), attribute.String("empty", ""),
		attribute.Map("m", attribute.Slice("n", attribute.StringValue("x"))), attribute.ByteSlice("b", []byte("abc")), attribute.String("other", "é"))
	span.AddEvent("event", trace.WithAttributes(attribute.String("e", "2")))
	span.SetStatus(codes.Error, "why")
	span.End()
	want := got.Ended()[0]
	e := spanRules{bounds{value: spanValueLimit, item: itemLimit}, true, ""}.ended(want)
	if a, b := tracetest.SpanStubFromReadOnlySpan(e), tracetest.SpanStubFromReadOnlySpan(want); !reflect.DeepEqual(a, b) {
		t.Errorf("got\n%+v, want\n%+v", a, b)
	}
	for m := range reflect.TypeFor[sdktrace.ReadOnlySpan]().Methods() { // no method of the SDK is missing
		if m.IsExported() {
			reflect.ValueOf(e).MethodByName(m.Name).Call(nil)
		}
	}
}

// TestSpanLimits: no part of a span is longer than its limit, and what is cut ends with a sign.
func TestSpanLimits(t *testing.T) {
	long := strings.Repeat("é", 500_000)
	list := make([]int, 100_000)
	e := endedOf(t, spanRules{bounds{value: spanValueLimit, item: itemLimit}, true, ""}, func(tracer trace.Tracer) {
		_, span := tracer.Start(t.Context(), long, trace.WithLinks(trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}),
			Attributes: []attribute.KeyValue{attribute.String("l", long)}}))
		span.SetAttributes(attribute.String("s", long), attribute.String(long, "v"), attribute.StringSlice("l", []string{long, long}), attribute.ByteSlice("b", []byte(long)),
			attribute.IntSlice("i", list), attribute.BoolSlice("o", make([]bool, 100_000)), attribute.Float64Slice("f", make([]float64, 100_000)),
			attribute.Map("m", attribute.String("x", long), attribute.String("y", long)), attribute.Slice("n", attribute.StringValue(long), attribute.StringValue(long)))
		span.AddEvent(long, trace.WithAttributes(attribute.String("e", long)))
		span.RecordError(errors.New(long), trace.WithStackTrace(true))
		span.SetStatus(codes.Error, long)
		span.End()
	})
	check := func(what, text string, limit int) {
		t.Helper()
		if len(text) > limit || len(text) < limit-8 || !strings.HasSuffix(text, cutSign) || !utf8.ValidString(text) {
			t.Errorf("%s has %d bytes: …%q", what, len(text), text[max(0, len(text)-10):])
		}
	}
	check("the name", e.Name(), nameLimit)
	check("the status", e.Status().Description, nameLimit)
	check("an event's name", e.Events()[0].Name, nameLimit)
	check("an event's attribute", e.Events()[0].Attributes[0].Value.AsString(), spanValueLimit)
	check("a link's attribute", e.Links()[0].Attributes[0].Value.AsString(), spanValueLimit)
	check("an error", e.Events()[1].Attributes[1].Value.AsString(), spanValueLimit)
	for _, kv := range e.Attributes() {
		if size := attributeSize(kv); size > 16+nameLimit+spanValueLimit+24 || kv.Key != "" && len(kv.Key) < 100 && size < spanValueLimit/4 {
			t.Errorf("%.10s has %d bytes", kv.Key, size)
		}
	}
	check("a text", e.Attributes()[0].Value.AsString(), spanValueLimit)
	check("a key", string(e.Attributes()[1].Key), nameLimit)
	if len(e.Attributes()) != 9 {
		t.Errorf("%d attributes", len(e.Attributes()))
	}
}

// TestSpanSize: a span has at most 64 KiB. Attributes without room are counted as dropped.
func TestSpanSize(t *testing.T) {
	long := strings.Repeat("x", 4000)
	e := endedOf(t, spanRules{bounds{value: spanValueLimit, item: itemLimit}, true, ""}, func(tracer trace.Tracer) {
		_, span := tracer.Start(t.Context(), "name")
		for n := range 128 {
			span.SetAttributes(attribute.String(strconv.Itoa(n), long))
			span.AddEvent("event", trace.WithAttributes(attribute.String("e", long)))
			span.AddLink(trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}), Attributes: []attribute.KeyValue{attribute.String("l", long)}})
		}
		span.End()
	})
	if e.size > itemLimit+200 || e.size < itemLimit-5000 {
		t.Errorf("%d bytes", e.size)
	}
	if n := len(e.Attributes()) + e.DroppedAttributes(); n != 128 {
		t.Errorf("%d attributes", n)
	}
	if n := len(e.Events()) + e.DroppedEvents(); n != 128 {
		t.Errorf("%d events", n)
	}
	if n := len(e.Links()) + e.DroppedLinks(); n != 128 {
		t.Errorf("%d links", n)
	}
}

// TestLengthVariables: the SDK's variables replace the limit of values. They count characters.
func TestLengthVariables(t *testing.T) {
	long := strings.Repeat("é", 50_000)
	for _, c := range []struct {
		env  map[string]string
		want int // bytes
	}{
		{nil, spanValueLimit - 1}, // between two é
		{map[string]string{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "10"}, 20},
		{map[string]string{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "10", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "20000"}, 40_000},
		{map[string]string{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "-1"}, 100_000},
		{map[string]string{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "many"}, spanValueLimit - 1},
	} {
		t.Run(fmt.Sprint(c.env), func(t *testing.T) {
			var s sink
			env := s.serve(t, false)
			for k, v := range c.env {
				env[k] = v
			}
			tel, _ := start(t, Config{}, env)
			_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "span", trace.WithAttributes(attribute.String("a", long)))
			span.AddEvent("event", trace.WithAttributes(attribute.String("a", long)))
			span.End()
			if err := tel.traces.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			one := s.traces[0].ResourceSpans[0].ScopeSpans[0].Spans[0]
			for _, kvs := range [][]*commonpb.KeyValue{one.Attributes, one.Events[0].Attributes} {
				if n := len(kvs[0].Value.GetStringValue()); n != c.want {
					t.Errorf("%d bytes, want %d", n, c.want)
				}
			}
		})
	}
}

// TestRecordLimits: log records of any bridge are cut, and the attributes that don't fit are left
// out.
func TestRecordLimits(t *testing.T) {
	var s sink
	tel, _ := start(t, Config{}, s.serve(t, false))
	long := strings.Repeat("x", 1<<20)
	tel.Logger.Info(long, "a", long, "b", long, "c", long, "d", long, "e", long, long, "key", "event.name", long)
	var r otellog.Record
	r.SetBody(attribute.MapValue(attribute.String("x", long), attribute.String("y", long)))
	r.SetSeverityText(long)
	r.AddAttributes(attribute.String("a", long), attribute.Int64Slice("b", make([]int64, 100_000)), attribute.Int("c", 1))
	tel.logs.Logger("a bridge").Emit(t.Context(), r)
	if err := tel.logs.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, request := range s.logs {
		for _, scope := range request.ResourceLogs[0].ScopeLogs {
			for _, one := range scope.LogRecords {
				records++
				if size := proto.Size(one); size > itemLimit || size < logValueLimit {
					t.Errorf("%d bytes", size)
				}
				if n := proto.Size(one.Body); n > logValueLimit+100 || len(one.SeverityText) > nameLimit || len(one.EventName) > nameLimit {
					t.Errorf("body of %d bytes, severity of %d, name of %d", n, len(one.SeverityText), len(one.EventName))
				}
				for _, kv := range one.Attributes {
					if n := proto.Size(kv.Value); n > logValueLimit+100 || len(kv.Key) > nameLimit {
						t.Errorf("%.10s: %d bytes", kv.Key, n)
					}
				}
			}
		}
	}
	if records != 2 {
		t.Errorf("%d records", records)
	}
}

// TestQueueBytes: a queue takes 16 MiB, and items that it does not take are counted.
func TestQueueBytes(t *testing.T) {
	k := &counter{fate: func(ctx context.Context, _ int64) (int64, error) { <-ctx.Done(); return 0, ctx.Err() }}
	tel, _ := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": k.serve(t), "OTEL_METRICS_EXPORTER": "none"})
	long := strings.Repeat("x", 4000)
	attributes := make([]attribute.KeyValue, 12)
	for n := range attributes {
		attributes[n] = attribute.String(strconv.Itoa(n), long)
	}
	for range 1000 {
		_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "span", trace.WithAttributes(attributes...))
		span.End()
		tel.Logger.Info("record", "a", strings.Repeat("x", logValueLimit), "b", strings.Repeat("x", logValueLimit), "c", strings.Repeat("x", logValueLimit))
	}
	for _, o := range []*outcome{&tel.outcomes.traces, &tel.outcomes.logs} {
		if sum, reasons := o.losses(); sum < 600 || sum > 750 || reasons[queueBytes] != sum {
			t.Errorf("%s: %v", o.signal, reasons)
		}
	}
}
