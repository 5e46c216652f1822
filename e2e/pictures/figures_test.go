package main

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// counted are the figures of a scene at its end, counted from its pods and not from samples.
type counted struct {
	ready, instances map[string]float64 // by service
	failing          map[string]float64 // checks, by service
	rate, errors     map[string]float64 // requests a second, and the share of 5xx
	silent           float64            // services
	failed           map[string]float64 // share of the range in which a check failed, by service and check
}

// count walks through the exports of the last hour.
func count(w *world, span time.Duration) counted {
	c := counted{map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}, 0, map[string]float64{}}
	heard, seen, bad, samples := map[string]bool{}, map[string]bool{}, map[string]float64{}, map[string]float64{}
	failing := map[string]bool{}
	for _, p := range w.pods {
		var at time.Time // of the last export
		var last condition
		for t := w.began; t.Before(now); t = t.Add(tick) {
			export := t.Add(p.offset)
			if !p.end.IsZero() && export.After(p.end) {
				if p.killed || at.Equal(p.end) {
					break
				}
				export = p.end
			}
			if export.Before(p.start) {
				continue
			}
			at, last = export, p.at(export)
			if !export.After(now.Add(-span)) {
				continue
			}
			seen[p.job] = true
			for check, state := range checksOf(last) {
				samples[p.job+" "+check]++
				if state == "fail" {
					bad[p.job+" "+check]++
				}
			}
		}
		if at.IsZero() || now.Sub(at) >= 2*time.Minute {
			continue
		}
		heard[p.job] = true
		if last.life == "draining" {
			continue
		}
		c.instances[p.job]++
		if last.ready() != "fail" {
			c.ready[p.job]++
		}
		c.rate[p.job] += last.rate
		c.errors[p.job] += last.rate * last.errors
		for check, state := range checksOf(last) {
			if state == "fail" && !failing[p.job+" "+check] {
				failing[p.job+" "+check] = true
				c.failing[p.job]++
			}
		}
	}
	for job := range seen {
		if !heard[job] {
			c.silent++
		}
	}
	for key, n := range samples {
		c.failed[key] = bad[key] / n
	}
	return c
}

func checksOf(c condition) map[string]string {
	return map[string]string{"database": c.database, "cache": c.cache, "queue": c.queue, "latency": c.latency}
}

func sum(m map[string]float64) (total float64) {
	for _, v := range m {
		total += v
	}
	return total
}

// TestFigures: what the fleet's panels show at the end of a scene is what its pods did. Rates may differ
// by a twentieth, because a rate is of the last minute.
func TestFigures(t *testing.T) {
	const span = time.Hour
	b, err := readBoard(filepath.Join(dashboards, "health-fleet.json"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"incident", "rollout", "maintenance", "dead"}
	if *full {
		names = append(names, "well", "no-traffic")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			sc, err := sceneOf(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := open(t.TempDir(), rules)
			if err != nil {
				t.Fatal(err)
			}
			defer s.db.Close()
			w := &world{began: ago(span + 10*time.Minute)}
			sc.build(w, services)
			if err := w.play(s); err != nil {
				t.Fatal(err)
			}
			want := count(w, span)
			v := view{store: s, end: now, span: span, vars: map[string]string{}}
			if err := v.choose(b); err != nil {
				t.Fatal(err)
			}
			compare := func(id int, ref string, within float64, key func(labels.Labels) string, want map[string]float64) {
				t.Helper()
				for _, p := range b.all() {
					for _, q := range p.Targets {
						if p.ID != id || q.RefID != ref {
							continue
						}
						got, err := v.ask(p, q)
						if err != nil {
							t.Fatalf("%s: %v", p.Title, err)
						}
						for _, s := range got {
							k, n := key(s.Metric), s.Floats[len(s.Floats)-1].F
							if math.Abs(n-want[k]) > within*math.Abs(want[k])+1e-9 {
								t.Errorf("%s %s of %q: %v; the pods have %v", p.Title, ref, k, n, want[k])
							}
						}
						if len(got) == 0 {
							t.Errorf("%s %s shows nothing; the pods have %v", p.Title, ref, want)
						}
						return
					}
				}
				t.Errorf("there is no panel %d %s", id, ref)
			}
			total := func(labels.Labels) string { return "" }
			one := func(n float64) map[string]float64 { return map[string]float64{"": n} }
			job := func(l labels.Labels) string { return l.Get("job") }
			var all, some, none float64
			share := map[string]float64{}
			for j, n := range want.instances {
				share[j] = want.ready[j] / n
				switch share[j] {
				case 1:
					all++
				case 0:
					none++
				default:
					some++
				}
			}
			compare(1, "A", 0, total, one(all))
			compare(2, "A", 0, total, one(some))
			compare(3, "A", 0, total, one(none))
			compare(4, "A", 0, total, one(want.silent))
			compare(5, "A", 0, total, one(sum(want.failing)))
			compare(6, "A", 0, total, one(sum(want.ready)))
			compare(6, "B", 0, total, one(sum(want.instances)))
			if name != "dead" { // a silent service has a share of -1
				compare(20, "A", 0, job, share)
			}
			compare(20, "B", 0, job, want.instances)
			compare(20, "C", 0, job, want.failing)
			if name != "no-traffic" {
				compare(20, "D", .05, job, want.rate)
			}
			compare(21, "A", 1e-6, func(l labels.Labels) string { return fmt.Sprint(l.Get("job"), " ", l.Get("health_check_name")) }, want.failed)
		})
	}
}
