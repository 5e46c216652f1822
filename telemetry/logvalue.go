package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// converter converts slog's attributes to OpenTelemetry's. A value has the same text as from slog's JSON
// handler, because that handler survives every value: nil pointers, methods that panic, values that
// contain themselves. It never shows an unexported field. Values without a type in JSON have one of OTLP:
// bytes, durations, times, NaN, complex numbers. A value's methods run on the goroutine that logs, as in
// slog's handlers.
type converter struct {
	bounds     bounds
	attributes []attribute.KeyValue
	err        error // the first attribute that is an error, for exception.message and exception.type
	depth      int   // of groups
}

// maxDepth is the depth of groups, maps and lists. Deeper ones become their JSON text.
const maxDepth = 16

func (c *converter) add(a slog.Attr) {
	v := a.Value
	if v.Kind() == slog.KindAny && c.depth == 0 {
		if err, ok := v.Any().(error); ok {
			if c.err == nil {
				c.err = recordedErrorOf(err, c.bounds)
				return
			} // a second one is an attribute
		}
	}
	v = v.Resolve() // catches panics
	var value attribute.Value
	switch {
	case v.Kind() != slog.KindGroup:
		if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
			return // as slog does
		}
		value = c.value(v)
	case a.Key == "":
		for _, one := range v.Group() {
			c.add(one)
		}
		return
	case c.depth >= maxDepth:
		value = attribute.StringValue(cutSign)
	default:
		inner := converter{bounds: c.bounds, depth: c.depth + 1, attributes: make([]attribute.KeyValue, 0, len(v.Group()))}
		for _, one := range v.Group() {
			inner.add(one)
		}
		if len(inner.attributes) == 0 {
			return // as slog does
		}
		inner.own("")
		value = attribute.MapValue(inner.attributes...)
	}
	c.attributes = append(c.attributes, attribute.KeyValue{Key: attribute.Key(a.Key), Value: value})
}

// own copies the keys and the texts, because a short text may be a slice of a large one, such as a path of a
// request's first line. It makes one allocation.
func (c *converter) own(body string) (own string) {
	sum := len(body)
	for _, kv := range c.attributes {
		if sum += len(kv.Key); kv.Value.Type() == attribute.STRING {
			sum += len(kv.Value.AsString())
		}
	}
	if sum == 0 {
		return ""
	}
	var texts strings.Builder
	texts.Grow(sum)
	texts.WriteString(body)
	for _, kv := range c.attributes {
		texts.WriteString(string(kv.Key))
		if kv.Value.Type() == attribute.STRING {
			texts.WriteString(kv.Value.AsString())
		}
	}
	rest := texts.String()
	take := func(size int) (text string) {
		text, rest = rest[:size], rest[size:]
		return text
	}
	own = take(len(body))
	for n := range c.attributes {
		kv := &c.attributes[n]
		kv.Key = attribute.Key(take(len(kv.Key)))
		if kv.Value.Type() == attribute.STRING {
			kv.Value = attribute.StringValue(take(len(kv.Value.AsString())))
		}
	}
	return own
}

func (c *converter) value(v slog.Value) attribute.Value {
	switch v.Kind() {
	case slog.KindString:
		return attribute.StringValue(c.bounds.text(v.String())) // own copies it
	case slog.KindInt64:
		return attribute.Int64Value(v.Int64())
	case slog.KindBool:
		return attribute.BoolValue(v.Bool())
	case slog.KindFloat64:
		return attribute.Float64Value(v.Float64())
	case slog.KindDuration:
		return attribute.Int64Value(int64(v.Duration()))
	case slog.KindUint64:
		if u := v.Uint64(); u > math.MaxInt64 {
			return attribute.StringValue(strconv.FormatUint(u, 10))
		}
		return attribute.Int64Value(int64(v.Uint64()))
	case slog.KindTime:
		if t := v.Time(); t.Year() < 1678 || t.Year() > 2261 { // nanoseconds have no room for it
			return attribute.StringValue(t.Format(time.RFC3339Nano))
		}
		return attribute.Int64Value(v.Time().UnixNano())
	}
	return c.any(v.Any())
}

func (c *converter) any(v any) attribute.Value {
	switch v := v.(type) {
	case attribute.Value:
		return owned(c.bounds.of(v))
	case []byte:
		return attribute.ByteSliceValue(v[:min(len(v), c.bounds.room())])
	case complex64:
		return complexValue(complex128(v))
	case complex128:
		return complexValue(v)
	case error:
		if _, is := v.(json.Marshaler); !is {
			return attribute.StringValue(c.bounds.text(messageOf(v)))
		}
	}
	left := c.bounds.room()
	if plain, ok := plainValue(v, &left, 0); ok {
		return plain
	}
	return c.json(v)
}

func complexValue(v complex128) attribute.Value {
	return attribute.MapValue(attribute.Float64("r", real(v)), attribute.Float64("i", imag(v)))
}

// json converts a value to the text of its JSON.
func (c *converter) json(v any) attribute.Value {
	text, ok := jsonText(v)
	switch {
	case ok && text == "null":
		return attribute.Value{}
	case ok && text[0] == '"':
		_ = json.Unmarshal([]byte(text), &text)
	}
	return attribute.StringValue(c.bounds.text(text))
}

// encoder is used again, as slog's handler does.
type encoder struct {
	out  bytes.Buffer
	json *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.json = json.NewEncoder(&e.out)
	e.json.SetEscapeHTML(false)
	return e
}}

// jsonText returns what slog's JSON handler writes. ok is false if it is the text of an error. For a panic it
// has the type, not the text, because the text may be a secret.
func jsonText(v any) (text string, ok bool) {
	e := encoders.Get().(*encoder)
	var err error
	if failed := guard.Inline(func() { err = e.json.Encode(v) }); failed != nil { // the encoder is in the midst of a value, so it is not used again
		return panicText(v, failed), false
	}
	if err != nil {
		return "!ERROR:" + err.Error(), false // the encoder keeps some errors, so it is not used again
	}
	text = string(e.out.Bytes()[:e.out.Len()-1]) // without the end of the line
	if e.out.Cap() <= logValueLimit {
		e.out.Reset()
		encoders.Put(e)
	}
	return text, true
}

func isNilPointer(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// recordedError is an error whose methods were called already, because they may panic.
type recordedError struct{ text, kind string }

func (e recordedError) Error() string     { return e.text }
func (e recordedError) ErrorType() string { return e.kind }

func recordedErrorOf(err error, b bounds) error {
	return recordedError{strings.Clone(b.text(messageOf(err))), exceptionType(err)}
}

// messageOf returns the text of an error, as slog's handlers write it.
func messageOf(err error) (text string) {
	if failed := guard.Inline(func() { text = err.Error() }); failed != nil {
		return panicText(err, failed)
	}
	return text
}

// panicText is the text of a value whose methods panic. A nil pointer is the usual cause.
func panicText(v any, failed error) string {
	if isNilPointer(v) {
		return "<nil>"
	}
	return "!PANIC: " + failed.(*guard.Fault).Value
}

// exceptionType returns exception.type, as the SDK has it.
func exceptionType(err error) (kind string) {
	if t, ok := err.(interface{ ErrorType() string }); ok {
		if guard.Inline(func() { kind = t.ErrorType() }) != nil {
			return reflect.TypeOf(err).String()
		}
		if kind != "" {
			return strings.Clone(shorten(kind, nameLimit))
		}
	}
	t := unwrappedType(err)
	if t.PkgPath() != "" && t.Name() != "" {
		return t.PkgPath() + "." + t.Name()
	}
	return t.String()
}
