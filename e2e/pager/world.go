package pager

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

const (
	tick  = 15 * time.Second // between exports, and between scrapes
	every = 30 * time.Second // between evaluations
	// Before the event, every window on raw series that a rule needs must be full.
	warm = 8 * time.Minute
)

// A world is a fleet, its way to Prometheus, and the events of both.
type world struct {
	dialect     dialect
	instruments instruments
	scraped     bool // or pushed, through a collector
	pods        []*pod
	ends        []time.Duration // of causes
	coarse      bool            // most rules are evaluated every minute while nothing begins or ends
	early       time.Duration   // how long before the event it begins; at least warm
	over, until time.Duration   // when the last cause ends; how long to listen at most
	ended       time.Duration   // when it did

	clusters     []string // of the collectors, one each
	collectorOff func(at time.Duration, cluster string) bool
	serverOff    func(at time.Duration) bool
	catchUp      int // how much faster than it was filled a queue is sent; 0: at once
	foreign      []point

	server     *server
	collectors []*collector
	queue      []sample // of the collector
	arrived    int      // samples, in this tick
	offAt, on  time.Duration
	wasOff     bool
	others     known
	names      map[string]string // of metrics, in this dialect
}

type collector struct {
	cluster      string
	born         time.Duration
	runs         bool
	sent, failed float64
	series       known
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
	w.others, w.names = known{}, map[string]string{}
	for _, cluster := range w.clusters {
		w.collectors = append(w.collectors, &collector{cluster: cluster, series: known{}})
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
			arrived = w.translate(arrived, f, w.others, "", now, nil)
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
		firing, pending := w.server.evaluate(next, w.due(next))
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

// due reports whether all rules are evaluated now.
func (w *world) due(now time.Duration) bool {
	busy := now >= -2*time.Minute && now <= 15*time.Minute
	for _, end := range w.ends {
		busy = busy || now >= end && now <= end+6*time.Minute
	}
	return !w.coarse || busy || now%(2*every) == 0
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
			case p.killed && w.scraped && at < p.end+6*time.Minute: // the target stays until Kubernetes deletes the pods of its node
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
			at, p.done = p.end, true // the last export
		} else if p.minutely && (now/tick+time.Duration(p.offset.Seconds()))%4 != 0 {
			continue
		}
		points, c := p.export(at)
		switch {
		case c.refused:
			w.collectors[0].failed += float64(len(points))
			continue
		case w.serverOff(now) && w.scraped:
			continue
		case p.cut != nil && p.cut(now), c.deaf, !w.scraped && w.collectorOff != nil && w.collectorOff(now, p.cluster):
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
			out = w.translate(out, x, p.all(), p.job, at, p)
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
			c.runs, c.born, c.sent, c.failed, c.series = true, now, 0, 0, known{}
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
			out = w.translate(out, x, c.series, "otel-collector", at, self)
		}
	}
	return out
}

// vanish writes the staleness markers of a failed scrape, and up.
func (w *world) vanish(p *pod, at time.Duration, up float64) (out []sample) {
	for id, s := range p.all() {
		if id.name != "up" {
			out = append(out, sample{series: s, at: millis(at), value: stale})
		}
	}
	return w.translate(out, point{"up", nil, up, -1}, p.all(), p.job, at, p)
}

func (p *pod) all() known {
	if p.series == nil {
		p.series = known{}
	}
	return p.series
}

// translate appends the samples of a point to out, by the dialect's names.
func (w *world) translate(out []sample, x point, seen known, job string, at time.Duration, p *pod) []sample {
	name, ok := w.names[x.name]
	if !ok {
		name = w.dialect.metric(w.instruments, x.name)
		w.names[x.name] = name
	}
	one := func(part string, value float64, le string) sample {
		id := identity{name: x.name, part: part, le: le}
		copy(id.attrs[:], x.attrs)
		s := seen[id]
		if s == nil {
			attrs := slices.Clone(x.attrs)
			if le != "" {
				attrs = append(attrs, "le", le)
			}
			s = &series{labels: w.labels(name+part, job, p, attrs)}
			seen[id] = s
		}
		return sample{series: s, at: millis(at), value: value}
	}
	switch {
	case x.slow < 0:
		return append(out, one("", x.value, ""))
	case w.dialect.native:
		s := one("", 0, "")
		s.counts = durations(x.value, x.slow)
		return append(out, s)
	}
	return append(out, one("_count", x.value, ""), one("_bucket", x.value-x.slow, "0.5"), one("_bucket", x.value, "+Inf"))
}

func (w *world) labels(name, job string, p *pod, attrs []string) labels.Labels {
	b := labels.NewBuilder(labels.FromStrings(model.MetricNameLabel, name))
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
