package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// A part is the series of one instance from one time to another, in ms.
type part struct {
	plan    *plan
	series  [][]*series // by selector
	to      int64
	last    bool
	guessed bool // only the buckets with events of native histograms are known
}

// A fetchWay is one way to read series.
type fetchWay struct {
	read func(*Source, context.Context, readRequest) ([][]*series, error)
	span time.Duration // of one request; 0 for all of the time
	json bool
}

var (
	chunksWay  = &fetchWay{read: (*Source).readChunks}
	samplesWay = &fetchWay{read: (*Source).readSamples, span: partSpan}
	rawWay     = &fetchWay{read: (*Source).readRaw, span: partSpan, json: true}
)

const (
	// partSpan keeps an answer for one instance at some MB. An answer for a day and fifty instances raises
	// Prometheus' memory from 1.6 to 3.5 GB.
	partSpan = 6 * time.Hour

	minSpan = time.Minute
)

// parts reads an instance: in one request if the samples stay compressed, otherwise in several.
func (h *History) parts(ctx context.Context, p *plan) iter.Seq2[*part, error] {
	return func(yield func(*part, error) bool) {
		from, end := h.From.UnixMilli(), h.To.UnixMilli()
		way := h.current()
		span := way.span
		for from <= end {
			to := end
			if span > 0 {
				to = min(end, from+span.Milliseconds()-1)
			}
			all, err := way.read(h.source, ctx, readRequest{from, to, p.selectors})
			if err != nil {
				if next := h.another(way, err); next != nil && from == h.From.UnixMilli() {
					way, span = next, next.span
					continue
				}
				if tooMuch(err) && (span == 0 || span > minSpan) {
					if span /= 2; span == 0 {
						span = partSpan
					}
					continue
				}
				yield(nil, h.failed(way, err))
				return
			}
			h.way.Store(way)
			if !yield(&part{p, all, to, to == end, way.json}, nil) {
				return
			}
			from = to + 1
		}
	}
}

// current returns the way that works, or the first one to try.
func (h *History) current() *fetchWay {
	if way := h.way.Load(); way != nil {
		return way
	}
	if h.source.Way == Query {
		return rawWay
	}
	return chunksWay
}

// another returns the way to try after an error; nil if there is none.
func (h *History) another(way *fetchWay, err error) *fetchWay {
	switch {
	case way == chunksWay && errors.Is(err, errNoChunks):
		return samplesWay
	case way != rawWay && h.source.Way == Auto && (unsupported(err) || errors.Is(err, errNative)):
		return rawWay
	}
	return nil
}

// failed says what to do if no way works.
func (h *History) failed(way *fetchWay, err error) error {
	switch {
	case tooMuch(err):
		return fmt.Errorf("the backend can't answer even for one minute of one instance: %w", err)
	case way != rawWay && unsupported(err):
		return fmt.Errorf("%w: the backend has no remote read, so read it by Query", err)
	}
	return err
}
