package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
)

const (
	tick    = time.Second           // between judgements and between collections
	minTick = 10 * time.Millisecond // between judgements, however many kicks
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

// judge makes the next verdict, unless there was the last.
func (m *Monitor) judge() *Verdict {
	m.judgingNow.Lock()
	defer m.judgingNow.Unlock()
	prev := m.verdict.Load()
	var before *judge.Verdict
	if prev != nil {
		if before = prev.judged; before.Final {
			return prev
		}
	}
	now := time.Now()
	j, changes := m.judging.Next(before, judge.Inputs{
		Now: now, Life: m.life.Phase(now), Collecting: m.collector.Running(now), Override: (*m.overrides.Load()).Of, Restart: m.RestartWhenStale,
	})
	for n := range changes {
		m.instruments.Count(j, &changes[n])
		m.teller.Change(j, &changes[n])
	}
	return m.publish(j)
}
