package backtest

import (
	"slices"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/replay"
)

// sum adds up what all instances would have done.
func (r *Result) sum(all []*judged, rules []replay.Rule) {
	slices.SortFunc(all, func(a, b *judged) int { return strings.Compare(a.Name, b.Name) })
	for n := range rules {
		rule := &rules[n]
		r.ejects = r.ejects || rule.Ejects()
		out := Rule{Name: rule.Name, Text: describe(rule), OnFail: rule.OnFail, Shadow: rule.Shadow}
		var agrees Agreement
		for _, j := range all {
			out.of(j.Rules[rule.Name])
			agrees = agrees.with(j.recorded[n])
		}
		if agrees.Samples > 0 {
			out.Recorded = &agrees
		}
		r.Rules = append(r.Rules, out)
	}
	var agrees Agreement
	var steps []time.Duration
	if replay.Shadows(rules) {
		r.Shadow = &Total{}
	}
	for _, j := range all {
		r.Samples += j.samples
		r.Ready.of(j.Ready)
		if r.Shadow != nil {
			r.Shadow.of(j.Shadow)
		}
		for n := range j.recorded {
			agrees = agrees.with(j.recorded[n])
		}
		if j.step > 0 {
			steps = append(steps, j.step)
		}
		r.Instances = append(r.Instances, j.Instance)
	}
	if agrees.Samples > 0 {
		r.Recorded = &agrees
	}
	if len(steps) > 0 {
		slices.Sort(steps)
		r.Every = Seconds(steps[len(steps)/2].Round(time.Second).Seconds())
	}
	r.Fleet = fleet(r.Instances)
}

// An edge is the begin or the end of a span of one instance.
type edge struct {
	at                        time.Time
	data, surelyOut, maybeOut int
}

// fleet finds when most instances were out, and when fewest were ready.
func fleet(all []Instance) Fleet {
	var edges []edge
	for _, i := range all {
		for _, s := range i.Ready {
			if s.Low == "" {
				continue
			}
			e := edge{data: 1}
			if out(s.Low) {
				e.surelyOut = 1
			}
			if out(s.High) {
				e.maybeOut = 1
			}
			e.at = s.From
			edges = append(edges, e)
			edges = append(edges, edge{s.To, -e.data, -e.surelyOut, -e.maybeOut})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	f := Fleet{Instances: len(all)}
	var now edge
	first := true
	for n, e := range edges {
		now.data, now.surelyOut, now.maybeOut = now.data+e.data, now.surelyOut+e.surelyOut, now.maybeOut+e.maybeOut
		if n+1 < len(edges) && edges[n+1].at.Equal(e.at) || now.data == 0 {
			continue // no data, or more edges at the same time: only the state after all of them counts
		}
		if now.maybeOut > f.MostOut.High || now.maybeOut == f.MostOut.High && now.surelyOut > f.MostOut.Low {
			f.MostOut = At{now.surelyOut, now.maybeOut, now.data, e.at}
		}
		ready := At{now.data - now.maybeOut, now.data - now.surelyOut, now.data, e.at}
		if was := f.FewestReady; first || ready.Low*was.Of < was.Low*ready.Of || ready.Low*was.Of == was.Low*ready.Of && ready.High*was.Of < was.High*ready.Of {
			f.FewestReady, first = ready, false
		}
	}
	return f
}
