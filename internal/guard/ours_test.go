package guard

// oursElsewhere is the list of ours for the modules beside healthcheck. A name of a type stands for all
// of its methods, or for all functions of it.
var oursElsewhere = map[string]string{
	// OpenTelemetry's interfaces, behind which is the SDK with our providers. What it calls is guarded
	// where it was given to us: callbacks and producers by a question, views by View, readers by usersReader.
	"telemetry: go.opentelemetry.io/otel/metric.MeterProvider": "the SDK's", "telemetry: go.opentelemetry.io/otel/metric.Meter": "the SDK's",
	"telemetry: go.opentelemetry.io/otel/metric.Int64Counter": "the SDK's", "telemetry: go.opentelemetry.io/otel/metric.Float64Histogram": "the SDK's",
	"telemetry: go.opentelemetry.io/otel/metric.Int64Observer": "the SDK's", "telemetry: go.opentelemetry.io/otel/metric.Float64Observer": "the SDK's",
	"telemetry: go.opentelemetry.io/otel/trace.Tracer": "the SDK's", "telemetry: go.opentelemetry.io/otel/trace.Span": "the SDK's",
	"telemetry: go.opentelemetry.io/otel/sdk/trace.ReadOnlySpan": "the SDK's, or an endedSpan", "telemetry: go.opentelemetry.io/otel/sdk/trace.Sampler": "of newSampler",
	"telemetry: go.opentelemetry.io/otel/log.LoggerProvider": "the SDK's", "telemetry: go.opentelemetry.io/otel/log.Logger": "the SDK's",
	"telemetry: go.opentelemetry.io/otel/propagation.TextMapPropagator": "of OTEL_PROPAGATORS",
	"telemetry: p.SpanProcessor.OnEnd":                                  "the SDK's queue", "telemetry: p.Processor.OnEmit": "the SDK's queue",
	"telemetry: p.Processor.ForceFlush": "the SDK's queue",

	// Exporters by OTLP, which Start makes. Exporters of the user belong to Config.Readers.
	"telemetry: go.opentelemetry.io/otel/sdk/metric.Exporter": "OTLP's", "telemetry: go.opentelemetry.io/otel/sdk/log.Exporter": "OTLP's",
	"telemetry: go.opentelemetry.io/otel/sdk/trace.SpanExporter": "OTLP's",

	// Reservoirs of exemplars of the SDK. Those of the user are guarded by View.
	"telemetry: r.provider": "the SDK's", "telemetry: r.all.Offer": "the SDK's", "telemetry: r.all.Collect": "the SDK's",
	"telemetry: view": "advice.view, or guarded already", "telemetry: own": "of ownViews", "telemetry: limit": "of ownViews", "telemetry: keep": "guarded by View",

	// Loggers. A line of ours goes through a Writer. A line of the user, or of a library, runs on the
	// goroutine of the caller that logs, as with slog alone.
	"telemetry: *log/slog.Logger": "a Writer's", "telemetry: log/slog.Handler": "the goroutine of the caller that logs",

	// The user's handler, body and writer, on the goroutine of the request. A panic of the handler is
	// caught by request.recovered.
	"telemetry: req.next.ServeHTTP": "request.recovered", "telemetry: in.otelhttp": "of Instrument", "telemetry: in.otelhttp(req).ServeHTTP": "of otelhttp, which calls request",
	"telemetry: b.ReadCloser.Read": "the handler reads", "telemetry: http.MaxBytesReader(b.req.server, io.NopCloser(strings.NewReader(\"x\")), 0).Read": "net/http's",
	"telemetry: w.req.server.(http.Flusher).Flush": "the handler flushes", "telemetry: w.req.server.(http.Pusher).Push": "the handler pushes",
	"telemetry: github.com/felixge/httpsnoop.FlushFunc": "of otelhttp", "telemetry: github.com/felixge/httpsnoop.FlushErrorFunc": "of otelhttp",
	"telemetry: func() (net.Conn, *bufio.ReadWriter, error)": "the handler hijacks", "telemetry: func(io.Reader) (int64, error)": "the handler writes",

	// Collectors of ours. Those of the user are gathered by package guard.
	"telemetry: m.Metric.Write": "of the exporter for /metrics", "telemetry: n.Collector.Collect": "scraped", "telemetry: in.registry.Unregister": "of leave, which Shutdown runs by package guard",

	// Errors of ours, of OTLP's exporters, of Go, or of package guard.
	"telemetry: fmt.Errorf": "an error of ours, of OTLP, of the environment or of package guard", "telemetry: errNesting.Error": "ours", "telemetry: errors.Is": "of the SDK, of net/http or of OTLP",
	"telemetry: errors.AsType[statusError]": "OTLP's", "telemetry: errors.AsType[broken]": "OTLP's", "telemetry: errors.AsType[*fs.PathError]": "of a file", "telemetry: errors.As": "net/http's",
	"telemetry: t.Timeout": "net/http's", "telemetry: e.Unwrap": "OTLP's", "telemetry: errors.Unwrap": "OTLP's, or a wrapper of fmt.Errorf", "telemetry: err.Error": "OTLP's, encoding/json's, or by errorLogger.Handle",
	"telemetry: s.Err().Error": "gRPC's", "telemetry: in.GRPCStatus": "OTLP's, or by errorLogger.Handle", "telemetry: wrapper.Unwrap": "the same",
	"telemetry: fmt.Sprintf": "errors of the environment, and faults of package guard", "telemetry: fmt.Sprint": "texts of promhttp",

	// Functions of ours in variables.
	"telemetry: cancel": "of a context", "telemetry: b.cancel": "of a context", "telemetry: o.end": "of a context", "telemetry: stop": "of a context",
	"telemetry: b.ReadCloser.Close": "of OTLP's answer", "telemetry: flush": "the SDK's", "telemetry: export": "OTLP's", "telemetry: remove": "of AddRule", "telemetry: invoke": "gRPC's",
	"telemetry: f.report": "errorLogger.Handle", "telemetry: a.report": "errorLogger.Handle", "telemetry: report": "errorLogger.Handle", "telemetry: f.tell": "errorLogger.Handle",
	"telemetry: f.count": "outcomes.uncollected", "telemetry: l.show": "Telemetry.showConflicts", "telemetry: valid": "of the environment", "telemetry: isOneOf(\"true\", \"false\")": "of the environment",
	"telemetry: callbacks": "of guardedOptions", "telemetry: guard": "of guardedOptions", "telemetry: items": "of inParts", "telemetry: size": "of cut",
	"telemetry: mend": "of points", "telemetry: join": "of points", "telemetry: of": "of points",
	"telemetry: named[metric.Int64ObservableCounter](m, name)": "of meter", "telemetry: named[metric.Int64ObservableUpDownCounter](m, name)": "of meter",
	"telemetry: named[metric.Int64ObservableGauge](m, name)": "of meter", "telemetry: named[metric.Float64ObservableCounter](m, name)": "of meter",
	"telemetry: named[metric.Float64ObservableUpDownCounter](m, name)": "of meter", "telemetry: named[metric.Float64ObservableGauge](m, name)": "of meter",

	// The user's MeterProvider, on his goroutine in NewServerHandler, and the rest by inline, because
	// this module can't import package guard.
	"grpctelemetry: go.opentelemetry.io/otel/metric.MeterProvider": "NewServerHandler", "grpctelemetry: go.opentelemetry.io/otel/metric.Meter": "NewServerHandler",
	"grpctelemetry: go.opentelemetry.io/otel/metric.Int64Observer": "inside a collection", "grpctelemetry: go.opentelemetry.io/otel/metric.Float64Observer": "inside a collection",
	"grpctelemetry: h.spans.TagRPC": "inline", "grpctelemetry: trace.SpanFromContext(tagged).IsRecording": "inline", "grpctelemetry: h.propagator.Extract": "inline", "grpctelemetry: local.String": "inline",
	"grpctelemetry: span.SetStatus": "inline", "grpctelemetry: span.SetAttributes": "inline", "grpctelemetry: span.End": "inline", "grpctelemetry: h.duration.Record": "inline", "grpctelemetry: f": "inline itself",

	// Collectors and Gatherers inside collection.run, and the user's registry on his goroutine in Start.
	"promhealth: m.Desc": "collection.run", "promhealth: m.Write": "collection.run", "promhealth: g.Gather": "collection.run",
	"promhealth: t.IsValid": "of a created timestamp", "promhealth: t.AsTime": "of a created timestamp",
	"promhealth: r.Register": "Start, or by package guard in exportQueues", "promhealth: r.Unregister": "the same", "promhealth: errors.As": "client_golang's", "promhealth: errors.Is": "Monitor.Add's",
	"promhealth: fmt.Errorf": "Start, or by package guard in exportQueues", "promhealth: *log/slog.Logger": "a Writer's",
	"promhealth: e.Reader.Collect": "inside a collection, which package guard runs", "promhealth: shared.Snapshot": "the same",
	"promhealth: take": "of describe and of families", "promhealth: o.has": "of newMonitorCollector", "promhealth: over": "of families", "promhealth: l.not": "of families", "promhealth: f": "of exportQueues and of native",

	// gRPC's streams and connections, on the goroutine of a call or inside a check.
	"grpchealth: google.golang.org/grpc.ServerStream":                       "the goroutine of the call",
	"grpchealth: stream.Send":                                               "the goroutine of the call",
	"grpchealth: google.golang.org/grpc/health/grpc_health_v1.HealthClient": "inside a check", "grpchealth: context.CancelFunc": "of a context", "grpchealth: p": "of service.probes",
}
