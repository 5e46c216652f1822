// Package operator reads the requests of operators while the process runs: overrides and files.
//
// In: text and paths. Out: values, and a call of use on the goroutine of [File.Watch]. If a file is
// invalid, its last valid content stays in force. No caller waits longer than 10 s for a file.
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
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
)

// A File is a mounted file that an operator changes while the process runs, such as a key of a
// ConfigMap. It is read every second, because Kubernetes changes a ConfigMap by swapping a link. An
// absent or empty file has no requests. If the file is invalid, its last valid content stays in
// force, and the error is logged once. If only a part is invalid, the rest takes effect.
type File struct {
	Name  string // in metrics
	Field string // of the configuration, for error texts

	path    string
	parse   func(text string) (use func(), err error) // both if a part is invalid
	last    string                                    // the last content that was parsed
	why     error                                     // its error
	logged  string                                    // the last error
	seen    *string                                   // content of the last reading, if it is new; it counts if the next reading is the same
	invalid atomic.Bool
}

const (
	maxFile   = 64 << 10         // size of a file, in bytes
	readLimit = 10 * time.Second // how long a reading may take until it counts as failed
)

// NewFile makes a File without reading it.
func NewFile(name, field, path string, parse func(text string) (use func(), err error)) *File {
	return &File{Name: name, Field: field, path: path, parse: parse}
}

// Invalid reports whether the file can't be read, or has invalid content. Any goroutine may call it.
func (f *File) Invalid() bool { return f.invalid.Load() }

// Load reads the file, for at most 10 s and until ctx is done. use puts its content into force, also
// if err is not nil.
func (f *File) Load(ctx context.Context) (use func(), err error) {
	defer func() {
		f.invalid.Store(err != nil)
		if err != nil {
			f.logged = err.Error() // the caller logs it
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	select {
	case r := <-f.start():
		if r.err != nil {
			return func() {}, r.err
		}
		return f.take(r.text)
	case <-ctx.Done():
		return func() {}, fmt.Errorf("%s could not be read: %w", f.path, ctx.Err())
	}
}

// take parses a content, if it has changed. use puts it into force.
func (f *File) take(text string) (use func(), err error) {
	f.seen = nil
	if text == f.last {
		return func() {}, f.why // parse it only once: a maintenance whose end was too far ahead must not begin later
	}
	use, err = f.parse(text)
	f.last, f.why = text, nil
	if err != nil {
		f.why = fmt.Errorf("%s: %w", f.path, err)
	}
	if use == nil {
		use = func() {}
	}
	return use, f.why
}

// change takes the content of a reading if it was the same twice. A file that is written in place is
// empty or incomplete for a moment. That must not end a maintenance.
func (f *File) change(text string) (use func(), err error) {
	if text != f.last && (f.seen == nil || *f.seen != text) {
		f.seen = &text
		return func() {}, f.why
	}
	return f.take(text)
}

// reading is the result of one reading.
type reading struct {
	text string
	err  error
}

// start reads on its own goroutine, because a dead volume can hang for ever.
func (f *File) start() <-chan reading {
	done := make(chan reading, 1)
	go func() {
		text, err := f.read()
		done <- reading{text, err}
	}()
	return done
}

func (f *File) read() (string, error) {
	info, err := os.Stat(f.path) // first, because it is not always harmless to open something else
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular(f.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	r, err := os.OpenFile(f.path, os.O_RDONLY|nonblock, 0) // nonblock, because it may be another file since Stat
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer r.Close()
	if info, err = r.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errNotRegular(f.path)
	}
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("%s is larger than %d bytes", f.path, maxFile)
	}
	return string(b), nil
}

func errNotRegular(path string) error { return fmt.Errorf("%s is not a regular file", path) }

// Log logs an error of the file.
func (f *File) Log(log *slog.Logger, err error) {
	log.Error("a file is invalid, so only its valid part or its last valid content stays in force", "error", f.Field+": "+err.Error())
}

// Watch reads the file every second until ctx is done. A reading that hangs is logged. It delays no
// other file.
func (f *File) Watch(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	result := func(err error) {
		text := ""
		if err != nil {
			if text = err.Error(); text != f.logged {
				f.Log(log, err)
			}
		}
		f.logged = text
		f.invalid.Store(err != nil)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		done := f.start()
		late := time.NewTimer(readLimit)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				late.Stop()
				return
			case <-late.C:
				result(fmt.Errorf("%s could not be read for %v", f.path, readLimit))
			case r := <-done:
				waiting = false
				use, err := func() {}, r.err
				if err == nil {
					use, err = f.change(r.text)
				}
				use()
				result(err)
			}
		}
		late.Stop()
	}
}

// ParseMaintenance reads the maintenance in a file: {"reason": "…", "until": "RFC 3339"}. If until is in the
// past, it returns nil. If there are unknown fields, it returns the maintenance and an error.
func ParseMaintenance(text string) (*lifecycle.Maintenance, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var ask struct {
		Reason string `json:"reason"`
		Until  string `json:"until"`
	}
	decode := func(strict bool) error {
		dec := json.NewDecoder(strings.NewReader(text))
		if strict {
			dec.DisallowUnknownFields()
		}
		err := dec.Decode(&ask)
		if err == nil && dec.More() {
			err = errors.New("there is more after it")
		}
		if err != nil {
			err = fmt.Errorf(`is not JSON like {"reason": "upgrade", "until": "2026-01-31T18:00:00Z"}: %w`, err)
		}
		return err
	}
	if err := decode(false); err != nil {
		return nil, err
	}
	until, err := time.Parse(time.RFC3339, ask.Until)
	if err != nil {
		return nil, fmt.Errorf("until: %q is not a time like 2026-01-31T18:00:00Z", ask.Until)
	}
	if strings.TrimSpace(ask.Reason) != "" && !until.After(time.Now()) {
		return nil, nil
	}
	w, err := lifecycle.NewMaintenance(ask.Reason, until)
	if err != nil {
		return nil, err
	}
	return w, decode(true) // another release may know more fields
}
