package backtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/replay"
)

// tick is the time between two judgements of a Monitor.
const tick = time.Second

// Run judges the past. If ctx ends before, Run returns its error. It may be called concurrently. Run returns
// all mistakes in the rules at once, as [cfgerrors.Error].
func Run(ctx context.Context, o Options) (*Result, error) {
	rules, err := o.rules()
	if err != nil {
		return nil, err
	}
	source, from, to := o.source()
	needs, owner := history.Verdicts(), make([]int, len(history.Verdicts()))
	for n := range rules {
		for _, need := range history.NeedsOf(rules[n].Query, false) {
			needs, owner = append(needs, need), append(owner, n)
		}
	}
	if err := conflicts(needs[len(history.Verdicts()):], owner[len(history.Verdicts()):], rules); err != nil {
		return nil, err
	}
	past, err := source.Find(ctx, needs, from.Add(-lookback(rules)), to)
	if err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	r := &Result{From: from, To: to, Selector: o.Selector}
	exists := r.note(past, needs, owner, rules)
	for _, c := range o.Config.Checks {
		r.Left = append(r.Left, c.Name+": it is a function, which has no past")
	}
	all, err := judgeAll(ctx, past, replay.Config{Rules: rules, Tick: tick, Exists: exists}, from, o.Progress)
	if err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	r.sum(all, rules)
	return r, nil
}

// conflicts returns an error if two rules read one metric as different kinds or in different units. One of
// the rules is wrong, and the metric is read only once for both.
func conflicts(needs []history.Need, owner []int, rules []replay.Rule) error {
	first := map[string]int{}
	for n, need := range needs {
		k, seen := first[need.Metric]
		if !seen {
			first[need.Metric] = n
			continue
		}
		mine, other := need, needs[k]
		bad := ""
		switch {
		case (mine.Kind == history.Gauge) != (other.Kind == history.Gauge):
			bad = fmt.Sprintf("reads %s as a %s, and %s reads it as a %s", need.Metric, mine.Kind, rules[owner[k]].Name, other.Kind)
		case mine.Kind == history.Gauge && mine.Duration != other.Duration:
			bad = fmt.Sprintf("compares %s with a time, and another rule with a number: %s", need.Metric, rules[owner[k]].Name)
			if other.Duration {
				bad = fmt.Sprintf("compares %s with a number, and another rule with a time: %s", need.Metric, rules[owner[k]].Name)
			}
		}
		if bad != "" {
			return fmt.Errorf("backtest: %w", &cfgerrors.Error{Item: rules[owner[n]].Name, Field: "Value", Problem: bad + ": correct one, or try them in two runs"})
		}
	}
	return nil
}

// settled is how long the replay needs until it knows ejections, probations and the usual traffic.
const settled = 45 * time.Minute

// lookback is how long before the first judged time something counts.
func lookback(rules []replay.Rule) time.Duration {
	most := time.Duration(0)
	for n := range rules {
		r := &rules[n]
		back := r.Query.Indicator.Window + r.For + r.KeepFor
		if r.Ejects() {
			back += 4*r.Query.Indicator.Window + settled
		}
		most = max(most, back)
	}
	return most + 5*time.Minute
}

// note adds notes on the metrics of the rules, such as a metric that does not exist. exists reports whether
// any instance has an instrument.
func (r *Result) note(past *history.History, needs []history.Need, owner []int, rules []replay.Rule) (exists func(string) bool) {
	found := map[string]bool{}
	for n, f := range past.Found {
		if n < len(history.Verdicts()) {
			continue
		}
		name := rules[owner[n]].Name
		if len(f.Names) == 0 {
			r.add(fmt.Sprintf("%s: no instance has a series of %s: is the name right? Look it up at /metrics of the service", name, needs[n].Metric))
			continue
		}
		found[needs[n].Metric] = true
		if need := needs[n]; need.Duration && need.Unit == "" && query.TimeUnit(f.Names[0], "") == "" {
			r.add(fmt.Sprintf("%s: the name %s has no unit of time, so its values are taken to be in seconds", name, f.Names[0]))
		}
		if limits := needs[n].Limits; needs[n].Kind == history.Histogram && len(f.Boundaries) > 0 {
			resolved, err := rules[owner[n]].Query.Resolved(f.Unit, "histogram")
			if err != nil {
				r.add(fmt.Sprintf("%s: %v", name, err))
				continue
			}
			for k := range limits {
				v := resolved.Indicator.Bound.Value
				if k < len(resolved.Bounds) && resolved.Indicator.Quantile > 0 {
					v = resolved.Bounds[k].Value
				}
				if !slices.ContainsFunc(f.Boundaries, func(b float64) bool { return near(b, v) }) {
					r.add(fmt.Sprintf("%s: %v is not a bucket boundary of %s, so a state that depends on measurements around it is can't tell: take one of %v, in the unit of the metric, or let Monitor.View record it for a while", name, limits[k], needs[n].Metric, f.Boundaries))
				}
			}
		}
	}
	return func(metric string) bool { return found[metric] }
}

func near(a, b float64) bool { return a-b <= 1e-9*max(a, -a) && b-a <= 1e-9*max(b, -b) }

func (r *Result) add(note string) {
	if !slices.Contains(r.Notes, note) {
		r.Notes = append(r.Notes, note)
	}
}

// judgeAll judges the instances, as many at once as there are processors.
func judgeAll(ctx context.Context, past *history.History, c replay.Config, from time.Time, progress func(done, all int)) ([]*judged, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := make([]*judged, len(past.Instances))
	next := make(chan int, len(all))
	for n := range all {
		next <- n
	}
	close(next)
	var mu sync.Mutex
	done := 0
	if progress != nil {
		progress(0, len(all))
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		workers.Go(func() {
			for n := range next {
				j, err := judge(ctx, past, past.Instances[n], c, from)
				if err != nil {
					cancel(fmt.Errorf("%s: %w", past.Instances[n].Name, err))
					return
				}
				all[n] = j
				mu.Lock()
				if done++; progress != nil {
					progress(done, len(all))
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	all = slices.DeleteFunc(all, func(j *judged) bool { return j.samples == 0 })
	if len(all) == 0 {
		return nil, errors.New("no instance has a sample in this time: are the selector and the time right? Try it in Prometheus, with the name of a metric before it")
	}
	return all, nil
}

// judge judges one instance.
func judge(ctx context.Context, past *history.History, of history.Instance, c replay.Config, from time.Time) (*judged, error) {
	i := replay.New(c)
	out := newJudged(of.Name, c.Rules)
	out.dated = past.Dated()
	for collection, err := range past.Read(ctx, of) {
		if err != nil {
			return nil, err
		}
		j := i.Collect(collection.At, collection.Metrics, collection.Restarted)
		if !j.At.Before(from) {
			out.add(j, i.Step)
			out.compare(j, collection.Recorded)
		}
	}
	out.end(i.Step)
	return out, ctx.Err()
}
