// Package blackbox keeps the evidence that a restart destroys. If liveness or readiness of a running
// service begins to fail, it writes a record: the reason, the verdict with the texts of errors, the place
// of each goroutine, and the last ten minutes of each check. If liveness fails, it also writes the reason
// and the stuck functions to the container's termination message. kubectl describe pod shows this. The
// next process logs that there is a record.
//
// If a worker is a [Worker], a record names the function in which it is stuck.
//
// Records may hold secrets: they have the texts of errors, and labels of goroutines. Only the user of
// the process can read the files. The termination message has only classes and names of functions,
// because anybody with permission to get pods can read it.
package blackbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Options are the options of a Box.
type Options struct {
	// Dir is the directory of the records. It is created if it is missing. Give each instance its own. In
	// Kubernetes mount a volume there that outlives the container, such as an emptyDir. Required.
	Dir string
	// Keep is how many records are kept: 10 if zero. A record has at most 1 MiB. Older records are removed
	// first, but those on readiness before those on liveness, and the first record of this process last.
	Keep int
	// TerminationLog is the file of the container's termination message. If empty, it is
	// /dev/termination-log if that exists, and no file otherwise.
	TerminationLog string
	// Logger gets a line for each record, for a record that can't be written, and for a record of an
	// earlier process. If nil, it is slog.Default().
	Logger *slog.Logger
	// Reader is the cumulative reader of the rules. With it a record has exemplars: of each series of a
	// histogram the largest measurement with a trace. No exemplars if nil.
	Reader sdkmetric.Reader
	// MeterProvider exports health.blackbox.records. If nil, it is the global one.
	MeterProvider metric.MeterProvider
}

const (
	terminationLog = "/dev/termination-log"
	defaultKeep    = 10
	closeTime      = 5 * time.Second // a disk may never answer
)

// A Box watches a Monitor and writes records. Its methods are safe for concurrent use.
type Box struct {
	monitor  *healthcheck.Monitor
	report   *report
	begun    time.Time
	previous *Record
	end      context.CancelFunc
	ended    chan struct{}
	writing  chan incident // one incident waits while another one is written
	dir      directory
	message  message
	now      sync.Mutex // one record for ServeHTTP at a time
	traced   exemplars
	stuck    incident // the last one on liveness, without its large parts; only the writer uses it

	history             history
	liveness, readiness probe // only the watcher uses them
}

// New returns a Box that watches m until ctx ends or m stops. New may be called before m starts. If the
// directory can't be written, New logs it and returns no error: the termination message works without it.
// An error is a mistake in o or a nil m, as a [cfgerrors.Error].
func New(ctx context.Context, m *healthcheck.Monitor, o Options) (*Box, error) {
	switch {
	case m == nil:
		return nil, mistake("Monitor", "is nil")
	case o.Dir == "":
		return nil, mistake("Dir", "is empty")
	case o.Keep < 0:
		return nil, mistake("Keep", fmt.Sprintf("%d is negative", o.Keep))
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.TerminationLog == "" {
		if _, err := os.Stat(terminationLog); err == nil {
			o.TerminationLog = terminationLog
		}
	}
	b := &Box{
		monitor: m, report: newReport(o.Logger, o.MeterProvider), begun: time.Now(), ended: make(chan struct{}), writing: make(chan incident, 1),
		dir:     directory{path: o.Dir, keep: cmp.Or(o.Keep, defaultKeep), owner: strconv.FormatInt(time.Now().UnixNano(), 36)},
		message: message{path: o.TerminationLog}, history: newHistory(), traced: exemplars{source: o.Reader, busy: make(chan struct{}, 1)},
	}
	b.report.problem("TerminationLog", b.message.empty())
	b.report.problem("Dir", b.dir.prepare())
	if r, untold := b.dir.untold(); r.Name != "" {
		b.previous = &r
		if untold {
			b.report.found(r)
			b.dir.tell(r)
		}
	}
	ctx, b.end = context.WithCancel(ctx)
	go b.run(ctx)
	return b, nil
}

func mistake(field, problem string) error {
	return fmt.Errorf("blackbox: %w", &cfgerrors.Error{Field: field, Problem: problem})
}

// Close ends the watch and waits until a record in progress is written, for 5 s at most.
func (b *Box) Close() {
	b.end()
	limit := time.NewTimer(closeTime)
	defer limit.Stop()
	select {
	case <-b.ended:
	case <-limit.C:
	}
}

// Previous returns the newest record that an earlier process had left when New was called. ok is false if
// there was none.
func (b *Box) Previous() (r Record, ok bool) {
	if b.previous == nil {
		return r, false
	}
	return *b.previous, true
}

// Records lists all records, the newest first.
func (b *Box) Records() ([]Record, error) { return b.dir.records() }

func (b *Box) run(ctx context.Context) {
	defer close(b.ended)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range b.writing {
			b.write(i)
		}
	}()
	var last *verdict.Verdict
	for v := range b.monitor.Watch(ctx) {
		b.see(v, time.Now())
		last = v
	}
	close(b.writing)
	<-written
	if last != nil {
		b.finish(last)
	}
	b.report.end()
}

// see takes a verdict. It must be fast, because Watch leaves out the verdicts that come meanwhile.
func (b *Box) see(v *verdict.Verdict, now time.Time) {
	b.history.add(v)
	began, passes := b.liveness.see(v.Liveness.State, now)
	if passes {
		b.message.pass()
	}
	if began { // at once, because the process may end before the census
		i := b.incident(v.Liveness, v)
		b.report.problem("TerminationLog", b.message.fail(i.summary()))
	}
	b.ask(&b.liveness, v.Liveness, v, now)
	switch readiness := readinessOf(v); {
	case v.Phase != "running": // it fails on purpose
	case v.Liveness.State == verdict.Fail: // one record for both
		b.readiness.skip(readiness.State)
	default:
		b.readiness.see(readiness.State, now)
		b.ask(&b.readiness, readiness, v, now)
	}
}

// errWaits is the error of a disk that does not answer.
var errWaits = errors.New("two records wait for the disk")

// ask asks for a record of a probe if it is due. If one record is written and another one waits, this one
// stays due.
func (b *Box) ask(p *probe, r verdict.Result, v *verdict.Verdict, now time.Time) {
	switch {
	case !p.isDue(now):
	case len(b.writing) == cap(b.writing): // nobody else sends
		b.report.problem("Dir", errWaits)
	default:
		i := b.incident(r, v)
		i.history = b.history.copy()
		b.writing <- i
		p.recorded(now)
	}
}

func (b *Box) incident(r verdict.Result, v *verdict.Verdict) incident {
	return incident{probe: r, verdict: v, begun: b.begun, failure: b.message.failure()}
}

// write makes a record and writes it.
func (b *Box) write(i incident) {
	i.look()
	if i.probe.Name == i.verdict.Liveness.Name {
		b.stuck = incident{failure: i.failure, places: i.places}
		b.report.problem("TerminationLog", b.message.refine(i.failure, i.summary()))
	}
	i.exemplars, i.untraced = b.traced.take() // after the rest, because callbacks may hang
	name, err := b.dir.write(i.probe.Name, time.Now(), i.text(), i.shortText())
	b.report.written(i.probe.Name, name, err)
}

// finish writes at the end where workers still are, and the record of a failure that has none yet.
func (b *Box) finish(v *verdict.Verdict) {
	if v.Liveness.State == verdict.Fail {
		i := b.incident(v.Liveness, v)
		i.look()
		b.report.problem("TerminationLog", b.message.refine(i.failure, i.lastSummary(&b.stuck)))
	}
	for _, p := range []struct {
		*probe
		verdict.Result
	}{{&b.liveness, v.Liveness}, {&b.readiness, readinessOf(v)}} {
		if p.Result.State != verdict.Pass && !p.due.IsZero() && (p.probe == &b.liveness || v.Phase == "running") {
			i := b.incident(p.Result, v)
			i.history = b.history.copy()
			b.write(i)
			return // one record for both
		}
	}
}
