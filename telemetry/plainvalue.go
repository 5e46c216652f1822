package telemetry

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
)

// plainValue converts the usual maps and lists without JSON. JSON would take three times as long. ok is
// false if the value has another type, or is too large or too deep.
func plainValue(v any, left *int, depth int) (value attribute.Value, ok bool) {
	if *left -= 12; *left < 0 || depth > maxDepth {
		return value, false
	}
	switch v := v.(type) {
	case nil:
		return value, true
	case bool:
		return attribute.BoolValue(v), true
	case string:
		*left -= len(v)
		return attribute.StringValue(strings.Clone(v)), *left >= 0
	case int:
		return attribute.Int64Value(int64(v)), true
	case int64:
		return attribute.Int64Value(v), true
	case float64:
		return attribute.Float64Value(v), true
	case map[string]any:
		return plainMap(v, left, depth)
	case map[string]string:
		return plainMap(v, left, depth)
	case map[string]int:
		return plainMap(v, left, depth)
	case []any:
		return plainList(v, left, depth)
	case []string:
		return plainList(v, left, depth)
	case []int:
		return plainList(v, left, depth)
	}
	return reflected(reflect.ValueOf(v), left, depth)
}

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	noForms       sync.Map // by type: bool
)

// hasNoForm reports whether a type has no method that makes its JSON, so JSON shows its parts.
func hasNoForm(t reflect.Type) bool {
	if t.PkgPath() == "" && t.Kind() != reflect.Struct && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		return true // it has no methods
	}
	if known, ok := noForms.Load(t); ok {
		return known.(bool)
	}
	p := reflect.PointerTo(t) // JSON asks the methods of pointers to the elements of a list, too
	none := !p.Implements(marshaler) && !p.Implements(textMarshaler) && !t.Implements(marshaler) && !t.Implements(textMarshaler)
	noForms.Store(t, none)
	return none
}

// reflected converts values of other types. Types that make their own JSON are left to JSON.
func reflected(v reflect.Value, left *int, depth int) (value attribute.Value, ok bool) {
	if *left -= 12; *left < 0 || depth > maxDepth || v.IsValid() && !hasNoForm(v.Type()) {
		return value, false
	}
	switch v.Kind() {
	case reflect.Invalid:
		return value, true
	case reflect.Bool:
		return attribute.BoolValue(v.Bool()), true
	case reflect.String:
		*left -= v.Len()
		return attribute.StringValue(strings.Clone(v.String())), *left >= 0 && v.Type() != number
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return attribute.Int64Value(v.Int()), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return unsigned(v.Uint()), true
	case reflect.Float64:
		return attribute.Float64Value(v.Float()), true
	case reflect.Pointer, reflect.Interface:
		return reflected(v.Elem(), left, depth+1)
	case reflect.Map:
		return reflectedMap(v, left, depth)
	case reflect.Slice, reflect.Array:
		return reflectedList(v, left, depth)
	}
	return value, false
}

var number = reflect.TypeFor[json.Number]()

func reflectedMap(v reflect.Value, left *int, depth int) (value attribute.Value, ok bool) {
	key := v.Type().Key()
	if key.Kind() != reflect.String && (key.Kind() < reflect.Int || key.Kind() > reflect.Uintptr || !hasNoForm(key)) {
		return value, false
	}
	if v.IsNil() {
		return value, true // null, as in JSON
	}
	pairs := make([]attribute.KeyValue, 0, min(v.Len(), *left/12))
	for entry := v.MapRange(); entry.Next(); {
		k := keyText(entry.Key())
		*left -= 16 + len(k)
		one, ok := reflected(entry.Value(), left, depth+1)
		if !ok {
			return value, false
		}
		pairs = append(pairs, attribute.KeyValue{Key: attribute.Key(k), Value: one})
	}
	return attribute.MapValue(pairs...), true
}

func keyText(k reflect.Value) string {
	switch {
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10)
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10)
	}
	return strings.Clone(k.String())
}

func reflectedList(v reflect.Value, left *int, depth int) (value attribute.Value, ok bool) {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return value, false // base64
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		return value, true
	}
	list := make([]attribute.Value, 0, min(v.Len(), *left/12))
	for n := range v.Len() {
		one, ok := reflected(v.Index(n), left, depth+1)
		if !ok {
			return value, false
		}
		list = append(list, one)
	}
	return attribute.SliceValue(list...), true
}

func unsigned(u uint64) attribute.Value {
	if u > math.MaxInt64 {
		return attribute.StringValue(strconv.FormatUint(u, 10))
	}
	return attribute.Int64Value(int64(u))
}

func plainMap[V any](m map[string]V, left *int, depth int) (value attribute.Value, ok bool) {
	if m == nil {
		return value, true // null, as in JSON
	}
	pairs := make([]attribute.KeyValue, 0, min(len(m), *left/12))
	for k, v := range m {
		*left -= 16 + len(k)
		one, ok := plainValue(v, left, depth+1)
		if !ok {
			return value, false
		}
		pairs = append(pairs, attribute.KeyValue{Key: attribute.Key(strings.Clone(k)), Value: one})
	}
	return attribute.MapValue(pairs...), true
}

func plainList[V any](l []V, left *int, depth int) (value attribute.Value, ok bool) {
	if l == nil {
		return value, true
	}
	list := make([]attribute.Value, 0, min(len(l), *left/12))
	for _, v := range l {
		one, ok := plainValue(v, left, depth+1)
		if !ok {
			return value, false
		}
		list = append(list, one)
	}
	return attribute.SliceValue(list...), true
}
