package history

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// overflow is the attribute of the series into which the SDK folds those beyond its limit.
const overflow = attribute.Key("otel.metric.overflow")

// A track is one series through all parts.
type track struct {
	of    *gathered
	attrs attribute.Set
	queue []*series // series to read; parts follow one another, and two series of one part are merged
	now   sample    // the next sample, if there is one
	is    bool
	part  int   // number of the last part that has it
	last  int64 // time of the last sample
	from  int64
	to    int64

	bucket  *bucket // of a classic histogram
	state   string  // of a recorded verdict
	subject string  // its check or probe

	before float64 // the count at the last collection that had it
	seen   int64   // number of that collection; 0 if there is none
}

// advance goes to the next sample. It skips stale markers and duplicates.
func (t *track) advance() error {
	for {
		if len(t.queue) == 0 {
			t.is = false
			return nil
		}
		ok, err := t.queue[0].samples.next(&t.now)
		if err != nil {
			return err
		}
		if !ok {
			t.queue = t.queue[1:]
			continue
		}
		if t.now.t > t.last && t.now.t >= t.from && t.now.t <= t.to && !isStale(t.now.v) {
			t.is, t.last = true, t.now.t
			return nil
		}
	}
}

// identify finds the attributes and the scope of a series.
func (h *History) identify(m *metric, s *series) (attrs attribute.Set, of instrumentation.Scope) {
	var list []attribute.KeyValue
	for _, l := range s.labels {
		switch l.name {
		case scopeName:
			of.Name = l.value
		case scopeVersion:
			of.Version = l.value
		}
		key, is := h.key(m, l.name)
		switch {
		case !is || l.value == "":
		case key == overflow:
			list = append(list, key.Bool(l.value == "true"))
		default:
			list = append(list, key.String(l.value))
		}
	}
	return attribute.NewSet(list...), of
}

// edge is the boundary of a bucket.
func (s *series) edge() (float64, bool) {
	v, err := strconv.ParseFloat(s.label(bucketLabel), 64)
	return v, err == nil && v == v
}

// both merges two series of one part that differ only in labels of their target.
type both struct {
	a, b   *series
	sa, sb sample
	ha, hb bool
	begun  bool
}

func (m *both) next(s *sample) (ok bool, err error) {
	if !m.begun {
		m.begun = true
		if m.ha, err = m.a.samples.next(&m.sa); err != nil {
			return false, err
		}
		if m.hb, err = m.b.samples.next(&m.sb); err != nil {
			return false, err
		}
	}
	switch {
	case m.ha && (!m.hb || m.sa.t <= m.sb.t):
		*s = m.sa
		m.ha, err = m.a.samples.next(&m.sa)
	case m.hb:
		*s = m.sb
		m.hb, err = m.b.samples.next(&m.sb)
	default:
		return false, nil
	}
	return true, err
}

// A group is one series of a classic histogram: the buckets with the same attributes.
type group struct {
	attrs   attribute.Set
	buckets []*bucket // by their boundary; the last is +Inf, if there is one
	picked  *[]float64
	picks   []*bucket
	counts  []uint64
}

type bucket struct {
	edge  float64
	value float64 // events up to the boundary
	at    int64   // number of the collection
	group *group
}

// add adds a bucket.
func (g *group) add(edge float64) *bucket {
	at, found := slices.BinarySearchFunc(g.buckets, edge, func(b *bucket, e float64) int { return cmp.Compare(b.edge, e) })
	if found {
		return g.buckets[at]
	}
	b := &bucket{edge: edge, group: g}
	g.buckets, g.picked = slices.Insert(g.buckets, at, b), nil
	return b
}

// pick finds the buckets with these boundaries, and +Inf. It reports whether all of them exist.
func (g *group) pick(bounds *[]float64, number int64) bool {
	if g.picked != bounds {
		g.picked, g.picks = bounds, g.picks[:0]
		for _, b := range g.buckets {
			if _, is := slices.BinarySearch(*bounds, b.edge); is || b.edge > maxEdge {
				g.picks = append(g.picks, b)
			}
		}
	}
	if len(g.picks) != len(*bounds)+1 {
		return false
	}
	for _, b := range g.picks {
		if b.at != number {
			return false
		}
	}
	return true
}

func millis(t int64) time.Time { return time.UnixMilli(t).UTC() }

// identity is the key of a track.
func identity(of *gathered, attrs attribute.Set, edge string) string {
	var b strings.Builder
	for _, kv := range attrs.ToSlice() {
		for _, part := range []string{string(kv.Key), conventions.Text(kv.Value)} {
			b.WriteString(strconv.Itoa(len(part)))
			b.WriteByte(':')
			b.WriteString(part)
		}
	}
	return of.id + b.String() + edge
}
