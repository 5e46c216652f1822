package telemetry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// The types of this file misbehave in all the ways that slog's own handlers survive.
type nilError struct{ p *int }

func (e *nilError) Error() string { return strconv.Itoa(*e.p) }

type panickingError struct{}

func (panickingError) Error() string { panic("hunter2") }

type typedError struct{}

func (typedError) Error() string     { return "typed" }
func (typedError) ErrorType() string { panic("hunter2") }

type holder struct{ M map[string]any }

type node struct {
	Name string
	Next *node
}

type account struct {
	User     string
	password string
	Hidden   string `json:"-"`
}

type valuer struct{ n int }

func (v valuer) LogValue() slog.Value { return slog.GroupValue(slog.Int("n", v.n)) }

type panickingValuer struct{}

func (panickingValuer) LogValue() slog.Value { panic("hunter2") }

type endlessValuer struct{}

func (v endlessValuer) LogValue() slog.Value { return slog.AnyValue(v) }

type panickingJSON struct{}

func (panickingJSON) MarshalJSON() ([]byte, error) { panic("hunter2") }

type failingJSON struct{}

func (failingJSON) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

type panickingText struct{}

func (panickingText) MarshalText() ([]byte, error) { panic("hunter2") }

type panickingStringer struct{ A int }

func (panickingStringer) String() string { panic("hunter2") }

type color int

func (color) MarshalText() ([]byte, error) { return []byte("red"), nil }

type level int

func (level) String() string { return "level" }

type text string

func nested(n int) any {
	if n == 0 {
		return 1
	}
	return map[string]any{"d": nested(n - 1)}
}

// logKinds are all kinds of values. want is what is exported if that is not the text of slog's
// JSON handler, as TYPE:text. The value of an error is in exception.message.
func logKinds() []logKind {
	cyclic := &holder{M: map[string]any{}}
	cyclic.M["self"] = cyclic
	ring := &node{Name: "a"}
	ring.Next = ring
	list := make([]any, 1)
	list[0] = list
	mapped := map[string]any{}
	mapped["m"] = mapped
	u, _ := url.Parse("http://u:hunter2@h/x")
	var none *int
	seven := 7
	return []logKind{
		{"nil", nil, ""}, {"bool", true, ""}, {"int", 5, ""}, {"int8", int8(-5), ""}, {"uint64", uint64(math.MaxUint64), ""}, {"float", 1.5, ""}, {"float32", float32(.5), ""},
		{"NaN", math.NaN(), "FLOAT64:NaN"}, {"infinity", math.Inf(1), "FLOAT64:Infinity"}, {"string", "text", ""}, {"named string", text("text"), ""},
		{"invalid UTF-8", []any{"a\xffb"}, `SLICE:["a\ufffdb"]`}, {"long string", strings.Repeat("x", 10<<20), "STRING:" + strings.Repeat("x", logValueLimit-3) + "…"},
		{"duration", 1500 * time.Millisecond, ""}, {"time", time.Unix(1, 0).UTC(), "INT64:1000000000"}, {"time without nanoseconds", time.Time{}, ""}, {"nested time", []any{time.Unix(0, 0).UTC()}, ""},
		{"bytes", []byte("abc"), ""}, {"many bytes", make([]byte, 1<<20), "BYTESLICE:" + base64.StdEncoding.EncodeToString(make([]byte, logValueLimit))},
		{"error", io.EOF, ""}, {"wrapped error", fmt.Errorf("w: %w", io.EOF), ""}, {"joined error", errors.Join(io.EOF, io.ErrClosedPipe), ""},
		{"nil error", error((*nilError)(nil)), ""}, {"panicking error", panickingError{}, "STRING:!PANIC: string"}, {"error with a panicking type", typedError{}, ""}, {"long error", errors.New(strings.Repeat("x", 1<<20)), "STRING:" + strings.Repeat("x", logValueLimit-3) + "…"},
		{"nil pointer", none, ""}, {"pointer", &seven, ""}, {"nil map", map[string]int(nil), ""}, {"nil list", []string(nil), ""}, {"map", map[string]any{"a": 1, "b": []int{1, 2}, "c": map[string]string{"d": "e"}}, ""},
		{"map of numbers", map[int]string{1: "a"}, ""}, {"map of structs", map[string]account{"a": {"u", "hunter2", "hunter2"}}, ""}, {"strings", []string{"a", "b"}, ""}, {"array", [2]int{1, 2}, ""}, {"empty list", []int{}, ""},
		{"named bytes", json.RawMessage(`{"a": 1}`), ""}, {"invalid JSON", json.RawMessage(`{`), ""}, {"number", json.Number("12345678901234567890123"), ""},
		{"struct", account{"u", "hunter2", "hunter2"}, ""}, {"pointer to a struct", &account{"u", "hunter2", "hunter2"}, ""}, {"structs", []account{{"u", "hunter2", "hunter2"}}, ""},
		{"struct that holds itself", cyclic, ""}, {"ring", ring, ""}, {"list that holds itself", list, ""}, {"map that holds itself", mapped, ""}, {"depth 2000", nested(2000), ""}, {"depth 9000", nested(9000), "STRING:" + strings.Repeat(`{"d":`, 3276) + `{…`},
		{"LogValuer", valuer{3}, ""}, {"panicking LogValuer", panickingValuer{}, "LogValue panicked"}, {"endless LogValuer", endlessValuer{}, ""}, {"list of LogValuers", []any{valuer{1}}, ""},
		{"group", slog.GroupValue(slog.Int("a", 1), slog.Any("e", io.EOF), slog.Group("", slog.Int("inline", 1)), slog.Group("none")), ""}, {"group with a nil error", slog.GroupValue(slog.Any("e", error((*nilError)(nil)))), ""},
		{"panicking MarshalJSON", panickingJSON{}, "STRING:!PANIC: string"}, {"failing MarshalJSON", failingJSON{}, ""}, {"panicking MarshalText", panickingText{}, "STRING:!PANIC: string"}, {"nil MarshalText", (*url.URL)(nil), ""},
		{"panicking String", panickingStringer{1}, ""}, {"MarshalText", color(1), ""}, {"String", level(1), ""}, {"address", netip.MustParseAddr("10.0.0.1"), ""}, {"net.IP", net.ParseIP("10.0.0.1"), ""}, {"big number", big.NewInt(12), ""},
		{"URL", u, ""}, {"func", func() {}, ""}, {"channel", make(chan int), ""}, {"complex", complex(1, 2), `MAP:{"i":2,"r":1}`}, {"unsafe pointer", unsafe.Pointer(&seven), ""}, {"mutex", &sync.Mutex{}, ""}, {"context", context.Background(), ""},
		{"attribute", attribute.StringSliceValue([]string{"x"}), `STRINGSLICE:["x"]`}, {"long list", make([]int, 100_000), "STRING:[" + strings.Repeat("0,", 8190) + "…"}, {"headers", map[string][]string{"A": {"b"}}, ""},
		{"errors", []error{nil, (*nilError)(nil), io.EOF}, ""}, {"nested NaN", []float64{math.NaN()}, `SLICE:["NaN"]`},
	}
}

type logKind struct {
	name string
	v    any
	want string
}

// newRecorder returns a handler whose last record is in got.
func newRecorder(got *records) *recorder {
	b := bounds{value: logValueLimit, item: itemLimit}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(got)))
	return &recorder{logger: provider.Logger("test"), bounds: b}
}

// attributesOf returns the attributes of a record.
func attributesOf(r *sdklog.Record) map[string]attribute.Value {
	all := map[string]attribute.Value{}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		all[string(kv.Key)] = kv.Value
		return true
	})
	return all
}

// TestLogValues: the recorder survives all values that slog's JSON handler survives, and the text is the same.
func TestLogValues(t *testing.T) {
	for _, kind := range logKinds() {
		var lines bytes.Buffer
		var got records
		own, json := slog.New(newRecorder(&got)), slog.New(slog.NewJSONHandler(&lines, nil))
		for where, log := range map[string]func(*slog.Logger){
			"attribute": func(l *slog.Logger) { l.Info("m", "v", kind.v) },
			"With":      func(l *slog.Logger) { l.With("v", kind.v).Info("m") },
		} {
			got = nil
			lines.Reset()
			log(own)
			log(json)
			if len(got) != 1 {
				t.Fatalf("%s: %d records", kind.name, len(got))
			}
			check(t, kind.name+" as "+where, kind, attributesOf(&got[0]), raw(t, lines.Bytes()))
		}
	}
}

// raw returns the attributes in a line of slog's JSON handler.
func raw(t testing.TB, line []byte) map[string]json.RawMessage {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return all
}

func check(t testing.TB, name string, kind logKind, got map[string]attribute.Value, slogs map[string]json.RawMessage) {
	t.Helper()
	v, ok := got["v"]
	if _, is := kind.v.(error); is {
		if v, ok = got["exception.message"], got["exception.type"].AsString() != ""; !ok {
			t.Errorf("%s: no exception.type", name)
		}
	}
	text := fmt.Sprint(v.Type(), ":", v.String())
	switch {
	case !ok:
		t.Errorf("%s: %v", name, got)
	case strings.Contains(text, "hunter2"):
		t.Errorf("%s: a secret: %s", name, text)
	case kind.want == "":
		if !same(slogs["v"], v) {
			t.Errorf("%s: %.200s; slog has %.200s", name, text, slogs["v"])
		}
	case !strings.HasSuffix(text, kind.want) && !strings.Contains(text, kind.want+"\n"):
		t.Errorf("%s: %.200s, want %.200s", name, text, kind.want)
	}
}

// same reports whether a value is the JSON. A struct is the JSON as a text.
func same(raw json.RawMessage, v attribute.Value) bool {
	switch v.Type() {
	case attribute.EMPTY:
		return string(raw) == "null"
	case attribute.STRING:
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s == v.AsString()
		}
		return string(raw) == v.AsString()
	case attribute.BYTESLICE:
		return string(raw) == strconv.Quote(base64.StdEncoding.EncodeToString(v.AsByteSlice()))
	case attribute.FLOAT64:
		f, err := strconv.ParseFloat(string(raw), 64)
		return err == nil && f == v.AsFloat64()
	case attribute.INT64:
		var at time.Time // of a group, in nanoseconds
		if json.Unmarshal(raw, &at) == nil {
			return at.UnixNano() == v.AsInt64()
		}
	case attribute.SLICE:
		var all []json.RawMessage
		if json.Unmarshal(raw, &all) != nil || all == nil || len(all) != len(v.AsSlice()) {
			return false
		}
		for n, one := range v.AsSlice() {
			if !same(all[n], one) {
				return false
			}
		}
		return true
	case attribute.MAP:
		var all map[string]json.RawMessage
		if json.Unmarshal(raw, &all) != nil || all == nil || len(all) != len(v.AsMap()) {
			return false
		}
		for _, kv := range v.AsMap() {
			if one, ok := all[string(kv.Key)]; !ok || !same(one, kv.Value) {
				return false
			}
		}
		return true
	}
	return string(raw) == v.String()
}

// TestLogGroups: groups are those of slog's JSON handler.
func TestLogGroups(t *testing.T) {
	for name, log := range map[string]func(*slog.Logger){
		"With":         func(l *slog.Logger) { l.With("a", 1).With("b", 2).Info("m", "c", 3) },
		"group":        func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("m", "c", 3) },
		"empty group":  func(l *slog.Logger) { l.With("a", 1).WithGroup("g").WithGroup("h").Info("m") },
		"inner empty":  func(l *slog.Logger) { l.WithGroup("g").With("a", 1).WithGroup("h").Info("m") },
		"no name":      func(l *slog.Logger) { l.WithGroup("").Info("m", "a", 1, slog.Group("", slog.Int("b", 2))) },
		"empty values": func(l *slog.Logger) { l.Info("m", slog.Attr{}, slog.Group("g"), slog.Group("h", slog.Attr{})) },
		"one parent": func(l *slog.Logger) {
			parent := l.WithGroup("g").With("a", 1)
			parent.With("b", 2).WithGroup("x")
			parent.With("c", 3).Info("m", "d", 4)
		},
	} {
		var lines bytes.Buffer
		var got records
		log(slog.New(newRecorder(&got)))
		log(slog.New(slog.NewJSONHandler(&lines, nil)))
		want := raw(t, lines.Bytes())
		for _, key := range []string{"time", "level", "msg"} {
			delete(want, key)
		}
		attributes := attributesOf(&got[0])
		for key, v := range attributes {
			if !same(want[key], v) {
				t.Errorf("%s: %s is %s, want %s", name, key, v.String(), want[key])
			}
		}
		if len(attributes) != len(want) {
			t.Errorf("%s: %v, want %s", name, attributes, lines.Bytes())
		}
	}
}

// builder makes nested values of bytes.
type builder struct {
	data    []byte
	parents []any
}

func (b *builder) next() int {
	if len(b.data) == 0 {
		return 0
	}
	n := b.data[0]
	b.data = b.data[1:]
	return int(n)
}

func (b *builder) text() string {
	n := min(b.next()%20, len(b.data))
	s := string(b.data[:n])
	b.data = b.data[n:]
	return s
}

func (b *builder) value() any {
	kinds := []any{nil, true, 5, int8(-5), uint64(math.MaxUint64), 1.5, float32(.1), math.NaN(), math.Inf(-1), text("text"), level(1), json.Number("1e400"), map[text]level{"a": 1}, map[color]int{1: 2}}
	switch n := b.next() % 32; n {
	case 0, 1, 2, 3, 4, 5, 6:
		return kinds[b.next()%len(kinds)]
	case 7, 8:
		return b.text()
	case 9:
		return errors.New(b.text())
	case 10:
		return []any{(*nilError)(nil), panickingError{}, typedError{}, panickingValuer{}, endlessValuer{}, panickingJSON{}, failingJSON{}, panickingText{}, (*url.URL)(nil)}[b.next()%9]
	case 11:
		return account{User: b.text(), password: "hunter2", Hidden: "hunter2"}
	case 12:
		return &node{Name: b.text(), Next: &node{}}
	case 13:
		return color(b.next())
	case 14:
		return time.Unix(int64(b.next()), 0).UTC()
	case 15:
		return []byte(b.text())
	case 16:
		return map[int]any{b.next(): b.value()}
	case 17:
		return [2]any{b.value(), b.value()}
	case 18:
		v := b.value()
		return &v
	case 19:
		return json.RawMessage(b.text())
	case 20:
		return slog.GroupValue(slog.Any("a", b.value()), slog.Any("b", b.value()))
	case 21:
		return valuer{b.next()}
	case 22:
		if len(b.parents) > 0 {
			return b.parents[b.next()%len(b.parents)]
		}
		return nil
	case 23:
		return holder{map[string]any{b.text(): b.value()}}
	case 24:
		return func() {}
	case 25:
		return []string{b.text(), b.text()}
	case 26, 27, 28:
		list := make([]any, b.next()%5)
		b.parents = append(b.parents, list)
		for n := range list {
			list[n] = b.value()
		}
		return list
	}
	m := map[string]any{}
	b.parents = append(b.parents, m)
	for range b.next() % 5 {
		m[b.text()] = b.value()
	}
	return m
}

// FuzzLogValues: the recorder survives any nested value, and it has the text that slog's JSON handler writes.
func FuzzLogValues(f *testing.F) {
	for n := range 32 {
		f.Add([]byte{byte(n), 3, 29, 4, 2, 'k', 'l', byte(n), 1, 1, 'a', 22, 0, 26, 4, byte(n), 20, 5, 'a', 'b', 0xff})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v := (&builder{data: data}).value()
		var lines bytes.Buffer
		var got records
		slog.New(slog.NewJSONHandler(&lines, nil)).Info("m", "v", v)
		slog.New(newRecorder(&got)).Info("m", "v", v)
		slogs, attributes := raw(t, lines.Bytes()), attributesOf(&got[0])
		for _, one := range attributes {
			if valueSize(one) > 2*logValueLimit || strings.Contains(one.String(), "hunter2") {
				t.Errorf("%.200s", one.String())
			}
		}
		if bytes.Contains(slogs["v"], []byte("!")) || bytes.Contains(slogs["v"], []byte("LogValue panicked")) || bytes.Contains(slogs["v"], []byte(`\ufffd`)) {
			return // TestLogValues has the errors
		}
		if _, is := v.(error); is {
			attributes["v"] = attribute.StringValue(attributes["exception.message"].AsString()) // none if it is empty
		}
		if _, is := v.(time.Time); is {
			return
		}
		if one, ok := attributes["v"]; (ok || slogs["v"] != nil) && !same(slogs["v"], one) {
			t.Errorf("%s, slog has %s", one.String(), slogs["v"])
		}
	})
}
