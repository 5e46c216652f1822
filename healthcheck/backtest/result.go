package backtest

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Result is what the rules would have done. encoding/json writes it as docs/backtest.md describes.
type Result struct {
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Selector  string     `json:"selector,omitempty"`
	Samples   int        `json:"samples"`          // judged collections of all instances
	Every     Seconds    `json:"every,omitempty"`  // seconds between two samples of an instance, usually
	Ready     Total      `json:"ready"`            // of all instances
	Shadow    *Total     `json:"shadow,omitempty"` // readiness if the rules in shadow were enforced; nil if none is in shadow
	Rules     []Rule     `json:"rules"`
	Fleet     Fleet      `json:"fleet"`
	Recorded  *Agreement `json:"recorded,omitempty"` // comparison with recorded verdicts; nil if there are none
	Left      []string   `json:"left,omitempty"`     // checks that were not judged, and why
	Notes     []string   `json:"notes,omitempty"`    // assumptions of the result, and what looks wrong
	Instances []Instance `json:"instances"`

	ejects bool // traffic is the evidence of a rule that takes an instance out
}

// Seconds is a duration, in JSON a number of seconds.
type Seconds float64

// A Total is the time that all instances together were in each state, and how often it changed.
type Total struct {
	Pass     Seconds   `json:"pass"`
	Warn     Seconds   `json:"warn"`
	Fail     Seconds   `json:"fail"`           // with unknown and stale: no evidence that can be judged
	CantTell Seconds   `json:"cant_tell"`      // more than one state is possible
	NoData   Seconds   `json:"no_data"`        // nothing was recorded
	Flips    int       `json:"flips"`          // changes from one certain state to another
	First    time.Time `json:"first,omitzero"` // begin of the first certain failure
	Last     time.Time `json:"last,omitzero"`  // end of the last certain failure

	perhaps bool // it failed, or may have
}

// A Rule is what one rule would have done.
type Rule struct {
	Name   string         `json:"name"`
	Text   string         `json:"text"` // for people
	OnFail verdict.Effect `json:"on_fail"`
	Shadow bool           `json:"shadow,omitempty"`
	Total
	Recorded *Agreement `json:"recorded,omitempty"`
}

// A Fleet is what all instances together would have done.
type Fleet struct {
	Instances   int `json:"instances"`
	MostOut     At  `json:"most_out"`     // most instances that were not ready at the same time
	FewestReady At  `json:"fewest_ready"` // fewest ready instances, as a share of those with data
}

// At is a number of instances, at least Low and at most High, and the first time at which it was reached.
type At struct {
	Low  int       `json:"low"`
	High int       `json:"high"`
	Of   int       `json:"of"` // instances with data at that time
	Time time.Time `json:"time,omitzero"`
}

// An Agreement compares what is certain with what was recorded.
type Agreement struct {
	Samples int         `json:"samples"` // recorded states
	Certain int         `json:"certain"` // of these, states that are certain in the backtest
	Equal   int         `json:"equal"`   // of the certain ones, equal states
	Differs *Difference `json:"differs,omitempty"`
}

// A Difference is the first recorded state that differs from a certain one.
type Difference struct {
	Time     time.Time     `json:"time"`
	Instance string        `json:"instance"`
	Rule     string        `json:"rule,omitempty"` // empty for readiness
	Recorded verdict.State `json:"recorded"`
	Backtest verdict.State `json:"backtest"`
}

// An Instance is the past of one instance.
type Instance struct {
	Name     string            `json:"name"`
	Restarts []time.Time       `json:"restarts,omitempty"`
	Ready    []Span            `json:"ready"`
	Shadow   []Span            `json:"shadow,omitempty"`
	Rules    map[string][]Span `json:"rules"`
}

// A Span is a time in one state, or in one of several: the state is at least Low and at most High. Both
// are empty if nothing was recorded. The states are those at the samples. The time between two samples
// counts only for For, KeepFor and ejections.
type Span struct {
	From time.Time     `json:"from"`
	To   time.Time     `json:"to"`
	Low  verdict.State `json:"low,omitempty"`
	High verdict.State `json:"high,omitempty"`
}

// Certain reports whether the span has one state.
func (s Span) Certain() bool { return s.Low == s.High && s.Low != "" }

// add adds a span to a total.
func (t *Total) add(s Span, after *Span) {
	took := Seconds(s.To.Sub(s.From).Seconds())
	switch {
	case s.Low == "":
		t.NoData += took
	case s.Low != s.High:
		t.CantTell += took
	case s.Low == verdict.Pass:
		t.Pass += took
	case s.Low == verdict.Warn:
		t.Warn += took
	default:
		t.Fail += took
	}
	if after != nil && s.Certain() && s.Low != after.Low {
		t.Flips++
	}
	t.perhaps = t.perhaps || out(s.High) || out(s.Low)
	if out(s.High) && out(s.Low) {
		if t.First.IsZero() || s.From.Before(t.First) {
			t.First = s.From
		}
		if s.To.After(t.Last) {
			t.Last = s.To
		}
	}
}

// out reports whether a state is worse than a warning.
func out(s verdict.State) bool { return s != "" && s != verdict.Pass && s != verdict.Warn }

// of adds up spans.
func (t *Total) of(spans []Span) {
	var certain *Span
	for n := range spans {
		t.add(spans[n], certain)
		if spans[n].Certain() {
			certain = &spans[n]
		}
	}
}

func (t *Total) all() Seconds { return t.Pass + t.Warn + t.Fail + t.CantTell }

// share returns a time as a percentage of the time with data.
func (t *Total) share(s Seconds) float64 {
	if t.all() == 0 {
		return 0
	}
	return 100 * float64(s/t.all())
}
