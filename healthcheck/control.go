package healthcheck

import (
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
)

// Hold keeps the process starting until release is called, once or more often: /startup and
// /ready answer 503 and give the reason. Take one for each part of initialisation that must
// end first. Once startup has passed, a new hold affects readiness only.
func (m *Monitor) Hold(reason string) (release func()) { return m.asking(m.life.Hold(reason)) }

// Maintain takes the instance out of traffic until a time at most 24 hours
// ahead: /ready answers 503 with Retry-After, /health stays 200. It ends by
// itself, or when lift is called. Several windows may be open; the last to end
// decides.
func (m *Monitor) Maintain(reason string, until time.Time) (lift func(), err error) {
	w, err := lifecycle.NewMaintenance(reason, until)
	if err != nil {
		return nil, fmt.Errorf("healthcheck: Maintain: %w", err)
	}
	return m.open(w), nil
}

// open begins a window of maintenance.
func (m *Monitor) open(w *lifecycle.Maintenance) (lift func()) { return m.asking(m.life.Open(w)) }

// asking asks for a judgement of what was done, and of what undoes it.
func (m *Monitor) asking(undo func()) func() {
	m.askJudge()
	return func() {
		undo()
		m.askJudge()
	}
}

// loadFiles reads the files of the configuration once: at start a bad one is an error. apply
// puts into force what they say. env are the overrides that a file is put over.
func (m *Monitor) loadFiles(env operator.Overrides, log *slog.Logger) (files []*operator.File, apply func(), errs []error) {
	if path := m.config.OverrideFile; path != "" {
		files = append(files, operator.NewFile(path, "OverrideFile", func(text string) (func(), error) {
			o, err := operator.ParseOverrides(text)
			return func() {
				now := maps.Clone(env)
				maps.Copy(now, o)
				m.overrides.Store(&now)
				m.tellOverrides(now, log)
				m.askJudge()
			}, err
		}))
	}
	if path := m.config.MaintenanceFile; path != "" {
		lift := func() {}
		files = append(files, operator.NewFile(path, "MaintenanceFile", func(text string) (func(), error) {
			w, err := operator.ParseMaintenance(text)
			return func() {
				before := lift
				lift = func() {}
				if w != nil {
					lift = m.open(w)
				}
				before()
			}, err
		}))
	}
	var uses []func()
	for _, f := range files {
		use, err := f.Load()
		if err != nil {
			errs = append(errs, &cfgerrors.Error{Field: f.Field, Problem: err.Error()})
		}
		uses = append(uses, use)
	}
	return files, func() {
		for _, use := range uses {
			use()
		}
	}, errs
}

// tellOverrides logs what is in force. A name that no check has takes no force: it may be one
// of another release.
func (m *Monitor) tellOverrides(now operator.Overrides, log *slog.Logger) {
	if len(now) == 0 {
		log.Info("what failing checks do is overridden no more")
		return
	}
	log.Warn("what failing checks do is overridden", "overrides", now)
	if unknown := now.Unknown(m.has); len(unknown) > 0 {
		log.Error("overrides name checks that are not there", "names", unknown)
	}
}

// has reports whether there is a check, rule or heartbeat of a name.
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
