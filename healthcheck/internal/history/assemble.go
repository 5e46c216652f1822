package history

import (
	"math"
	"strconv"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// together is how far apart the samples of one collection may be. The SDK gives each instrument its own time.
// The SDK's last flush can come 50 ms after a collection, but a series has only one sample in each.
const together = 250 * time.Millisecond

// maxEdge tells +Inf from the other boundaries.
const maxEdge = math.MaxFloat64

// An assembler joins the samples of an instance's series into collections.
type assembler struct {
	history *History
	tracks  []*track
	by      map[string]*track
	metrics []*gathered
	limit   int64 // collections that begin later wait for the next part
	start   int64 // of the next collection
	last    int64 // time of the last collection; the next one is later
	number  int64 // of the collection, from 1
	parts   int
	restart restart
	out     Collection
	lists   map[string][]evidence.Metric // the memory of out.Metrics
}

func newAssembler(h *History) *assembler {
	return &assembler{history: h, by: map[string]*track{}, start: math.MaxInt64, lists: map[string][]evidence.Metric{},
		out: Collection{Metrics: evidence.Catalog{}, Recorded: Recorded{map[string]string{}, map[string]string{}, map[string]string{}, map[string]time.Time{}}}}
}

// add adds the next part.
func (a *assembler) add(p *part) {
	a.limit = p.to - together.Milliseconds()
	if p.last {
		a.limit = math.MaxInt64 - together.Milliseconds()
	}
	a.parts++
	for n, m := range p.plan.metrics {
		for _, s := range p.series[n] {
			t := a.track(m, p.plan.forms[n], s)
			if t == nil {
				continue
			}
			if end := len(t.queue) - 1; t.part == a.parts {
				t.queue[end] = &series{labels: s.labels, samples: &both{a: t.queue[end], b: s}}
			} else {
				t.queue, t.part = append(t.queue, s), a.parts
			}
			t.of.know(s, p.guessed)
		}
	}
	a.start = math.MinInt64 // not known
}

// track finds the track of a series, or makes it. A bucket without a boundary has none.
func (a *assembler) track(m *metric, f form, s *series) *track {
	attrs, of := a.history.identify(m, s)
	if of.Name == "" && len(m.scopes) == 1 {
		of.Name = m.scopes[0] // the backend keeps no scopes, so all series are taken to be of this one
	}
	g := a.gathered(m, f, of)
	edge, is := s.edge()
	text := ""
	if f == classic {
		if !is {
			return nil
		}
		text = strconv.FormatFloat(edge, 'g', -1, 64)
	}
	key := identity(g, attrs, text)
	if t := a.by[key]; t != nil {
		return t
	}
	t := &track{of: g, attrs: attrs, last: math.MinInt64, from: a.history.From.UnixMilli(), to: a.history.To.UnixMilli()}
	if f == classic {
		key := identity(g, attrs, "")
		if g.groups[key] == nil {
			g.groups[key] = &group{attrs: attrs}
			g.order = append(g.order, g.groups[key])
		}
		t.bucket = g.groups[key].add(edge)
	}
	if m.verdict() {
		t.subject, t.state = textOf(attrs, probeName), textOf(attrs, probeState)
		if m.Metric == checkStatus || m.Metric == transition {
			t.subject, t.state = textOf(attrs, checkName), textOf(attrs, checkState)
		}
	}
	a.by[key], a.tracks = t, append(a.tracks, t)
	return t
}

func textOf(attrs attribute.Set, key string) string {
	v, _ := attrs.Value(attribute.Key(key))
	return conventions.Text(v)
}

func (a *assembler) gathered(m *metric, f form, of instrumentation.Scope) *gathered {
	for _, g := range a.metrics {
		if g.metric == m && g.form == f && g.scope == of {
			return g
		}
	}
	g := &gathered{metric: m, form: f, scope: of, id: strconv.Itoa(len(a.metrics)) + " ", groups: map[string]*group{}, bounds: new([]float64)}
	a.metrics = append(a.metrics, g)
	return g
}

// next returns the next collection; nil if it needs another part.
func (a *assembler) next() (*Collection, error) {
	for {
		if a.start == math.MinInt64 {
			a.start = math.MaxInt64
			for _, t := range a.tracks {
				if !t.is {
					if err := t.advance(); err != nil {
						return nil, err
					}
				}
				if t.is {
					a.start = min(a.start, t.now.t)
				}
			}
		}
		if a.start == math.MaxInt64 || a.start > a.limit {
			return nil, nil
		}
		if err := a.collect(); err != nil {
			return nil, err
		}
		if a.finish() {
			return &a.out, nil
		}
	}
}

// collect takes the samples of one time.
func (a *assembler) collect() error {
	a.number++
	a.restart.begin()
	end, next, at := a.start+together.Milliseconds(), int64(math.MaxInt64), a.start
	for _, g := range a.metrics {
		g.begin()
	}
	clear(a.out.Recorded.Probes)
	clear(a.out.Recorded.Shadow)
	clear(a.out.Recorded.Checks)
	clear(a.out.Recorded.Since)
	for _, t := range a.tracks {
		if t.is && t.now.t < end {
			at = max(at, t.now.t)
			a.take(t)
			if err := t.advance(); err != nil {
				return err
			}
		}
		if t.is {
			next = min(next, t.now.t)
		}
	}
	if at <= a.last {
		at = a.last + 1 // a flush right after the last collection
	}
	a.start, a.last, a.out.At = next, at, millis(at)
	return nil
}

// take adds one sample to the collection.
func (a *assembler) take(t *track) {
	m := t.of.metric
	switch {
	case m.Metric == processStart:
		a.restart.process(t.now.v)
	case m.Metric == transition:
		a.out.Recorded.Since[t.subject] = time.UnixMicro(int64(math.Round(t.now.v * 1e6)))
		t.of.fresh++
	case m.verdict():
		if t.now.v == 1 {
			to := a.out.Recorded.Probes
			switch m.Metric {
			case shadowStatus:
				to = a.out.Recorded.Shadow
			case checkStatus:
				to = a.out.Recorded.Checks
			}
			to[t.subject] = t.state
		}
		t.of.fresh++
	case t.bucket != nil:
		t.bucket.value, t.bucket.at = t.now.v, a.number
		t.of.fresh++
		if t.bucket.edge > maxEdge {
			a.restart.count(t, t.now.v, a.number)
		}
	case t.now.native != nil:
		t.of.takeNative(t)
		a.restart.count(t, t.now.native.count, a.number)
	default: // also a metric of another kind with the name of a histogram, so that the rule can't read it
		t.of.points = append(t.of.points, metricdata.DataPoint[float64]{Attributes: t.attrs, Time: millis(t.now.t), Value: t.now.v})
		t.of.fresh++
		if m.Kind == Counter {
			a.restart.count(t, t.now.v, a.number)
		}
	}
}

// finish makes the collection from the samples that were taken. It reports whether there are any.
func (a *assembler) finish() (any bool) {
	clear(a.out.Metrics)
	for _, g := range a.metrics {
		any = any || g.fresh > 0
		data := g.data(a.number, a.out.At)
		if data == nil {
			continue
		}
		name := g.metric.Metric
		list, more := a.out.Metrics[name]
		if !more {
			list = a.lists[name][:0]
		}
		list = append(list, evidence.Metric{Name: name, Unit: g.metric.unit, Data: data, Scope: g.scope})
		a.out.Metrics[name], a.lists[name] = list, list
	}
	if any {
		a.out.Restarted = a.restart.end()
	}
	return any
}
