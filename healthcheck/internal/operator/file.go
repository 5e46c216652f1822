// Package operator reads the requests of operators while the process runs: overrides and files.
//
// In: text and paths. Out: values, and a call of use on the goroutine of [Watch]. If a file is
// invalid, its last valid content stays in force. Nobody waits for its reads.
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

// A File is a mounted file that an operator changes while the process runs, such as a key of a
// ConfigMap. It is read every second, because Kubernetes changes a ConfigMap by swapping a link. An
// absent or empty file asks for nothing. If the file is invalid, its last valid content stays in
// force, and the error is logged once.
type File struct {
	Field string // of the configuration, for error texts

	path  string
	parse func(text string) (use func(), err error)
	last  string // in force
	bad   string // refused, and logged
	why   error
}

// maxFile is the size of a file, in bytes.
const maxFile = 64 << 10

// NewFile makes a File without reading it.
func NewFile(path, field string, parse func(text string) (use func(), err error)) *File {
	return &File{Field: field, path: path, parse: parse}
}

// Load reads the file. use puts its content into force, if it has changed.
func (f *File) Load() (use func(), err error) {
	text, err := f.read()
	switch {
	case err != nil:
		return nil, err
	case text == f.last:
		f.bad, f.why = "", nil
		return func() {}, nil
	case text == f.bad && f.why != nil:
		return nil, f.why // a refused maintenance must not begin by itself when its end comes near enough
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

// Watch reads the files every second until ctx is done. Reading from a dead volume can hang, so
// nobody waits for Watch.
func Watch(ctx context.Context, files []*File, log *slog.Logger) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	logged := map[*File]string{}
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
			} else if text = err.Error(); text != logged[f] {
				log.Error("a file is invalid, so its last valid content stays in force", "error", f.Field+": "+text)
			}
			logged[f] = text
		}
	}
}

// ParseMaintenance reads the maintenance in a file: {"reason": "…", "until": "RFC 3339"}. An end in
// the past asks for none.
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
		err = errors.New("there is more after it")
	}
	if err != nil {
		return nil, fmt.Errorf(`is not JSON like {"reason": "upgrade", "until": "2026-01-31T18:00:00Z"}: %w`, err)
	}
	until, err := time.Parse(time.RFC3339, ask.Until)
	if err != nil {
		return nil, fmt.Errorf("until: %q is not a time like 2026-01-31T18:00:00Z", ask.Until)
	}
	if strings.TrimSpace(ask.Reason) != "" && !until.After(time.Now()) {
		return nil, nil
	}
	return lifecycle.NewMaintenance(ask.Reason, until)
}
