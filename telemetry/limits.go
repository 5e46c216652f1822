package telemetry

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// Clients and collectors choose the length of many texts, and the SDK limits none of them by default. These
// limits, in bytes, are for what waits for an export.
const (
	spanValueLimit = 4 << 10
	logValueLimit  = 16 << 10 // a stack trace fits
	nameLimit      = 1 << 10  // of a span, an event or an attribute, and of a status's text
	itemLimit      = 64 << 10 // a span or a log record
	queueLimit     = 16 << 20 // all spans, or all log records
	errorLimit     = 1 << 10  // the text of an error
)

// cutSign shows that a text goes on.
const cutSign = "…"

// shorten returns at most limit bytes of a text. A cut text is a copy, so it does not hold the whole in memory.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := max(0, limit-len(cutSign))
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + cutSign
}

// bounds are the limits of the spans or of the log records.
type bounds struct {
	value      int  // of a text
	characters bool // value counts characters, because a variable has set it
	item       int  // of a span or a record
}

// bounds returns the limits. The first valid variable replaces the default, and a negative number removes
// the limits, as in the SDK. With these variables the SDK cuts attributes itself, but not those of events
// and links.
func (env *environment) bounds(value int, variables ...string) bounds {
	n, err := strconv.Atoi(env.valid(variables...))
	switch {
	case err != nil:
		return bounds{value: value, item: itemLimit}
	case n < 0 || n > 1<<30:
		return bounds{value: math.MaxInt, item: math.MaxInt}
	}
	return bounds{value: n, characters: true, item: max(itemLimit, 4*utf8.UTFMax*n)} // four values
}

// text cuts a text.
func (b bounds) text(s string) string {
	if len(s) <= b.value {
		return s
	}
	if !b.characters {
		return shorten(s, b.value)
	}
	n := 0
	for at := range s {
		if n == b.value {
			return strings.Clone(s[:at])
		}
		n++
	}
	return s
}

// room is the limit for a whole list or map.
func (b bounds) room() int {
	if b.characters { // the SDK has cut each text
		return b.item
	}
	return min(b.value, b.item)
}

// of cuts a value.
func (b bounds) of(v attribute.Value) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		if s := v.AsString(); len(s) > b.value {
			return attribute.StringValue(b.text(s))
		}
		return v
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return v
	}
	left := b.room()
	if valueSize(v) <= left {
		return v
	}
	return cutValue(v, &left)
}

// cutValue takes as much of a value as there is room left.
func cutValue(v attribute.Value, left *int) attribute.Value {
	*left -= 12
	switch v.Type() {
	case attribute.STRING:
		s := shorten(v.AsString(), max(*left, len(cutSign)))
		*left -= len(s)
		return attribute.StringValue(s)
	case attribute.BYTESLICE:
		b := v.AsByteSlice()
		b = b[:max(0, min(len(b), *left))]
		*left -= len(b)
		return attribute.ByteSliceValue(b)
	case attribute.STRINGSLICE:
		var all []string
		for _, s := range v.AsStringSlice() {
			if *left <= 0 {
				break
			}
			s = shorten(s, max(*left, len(cutSign)))
			*left -= 12 + len(s)
			all = append(all, s)
		}
		return attribute.StringSliceValue(all)
	case attribute.BOOLSLICE:
		return attribute.BoolSliceValue(some(v.AsBoolSlice(), left))
	case attribute.INT64SLICE:
		return attribute.Int64SliceValue(some(v.AsInt64Slice(), left))
	case attribute.FLOAT64SLICE:
		return attribute.Float64SliceValue(some(v.AsFloat64Slice(), left))
	case attribute.SLICE:
		var all []attribute.Value
		for _, one := range v.AsSlice() {
			if *left <= 0 {
				break
			}
			all = append(all, cutValue(one, left))
		}
		return attribute.SliceValue(all...)
	case attribute.MAP:
		var all []attribute.KeyValue
		for _, kv := range v.AsMap() {
			if *left <= 0 {
				break
			}
			key := shorten(string(kv.Key), nameLimit)
			*left -= 16 + len(key)
			all = append(all, attribute.KeyValue{Key: attribute.Key(key), Value: cutValue(kv.Value, left)})
		}
		return attribute.MapValue(all...)
	}
	return v
}

func some[T any](all []T, left *int) []T {
	all = all[:max(0, min(len(all), *left/13))]
	*left -= 13 * len(all)
	return all
}

// owned returns a copy of a value, because a short text may be a slice of a large one and hold it in memory.
// For example, a request's protocol is a slice of its first line, with the path.
func owned(v attribute.Value) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return attribute.StringValue(strings.Clone(v.AsString()))
	case attribute.STRINGSLICE:
		all := v.AsStringSlice() // a copy
		for n, s := range all {
			all[n] = strings.Clone(s)
		}
		return attribute.StringSliceValue(all)
	case attribute.SLICE:
		all := append([]attribute.Value(nil), v.AsSlice()...)
		for n, one := range all {
			all[n] = owned(one)
		}
		return attribute.SliceValue(all...)
	case attribute.MAP:
		all := append([]attribute.KeyValue(nil), v.AsMap()...)
		for n, kv := range all {
			all[n] = attribute.KeyValue{Key: attribute.Key(strings.Clone(string(kv.Key))), Value: owned(kv.Value)}
		}
		return attribute.MapValue(all...)
	}
	return v
}
