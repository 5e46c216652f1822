package healthcheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"
)

// file is one mounted file that an operator changes while the process runs, such
// as a key of a ConfigMap. It is read each second, since a ConfigMap changes by
// swapping a link. A file that is absent or empty says nothing; one that can't be
// used keeps the last good content in force and is logged once.
type file struct {
	path  string
	field string // of the Monitor, for errors
	parse func(text string) (use func(), err error)
	last  string // in force
	bad   string // refused, and logged
	why   error
}

const maxFile = 64 << 10

// load reads the file. use puts what it says in force, if it has changed.
func (f *file) load() (use func(), err error) {
	text, err := f.read()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.field, err)
	case text == f.last:
		f.bad, f.why = "", nil
		return func() {}, nil
	case text == f.bad && f.why != nil:
		return nil, f.why // what was refused once must not begin by itself when it fits
	}
	apply, err := f.parse(text)
	if err != nil {
		f.bad, f.why = text, fmt.Errorf("%s: %s: %w", f.field, f.path, err)
		return nil, f.why
	}
	return func() { f.last, f.bad, f.why = text, "", nil; apply() }, nil
}

func (f *file) read() (string, error) {
	r, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("%s is larger than %d bytes", f.path, maxFile)
	}
	return string(b), nil
}

// watch reads the files until ctx is done. Reading can hang with a dead volume,
// so nobody waits for it.
func watch(ctx context.Context, files []*file, log *slog.Logger) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	said := map[*file]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, f := range files {
			use, err := f.load()
			text := ""
			if err == nil {
				use()
			} else if text = err.Error(); text != said[f] {
				log.Error("a file can't be used; what it said before stays in force", "error", err)
			}
			said[f] = text
		}
	}
}

// files are the Monitor's, read once: at start a bad one is an error. apply puts
// what they say in force.
func (m *Monitor) loadFiles(known func(string) bool) (files []*file, apply func(), errs []error) {
	if m.EffectsFile != "" {
		files = append(files, &file{path: m.EffectsFile, field: "EffectsFile", parse: func(text string) (func(), error) {
			o, err := parseOverrides(text, known)
			return func() { m.setOverrides(o) }, err
		}})
	}
	if m.MaintenanceFile != "" {
		lift := func() {}
		files = append(files, &file{path: m.MaintenanceFile, field: "MaintenanceFile", parse: func(text string) (func(), error) {
			w, err := parseMaintenance(text)
			return func() {
				before := lift
				lift = func() {}
				if w != nil {
					lift = m.open(w)
				}
				before()
			}, err
		}})
	}
	var uses []func()
	for _, f := range files {
		use, err := f.load()
		uses, errs = append(uses, use), append(errs, err)
	}
	return files, func() {
		for _, use := range uses {
			use()
		}
	}, errs
}

// parseMaintenance reads the maintenance that a file asks for:
// {"reason": "…", "until": "RFC 3339"}. An end that has passed asks for none.
func parseMaintenance(text string) (*maintenance, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var ask struct {
		Reason string `json:"reason"`
		Until  string `json:"until"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(&ask)
	if err == nil && dec.More() {
		err = errors.New("more follows")
	}
	if err != nil {
		return nil, fmt.Errorf(`is not JSON like {"reason": "upgrade", "until": "2026-01-31T18:00:00Z"}: %w`, err)
	}
	until, err := time.Parse(time.RFC3339, ask.Until)
	if err != nil {
		return nil, fmt.Errorf("until: %q is no time like 2026-01-31T18:00:00Z", ask.Until)
	}
	if strings.TrimSpace(ask.Reason) != "" && !until.After(time.Now()) {
		return nil, nil
	}
	return newMaintenance(ask.Reason, until)
}

// setOverrides puts a file's effects over those of HEALTH_EFFECTS.
func (m *Monitor) setOverrides(file overrides) {
	now := overrides{}
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
