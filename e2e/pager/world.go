package pager

import (
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	tick  = 15 * time.Second // between exports, and between scrapes
	every = 30 * time.Second // between evaluations
	// Before the event every window on raw series must be full that a rule needs at once.
	warm = 8 * time.Minute
)

// A world is a fleet, its way to Prometheus, and what befalls both.
type world struct {
	dialect     dialect
	instruments instruments
	scraped     bool // or pushed, through a collector
	pods        []*pod
	drain       time.Duration
	minutely    bool          // exports are a minute apart
	early       time.Duration // how long before the event it begins; at least warm
	over, until time.Duration // when the last cause ends; how long to listen at most
	ended       time.Duration // when it did

	clusters     []string // of the collectors, one each
	collectorOff func(at time.Duration, cluster string) bool
	cut          func(at time.Duration, p *pod) bool // its data does not arrive
	serverOff    func(at time.Duration) bool
	catchUp      int // how much faster than it came a queue is sent; 0: at once
	foreign      []point

	server     *server
	collectors []*collector
	queue      []sample // of the collector
	arrived    int      // samples, in this tick
	offAt, on  time.Duration
	wasOff     bool
	others     map[string]*series
}

type collector struct {
	cluster      string
	born         time.Duration
	runs         bool
	sent, failed float64
	series       map[string]*series
}

func never(time.Duration) bool { return false }

// during is true between two times.
func during(from, to time.Duration) func(time.Duration) bool {
	return func(at time.Duration) bool { return at >= from && at < to }
}

// run lets time pass, and calls heard with what is let through.
func (w *world) run(am *alertmanager, heard func([]delivery, time.Duration)) error {
	if w.serverOff == nil {
		w.serverOff = never
	}
	w.others = map[string]*series{}
	for _, cluster := range w.clusters {
		w.collectors = append(w.collectors, &collector{cluster: cluster, series: map[string]*series{}})
	}
	if err := w.seed(); err != nil {
		return err
	}
	quiet := -w.early
	for now := -w.early; now <= w.until; now += tick {
		arrived := w.export(now)
		w.arrived = len(arrived)
		if !w.scraped {
			arrived = append(arrived, w.ownMetrics(now)...)
		}
		if w.serverOff(now) {
			if !w.wasOff {
				w.offAt, w.wasOff = now, true
			}
			w.on = now + tick
			continue
		}
		for _, f := range w.foreign {
			arrived = append(arrived, w.translate(f, w.others, "", now, nil)...)
		}
		if err := w.server.write(arrived); err != nil {
			return err
		}
		next := now + tick // exports are spread over the tick, and have come by then
		if next%every != 0 {
			continue
		}
		if w.wasOff {
			w.wasOff = false
			if err := w.server.restart(next); err != nil {
				return err
			}
		}
		firing, pending := w.server.evaluate(next)
		heard(am.deliver(firing), next)
		w.ended = next
		if len(firing)+pending > 0 {
			quiet = next
		}
		if w.over > 0 && next > w.over+10*time.Minute && next > quiet+10*time.Minute {
			break // nothing new can come
		}
	}
	for rule, err := range w.server.errors {
		return fmt.Errorf("%s: %w", rule, err)
	}
	return nil
}

// export lets each pod export or be scraped, and returns what arrives now.
func (w *world) export(now time.Duration) []sample {
	var out []sample
	for _, p := range w.pods {
		at := now + p.offset
		if at < p.start || p.done {
			continue
		}
		if p.ends && at > p.end {
			switch {
			case p.killed && w.scraped && at < p.end+6*time.Minute: // the target stays until its node is given up
				out = append(out, w.vanish(p, at, 0)...)
				continue
			case w.scraped:
				out = append(out, w.vanish(p, at, stale)...)
				p.done = true
				continue
			case p.killed:
				p.done = true
				continue
			}
			at, p.done = p.end, true // the last word
		} else if w.minutely && (now/tick+time.Duration(p.offset.Seconds()))%4 != 0 {
			continue
		}
		points, c := p.export(at, w.drain)
		switch {
		case c.refused:
			w.collectors[0].failed += float64(len(points))
			continue
		case w.serverOff(now) && w.scraped:
			continue
		case w.cut != nil && w.cut(now, p), c.deaf, !w.scraped && w.collectorOff != nil && w.collectorOff(now, p.cluster):
			p.fails()
			if w.scraped {
				out = append(out, w.vanish(p, at, 0)...)
			}
			continue
		}
		if w.scraped {
			points = append(points, point{"up", nil, 1, -1})
		}
		for _, x := range points {
			out = append(out, w.translate(x, p.all(), p.job, at, p)...)
		}
	}
	if w.scraped || w.catchUp == 0 && !w.serverOff(now) && len(w.queue) == 0 {
		return out
	}
	return w.dequeue(append(w.queue, out...), now)
}

// dequeue returns what the collector sends of its queue in this tick.
func (w *world) dequeue(queue []sample, now time.Duration) (sent []sample) {
	limit := int64(1 << 62)
	switch {
	case w.serverOff(now):
		limit = -limit
	case w.catchUp > 0 && w.on != 0:
		if reached := w.offAt + time.Duration(w.catchUp)*(now+tick-w.on); reached < now {
			limit = millis(reached)
		}
	}
	w.queue = nil
	for _, x := range queue {
		if x.at <= limit {
			sent = append(sent, x)
		} else {
			w.queue = append(w.queue, x)
		}
	}
	return sent
}

// ownMetrics are the collectors'. They go straight to Prometheus.
func (w *world) ownMetrics(now time.Duration) (out []sample) {
	for n, c := range w.collectors {
		if w.collectorOff != nil && w.collectorOff(now, c.cluster) {
			c.runs = false
			continue
		}
		if !c.runs {
			c.runs, c.born, c.sent, c.failed, c.series = true, now, 0, 0, map[string]*series{}
		}
		if w.serverOff(now) {
			continue // lost
		}
		c.sent += float64(w.arrived / len(w.collectors))
		at := now + time.Duration(n+1)*time.Second
		self := &pod{id: fmt.Sprintf("collector-%d-%d", n, int(c.born.Seconds())), cluster: c.cluster}
		points := []point{
			{"otelcol_process_uptime", nil, (at - c.born).Seconds(), -1},
			{"otelcol_exporter_queue_size", []string{"data_type", "metrics", "exporter", "otlp_http/prometheus"}, float64(len(w.queue)), -1},
			{"otelcol_exporter_sent_metric_points", []string{"exporter", "otlp_http/prometheus"}, c.sent, -1},
		}
		if c.failed > 0 {
			points = append(points, point{"otelcol_exporter_send_failed_metric_points", []string{"exporter", "otlp_http/prometheus"}, c.failed, -1})
		}
		for _, x := range points {
			out = append(out, w.translate(x, c.series, "otel-collector", at, self)...)
		}
	}
	return out
}

// vanish writes the staleness markers of a failed scrape, and up.
func (w *world) vanish(p *pod, at time.Duration, up float64) (out []sample) {
	for key, s := range p.all() {
		if key[:2] != "up" {
			out = append(out, sample{series: s, at: millis(at), value: stale})
		}
	}
	return append(out, w.translate(point{"up", nil, up, -1}, p.all(), p.job, at, p)...)
}

func (p *pod) all() map[string]*series {
	if p.series == nil {
		p.series = map[string]*series{}
	}
	return p.series
}

// translate makes the samples of a point, by the dialect's names.
func (w *world) translate(x point, known map[string]*series, job string, at time.Duration, p *pod) []sample {
	name := w.dialect.metric(w.instruments, x.name)
	one := func(name string, value float64, more ...string) sample {
		key := name
		for _, a := range append(x.attrs[:len(x.attrs):len(x.attrs)], more...) {
			key += "|" + a
		}
		s := known[key]
		if s == nil {
			s = &series{labels: w.labels(name, job, p, append(x.attrs[:len(x.attrs):len(x.attrs)], more...))}
			known[key] = s
		}
		return sample{series: s, at: millis(at), value: value}
	}
	switch {
	case x.slow < 0:
		return []sample{one(name, x.value)}
	case w.dialect.native:
		s := one(name, 0)
		s.counts = durations(x.value, x.slow)
		return []sample{s}
	}
	return []sample{one(name+"_count", x.value), one(name+"_bucket", x.value-x.slow, "le", "0.5"), one(name+"_bucket", x.value, "le", "+Inf")}
}

func (w *world) labels(name, job string, p *pod, attrs []string) labels.Labels {
	b := labels.NewBuilder(labels.FromStrings(labels.MetricName, name))
	for n := 0; n < len(attrs); n += 2 {
		b.Set(w.dialect.label(attrs[n]), attrs[n+1])
	}
	if p != nil {
		b.Set("job", job)
		b.Set("instance", p.id)
		if w.dialect.group != "" && p.cluster != "" {
			b.Set(w.dialect.label(w.dialect.group), p.cluster)
		}
	}
	return b.Labels()
}
