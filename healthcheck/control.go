package healthcheck

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// Hold keeps the process in the phase starting until release is called: /startup and /ready answer
// 503 with the reason. Take one hold for every part of the initialisation. If startup has passed
// already, a new hold affects only readiness. release may be called more than once.
func (m *Monitor) Hold(reason string) (release func()) { return m.judgeAround(m.life.Hold(reason)) }

// Maintain takes the instance out of traffic until a time at most 24 hours ahead: /ready answers
// 503 with Retry-After, and /health answers 200. Maintenance ends at that time, or when lift is called.
// lift may be called more than once. Several windows may be open. The window that ends last decides. An
// empty reason, and a time that is past or more than 24 hours ahead, are errors.
func (m *Monitor) Maintain(reason string, until time.Time) (lift func(), err error) {
	w, err := lifecycle.NewMaintenance(reason, until)
	if err != nil {
		return nil, fmt.Errorf("healthcheck: Maintain: %w", err)
	}
	return m.open(w, "Maintain"), nil
}

// open opens a maintenance window.
func (m *Monitor) open(w *lifecycle.Maintenance, source string) (lift func()) {
	return m.judgeAround(m.life.Open(w, source))
}

// judgeAround asks for a judgement now, and for another one after undo.
func (m *Monitor) judgeAround(undo func()) func() {
	m.askJudge()
	return func() {
		undo()
		m.askJudge()
	}
}

// loadFiles reads the configured files once. apply puts their content into force. The override file
// wins over env. An invalid file is logged, and the process still starts, because the file may be
// written for another release.
func (m *Monitor) loadFiles(ctx context.Context, env operator.Overrides, log *slog.Logger) (files []*operator.File, apply func()) {
	if path := m.config.OverrideFile; path != "" {
		files = append(files, operator.NewFile("overrides", "OverrideFile", path, func(text string) (func(), error) {
			o, err := operator.ParseOverrides(text)
			return func() {
				now := maps.Clone(env)
				maps.Copy(now, o)
				m.override(now, sources(env, o), log)
				m.askJudge()
			}, err
		}))
	}
	if path := m.config.MaintenanceFile; path != "" {
		lift := func() {}
		files = append(files, operator.NewFile("maintenance", "MaintenanceFile", path, func(text string) (func(), error) {
			w, err := operator.ParseMaintenance(text)
			if w == nil && err != nil {
				return nil, err
			}
			return func() {
				before := lift
				lift = func() {}
				if w != nil {
					lift = m.open(w, "MaintenanceFile")
				}
				before()
			}, err
		}))
	}
	var uses []func()
	for _, f := range files {
		use, err := f.Load(ctx)
		if err != nil {
			f.Log(log, err)
		}
		uses = append(uses, use)
	}
	return files, func() {
		for _, use := range uses {
			use()
		}
	}
}

// sources says where overrides come from.
func sources(env, file operator.Overrides) string {
	switch {
	case len(file) == 0:
		return variable
	case len(env) == 0:
		return "OverrideFile"
	}
	return variable + " and OverrideFile"
}

const variable = "HEALTH_OVERRIDES"

// override puts overrides into force, and logs that.
func (m *Monitor) override(now operator.Overrides, source string, log *slog.Logger) {
	m.unchecked.Store(nil) // first, or the new names get the grace of the last ones
	switch before := m.overrides.Swap(&now); {
	case len(now) > 0:
		log.Warn("overrides are in force", "event.name", export.OverridesChanged, "overrides", inBrief(now), "source", source)
		began := time.Now()
		m.unchecked.Store(&began)
	case len(*before) > 0:
		log.Info("overrides have ended", "event.name", export.OverridesChanged)
	}
}

// namesGrace is how long a new override waits for its check. Checks can be added after Start.
const namesGrace = 10 * time.Second

// logUnknown logs overrides of names without a check, once. Such a name may be a mistake, or belong to another
// release. A process that is starting may not have added all checks yet.
func (m *Monitor) logUnknown(r *running, v *judge.Verdict) {
	began := m.unchecked.Load()
	if began == nil || v.Phase != states.Running || v.Time.Sub(*began) < namesGrace || !m.unchecked.CompareAndSwap(began, nil) {
		return
	}
	if unknown := (*m.overrides.Load()).Unknown(m.has); len(unknown) > 0 {
		r.log.Write(context.Background(), slog.LevelError, "overrides name unknown checks", slog.Any("names", inBrief(unknown)), slog.Any("checks", inBrief(m.names())))
	}
}

// logMaintenance logs that maintenance has begun, changed or ended. A process that starts in maintenance has
// no change of a probe that says so.
func (r *running) logMaintenance(life lifecycle.Phase) {
	now := ""
	if life.Current == states.Maintenance {
		now = life.Reasons() + life.Sources() + life.Until.String()
	}
	if now == r.maintenance {
		return
	}
	r.maintenance = now
	switch log := (export.Log{Writer: r.log}); {
	case now != "":
		log.Maintenance(life.Reasons(), life.Sources(), life.Until)
	case life.Current != states.Draining:
		log.MaintenanceEnd()
	}
}

// inBrief returns a value for the log, or the begin of its text if that is too long.
func inBrief(v any) any {
	if text := fmt.Sprint(v); len(text) > guard.MaxText {
		return guard.Cut(text)
	}
	return v
}

// names returns the names of all checks, rules and heartbeats.
func (m *Monitor) names() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		all = append(all, e.name)
	}
	return all
}

func (m *Monitor) has(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.name == name {
			return true
		}
	}
	return false
}
