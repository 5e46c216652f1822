package telemetry

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// errorLogger logs the errors of exports, and with Config.SetGlobals all errors of OpenTelemetry.
// It logs the same error once a minute, with a count. It logs at most maxLines errors a minute, with a
// count of the others. It never uses the exporters, because they may be the cause.
type errorLogger struct {
	log    *slog.Logger                 // its calls never block
	mu     sync.Mutex                   // never held while foreign code runs
	sites  map[reflect.Type]*guard.Site // of errors' methods, by type, so that a blocked one affects no other type
	errors map[string]*loggedError      // by text without digits, because ports and counts differ
	minute time.Time                    // start of the current minute
	lines  int                          // in this minute
	muted  int                          // errors that no line counts
}

type loggedError struct {
	at    time.Time
	count int
}

const (
	errorPeriod = time.Minute
	maxLines    = 10 // in a period
	maxErrors   = 64 // different errors that are kept
)

// Handle logs an error, without a lock. Error is foreign code, and so is the log handler, which may
// call OpenTelemetry's error handler again.
func (c *errorLogger) Handle(err error) {
	text, failed := guard.Ask(c.site(err), func() string { return guard.Cut(errorText(err)) })
	if failed != nil {
		text = fmt.Sprintf("an error of type %T, without a text: its method %v", err, failed)
	}
	if attrs := c.count(text); attrs != nil {
		c.log.Warn("OpenTelemetry: "+text, attrs...)
	}
}

// site returns the site of an error's type, without the wrappers of fmt.Errorf. Types that are too
// many share one.
func (c *errorLogger) site(err error) *guard.Site {
	t := unwrappedType(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sites == nil {
		c.sites = map[reflect.Type]*guard.Site{}
	}
	if c.sites[t] == nil && len(c.sites) >= maxErrors {
		t = nil
	}
	if c.sites[t] == nil {
		c.sites[t] = new(guard.Site)
	}
	return c.sites[t]
}

var wrapper = reflect.TypeOf(fmt.Errorf("%w", errors.ErrUnsupported))

// unwrappedType calls no foreign method.
func unwrappedType(err error) reflect.Type {
	for reflect.TypeOf(err) == wrapper && errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return reflect.TypeOf(err)
}

// count counts an error. It returns the attributes of its line, or nil if there shall be no line.
func (c *errorLogger) count(text string) (attrs []any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.minute) >= errorPeriod {
		c.minute, c.lines = now, 0
	}
	s := c.of(text, now)
	if s == nil {
		c.muted++
		return nil
	}
	s.count++
	if !s.at.IsZero() && now.Sub(s.at) < errorPeriod || c.lines >= maxLines {
		return nil
	}
	c.lines++
	attrs = []any{"times", s.count}
	if c.muted > 0 {
		attrs = append(attrs, "others", c.muted)
	}
	s.at, s.count, c.muted = now, 0, 0
	return attrs
}

// errorText returns the text of an error. It is cut, because a collector chooses its length. If the error
// has a gRPC status, the text is that status alone, because the exporters of the three signals put
// different texts around it.
func errorText(err error) string {
	left := maxWrapped
	if u, ok := find[unanswered](err, &left); ok {
		return "export: " + u.Error()
	}
	if s := rpcStatus(err); s != nil {
		return shorten("export: "+s.Err().Error(), errorLimit)
	}
	return shorten(err.Error(), errorLimit)
}

// shortError returns an error that does not hold a long text.
func shortError(err error) error {
	if len(err.Error()) > errorLimit {
		return errors.New(errorText(err))
	}
	return err
}

// of finds the entry of similar errors, or makes one; nil if there is no room.
func (c *errorLogger) of(text string, now time.Time) *loggedError {
	like := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, text)
	if s := c.errors[like]; s != nil {
		return s
	}
	if len(c.errors) >= maxErrors {
		maps.DeleteFunc(c.errors, func(_ string, s *loggedError) bool {
			old := now.Sub(s.at) >= errorPeriod
			if old {
				c.muted += s.count
			}
			return old
		})
	}
	if len(c.errors) >= maxErrors {
		return nil
	}
	s := &loggedError{}
	c.errors[like] = s
	return s
}
