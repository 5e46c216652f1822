package healthcheck

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/journal"
)

// A Monitor judges the health of one process. Set its fields, build the
// MeterProvider with [Monitor.View], then call [Monitor.Start]; do not change
// them or copy the Monitor afterwards. One Monitor to a MeterProvider.
type Monitor struct {
	Checks []Check

	MeterProvider  metric.MeterProvider // exports health.*; the global one if nil
	TracerProvider trace.TracerProvider // a span for each run of a check; the global one if nil
	Logger         *slog.Logger         // transitions; slog.Default() if nil

	// EffectsFile, if not empty, is a file that overrides while running what a
	// failing check does to readiness: NAME=fail, NAME=warn or NAME=off, one to a
	// line, * for every other check. It wins over HEALTH_EFFECTS, which has the
	// same pairs separated by commas. Judging goes on; the override is shown,
	// exported and logged. A vital check that is overridden to warn or off fails
	// liveness no more.
	EffectsFile string

	// MaintenanceFile, if not empty, is a file that puts the instance into
	// maintenance while it holds {"reason": "…", "until": "RFC 3339"}: mounted from
	// a ConfigMap, a whole Deployment.
	MaintenanceFile string

	// RestartWhenStale lets liveness fail too when no judgement was made for 15 s.
	RestartWhenStale bool

	heartbeats  []*Heartbeat
	instruments *export.Instruments
	collector   *collect.Collector
	created     collect.Instruments
	life        lifecycle.Life
	envEffects  operator.Overrides
	overrides   atomic.Pointer[operator.Overrides]
	teller      journal.Journal
	requests    requestCounts
	service     atomic.Pointer[service]
	verdict     atomic.Pointer[Verdict]
	news        news
	judgingNow  sync.Mutex // one judgement at a time
	judging     judge.Judge
	waiting     []func(context.Context) // what begins with Start
	kick        chan struct{}           // by kicks alone: Hold and its like may come before Start
	kickOnce    sync.Once
	started     atomic.Bool
	ended       <-chan struct{} // the context given to Start
	stopping    chan struct{}
	stop        func()
	wg          sync.WaitGroup // runners and judge; a Collect may hang for ever
}

// Stop ends the checks and the collection after a last judgement, which stays
// what the probes answer. It does not wait for a Collect or a check that hangs.
func (m *Monitor) Stop() {
	if m.teller.Written == nil { // it never started
		return
	}
	select {
	case <-m.ended: // Drain runs beside this and may come too late for the last judgement
		m.Drain()
	default:
	}
	m.judge()
	m.stop()
	m.wg.Wait()
	m.judgingNow.Lock()
	defer m.judgingNow.Unlock()
	final := *m.verdict.Load().judged
	if final.Final {
		return
	}
	final.Final = true
	m.publish(&final)
	m.teller.End(tick) // nothing is judged after the last verdict
}

// Verdict is the last judgement; nil before Start.
func (m *Monitor) Verdict() *Verdict { return m.verdict.Load() }

// Status is what a probe answers now: before the first verdict, and once there was
// none for 15 s, too.
func (m *Monitor) Status(p Probe) State {
	v := m.Verdict()
	if v == nil {
		return unjudged.Status(p)
	}
	return v.judged.Effective(p, time.Now())
}

// Evaluate collects and judges once, now: for tests of your own rules. Where
// collecting outlasts ctx, what was collected before is judged. Before Start it
// returns nil.
func (m *Monitor) Evaluate(ctx context.Context) *Verdict {
	if m.Verdict() == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.collector.Collect(ctx) // was logged; the judgement says what is missing
	}()
	select {
	case <-done:
	case <-ctx.Done(): // somebody's callback may hang for ever
	}
	return m.judge()
}
