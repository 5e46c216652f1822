package blackbox

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// report logs and counts records. It waits for neither.
type report struct {
	log     *guard.Writer
	site    guard.Site // of the counter
	records metric.Int64Counter

	mu     sync.Mutex
	told   map[string]bool // kinds of problems that were logged since the last success
	errors guard.Errors
}

func newReport(logger *slog.Logger, mp metric.MeterProvider) *report {
	r := &report{log: guard.NewWriter(logger), told: map[string]bool{}}
	var err, late error
	r.records, late = guard.Ask(&r.site, func() metric.Int64Counter {
		var c metric.Int64Counter
		c, err = export.Records(mp)
		return c
	})
	if late != nil {
		r.records = nil
		r.problem("MeterProvider", late)
	} else if err != nil {
		r.problem("MeterProvider", err)
	}
	return r
}

// end waits until all lines are written, or lost.
func (r *report) end() { r.log.End() }

// found logs the record of an earlier process.
func (r *report) found(rec Record) {
	r.log.Write(context.Background(), slog.LevelWarn, "an earlier process has left a record", slog.String("event.name", "health.blackbox.found"),
		slog.String("health.blackbox.record", rec.Name), slog.String(string(conventions.ProbeName), rec.Probe), slog.Time("health.blackbox.time", rec.Time),
		slog.String("health.blackbox.reason", firstLine(rec.Summary)))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return guard.Cut(line)
}

// written logs and counts a record, or the error of writing it.
func (r *report) written(probe, name string, err error) {
	set := metric.WithAttributes(conventions.ProbeName.String(probe))
	if err == nil {
		r.mu.Lock()
		delete(r.told, "Dir")
		r.mu.Unlock()
		r.log.Write(context.Background(), slog.LevelWarn, "a record of a failing probe is written", slog.String("event.name", "health.blackbox.written"),
			slog.String("health.blackbox.record", name), slog.String(string(conventions.ProbeName), probe))
	} else {
		r.problem("Dir", err)
		set = metric.WithAttributes(conventions.ProbeName.String(probe), conventions.ErrorType.String(r.classOf(err)))
	}
	if r.records != nil {
		_ = r.site.Run(func() { r.records.Add(context.Background(), 1, set) }) // runs views of users
	}
}

func (r *report) classOf(err error) string {
	if class := errnoClass(err); class != "" {
		return class
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.errors.Describe(err).Class
}

// problem logs the first error of a kind.
func (r *report) problem(kind string, err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	told := r.told[kind]
	r.told[kind] = true
	r.mu.Unlock()
	if !told {
		text := guard.Text(err)
		r.log.Write(context.Background(), slog.LevelWarn, "blackbox: "+kind+": "+text, slog.String("error", text))
	}
}
