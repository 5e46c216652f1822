package guard

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// A Writer writes the log lines of the Monitor with a foreign handler, in order, on its own goroutine. The
// handler may block, for example on a full pipe or a dead disk, panic, end its goroutine, or call the
// Monitor. Lines that can't be written are dropped, and the next line says how many.
//
// The goroutine exists only while there is something to write, so a Writer needs no Close.
type Writer struct {
	handler slog.Handler

	mu      sync.Mutex // never held while the handler runs
	waiting []*line    // the first one is being written
	writing bool       // there is a goroutine
	stuck   bool       // writing the first one takes longer than Limit
	lost    int        // lines since the last one that was written
}

// line is one line. done is closed when it is written, or can't be.
type line struct {
	ctx    context.Context
	record slog.Record
	within func(slog.Handler) slog.Handler // its attributes and groups; nil if there are none
	stands int                             // number of lines that it counts for
	done   chan struct{}
}

const maxLines = 256

// NewWriter makes a Writer with the handler of a logger.
func NewWriter(to *slog.Logger) *Writer { return &Writer{handler: to.Handler()} }

// Logger returns a logger. A call waits until its line is written, so that the line comes before the effects
// of the caller's next step. It waits for Limit at most, and not at all while an earlier line is stuck.
func (w *Writer) Logger() *slog.Logger { return slog.New(waiter{w, nil}) }

// Write writes a line without waiting for it.
func (w *Writer) Write(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	r := slog.NewRecord(time.Now(), level, text, 0)
	r.AddAttrs(attrs...)
	w.add(ctx, r, nil)
}

// add appends a line. wait is false if the caller must not wait for it.
func (w *Writer) add(ctx context.Context, r slog.Record, within func(slog.Handler) slog.Handler) (l *line, wait bool) {
	l = &line{context.WithoutCancel(ctx), r, within, 1, make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) >= maxLines {
		w.lost++
		return l, false
	}
	w.waiting = append(w.waiting, l)
	if !w.writing {
		w.writing = true
		go w.write()
	}
	return l, !w.stuck
}

// write writes the waiting lines. If the handler ends the goroutine, another one goes on.
func (w *Writer) write() {
	ended := false
	defer func() {
		if !ended {
			w.took(false)
			go w.write()
		}
	}()
	for {
		l := w.next()
		if l == nil {
			ended = true
			return
		}
		written := false
		_ = Inline(func() { written = w.handle(l) }) // after a panic the line counts as lost
		w.took(written)
	}
}

// handle calls the handler. It reports whether the handler has written the line, or does not want its level.
func (w *Writer) handle(l *line) (written bool) {
	h := w.handler
	if l.within != nil {
		h = l.within(h)
	}
	if !h.Enabled(l.ctx, l.record.Level) {
		return true
	}
	return h.Handle(l.ctx, short(l.record)) == nil
}

// next returns the line to write; nil if there is none.
func (w *Writer) next() *line {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.writing, w.waiting = false, nil
		return nil
	}
	return w.waiting[0]
}

// took ends the line that was being written. If lines were lost before it, the next line says so.
func (w *Writer) took(written bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.waiting[0]
	w.waiting, w.stuck = w.waiting[1:], false
	close(l.done)
	switch {
	case !written:
		w.lost += l.stands
	case w.lost > 0:
		notice := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were lost, because the log handler was too slow or failed", 0)
		notice.AddAttrs(slog.Int("lost", w.lost))
		w.waiting = slices.Insert(w.waiting, 0, &line{ctx: context.Background(), record: notice, stands: w.lost, done: make(chan struct{})})
		w.lost = 0
	}
}

// End waits until everything is written. It waits for Limit at most for each line, and for a second in all.
// It returns the number of lines that were not written.
func (w *Writer) End() (lost int) {
	over, cancel := context.WithTimeout(context.Background(), time.Second) // not a timer, because several waits need its end
	defer cancel()
	for {
		w.mu.Lock()
		lost = w.lost
		var l *line
		for n := range w.waiting {
			lost += w.waiting[n].stands
		}
		if len(w.waiting) > 0 && !w.stuck {
			l = w.waiting[0]
		}
		w.mu.Unlock()
		if l == nil || !w.await(l, over.Done()) {
			return lost
		}
	}
}

// await waits until a line is written, for Limit at most, and notes a stuck one.
func (w *Writer) await(l *line, over <-chan struct{}) (done bool) {
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case <-l.done:
		return true
	case <-over:
	case <-limit.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-l.done:
		return true
	default: // a later line, which only waits for its turn
		w.stuck = w.stuck || w.waiting[0] == l
		return false
	}
}

// waiter is the handler of Logger. It does not call the foreign handler on the caller's goroutine.
type waiter struct {
	w      *Writer
	within func(slog.Handler) slog.Handler
}

func (h waiter) Enabled(context.Context, slog.Level) bool { return true }

func (h waiter) Handle(ctx context.Context, r slog.Record) error {
	if l, wait := h.w.add(ctx, r.Clone(), h.within); wait {
		h.w.await(l, nil)
	}
	return nil
}

func (h waiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.inside(func(in slog.Handler) slog.Handler { return in.WithAttrs(attrs) })
}

func (h waiter) WithGroup(name string) slog.Handler {
	return h.inside(func(in slog.Handler) slog.Handler { return in.WithGroup(name) })
}

func (h waiter) inside(f func(slog.Handler) slog.Handler) slog.Handler {
	before := h.within
	return waiter{h.w, func(in slog.Handler) slog.Handler {
		if before != nil {
			in = before(in)
		}
		return f(in)
	}}
}

// short cuts the texts of a record. The text of an error is foreign, so this is part of the guarded
// call.
func short(r slog.Record) slog.Record {
	out := slog.NewRecord(r.Time, r.Level, Cut(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if err, is := a.Value.Any().(error); is && err != nil {
			a.Value = slog.StringValue(err.Error())
		}
		if a.Value.Kind() == slog.KindString {
			a.Value = slog.StringValue(Cut(a.Value.String()))
		}
		out.AddAttrs(a)
		return true
	})
	return out
}
