package healthcheck

import (
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
)

// files are the Monitor's, read once: at start a bad one is an error. apply puts
// what they say in force.
func (m *Monitor) loadFiles(known func(string) bool) (files []*operator.File, apply func(), errs []error) {
	if m.EffectsFile != "" {
		files = append(files, operator.NewFile(m.EffectsFile, "EffectsFile", func(text string) (func(), error) {
			o, err := operator.ParseOverrides(text, known)
			return func() { m.setOverrides(o) }, err
		}))
	}
	if m.MaintenanceFile != "" {
		lift := func() {}
		files = append(files, operator.NewFile(m.MaintenanceFile, "MaintenanceFile", func(text string) (func(), error) {
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
		uses, errs = append(uses, use), append(errs, err)
	}
	return files, func() {
		for _, use := range uses {
			use()
		}
	}, errs
}

// setOverrides puts a file's effects over those of HEALTH_EFFECTS.
func (m *Monitor) setOverrides(file operator.Overrides) {
	now := operator.Overrides{}
	for name, e := range m.envEffects {
		now[name] = e
	}
	for name, e := range file {
		now[name] = e
	}
	m.overrides.Store(&now)
	if len(now) > 0 {
		m.Logger.Warn("the effects of checks are overridden", "overrides", now)
	} else {
		m.Logger.Info("the effects of checks are no more overridden")
	}
	m.kickJudge()
}
