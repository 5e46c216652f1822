// Package blackbox keeps what a restart destroys. If liveness or readiness of a running service
// begins to fail, it writes a record: the reason, the verdict with the texts of errors, the last ten
// minutes of each check, and where each goroutine is. For liveness it also writes the reason and the
// stuck functions to the container's termination message, where kubectl describe pod shows them. The
// next process says in its log that there is a record.
//
// A record names the function in which a worker is stuck if it is a [Worker].
//
// Records may hold secrets: they have the texts of errors, and labels of goroutines. Only the user of
// the process can read the files. The termination message has classes and names of functions only,
// because everybody who may get pods can read it.
package blackbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Options are the options of a Box.
type Options struct {
	// Dir has the records. It is made if it is missing. In Kubernetes mount a volume there that
	// outlives the container, such as an emptyDir. Required.
	Dir string
	// Keep is how many records stay: 10 if zero. A record has at most 1 MiB. The oldest go first, but
	// those on readiness before those on liveness, and the first of this process last.
	Keep int
	// TerminationLog is the file of the container's termination message. If empty, it is
	// /dev/termination-log if that exists, and no file otherwise.
	TerminationLog string
	// Logger gets what can't be written, and that a process before this one has left a record. If
	// nil, it is slog.Default().
	Logger *slog.Logger
}

const terminationLog = "/dev/termination-log"

// gaps are the times between two records of the same probe. Each is longer than the one before, so a
// service that flaps writes few.
const (
	firstGap = time.Minute
	lastGap  = time.Hour
)

// A Box watches a Monitor and writes records. Its methods are safe for concurrent use.
type Box struct {
	monitor  *healthcheck.Monitor
	log      *slog.Logger
	begun    time.Time
	previous *Record
	end      context.CancelFunc
	ended    chan struct{}
	writing  chan incident // one waits at most

	disk sync.Mutex // a slow disk keeps up only those who read or write records
	dir  directory

	mu      sync.Mutex // of what follows
	message message
	told    map[string]bool // problems that were logged

	// The watcher's own.
	history *history
	last    map[string]*probe
}

// probe is what was seen of a probe.
type probe struct {
	state verdict.State
	next  time.Time // no record before that
	gap   time.Duration
}

// New returns a Box that watches m until ctx ends or m stops. If the directory can't be written,
// that is logged, and the termination message works without it. Errors name a field of Options.
func New(ctx context.Context, m *healthcheck.Monitor, o Options) (*Box, error) {
	switch {
	case m == nil:
		return nil, errors.New("blackbox: the Monitor is nil")
	case o.Dir == "":
		return nil, errors.New("blackbox: Options.Dir is empty")
	case o.Keep < 0:
		return nil, fmt.Errorf("blackbox: Options.Keep is %d", o.Keep)
	}
	b := &Box{
		monitor: m, log: o.Logger, begun: time.Now(), ended: make(chan struct{}), writing: make(chan incident, 1),
		dir:     directory{path: o.Dir, keep: cmp.Or(o.Keep, 10), owner: strconv.FormatInt(time.Now().UnixNano(), 36)},
		message: message{path: o.TerminationLog}, told: map[string]bool{},
		history: newHistory(), last: map[string]*probe{},
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	if b.message.path == "" {
		if _, err := os.Stat(terminationLog); err == nil {
			b.message.path = terminationLog
		}
	}
	b.sayOnce("Dir", b.dir.prepare())
	if r, untold := b.dir.untold(); r.Name != "" {
		b.previous = &r
		if untold {
			b.log.LogAttrs(ctx, slog.LevelWarn, "the process before this one has left a record", slog.String("event.name", "health.blackbox.found"),
				slog.String("health.blackbox.record", r.Name), slog.String("health.probe.name", r.Probe), slog.Time("health.blackbox.time", r.Time))
			b.dir.tell(r)
		}
	}
	ctx, b.end = context.WithCancel(ctx)
	go b.run(ctx)
	return b, nil
}

// Close ends the watch and waits until a record in progress is written.
func (b *Box) Close() {
	b.end()
	<-b.ended
}

// Previous returns the newest record of another process. ok is false if there is none.
func (b *Box) Previous() (r Record, ok bool) {
	if b.previous == nil {
		return r, false
	}
	return *b.previous, true
}

// Records lists all records, the newest first.
func (b *Box) Records() ([]Record, error) {
	b.disk.Lock()
	defer b.disk.Unlock()
	return b.dir.records()
}

func (b *Box) run(ctx context.Context) {
	defer close(b.ended)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range b.writing {
			b.write(i)
		}
	}()
	var last *verdict.Verdict
	for v := range b.monitor.Watch(ctx) {
		b.see(v)
		last = v
	}
	close(b.writing)
	<-written
	if last != nil && last.Liveness.State == verdict.Fail && last.Phase != "starting" {
		b.finish(last)
	}
}

// see takes a verdict. It must be fast, because Watch leaves out what comes meanwhile.
func (b *Box) see(v *verdict.Verdict) {
	b.history.add(v)
	for _, r := range []verdict.Result{v.Liveness, v.Readiness} {
		p := b.last[r.Name]
		if p == nil {
			p = &probe{state: r.State} // a service that was never ready has lost nothing
			b.last[r.Name] = p
		}
		before := p.state
		p.state = r.State
		switch {
		case r.State != verdict.Fail && r.Name == v.Liveness.Name && before == verdict.Fail:
			b.setMessage("")
		case r.State != verdict.Fail && v.Time.Sub(p.next) > lastGap:
			p.gap = 0
		}
		if r.State != verdict.Fail || before == verdict.Fail {
			continue
		}
		i := incident{probe: r, verdict: v, begun: b.begun}
		if r.Name == v.Liveness.Name {
			b.setMessage(i.summary()) // before the census: the process may have no time for it
		} else if v.Phase != "running" || v.Liveness.State == verdict.Fail {
			// It fails on purpose, or the record on liveness has it.
			continue
		}
		if v.Time.Before(p.next) {
			continue
		}
		p.gap = min(max(firstGap, 2*p.gap), lastGap)
		p.next = v.Time.Add(p.gap)
		i.history = b.history.copy()
		select {
		case b.writing <- i:
		default: // one is written and one waits
			b.sayOnce("busy", errors.New("a record is left out because two others are not yet written"))
		}
	}
}

// write makes a record and writes it.
func (b *Box) write(i incident) {
	i.look()
	if i.probe.Name == i.verdict.Liveness.Name && b.monitor.Verdict().Liveness.State == verdict.Fail {
		b.setMessage(i.summary())
	}
	text := i.text()
	b.disk.Lock()
	name, err := b.dir.write(i.probe.Name, i.verdict.Time, text, []byte(i.summary()+"\nThe disk is full.\n\n== end ==\n"))
	b.disk.Unlock()
	if err != nil {
		b.sayOnce("Dir", err)
		return
	}
	b.log.LogAttrs(context.Background(), slog.LevelWarn, "a record of a failing probe is written", slog.String("event.name", "health.blackbox.written"),
		slog.String("health.blackbox.record", name), slog.String("health.probe.name", i.probe.Name))
}

// finish says at the end where workers still are.
func (b *Box) finish(v *verdict.Verdict) {
	i := incident{probe: v.Liveness, verdict: v, begun: b.begun}
	i.look()
	b.setMessage(i.summary() + fmt.Sprintf("still so when the process ended, after %v\n", time.Since(v.Liveness.Since).Round(time.Second)))
}

func (b *Box) setMessage(text string) {
	b.mu.Lock()
	err := b.message.set(text)
	b.mu.Unlock()
	b.sayOnce("TerminationLog", err)
}

// sayOnce logs the first error of a kind.
func (b *Box) sayOnce(kind string, err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	told := b.told[kind]
	b.told[kind] = true
	b.mu.Unlock()
	if !told {
		b.log.Warn("blackbox: "+kind+": "+err.Error(), "error", err.Error())
	}
}
