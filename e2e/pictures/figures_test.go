package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A played is a scene in a store, and its ledger.
type played struct {
	*ledger
	store *store
	span  time.Duration
}

// playScene plays a scene twice: for Prometheus, with the rules, and for the ledger.
func playScene(t *testing.T, part part) *played {
	t.Helper()
	s, err := open(t.TempDir(), rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	began := ago(part.span + 10*time.Minute)
	w, again := &world{began: began}, &world{began: began}
	part.build(w, part.of)
	part.build(again, part.of)
	if err := w.play(s); err != nil {
		t.Fatal(err)
	}
	p := &played{ledger: keep(again), store: s, span: part.span}
	p.judge()
	for _, g := range s.groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if a.State.String() == "firing" {
					all := a.Labels.Map()
					all["alertname"] = r.Name()
					p.alerts = append(p.alerts, all)
				}
			}
		}
	}
	return p
}

// A choice is what somebody chooses on a dashboard: some jobs, or one and some of its instances.
type choice struct {
	jobs, instances []string
}

func (p *played) everything() (c choice) {
	jobs := map[string]bool{}
	for _, f := range p.pods {
		jobs[f.job] = true
	}
	return choice{jobs: keys(jobs)}
}

// some is orders alone, with every other instance.
func (p *played) some() choice {
	c := choice{jobs: []string{"shop/orders"}}
	for n, f := range p.pods {
		if f.job == "shop/orders" && n%2 == 0 {
			c.instances = append(c.instances, f.instance)
		}
	}
	return c
}

func (p *played) view(c choice) view {
	v := view{store: p.store, end: now, span: p.span, vars: map[string]string{"job": strings.Join(c.jobs, "|"), "instance": ".+", "check": ".+", "collector": ".+", "latency": "latency"}}
	if len(c.instances) > 0 {
		v.vars["instance"] = strings.Join(c.instances, "|")
	}
	return v
}

func (p *played) look(c choice) look {
	l := look{ledger: p.ledger, jobs: c.jobs, span: p.span}
	for _, f := range p.pods {
		if slices.Contains(c.jobs, f.job) && (c.instances == nil || slices.Contains(c.instances, f.instance)) {
			l.seen = append(l.seen, f)
		}
	}
	return l
}

// A part is a scene, with its services and the time that is looked at.
type part struct {
	name  string
	build func(w *world, of []service)
	of    []service
	span  time.Duration
}

func parts() (list []part) {
	for _, sc := range scenes {
		if *full || slices.Contains([]string{"incident", "rollout", "maintenance", "dead"}, sc.name) {
			list = append(list, part{sc.name, sc.build, services, time.Hour})
		}
	}
	if *full {
		list = append(list, part{"day", day, services[:3], 24 * time.Hour})
	}
	return list
}

// TestFigures: what each panel of each dashboard shows in a scene is what was counted from its pods, at
// each step of its range. The incident and the day are asked from a real Prometheus, with times in a
// table; the other scenes from its engine.
func TestFigures(t *testing.T) {
	list, played := parts(), 0
	shown := map[string]float64{} // the greatest figure of each query
	for _, part := range list {
		t.Run(part.name, func(t *testing.T) {
			p := playScene(t, part)
			choices := []choice{p.everything()}
			if part.name == "incident" || *full && part.name != "never" {
				choices = append(choices, p.some())
			}
			if part.name == "rollout" || *full && part.name != "never" {
				choices = append(choices, choice{jobs: []string{"shop/orders"}})
			}
			real := part.name == "incident" || part.name == "day"
			if real {
				p.trouble(t)
			}
			if part.name == "incident" || *full && (part.name == "rollout" || part.name == "dead") {
				p.mutate(t, choices)
			}
			var server *timing
			if real {
				server = p.serve(t)
			}
			for _, uid := range boards {
				b, err := readBoard(filepath.Join(dashboards, uid+".json"))
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range choices {
					ask := asker(p.view(c).ask)
					if real {
						ask = server.panels(uid, p.view(c))
					}
					p.check(t, uid, b, c, ask, shown)
				}
			}
			if real {
				server.table(t)
			}
			played++
		})
	}
	for uid, queries := range figures {
		for key, w := range queries {
			greatest, asked := shown[uid+"/"+key]
			switch {
			case played != len(list): // -run
			case !asked:
				t.Errorf("%s has no query %s", uid, key)
			case greatest == 0 && w.count != nil && !always0[uid+"/"+key]:
				t.Errorf("%s/%s shows no figure but 0 in all scenes", uid, key)
			}
		}
	}
	t.Logf("%d queries, each with what it should give or why nothing can be counted", len(shown))
}

// check compares each query of a dashboard, and keeps the greatest figures.
func (p *played) check(t *testing.T, uid string, b board, c choice, ask asker, shown map[string]float64) {
	t.Helper()
	v := p.view(c)
	for _, on := range b.all() {
		for _, q := range on.Targets {
			key := fmt.Sprintf("%d %s", on.ID, q.RefID)
			w := figures[uid][key]
			if (w.why == "") == (w.count == nil) {
				t.Errorf("%s/%s %s: count its figures, or say in a line why nothing can be counted", uid, key, on.Title)
				continue
			}
			greatest := 0.0
			if w.count != nil {
				var err error
				if greatest, err = w.compare(p, c, v, on, q, ask); err != nil {
					t.Errorf("%s/%s %s of %s: %v", uid, key, on.Title, strings.Join(c.jobs, ", "), err)
				}
			}
			shown[uid+"/"+key] = math.Max(shown[uid+"/"+key], greatest)
		}
	}
}

// always0 are queries that show 0, or nothing.
var always0 = map[string]bool{
	"health-check/11 B": true, "health-check/20 B": true, "health-telemetry/13 B": true, "health-telemetry/14 B": true,
	"health-telemetry/15 B": true, "health-telemetry/16 B": true,
}
