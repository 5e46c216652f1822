// Package operator reads what operators say while the process runs: overrides, and files.
//
// In: text and paths. Out: values, and a call of use on the goroutine of [Watch]. A file that
// cannot be used leaves the last good one in force. Nobody waits for its reads.
package operator

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

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
)

// A File is a mounted file that an operator changes while the process runs, such
// as a key of a ConfigMap. It is read every second, because a ConfigMap changes when
// a link is swapped. A file that is absent or empty says nothing. One that can't be
// used keeps the last good content in force and is logged once.
type File struct {
	Field string // of the configuration, for whoever tells an error of Load

	path  string
	parse func(text string) (use func(), err error)
	last  string // in force
	bad   string // refused, and logged
	why   error
}

// maxFile is the size of a file, in bytes.
const maxFile = 64 << 10

// NewFile is a file that has not been read.
func NewFile(path, field string, parse func(text string) (use func(), err error)) *File {
	return &File{Field: field, path: path, parse: parse}
}

// Load reads the file. use puts what it says in force, if it has changed.
func (f *File) Load() (use func(), err error) {
	text, err := f.read()
	switch {
	case err != nil:
		return nil, err
	case text == f.last:
		f.bad, f.why = "", nil
		return func() {}, nil
	case text == f.bad && f.why != nil:
		return nil, f.why // what was refused once must not begin by itself when it fits
	}
	apply, err := f.parse(text)
	if err != nil {
		f.bad, f.why = text, fmt.Errorf("%s: %w", f.path, err)
		return nil, f.why
	}
	return func() { f.last, f.bad, f.why = text, "", nil; apply() }, nil
}

func (f *File) read() (string, error) {
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

// Watch reads the files every second until ctx is done. Reading can hang with a dead volume,
// so nobody waits for it.
func Watch(ctx context.Context, files []*File, log *slog.Logger) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	said := map[*File]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, f := range files {
			use, err := f.Load()
			text := ""
			if err == nil {
				use()
			} else if text = err.Error(); text != said[f] {
				log.Error("a file can't be used; what it said before stays in force", "error", f.Field+": "+text)
			}
			said[f] = text
		}
	}
}

// ParseMaintenance reads the maintenance that a file asks for:
// {"reason": "…", "until": "RFC 3339"}. An end that has passed asks for none.
func ParseMaintenance(text string) (*lifecycle.Maintenance, error) {
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
	return lifecycle.NewMaintenance(ask.Reason, until)
}
