//go:build unix

package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// BenchmarkLog compares our recorder with OpenTelemetry's own bridge, otelslog, side by side. Times
// are the process's CPU time, as in BenchmarkInstrument:
//
//	go test ./telemetry -run '^$' -bench Log -benchtime 61x
func BenchmarkLog(b *testing.B) {
	long := make([]byte, 200)
	for _, c := range []struct {
		name string
		args []any
	}{
		{"five", []any{"a", 1, "b", "text", "c", 1.5, "d", true, "e", time.Second}},
		{"error", []any{"err", io.ErrUnexpectedEOF, "a", 1}},
		{"joined error", []any{"err", errors.Join(io.EOF, io.ErrUnexpectedEOF), "a", 1}},
		{"struct", []any{"s", account{"u", "p", "h"}}},
		{"pointer", []any{"s", &account{"u", "p", "h"}}},
		{"map", []any{"m", map[string]any{"a": 1, "b": "x"}}},
		{"strings", []any{"l", []string{"a", "b", "c"}}},
		{"headers", []any{"h", http.Header{"A": {"b"}, "C": {"d"}}}},
		{"structs", []any{"l", []account{{"u", "p", "h"}, {"u", "p", "h"}}}},
		{"group", []any{slog.Group("g", "a", 1, "b", "x")}},
		{"bytes", []any{"b", long}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := eventNames{sdklog.NewSimpleProcessor(discard{})}
			provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(p))
			handlers := []slog.Handler{
				otelslog.NewHandler("test", otelslog.WithLoggerProvider(provider)),
				&recorder{logger: provider.Logger("test"), bounds: bounds{value: logValueLimit, item: itemLimit}},
			}
			var all []*contender
			for n, h := range handlers {
				log := slog.New(h)
				one := &contender{name: []string{"otelslog", "ours"}[n], request: func() { log.Info("a message", c.args...) }}
				for range 500 {
					one.request()
				}
				all = append(all, one)
			}
			for n := range b.N {
				all[n%2].round()
				all[(n+1)%2].round()
			}
			b.ReportMetric(0, "ns/op")
			for _, c := range all {
				b.ReportMetric(low(c.cpu), c.name+"-ns")
				b.ReportMetric(low(c.allocs), c.name+"-allocs")
			}
			b.ReportMetric(low(all[1].cpu)/low(all[0].cpu), "ours/otelslog")
		})
	}
}

type discard struct{}

func (discard) Export(context.Context, []sdklog.Record) error { return nil }
func (discard) Shutdown(context.Context) error                { return nil }
func (discard) ForceFlush(context.Context) error              { return nil }
