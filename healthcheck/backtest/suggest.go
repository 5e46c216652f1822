package backtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/suggest"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// SuggestOptions say for which rules [Suggest] looks for limits, and how often these may warn.
type SuggestOptions struct {
	Options // of a limit only the side counts, above or below; the time is the last four weeks if From is zero

	PerWeek   []float64  // warnings a week that a limit may make; 1 and 0.25 if empty
	Service   bool       // count the warnings of all instances together; otherwise of each instance
	Incidents []Incident // times of real faults; warnings in them are right, so they don't count
}

// An Incident is a time in which something was wrong.
type Incident struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Suggestions are limits that would have warned no more often than PerWeek. encoding/json writes them.
type Suggestions struct {
	From      time.Time    `json:"from"`
	To        time.Time    `json:"to"`
	Selector  string       `json:"selector,omitempty"`
	Service   bool         `json:"service,omitempty"` // warnings of all instances were counted together
	Rules     []Suggestion `json:"rules"`
	Incidents []Incident   `json:"incidents,omitempty"` // that were left out
	Notes     []string     `json:"notes,omitempty"`

	// With is a backtest with the first limit of each rule as Fail; nil if no rule has one.
	With *Result `json:"with,omitempty"`
}

// A Suggestion has the limits of one rule.
type Suggestion struct {
	Name      string            `json:"name"`
	Text      string            `json:"text"`           // description of the value for people
	Unit      string            `json:"unit,omitempty"` // of the numbers: s, or none
	Weeks     float64           `json:"weeks"`          // of observation
	All       Spread            `json:"all"`
	Hours     [24]Spread        `json:"hours"` // of the day, in UTC
	Instances map[string]Spread `json:"instances"`
	Limits    []SuggestedLimit  `json:"limits"`          // one for each PerWeek
	Worst     []Incident        `json:"worst,omitempty"` // times with the worst values: were they incidents?
}

// A Spread is the distribution of a value, rounded up to two digits, or down if the limits are lower ones. The
// values of a histogram are rounded up to a bucket boundary, and those above the last boundary down to it.
type Spread struct {
	Samples int     `json:"samples"`
	Median  float64 `json:"median"`
	P90     float64 `json:"p90"`
	P99     float64 `json:"p99"`
	P999    float64 `json:"p999"`
	Max     float64 `json:"max"`
}

// A SuggestedLimit makes at most PerWeek warnings a week, with a certainty of 90 %.
type SuggestedLimit struct {
	PerWeek float64 `json:"per_week"`
	Limit   float64 `json:"limit"`
	Found   bool    `json:"found"`
	Why     string  `json:"why,omitempty"` // why there is no limit; empty if Found
	Counted int     `json:"counted"`       // warnings that it would have made; one that lasts counts again every four hours
	Bound   float64 `json:"bound"`         // upper bound of the mean number of warnings a week

	Easier        float64 `json:"easier"` // the next limit, which would warn too often
	EasierCounted int     `json:"easier_counted"`

	Warnings []Incident `json:"warnings,omitempty"` // the counted ones, at most 20

	number query.Number
}

// Suggest looks for limits. If ctx ends before, Suggest returns its error.
func Suggest(ctx context.Context, o SuggestOptions) (*Suggestions, error) {
	if o.From.IsZero() {
		if o.To.IsZero() {
			o.To = time.Now()
		}
		o.From = o.To.Add(-4 * 7 * 24 * time.Hour)
	}
	if len(o.PerWeek) == 0 {
		o.PerWeek = []float64{1, .25}
	}
	for _, n := range o.PerWeek {
		if !(n > 0) {
			return nil, fmt.Errorf("suggest: %v warnings a week: write a number above 0", n)
		}
	}
	rules, err := o.rules()
	if err != nil {
		return nil, err
	}
	source, from, to := o.source()
	var needs []history.Need
	owner := make([]int, 0, len(rules))
	for n := range rules {
		for _, need := range history.NeedsOf(rules[n].Query, true) {
			needs, owner = append(needs, need), append(owner, n)
		}
	}
	past, err := source.Find(ctx, needs, from, to)
	if err != nil {
		return nil, fmt.Errorf("suggest: %w", err)
	}
	s := &Suggestions{From: from, To: to, Selector: o.Selector, Service: o.Service, Incidents: o.Incidents}
	looked := make([]*suggest.Rule, len(rules))
	for n := range rules {
		var boundaries []float64
		for k, f := range past.Found {
			if owner[k] == n && len(f.Names) == 0 {
				s.Notes = append(s.Notes, fmt.Sprintf("%s: no instance has a series of %s", rules[n].Name, f.Metric))
			} else if owner[k] == n {
				boundaries = f.Boundaries
			}
		}
		looked[n] = suggest.NewRule(rules[n].Query, rules[n].For, rules[n].KeepFor, boundaries)
	}
	if err := follow(ctx, past, looked, o.Progress); err != nil {
		return nil, fmt.Errorf("suggest: %w", err)
	}
	config := o.Options
	config.Config.Rules = slices.Clone(o.Config.Rules)
	found := false
	for n, r := range looked {
		one := s.of(r, &o)
		one.Name, one.Text = rules[n].Name, value(&rules[n].Query.Indicator)
		s.Rules = append(s.Rules, one)
		if first := one.Limits[0]; first.Found {
			found = true
			as := &config.Config.Rules[n]
			as.Fail, as.Warn = rule.Limit{Set: true, Lower: rules[n].Query.Lower(), Number: first.number}, rule.Limit{}
		}
	}
	if found {
		config.From, config.To, config.Progress = from, to, nil
		if s.With, err = Run(ctx, config); err != nil {
			s.Notes = append(s.Notes, "there is no backtest with these limits: "+err.Error())
		}
	}
	return s, ctx.Err()
}

// of returns the suggestion for a rule.
func (s *Suggestions) of(r *suggest.Rule, o *SuggestOptions) (out Suggestion) {
	shown := func(v float64) float64 { return r.Number(v).Value }
	spread := func(in suggest.Spread) Spread {
		return Spread{in.Samples, shown(in.Median), shown(in.P90), shown(in.P99), shown(in.P999), shown(in.Max)}
	}
	if r.Number(1).Duration {
		out.Unit = "s"
	}
	all, hours, instances := r.Spreads()
	out.All, out.Instances = spread(all), map[string]Spread{}
	for h := range hours {
		out.Hours[h] = spread(hours[h])
	}
	for name, one := range instances {
		out.Instances[name] = spread(one)
	}
	var left []suggest.Incident
	for _, i := range o.Incidents {
		left = append(left, suggest.Incident{From: i.From, To: i.To})
	}
	for _, perWeek := range o.PerWeek {
		l := r.Suggest(suggest.Goal{PerWeek: perWeek, Service: o.Service}, left)
		out.Weeks = l.Weeks
		one := SuggestedLimit{PerWeek: perWeek, Limit: shown(l.Value), Found: l.OK, Why: l.Why, Counted: l.Counted, Bound: l.PerWeek, Easier: shown(l.Easier), EasierCounted: l.EasierCounted, number: r.Number(l.Value)}
		for _, e := range l.Episodes[:min(len(l.Episodes), 20)] {
			one.Warnings = append(one.Warnings, Incident{e.From, e.To})
		}
		out.Limits = append(out.Limits, one)
	}
	for _, e := range r.Incidents(5) {
		if !slices.ContainsFunc(left, func(i suggest.Incident) bool { return e.Within(i.From, i.To) }) {
			out.Worst = append(out.Worst, Incident{e.From, e.To})
		}
	}
	return out
}

// follow reads all instances, as many at once as there are processors.
func follow(ctx context.Context, past *history.History, rules []*suggest.Rule, progress func(done, all int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan history.Instance, len(past.Instances))
	for _, i := range past.Instances {
		next <- i
	}
	close(next)
	var mu sync.Mutex
	done := 0
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(past.Instances)) {
		workers.Go(func() {
			for of := range next {
				var courses []*suggest.Course
				for _, r := range rules {
					courses = append(courses, r.Instance(of.Name))
				}
				for c, err := range past.Read(ctx, of) {
					if err != nil {
						cancel(fmt.Errorf("%s: %w", of.Name, err))
						return
					}
					for _, one := range courses {
						one.Add(c.At, c.Metrics, c.Restarted)
					}
				}
				mu.Lock()
				for _, one := range courses {
					one.End()
				}
				if done++; progress != nil {
					progress(done, len(past.Instances))
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(past.Instances) == 0 {
		return errors.New("no instance has a sample in this time")
	}
	return nil
}
