package healthcheck

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

const (
	tick    = time.Second           // between judgements and between collections
	minTick = 10 * time.Millisecond // shortest time between judgements
)

// judgeLoop judges every second, and at once if an outcome, the lifecycle or a reading has changed.
func (m *Monitor) judgeLoop() {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		select {
		case <-m.stopping:
			return
		case <-m.kick:
		case <-timer.C:
		}
		m.judgeNow()
		timer.Reset(minTick) // requests of this time share one judgement
		select {
		case <-m.stopping:
			return
		case <-timer.C:
		}
		timer.Reset(tick - minTick)
	}
}

// askJudge asks for a judgement now, without waiting for it. It does not collect.
func (m *Monitor) askJudge() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// judgeNow makes the next verdict, unless the present one is final. The Monitor has started.
func (m *Monitor) judgeNow() {
	m.mu.Lock()
	r := m.running
	m.mu.Unlock()
	v, changes := m.judgeNext(r)
	m.logUnknown(r, v)
	if len(changes) == 0 {
		return
	}
	_ = r.counting.Run(func() { // a fault costs these counts
		for n := range changes {
			r.instruments.Count(v, &changes[n])
		}
	})
}

// judgeNext makes and publishes the next verdict.
func (m *Monitor) judgeNext(r *running) (*judge.Verdict, []judge.Change) {
	m.judging.Lock()
	defer m.judging.Unlock()
	prev := m.current.Load().Verdict
	switch {
	case prev.Final:
		return prev, nil
	case prev.Time.IsZero():
		prev = nil // nothing was judged yet
	}
	now := time.Now()
	in := judge.Inputs{Now: now, Life: m.life.Phase(now), Collecting: r.collector.Running(now), Override: (*m.overrides.Load()).Of}
	if r.peers != nil {
		in.Voting, in.Peers = true, r.peers.Peers()
	}
	v, changes := m.judge.Next(prev, in)
	r.consult(v)
	for n := range changes {
		export.Log{Writer: r.log}.Change(v, &changes[n])
	}
	r.logMaintenance(in.Life)
	m.publish(v)
	return v, changes
}

// observe is the only callback. It never waits, and never returns an error, because an error drops
// a whole OTLP export.
func (m *Monitor) observe(r *running) metric.Callback {
	return func(_ context.Context, o metric.Observer) error {
		_ = guard.Inline(func() { // a filter of a user's view may panic
			for _, h := range *m.beats.Load() {
				r.instruments.ObserveBeats(o, h.name, h.beats.Load(), h.active.Load())
			}
			for _, f := range r.files {
				r.instruments.ObserveFile(o, f.Name, f.Invalid())
			}
			if r.peers != nil {
				r.instruments.ObservePeers(o, r.peers.Known(), r.peers.Questions(), r.peers.Contact())
			}
			m.requests.each(func(p states.Probe, code int, n int64) { r.instruments.ObserveRequests(o, p, code, n) })
			if v := m.current.Load(); !v.Time.IsZero() {
				r.instruments.ObserveVerdict(o, v.Verdict, time.Now())
			}
		})
		return nil
	}
}
