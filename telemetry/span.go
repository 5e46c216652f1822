package telemetry

import (
	"strings"
	"sync"
	"time"
	"unique"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// endedSpan is the exported part of an ended span. It holds neither the SDK's span nor the memory of its
// texts. So what is left out or cut off uses no memory while the span waits.
type endedSpan struct {
	sdktrace.ReadOnlySpan // nil; only for its private method

	name            string
	context, parent trace.SpanContext
	kind            trace.SpanKind
	start, end      time.Time
	attributes      []attribute.KeyValue
	events          []sdktrace.Event
	links           []sdktrace.Link
	status          sdktrace.Status
	scope           instrumentation.Scope
	resource        *resource.Resource
	children        int

	droppedAttributes, droppedEvents, droppedLinks int

	size int
	few  [8]attribute.KeyValue // room for the attributes of most spans
}

func (s *endedSpan) Name() string                                { return s.name }
func (s *endedSpan) SpanContext() trace.SpanContext              { return s.context }
func (s *endedSpan) Parent() trace.SpanContext                   { return s.parent }
func (s *endedSpan) SpanKind() trace.SpanKind                    { return s.kind }
func (s *endedSpan) StartTime() time.Time                        { return s.start }
func (s *endedSpan) EndTime() time.Time                          { return s.end }
func (s *endedSpan) Attributes() []attribute.KeyValue            { return s.attributes }
func (s *endedSpan) Links() []sdktrace.Link                      { return s.links }
func (s *endedSpan) Events() []sdktrace.Event                    { return s.events }
func (s *endedSpan) Status() sdktrace.Status                     { return s.status }
func (s *endedSpan) InstrumentationScope() instrumentation.Scope { return s.scope }
func (s *endedSpan) Resource() *resource.Resource                { return s.resource }
func (s *endedSpan) DroppedAttributes() int                      { return s.droppedAttributes }
func (s *endedSpan) DroppedLinks() int                           { return s.droppedLinks }
func (s *endedSpan) DroppedEvents() int                          { return s.droppedEvents }
func (s *endedSpan) ChildSpanCount() int                         { return s.children }

//lint:ignore SA1019 the interface has it
func (s *endedSpan) InstrumentationLibrary() instrumentation.Library { return s.scope }

// endedSpans are reused after their export, so that a request needs no allocation for them. The exporters
// keep only the texts of a span, and these are not reused.
var endedSpans = sync.Pool{New: func() any { return &endedSpan{} }}

func (s *endedSpan) release() {
	*s = endedSpan{}
	endedSpans.Put(s)
}

// spanRules say what is exported of a span.
type spanRules struct {
	bounds
	details bool   // Config.SpanDetails
	service string // service.name
}

// ended takes from an ended span what is exported.
func (r spanRules) ended(s sdktrace.ReadOnlySpan) *endedSpan {
	e := endedSpans.Get().(*endedSpan)
	e.name, e.context, e.parent, e.kind = s.Name(), ownedContext(s.SpanContext()), ownedContext(s.Parent()), s.SpanKind()
	e.start, e.end, e.children = s.StartTime(), s.EndTime(), s.ChildSpanCount()
	e.scope, e.resource = s.InstrumentationScope(), s.Resource()
	e.droppedAttributes, e.droppedEvents, e.droppedLinks = s.DroppedAttributes(), s.DroppedEvents(), s.DroppedLinks()
	e.status = s.Status()
	if !r.details {
		e.status.Description = "" // it is an error's text
	}
	e.status.Description = strings.Clone(shorten(e.status.Description, nameLimit))
	request := e.kind == trace.SpanKindServer && e.scope.Name == otelhttp.ScopeName
	e.name = unique.Make(shorten(e.name, nameLimit)).Value() // a copy, and one for all spans of a name
	e.size = 200 + len(e.name) + len(e.status.Description) + len(e.context.TraceState().String())

	var size, dropped int
	e.attributes, size, dropped = r.attributes(e.few[:0], s.Attributes(), e.kind, r.item-e.size)
	e.size, e.droppedAttributes = e.size+size, e.droppedAttributes+dropped
	if len(e.attributes) > len(e.few) {
		clear(e.few[:]) // it has texts that are not copied
	}
	r.own(e.attributes, request)
	r.events(e, s.Events())
	r.links(e, s.Links())
	return e
}

// attributes appends the exported ones while there is room.
func (r spanRules) attributes(to, from []attribute.KeyValue, kind trace.SpanKind, room int) (all []attribute.KeyValue, size, dropped int) {
	for _, kv := range from {
		if !r.details && isSensitive(kv.Key, kind) {
			continue
		}
		s := attributeSize(kv)
		if s > min(r.value, nameLimit) { // its key or its value may be too long
			kv = attribute.KeyValue{Key: attribute.Key(shorten(string(kv.Key), nameLimit)), Value: r.of(kv.Value)}
			s = attributeSize(kv)
		}
		if size+s > room {
			dropped++
			continue
		}
		to, size = append(to, kv), size+s
	}
	return to, size, dropped
}

func (r spanRules) events(e *endedSpan, events []sdktrace.Event) {
	for n, event := range events {
		event.Name = strings.Clone(shorten(event.Name, nameLimit))
		e.size += 40 + len(event.Name)
		if e.size > r.item {
			e.droppedEvents += len(events) - n
			return
		}
		attributes, size, dropped := r.attributes(nil, event.Attributes, e.kind, r.item-e.size)
		r.own(attributes, false)
		event.Attributes, event.DroppedAttributeCount = attributes, event.DroppedAttributeCount+dropped
		e.events, e.size = append(e.events, event), e.size+size
	}
}

func (r spanRules) links(e *endedSpan, links []sdktrace.Link) {
	for n, link := range links {
		link.SpanContext = ownedContext(link.SpanContext)
		e.size += 80 + len(link.SpanContext.TraceState().String())
		if e.size > r.item {
			e.droppedLinks += len(links) - n
			return
		}
		attributes, size, dropped := r.attributes(nil, link.Attributes, e.kind, r.item-e.size)
		r.own(attributes, false)
		link.Attributes, link.DroppedAttributeCount = attributes, link.DroppedAttributeCount+dropped
		e.links, e.size = append(e.links, link), e.size+size
	}
}

// own copies the keys and the texts of values, all texts into one allocation. request means that the
// attributes are those of otelhttp's span of a request.
func (r spanRules) own(attributes []attribute.KeyValue, request bool) {
	sum := 0
	for n, kv := range attributes {
		attributes[n].Key = ownedKey(kv.Key)
		switch kv.Value.Type() {
		case attribute.STRING:
			if text, ok := r.known(kv, request); ok {
				attributes[n].Value = attribute.StringValue(text)
			} else {
				sum += len(text)
			}
		case attribute.STRINGSLICE, attribute.SLICE, attribute.MAP:
			attributes[n].Value = owned(kv.Value)
		}
	}
	if sum == 0 {
		return
	}
	var texts strings.Builder
	texts.Grow(sum)
	for _, kv := range attributes {
		if kv.Value.Type() == attribute.STRING {
			if text, ok := r.known(kv, request); !ok {
				texts.WriteString(text)
			}
		}
	}
	rest := texts.String()
	for n, kv := range attributes {
		if kv.Value.Type() == attribute.STRING {
			if text, ok := r.known(kv, request); !ok {
				attributes[n].Value = attribute.StringValue(rest[:len(text)])
				rest = rest[len(text):]
			}
		}
	}
}

// requestKeys are on most spans of requests. Six of them are found here within 0.1 µs, and in the table
// of all keys within 0.4 µs.
var requestKeys = [...]attribute.Key{
	"http.route", "url.scheme", "error.type", "server.port", "server.address",
	"http.request.method", "http.response.status_code", "network.protocol.version",
}

// ownedKey returns a copy of a key, the same for all spans.
func ownedKey(key attribute.Key) attribute.Key {
	for _, k := range requestKeys {
		if k == key {
			return k
		}
	}
	return unique.Make(key).Value()
}

// known returns the text of a value, and whether the text is not a slice of what a client has sent. Such a
// text needs no copy. On the span of a request most are of this kind.
func (r spanRules) known(kv attribute.KeyValue, request bool) (string, bool) {
	text := kv.Value.AsString()
	if !request {
		return text, false
	}
	switch kv.Key {
	case "http.request.method", "url.scheme", "error.type":
		return text, true
	case "http.route": // some routers have paths of clients here
		return unique.Make(text).Value(), true
	case "server.address":
		if text == r.service {
			return r.service, true
		}
	case "network.protocol.version":
		for _, version := range [...]string{"1.1", "2.0", "1.0"} {
			if text == version {
				return version, true
			}
		}
	}
	return text, false
}

// ownedContext returns a context that does not hold the header of its tracestate.
func ownedContext(sc trace.SpanContext) trace.SpanContext {
	state := sc.TraceState()
	if state.Len() == 0 {
		return sc
	}
	state, err := trace.ParseTraceState(state.String())
	if err != nil {
		return sc // it was parsed before
	}
	return sc.WithTraceState(state)
}
