package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// subject is what can be judged: a runner, a rule or a heartbeat.
type subject interface{ assess(memory.Moment) finding }

// compiled is a check made ready: its evidence and its prebuilt attributes.
type compiled struct {
	Check
	subject subject
	options checkOptions
}

const (
	tick         = time.Second           // between judgements and between collections
	minTick      = 10 * time.Millisecond // between judgements, however many kicks
	maxOutput    = 200                   // bytes of a reason
	collectLimit = 10 * time.Second      // of one Collect, before rules prove nothing
)

// judgeLoop judges each second, and at once when an outcome, the lifecycle or a
// reading has changed. It waits for nothing else.
func (m *Monitor) judgeLoop() {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		select {
		case <-m.stopping:
			return
		case <-m.kicks():
		case <-timer.C:
		}
		m.judge()
		timer.Reset(minTick) // kicks that come meanwhile are judged together
		select {
		case <-m.stopping:
			return
		case <-timer.C:
		}
		timer.Reset(tick - minTick)
	}
}

// kickJudge asks for a judgement now. It judges; it never samples.
func (m *Monitor) kickJudge() {
	select {
	case m.kicks() <- struct{}{}:
	default:
	}
}

func (m *Monitor) kicks() chan struct{} {
	m.kickOnce.Do(func() { m.kick = make(chan struct{}, 1) })
	return m.kick
}

// judge makes the next verdict. Checks are not run here and metrics are not
// collected here, so nothing can make it wait.
func (m *Monitor) judge() *Verdict {
	m.judging.Lock()
	defer m.judging.Unlock()
	prev := m.verdict.Load()
	now := time.Now()
	if prev != nil && prev.final {
		return prev
	}
	if prev == nil || now.Sub(prev.Time) > memory.Suspension {
		m.awake = now
	}
	at := memory.Moment{Now: now, Awake: m.awake}
	life := m.life.Phase(now)
	v := &Verdict{
		Time: now, Lifecycle: life.Current, until: life.Until,
		Checks:  make([]Result, len(m.compiled)),
		started: prev != nil && prev.started || len(life.Holds) == 0,
		service: *m.service.Load(),
		restart: m.RestartWhenStale,
	}
	forced := *m.overrides.Load()
	for n := range m.compiled {
		c := &m.compiled[n]
		f := c.subject.assess(at)
		r := Result{
			Name: c.Name, Role: c.Role, State: f.state, Since: now, Output: text.Shorten(f.output, maxOutput),
			HasValue: f.hasValue, Value: f.value, Unit: f.unit, finding: f, check: c,
			known: f.state != Unknown, Override: string(forced.Of(c.Name)),
		}
		if f.outcome != nil {
			r.Err, r.Span = f.outcome.Err, f.outcome.Span
		}
		if prev != nil {
			old := &prev.Checks[n]
			r.moved, r.known = old.moved, old.known || r.State != Unknown
			if old.State == r.State {
				r.Since = old.Since
			} else {
				r.moved = old.known
				m.checkChanged(&r, old.State)
			}
		} else if c.Func == nil && r.State != Pass {
			m.checkChanged(&r, "") // an active check has not run yet; this one is wrong from the start
		}
		v.Checks[n] = r
	}
	v.rulings = v.rule(now, life, m.collector.Running(now))
	for p := range v.rulings {
		r := &v.rulings[p]
		r.since, r.output = now, text.Shorten(r.output, maxOutput)
		if prev == nil {
			continue
		}
		v.ages[p] = prev.spent(Probe(p), now)
		if was := prev.rulings[p]; was.state == r.state {
			r.since = was.since
		} else {
			m.probeChanged(v, Probe(p), was.state)
		}
	}
	v.render()
	m.publish(v)
	return v
}
