package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// cut applies the limits to a log record, and returns its size.
func (b bounds) cut(r *sdklog.Record) int {
	size := recordSize(r)
	if size <= min(nameLimit, b.value) || b.fit(r, size) {
		return size
	}
	r.SetEventName(shorten(r.EventName(), nameLimit))
	r.SetSeverityText(shorten(r.SeverityText(), nameLimit))
	r.SetBody(b.body().of(r.Body()))
	attributes := make([]attribute.KeyValue, 0, r.AttributesLen())
	room := b.item - 120 - len(r.EventName()) - len(r.SeverityText()) - valueSize(r.Body())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		kv = attribute.KeyValue{Key: attribute.Key(shorten(string(kv.Key), nameLimit)), Value: b.of(kv.Value)}
		if s := attributeSize(kv); s <= room {
			attributes, room = append(attributes, kv), room-s
		}
		return true
	})
	r.SetAttributes(attributes...)
	return recordSize(r)
}

// ownRecord copies the texts of a record, because a short text may be a slice of a large one.
func ownRecord(r *sdklog.Record) {
	r.SetEventName(strings.Clone(r.EventName()))
	r.SetSeverityText(strings.Clone(r.SeverityText()))
	r.SetBody(owned(r.Body()))
	attributes := make([]attribute.KeyValue, 0, r.AttributesLen())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attributes = append(attributes, attribute.KeyValue{Key: attribute.Key(strings.Clone(string(kv.Key))), Value: owned(kv.Value)})
		return true
	})
	r.SetAttributes(attributes...)
}

// body returns the limits of a body. The variables don't shorten it, because they are for attributes.
func (b bounds) body() bounds {
	if b.value < logValueLimit {
		return bounds{value: logValueLimit, item: b.item}
	}
	return b
}

// fit reports whether a record is within the limits.
func (b bounds) fit(r *sdklog.Record, size int) bool {
	if size > b.item || len(r.EventName()) > nameLimit || len(r.SeverityText()) > nameLimit || !b.body().allow(r.Body()) {
		return false
	}
	fits := true
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		fits = len(kv.Key) <= nameLimit && b.allow(kv.Value)
		return fits
	})
	return fits
}

// allow reports whether a value is surely within the limits.
func (b bounds) allow(v attribute.Value) bool { return valueSize(v) <= b.value }
