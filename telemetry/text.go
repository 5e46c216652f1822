package telemetry

import (
	"context"
	"slices"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Protocol Buffers take UTF-8 only. One text with an invalid byte, such as an old file name, makes the
// encoding of its whole batch fail. With cumulative metrics every later batch has that text too. So every
// export is checked, and a batch with such a text is copied and mended.

// mender replaces each invalid byte of a text by U+FFFD. It never changes its input, because that
// belongs to the SDK or to a Producer.
type mender struct {
	texts int
	first string // where the first one was; never the text, because it may be a secret
}

func (m *mender) text(s, where string) string {
	if utf8.ValidString(s) {
		return s
	}
	if m.texts == 0 {
		m.first = string([]rune(where))
	}
	m.texts++
	return string([]rune(s))
}

// told counts the mended texts, and logs once for each signal that there are some.
func (o *outcome) told(m *mender) {
	o.countMended(m.texts)
	if m.texts > 0 && o.mended.CompareAndSwap(false, true) {
		tellMended(o.errorLogger, o.signal, m)
	}
}

func tellMended(l *errorLogger, signal string, m *mender) {
	l.log.Warn("a text is not valid UTF-8, so it is exported with U+FFFD for each invalid byte; this is logged once", "signal", signal, "where", m.first)
}

func validValue(v attribute.Value) bool {
	switch v.Type() {
	case attribute.STRING:
		return utf8.ValidString(v.AsString())
	case attribute.STRINGSLICE:
		return !slices.ContainsFunc(v.AsStringSlice(), func(s string) bool { return !utf8.ValidString(s) })
	case attribute.SLICE:
		return !slices.ContainsFunc(v.AsSlice(), func(v attribute.Value) bool { return !validValue(v) })
	case attribute.MAP:
		return validAttributes(v.AsMap())
	}
	return true
}

func (m *mender) value(v attribute.Value, where string) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return attribute.StringValue(m.text(v.AsString(), where))
	case attribute.STRINGSLICE:
		all := v.AsStringSlice() // a copy
		for n, s := range all {
			all[n] = m.text(s, where)
		}
		return attribute.StringSliceValue(all)
	case attribute.SLICE:
		all := slices.Clone(v.AsSlice())
		for n, one := range all {
			all[n] = m.value(one, where)
		}
		return attribute.SliceValue(all...)
	case attribute.MAP:
		return attribute.MapValue(m.attributes(v.AsMap(), where+", ")...)
	}
	return v
}

func validAttributes(attrs []attribute.KeyValue) bool {
	for n := range attrs {
		if !utf8.ValidString(string(attrs[n].Key)) || !validValue(attrs[n].Value) {
			return false
		}
	}
	return true
}

func (m *mender) attributes(attrs []attribute.KeyValue, of string) []attribute.KeyValue {
	if validAttributes(attrs) {
		return attrs
	}
	attrs = slices.Clone(attrs)
	for n, kv := range attrs {
		where := of + "attribute " + string(kv.Key)
		attrs[n] = attribute.KeyValue{Key: attribute.Key(m.text(string(kv.Key), where)), Value: m.value(kv.Value, where)}
	}
	return attrs
}

func validSet(set *attribute.Set) bool {
	for n := range set.Len() {
		if kv, _ := set.Get(n); !utf8.ValidString(string(kv.Key)) || !validValue(kv.Value) {
			return false
		}
	}
	return true
}

func (m *mender) set(set attribute.Set, of string) attribute.Set {
	if validSet(&set) {
		return set
	}
	return attribute.NewSet(m.attributes(set.ToSlice(), of)...)
}

func validScope(s *instrumentation.Scope) bool {
	return utf8.ValidString(s.Name) && utf8.ValidString(s.Version) && utf8.ValidString(s.SchemaURL) && validSet(&s.Attributes)
}

func (m *mender) scope(s instrumentation.Scope) instrumentation.Scope {
	of := "scope " + s.Name
	s.Name, s.Version, s.SchemaURL = m.text(s.Name, of), m.text(s.Version, of), m.text(s.SchemaURL, of)
	s.Attributes = m.set(s.Attributes, of+", ")
	return s
}

// resource mends a resource. The providers get a mended one, but each of them adds the pairs of
// OTEL_RESOURCE_ATTRIBUTES again, so an invalid key comes back.
func (m *mender) resource(r *resource.Resource) *resource.Resource {
	if validSet(r.Set()) {
		return r
	}
	return resource.NewWithAttributes(r.SchemaURL(), m.attributes(r.Attributes(), "resource, ")...)
}

// textSpans exports spans with valid texts.
type textSpans struct {
	sdktrace.SpanExporter
	outcome *outcome
}

func (x textSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	var m mender
	copied, valid := false, validSet(spans[0].Resource().Set()) // of one provider
	for n, s := range spans {
		if valid && validSpan(s) {
			continue
		}
		if !copied {
			spans, copied = slices.Clone(spans), true
		}
		spans[n] = m.span(s)
	}
	x.outcome.told(&m)
	return x.SpanExporter.ExportSpans(ctx, spans)
}

func validSpan(s sdktrace.ReadOnlySpan) bool {
	scope := s.InstrumentationScope()
	if !utf8.ValidString(s.Name()) || !utf8.ValidString(s.Status().Description) || !validScope(&scope) || !validAttributes(s.Attributes()) {
		return false
	}
	for _, e := range s.Events() {
		if !utf8.ValidString(e.Name) || !validAttributes(e.Attributes) {
			return false
		}
	}
	for _, l := range s.Links() {
		if !validAttributes(l.Attributes) {
			return false
		}
	}
	return true
}

type mendedSpan struct {
	sdktrace.ReadOnlySpan
	name       string
	status     sdktrace.Status
	scope      instrumentation.Scope
	resource   *resource.Resource
	attributes []attribute.KeyValue
	events     []sdktrace.Event
	links      []sdktrace.Link
}

func (s *mendedSpan) Name() string                                { return s.name }
func (s *mendedSpan) Status() sdktrace.Status                     { return s.status }
func (s *mendedSpan) InstrumentationScope() instrumentation.Scope { return s.scope }
func (s *mendedSpan) Resource() *resource.Resource                { return s.resource }
func (s *mendedSpan) Attributes() []attribute.KeyValue            { return s.attributes }
func (s *mendedSpan) Events() []sdktrace.Event                    { return s.events }
func (s *mendedSpan) Links() []sdktrace.Link                      { return s.links }

func (m *mender) span(s sdktrace.ReadOnlySpan) sdktrace.ReadOnlySpan {
	of := "span " + s.Name()
	status := s.Status()
	status.Description = m.text(status.Description, of+", status")
	one := &mendedSpan{
		ReadOnlySpan: s, name: m.text(s.Name(), of), status: status, scope: m.scope(s.InstrumentationScope()),
		resource: m.resource(s.Resource()), attributes: m.attributes(s.Attributes(), of+", "), events: slices.Clone(s.Events()), links: slices.Clone(s.Links()),
	}
	for n := range one.events {
		e := &one.events[n]
		e.Name, e.Attributes = m.text(e.Name, of+", event"), m.attributes(e.Attributes, of+", event, ")
	}
	for n := range one.links {
		one.links[n].Attributes = m.attributes(one.links[n].Attributes, of+", link, ")
	}
	return one
}

// textLogs exports log records with valid texts.
type textLogs struct {
	sdklog.Exporter
	outcome *outcome
}

func (x textLogs) Export(ctx context.Context, records []sdklog.Record) error {
	var m mender
	if len(records) > 0 { // of one provider
		if r := records[0].Resource(); !validSet(r.Set()) {
			*r = *m.resource(r) // nobody but this exporter reads it, and a record's can't be replaced
		}
	}
	copied := false
	for n := range records {
		if validRecord(&records[n]) {
			continue
		}
		if !copied {
			records, copied = slices.Clone(records), true
		}
		records[n] = m.record(&records[n])
	}
	x.outcome.told(&m)
	return x.Exporter.Export(ctx, records)
}

func validRecord(r *sdklog.Record) bool {
	if !utf8.ValidString(r.EventName()) || !utf8.ValidString(r.SeverityText()) || !validValue(r.Body()) {
		return false
	}
	valid := true
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		valid = utf8.ValidString(string(kv.Key)) && validValue(kv.Value)
		return valid
	})
	return valid
}

func (m *mender) record(r *sdklog.Record) sdklog.Record {
	of := "log record, "
	if r.EventName() != "" {
		of = "event " + r.EventName() + ", "
	}
	attrs := make([]attribute.KeyValue, 0, r.AttributesLen())
	for kv := range r.WalkAttributes {
		attrs = append(attrs, kv)
	}
	one := r.Clone()
	one.SetEventName(m.text(r.EventName(), of+"name"))
	one.SetSeverityText(m.text(r.SeverityText(), of+"severity"))
	one.SetBody(m.value(r.Body(), of+"body"))
	one.SetAttributes(m.attributes(attrs, of)...)
	return one
}

// textScopes makes loggers with valid scopes, because the scope of a record can't be changed later.
type textScopes struct {
	log.LoggerProvider
	outcome *outcome
}

func (p textScopes) Logger(name string, options ...log.LoggerOption) log.Logger {
	c := log.NewLoggerConfig(options...)
	scope := instrumentation.Scope{Name: name, Version: c.InstrumentationVersion(), SchemaURL: c.SchemaURL(), Attributes: c.InstrumentationAttributes()}
	if validScope(&scope) {
		return p.LoggerProvider.Logger(name, options...)
	}
	var m mender
	scope = m.scope(scope)
	p.outcome.told(&m)
	return p.LoggerProvider.Logger(scope.Name, log.WithInstrumentationVersion(scope.Version), log.WithSchemaURL(scope.SchemaURL),
		log.WithInstrumentationAttributes(scope.Attributes.ToSlice()...))
}
