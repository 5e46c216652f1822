package main

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// A figure is the least and the most that a panel may show.
type figure struct {
	lo, hi float64
	maybe  bool // it may also show nothing
	young  bool // a rate of a counter that is smaller than what it would gain until the window begins
}

func exactly(v float64) figure { return figure{lo: v, hi: v} }

func (a figure) plus(b figure) figure {
	return figure{lo: a.lo + b.lo, hi: a.hi + b.hi}
}

func (a figure) times(n float64) figure { return figure{lo: a.lo * n, hi: a.hi * n, maybe: a.maybe} }

// over is a share. Both have counted events, and those of a are some of those of b.
func (a figure) over(b figure) figure {
	out := figure{lo: a.lo / b.hi, hi: 1, maybe: b.lo == 0}
	if b.lo > 0 {
		out.hi = a.hi / b.lo
	}
	return out
}

// without is the rest of a share.
func (a figure) without(budget float64) figure {
	return figure{lo: 1 - a.hi/budget, hi: 1 - a.lo/budget, maybe: a.maybe}
}

// rate is how fast a counter grows, a second: its growth between the first and the last export in the window. If
// the counter begins or ends in the window, or is smaller than its growth in it, Prometheus extrapolates less. Then
// the rate is at least this growth divided by the whole window.
func (c *column) rate(f *life, at int64, window time.Duration) (figure, bool) {
	from, to := f.within(at, window)
	to = min(to, len(c.values))
	for from < to && math.IsNaN(c.values[from]) {
		from++
	}
	if to-from < 2 {
		return figure{}, false
	}
	first, last := c.values[from], c.values[to-1]
	gained, took := last-first, float64(f.times[to-1]-f.times[from])/1000
	before, after := float64(f.times[from]-(at-window.Milliseconds()))/1000, float64(at-f.times[to-1])/1000
	out := figure{lo: gained / window.Seconds(), hi: gained / took}
	between := took / float64(to-from-1)
	room := before
	if before >= 1.1*between {
		room = between / 2
	}
	out.young = gained > 0 && first*took/gained < room
	if before < 1.1*between && after < 1.1*between && !out.young {
		out.lo = out.hi
	}
	return out, true
}

// quantiles are those of a histogram, by some labels. In a bucket durations are spread evenly. The last
// bucket has no end: there it is the bucket's beginning.
func (l look) quantiles(q float64, name string, by ...string) rows {
	buckets := map[string]map[float64]figure{}
	columnsOf(l.seen, name+"_bucket", func(f *life, c *column) {
		if v, ok := c.rate(f, l.at, l.rate); ok {
			key := keyOf(f, c, by)
			if buckets[key] == nil {
				buckets[key] = map[float64]figure{}
			}
			le, err := strconv.ParseFloat(c.labels["le"], 64)
			if err != nil {
				panic(err)
			}
			buckets[key][le] = buckets[key][le].plus(v)
		}
	})
	r := rows{}
	for key, of := range buckets {
		total := of[math.Inf(1)]
		if total.hi == 0 {
			continue
		}
		var les []float64
		for le := range of {
			les = append(les, le)
		}
		slices.Sort(les)
		find := func(share func(figure) float64) float64 {
			begin, under := 0.0, 0.0
			for _, le := range les {
				n := share(of[le])
				switch {
				case n < q && !math.IsInf(le, 1):
					begin, under = le, n
				case math.IsInf(le, 1):
					return begin
				default:
					return begin + (le-begin)*(q-under)/(n-under)
				}
			}
			return begin
		}
		r[key] = figure{
			lo:    find(func(f figure) float64 { return f.over(total).hi }),
			hi:    find(func(f figure) float64 { return f.over(total).lo }),
			maybe: total.lo == 0,
		}
	}
	return r
}

// line is the straight line through a gauge's values of a while: its value now, and its slope a second.
func (c *column) line(f *life, at int64, d time.Duration) (value, slope float64, ok bool) {
	from, to := f.within(at, d)
	n := float64(to - from)
	if n < 2 {
		return 0, 0, false
	}
	var meanX, meanY float64
	for i := from; i < to; i++ {
		meanX += float64(f.times[i]-at) / 1000 / n
		meanY += c.values[i] / n
	}
	var xy, xx float64
	for i := from; i < to; i++ {
		x := float64(f.times[i]-at)/1000 - meanX
		xy, xx = xy+x*(c.values[i]-meanY), xx+x*x
	}
	slope = xy / xx
	return meanY - slope*meanX, slope, true
}
