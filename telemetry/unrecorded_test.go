package telemetry

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TestUnrecorded: without an endpoint a span has the identity, the sampling flag and the tracestate
// that the SDK would give it, and nothing is recorded.
func TestUnrecorded(t *testing.T) {
	state := must(trace.ParseTraceState("vendor=1"))
	remote := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1, 15: 1}, SpanID: trace.SpanID{1}, TraceFlags: flags, TraceState: state, Remote: true,
		}))
	}
	parents := map[string]context.Context{"none": t.Context(), "sampled": remote(trace.FlagsSampled), "not sampled": remote(0), "nil": nil}
	for _, name := range samplers {
		sampler := newSampler(name, .5)
		unrecorded, recorded := newUnrecordedTracers(sampler).Tracer("test"), sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)).Tracer("test")
		for parent, ctx := range parents {
			for kind, options := range map[string][]trace.SpanStartOption{"child": nil, "root": {trace.WithNewRoot()}} {
				_, want := recorded.Start(ctx, "span", options...)
				inside, got := unrecorded.Start(ctx, "span", options...)
				g, w := got.SpanContext(), want.SpanContext()
				if !g.IsValid() || g.IsRemote() || got.IsRecording() || trace.SpanFromContext(inside) != got {
					t.Errorf("%s, parent %s, %s: %v, recording %v", name, parent, kind, g, got.IsRecording())
				}
				if g.TraceState().String() != w.TraceState().String() {
					t.Errorf("%s, parent %s, %s: tracestate %q; want %q", name, parent, kind, g.TraceState(), w.TraceState())
				}
				continues := ctx != nil && trace.SpanContextFromContext(ctx).IsValid() && kind == "child"
				if continues && (g.TraceID() != w.TraceID() || g.SpanID() == trace.SpanContextFromContext(ctx).SpanID()) {
					t.Errorf("%s, parent %s: %v does not continue the trace", name, parent, g)
				}
				// A ratio depends on the trace's identity, which is random for a root.
				if (continues || name != "traceidratio" && name != "parentbased_traceidratio") && g.TraceFlags() != w.TraceFlags() {
					t.Errorf("%s, parent %s, %s: flags %v; want %v", name, parent, kind, g.TraceFlags(), w.TraceFlags())
				}
				_, child := got.TracerProvider().Tracer("other").Start(inside, "child")
				if c := child.SpanContext(); c.TraceID() != g.TraceID() || c.SpanID() == g.SpanID() {
					t.Errorf("the child of %v is %v", g, c)
				}
			}
		}
	}
}

// TestUnrecordedRatio: the ratio holds, and the same traces are sampled as with an endpoint.
func TestUnrecordedRatio(t *testing.T) {
	sampler := newSampler("traceidratio", .25)
	tracer, sampled := newUnrecordedTracers(sampler).Tracer("test"), 0
	for range 4000 {
		_, s := tracer.Start(t.Context(), "span")
		want := sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: t.Context(), TraceID: s.SpanContext().TraceID(), Name: "span"})
		if (want.Decision == sdktrace.RecordAndSample) != s.SpanContext().IsSampled() {
			t.Fatalf("%v", s.SpanContext())
		}
		if s.SpanContext().IsSampled() {
			sampled++
		}
	}
	if sampled < 800 || sampled > 1200 { // more than seven standard deviations
		t.Errorf("%d of 4000 are sampled", sampled)
	}
}
