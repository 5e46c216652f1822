package telemetry

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// TestRedaction: sensitive attributes are not exported, and attributes for people on call are. The span in the process
// does not change.
func TestRedaction(t *testing.T) {
	got := tracetest.NewInMemoryExporter()
	local := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(local), sdktrace.WithSpanProcessor(gated(got)))
	_, span := tp.Tracer("driver").Start(t.Context(), "SELECT", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("error.type", "*pgconn.ConnectError"), attribute.String("db.query.text", "SELECT 1"), attribute.String("http.route", "/jobs/{id}"),
		attribute.String("server.address", "hunter2"), attribute.String("url.full", "http://hunter2"), attribute.String("user.name", "hunter2"),
		attribute.StringSlice("http.request.header.cookie", []string{"hunter2"})))
	span.RecordError(errors.New("hunter2"))
	span.SetStatus(codes.Error, "hunter2")
	span.End()

	_, server := tp.Tracer("http").Start(t.Context(), "GET", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("server.address", "orders"), attribute.String("user_agent.original", "hunter2")))
	server.End()

	text := fmt.Sprint(got.GetSpans())
	for _, want := range []string{"*pgconn.ConnectError", "SELECT 1", "/jobs/{id}", "exception.type", "orders"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("hunter2 is in %s", text)
	}
	if s := got.GetSpans()[0].Status; s.Code != codes.Error {
		t.Errorf("the status is %v", s)
	}
	if s := local.Ended()[0]; s.Status().Description != "hunter2" || len(s.Attributes()) != 7 {
		t.Errorf("the process's own span has changed: %v %v", s.Status(), s.Attributes())
	}
}

// TestSampling: every run of a check is sampled, with any sampler. A span with only the name of a
// check is not.
func TestSampling(t *testing.T) {
	got := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(got), sdktrace.WithSampler(healthSampler{sdktrace.ParentBased(sdktrace.NeverSample())}))
	tracer := tp.Tracer("test")
	ctx, run := tracer.Start(t.Context(), "health.check database", trace.WithAttributes(checkName.String("database")))
	_, query := tracer.Start(ctx, "SELECT")
	query.End()
	run.End()
	ctx, request := tracer.Start(t.Context(), "GET /")
	_, inside := tracer.Start(ctx, "health.check database", trace.WithAttributes(checkName.String("database")))
	inside.End()
	request.End()
	_, named := tracer.Start(t.Context(), "health.check of mine")
	named.End()
	var names []string
	for _, s := range got.GetSpans() {
		names = append(names, s.Name)
	}
	if text := strings.Join(names, ", "); text != "SELECT, health.check database" {
		t.Errorf("exported: %s", text)
	}
}
