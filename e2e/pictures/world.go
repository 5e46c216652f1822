package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// A world is a fleet in a scene.
type world struct {
	pods       []*pod
	collectors []*collector
	began      time.Time     // of the samples
	until      time.Time     // if not now
	days       time.Duration // of recorded series before them
	skip       func(name string) bool
}

// A service has some pods.
type service struct {
	job, version string
	n            int
	rate, median float64
}

var services = []service{
	{"shop/orders", "2.3.0", 8, 6, .045}, {"shop/payments", "1.9.2", 4, 3, .05}, {"shop/catalog", "3.0.1", 4, 11, .018},
	{"shop/cart", "1.4.0", 3, 4, .03}, {"shop/search", "5.1.0", 3, 8, .03}, {"shop/mailer", "0.8.7", 2, .8, .04},
}

// pods returns the pods of a service. A change may alter what befalls each.
func (s service) pods(generation, version string, change func(n int, t time.Time, c *condition)) (list []*pod) {
	for n := range s.n {
		name := fmt.Sprintf("%s-%s-%c", s.job[5:], generation, 'a'+rune(n))
		list = append(list, &pod{job: s.job, name: name, version: version, start: now.Add(-72 * time.Hour), offset: time.Duration(hash(name)%15) * time.Second,
			behave: func(t time.Time, c *condition) {
				c.rate = s.rate * (1 + .12*noise(name, t) + .08*noise(s.job, t))
				c.median = s.median * (1 + .12*noise(s.job+"median", t) + .05*noise(name+"median", t))
				c.length = math.Max(0, math.Round(3+2*noise(name+"queue", t)))
				c.errors = math.Max(0, .0002*noise(name+"errors", t))
				if change != nil {
					change(n, t, c)
				}
			}})
	}
	return list
}

// play writes the samples of the world, and lets the rules run beside them.
func (w *world) play(s *store) error {
	if w.began.IsZero() {
		w.began = ago(140 * time.Minute)
	}
	if err := w.remember(s); err != nil {
		return err
	}
	return w.write(s)
}

// write writes the samples of the pods and the collectors.
func (w *world) write(s *store) error {
	if w.until.IsZero() {
		w.until = now
	}
	for t := w.began; t.Before(w.until); t = t.Add(tick) {
		a := &writer{app: s.db.Appender(context.Background()), skip: w.skip}
		for _, p := range w.pods {
			at := t.Add(p.offset)
			over := !p.end.IsZero() && at.After(p.end)
			switch {
			case at.Before(p.start), over && p.killed, over && !p.last.Before(p.end):
				continue
			case over:
				at = p.end // the last word
			}
			if p.series == nil {
				p.begin(at)
			}
			p.export(at, a.put(p.series, at, p.job, p.instance()))
		}
		points := a.n / max(1, len(w.collectors))
		for _, c := range w.collectors {
			c.export(t.Add(time.Second), points, a.put(c.series, t.Add(time.Second), "otel-collector", c.name))
		}
		if err := a.commit(); err != nil {
			return err
		}
		if next := t.Add(tick); next.Sub(w.began)%every == 0 {
			if err := s.evaluate(next); err != nil {
				return err
			}
		}
	}
	return nil
}

// objective is one of the burn rates: the recorded series, and the share that is bad.
type objective struct {
	bad, all, ratio string
	per             float64 // of all, for each pod
	share           func(job string, t time.Time) float64
}

func bump(job, what string, t time.Time) float64 { return math.Pow(math.Max(0, noise(job+what, t)), 9) }

var objectives = []objective{
	{"job:health_ready_failed:rate5m", "job:health_ready_observed:rate5m", "job:health_ready:error_ratio", 1,
		func(job string, t time.Time) float64 { return .25 * bump(job, "ready", t) * bump(job, "more", t) }},
	{"job:http_server_requests_failed:rate5m", "job:http_server_requests:rate5m", "job:http_server_requests:error_ratio", 5,
		func(job string, t time.Time) float64 { return .0002 + .002*bump(job, "errors", t) }},
	{"job:http_server_slow:rate5m", "job:http_server_slow_observed:rate5m", "job:http_server_slow:ratio", 5,
		func(job string, t time.Time) float64 { return .001 + .03*bump(job, "slow", t) }},
}

var windows = map[string]time.Duration{"5m": 5 * time.Minute, "30m": 30 * time.Minute, "1h": time.Hour, "2h": 2 * time.Hour, "6h": 6 * time.Hour, "1d": 24 * time.Hour, "3d": 72 * time.Hour}

// remember writes what the rules would have recorded in the days before.
func (w *world) remember(s *store) error {
	jobs := map[string]float64{}
	for _, p := range w.pods {
		if p.start.Before(w.began) {
			jobs[p.job]++
		}
	}
	known, sums := map[string]*series{}, map[string][]float64{} // sums of the bad, from the beginning
	for t := w.began.Add(-max(w.days, 70*time.Minute)); t.Before(w.began); t = t.Add(every) {
		a := &writer{app: s.db.Appender(context.Background())}
		put := a.put(known, t, "", "")
		for job, n := range jobs {
			for _, name := range []string{"", "_settled", "_in_service", "_ready", "_expected"} {
				put(n, "job:health_instances"+name+":count", "job", job)
			}
			put(n, "job:health_instances:max1h", "job", job)
			put(1, "job:health_ready:ratio", "job", job)
			for _, o := range objectives {
				share := o.share(job, t)
				put(o.per*n, o.all, "job", job)
				put(o.per*n*share, o.bad, "job", job)
				key := job + o.ratio
				total := share
				if have := sums[key]; len(have) > 0 {
					total += have[len(have)-1]
				}
				sums[key] = append(sums[key], total)
				for name, long := range windows {
					steps := min(int(long/every), len(sums[key])-1)
					if steps > 0 {
						put((total-sums[key][len(sums[key])-1-steps])/float64(steps), o.ratio+"_rate"+name, "job", job)
					}
				}
			}
		}
		if err := a.commit(); err != nil {
			return err
		}
	}
	return nil
}
