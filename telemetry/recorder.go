package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// recorder converts slog's records to OpenTelemetry log records. It survives all values that slog's own
// handlers survive, and limits the size of a record.
type recorder struct {
	logger log.Logger
	bounds bounds

	err    error // of With
	top    []attribute.KeyValue
	groups []group // open ones, the innermost last
}

// group is an open group of slog, with the attributes that were set in it.
type group struct {
	name       string
	attributes []attribute.KeyValue
}

func (h *recorder) Enabled(ctx context.Context, l slog.Level) bool {
	return h.logger.Enabled(ctx, log.EnabledParameters{Severity: severity(l)})
}

func severity(l slog.Level) log.Severity {
	return log.Severity(l-slog.LevelDebug) + log.SeverityDebug
}

func (h *recorder) Handle(ctx context.Context, r slog.Record) error {
	var out log.Record
	out.SetTimestamp(r.Time)
	out.SetSeverity(severity(r.Level))
	out.SetSeverityText(r.Level.String())
	c := converters.Get().(*converter)
	c.bounds, c.err = h.bounds, h.err
	r.Attrs(func(a slog.Attr) bool {
		c.add(a)
		return true
	})
	out.SetBody(attribute.StringValue(c.own(h.bounds.body().text(r.Message))))
	out.AddAttributes(h.top...)
	out.AddAttributes(h.inGroups(c.attributes)...)
	if c.err != nil {
		out.SetErr(c.err)
	}
	h.logger.Emit(ctx, out)
	if cap(c.attributes) <= 64 { // the record has copies
		clear(c.attributes)
		c.attributes, c.err = c.attributes[:0], nil
		converters.Put(c)
	}
	return nil
}

var converters = sync.Pool{New: func() any { return &converter{attributes: make([]attribute.KeyValue, 0, 8)} }}

// inGroups puts the attributes of a record into the open groups. Empty groups are left out.
func (h *recorder) inGroups(attributes []attribute.KeyValue) []attribute.KeyValue {
	for _, g := range slices.Backward(h.groups) {
		if attributes = slices.Concat(g.attributes, attributes); len(attributes) > 0 {
			attributes = []attribute.KeyValue{attribute.Map(g.name, attributes...)}
		}
	}
	return attributes
}

func (h *recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := converter{bounds: h.bounds, err: h.err}
	for _, a := range attrs {
		c.add(a)
	}
	c.own("")
	next := *h
	next.err = c.err
	if last := len(h.groups) - 1; last >= 0 {
		next.groups = slices.Clone(h.groups)
		next.groups[last].attributes = slices.Concat(h.groups[last].attributes, c.attributes)
	} else {
		next.top = slices.Concat(h.top, c.attributes)
	}
	return &next
}

func (h *recorder) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.groups = append(slices.Clip(h.groups), group{name: strings.Clone(name)})
	return &next
}
