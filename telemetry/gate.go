package telemetry

import (
	"context"
	"fmt"
	"sync"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// gate limits one of the SDK's queues, in items and in bytes. It admits only what the queue can hold. So the
// SDK drops nothing, and every loss is counted: each offered item has arrived, is lost, or is held.
type gate struct {
	outcome  *outcome
	maxItems int

	mu        sync.Mutex
	items     int // admitted, and not exported yet
	bytes     int
	exporting int // of items
	closed    bool
}

func newGate(o *outcome, items int) *gate {
	o.gate = &gate{outcome: o, maxItems: items}
	return o.gate
}

// Reasons of losses before an export, as error.type. queue_full is the word of the semantic
// conventions.
const (
	queueFull  = "queue_full"
	queueBytes = "queue_bytes"
	atShutdown = "shutdown"
)

// enter reports whether one more item may enter the queue. Otherwise it is lost.
func (g *gate) enter() bool {
	g.mu.Lock()
	reason := ""
	switch {
	case g.closed:
		reason = atShutdown
	case g.items >= g.maxItems:
		reason = queueFull
	default:
		g.items++
	}
	g.mu.Unlock()
	if reason != "" {
		g.outcome.lose(1, reason)
	}
	return reason == ""
}

// fits reports whether there is room for an item of a size, which has entered. Otherwise it is lost.
func (g *gate) fits(size int) bool {
	g.mu.Lock()
	ok := size <= queueLimit-g.bytes
	if ok {
		g.bytes += size
	} else {
		g.items--
	}
	g.mu.Unlock()
	if !ok {
		g.outcome.lose(1, queueBytes)
	}
	return ok
}

// begin reports whether a batch may be exported. After close it already counts as lost.
func (g *gate) begin(items int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed && g.exporting+items > g.items {
		return false
	}
	g.exporting += items
	return true
}

// end takes a batch out of the queue after its export.
func (g *gate) end(items, bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.exporting -= items
	g.items -= items
	g.bytes -= bytes
}

// shut admits nothing more.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// abandon counts what is still held as lost, except for a batch that is being exported. That batch is
// counted by its result.
func (g *gate) abandon() error {
	g.mu.Lock()
	held, lost := g.items, g.items-g.exporting
	g.items = g.exporting
	g.mu.Unlock()
	if lost > 0 {
		g.outcome.lose(lost, atShutdown)
	}
	if held > 0 {
		return fmt.Errorf("%s: %d items were still waiting for their export", g.outcome.signal, held)
	}
	return nil
}

// gatedSpans takes the exported part of every ended span, and lets it into the queue.
type gatedSpans struct {
	sdktrace.SpanProcessor
	gate  *gate
	rules spanRules
}

func (p gatedSpans) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() || !p.gate.enter() {
		return
	}
	if e := p.rules.ended(s); p.gate.fits(e.size + itemMemory) {
		p.SpanProcessor.OnEnd(e)
	} else {
		e.release()
	}
}

// itemMemory is roughly the memory of a span or a record without its texts, in bytes.
const itemMemory = 512

// gatedSpanExporter makes room in the queue of spans.
type gatedSpanExporter struct {
	sdktrace.SpanExporter
	gate *gate
}

func (x gatedSpanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if !x.gate.begin(len(spans)) {
		return nil
	}
	size := 0
	for _, s := range spans {
		size += spanSize(s) + itemMemory
	}
	err := x.SpanExporter.ExportSpans(ctx, spans)
	for _, s := range spans {
		if e, ok := s.(*endedSpan); ok {
			e.release()
		}
	}
	x.gate.end(len(spans), size)
	return err
}

// gatedLogs cuts every log record to the limits, and lets it into the queue. It copies records of other bridges.
type gatedLogs struct {
	sdklog.Processor
	gate *gate
	bounds
}

func (p gatedLogs) OnEmit(ctx context.Context, r *sdklog.Record) error {
	if !p.gate.enter() || !p.gate.fits(p.cut(r)+itemMemory) {
		return nil
	}
	if r.InstrumentationScope().Name != scopeName {
		ownRecord(r)
	}
	return p.Processor.OnEmit(ctx, r)
}

// gatedLogExporter makes room in the queue of log records.
type gatedLogExporter struct {
	sdklog.Exporter
	gate *gate
}

func (x gatedLogExporter) Export(ctx context.Context, records []sdklog.Record) error {
	if !x.gate.begin(len(records)) {
		return nil
	}
	size := 0
	for n := range records {
		size += recordSize(&records[n]) + itemMemory
	}
	err := x.Exporter.Export(ctx, records)
	x.gate.end(len(records), size)
	return err
}
