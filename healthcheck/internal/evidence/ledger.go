package evidence

import (
	"cmp"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// A ledger adds up the growth of every series by itself. So a series that begins, ends or resets
// changes only its own growth. It keeps the last count of each series, and a window of each group.
type ledger struct {
	sides   []*side // the metric; of a ratio the numerator, then the denominator
	windows map[attribute.Distinct]*window
	bounds  []float64 // of the histogram's buckets
	grid    *grid     // of an exponential histogram
	counts  []uint64  // of the series that is posted, in the grid
	fresh   bool      // there is no earlier collection to compare with
	last    time.Time // the last collection
	origin  time.Time // of now
	now     time.Duration
	before  time.Duration // the now of the last collection
	swept   time.Duration
}

// side is one metric of an indicator.
type side struct {
	in       query.Indicator // with the matchers and groups of its ratio
	column   int             // of the amounts; a histogram has one for each bucket
	based    bool            // a group needs a series of this side
	scopes   map[instrumentation.Scope]*book
	overflow window // events of the overflow series
	missed   window // events of series that the filter drops
	seen     seen   // attributes of all series, for texts about the filter
	matched  bool   // this collection has a series that the filter keeps
}

// book has the accounts of one scope's series.
type book struct {
	accounts map[attribute.Distinct]*account
	now      time.Duration
	read     time.Time // when the source read this collection
	before   time.Time // and the one before
}

// account is the last count of one series.
type account struct {
	seen   time.Duration
	read   time.Duration // when it was last well-formed
	lacked time.Duration // the first recorded collection after that without it
	start  int64         // in ns; 0 if its source does not tell
	value  float64       // NaN if it was never well-formed
	whole  int64         // the exact value of an integer counter
	counts []uint64      // of a histogram
	to     *window
	is     is
	twin   *account // a second series with the same attributes
}

// is says what happens to the growth of a series.
type is byte

const (
	kept is = iota
	dropped
	folded
)

func newLedger(i *query.Indicator) *ledger {
	l := &ledger{}
	if i.Kind == query.KindRatio {
		l.sides = []*side{{in: *i.Num}, {in: *i.Den, column: 1, based: true}}
		for _, sd := range l.sides {
			sd.in.GroupBy = slices.Concat(sd.in.GroupBy, i.GroupBy)
			sd.in.Matchers = slices.Concat(sd.in.Matchers, i.Matchers)
			sd.in.Source = cmp.Or(sd.in.Source, i.Source)
		}
	} else {
		l.sides = []*side{{in: *i, based: true}}
	}
	l.restart()
	return l
}

// restart forgets everything.
func (l *ledger) restart() {
	l.windows, l.bounds, l.grid, l.fresh = map[attribute.Distinct]*window{}, nil, nil, true
	for _, sd := range l.sides {
		sd.scopes = map[instrumentation.Scope]*book{}
		sd.seen = newSeen(&sd.in)
		sd.overflow, sd.missed = window{}, window{amount: amounts{0}}
	}
}

// sweep drops the series that have been gone for too long.
func (e *entry) sweep() {
	e.swept = e.now
	for _, sd := range e.sides {
		for scope, b := range sd.scopes {
			for key, a := range b.accounts {
				if e.now-a.seen > e.forget() { // its twin was not seen later than it
					delete(b.accounts, key)
				}
			}
			if len(b.accounts) == 0 {
				delete(sd.scopes, scope)
			}
		}
	}
}
