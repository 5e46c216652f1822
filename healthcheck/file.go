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
	use   func(text string) error
	last  string
	bad   string // the last error logged
}

const maxFile = 64 << 10

// load reads the file and uses it if it has changed.
func (f *file) load() error {
	text, err := f.read()
	if err != nil {
		return fmt.Errorf("%s: %w", f.field, err)
	}
	if text == f.last {
		return nil
	}
	if err := f.use(text); err != nil {
		return fmt.Errorf("%s: %s: %w", f.field, f.path, err)
	}
	f.last = text
	return nil
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
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, f := range files {
			err := f.load()
			switch {
			case err == nil:
				f.bad = ""
			case err.Error() != f.bad:
				f.bad = err.Error()
				log.Error("a file can't be used; what it said before stays in force", "error", err)
			}
		}
	}
}

// files are the Monitor's, loaded once: at start a bad one is an error.
func (m *Monitor) loadFiles(known func(string) bool) (files []*file, errs []error) {
	if m.EffectsFile != "" {
		files = append(files, &file{path: m.EffectsFile, field: "EffectsFile", use: func(text string) error {
			o, err := parseOverrides(text, known)
			if err == nil {
				m.setOverrides(o)
			}
			return err
		}})
	}
	if m.MaintenanceFile != "" {
		lift := func() {}
		files = append(files, &file{path: m.MaintenanceFile, field: "MaintenanceFile", use: func(text string) error {
			next, err := m.maintainAs(text)
			if err == nil {
				lift()
				lift = next
			}
			return err
		}})
	}
	for _, f := range files {
		errs = append(errs, f.load())
	}
	return files, errs
}

// maintainAs begins the maintenance that a file asks for:
// {"reason": "…", "until": "RFC 3339"}. An end that has passed asks for none.
func (m *Monitor) maintainAs(text string) (lift func(), err error) {
	if strings.TrimSpace(text) == "" {
		return func() {}, nil
	}
	var ask struct {
		Reason string `json:"reason"`
		Until  string `json:"until"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&ask); err != nil {
		return nil, fmt.Errorf(`is not JSON like {"reason": "upgrade", "until": "2026-01-31T18:00:00Z"}: %w`, err)
	}
	until, err := time.Parse(time.RFC3339, ask.Until)
	if err != nil {
		return nil, fmt.Errorf("until: %q is no time like 2026-01-31T18:00:00Z", ask.Until)
	}
	if strings.TrimSpace(ask.Reason) != "" && !until.After(time.Now()) {
		return func() {}, nil
	}
	return m.Maintain(ask.Reason, until)
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
	m.Logger.Warn("the effects of checks are overridden", "overrides", now)
	m.kickJudge()
}
