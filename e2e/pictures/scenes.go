package main

import (
	"fmt"
	"math"
	"time"
)

// A scene is something to look at.
type scene struct {
	name  string
	build func(w *world, of []service)
}

var scenes = []scene{
	{"well", well}, {"incident", incident}, {"rollout", rollout}, {"maintenance", maintenance},
	{"dead", dead}, {"no-traffic", noTraffic}, {"never", never},
}

func sceneOf(name string) (scene, error) {
	for _, s := range scenes {
		if s.name == name {
			return s, nil
		}
	}
	return scene{}, fmt.Errorf("there is no scene %q", name)
}

func collectors() (list []*collector) {
	for _, name := range []string{"collector-a", "collector-b"} {
		list = append(list, &collector{name: name, start: now.Add(-80 * time.Hour), series: map[string]*series{}})
	}
	return list
}

func never(w *world, _ []service) { w.collectors = collectors() }

// fleet begins a world whose services are well, apart from what befalls some.
func fleet(w *world, of []service, befalls map[string]func(n int, t time.Time, c *condition)) {
	w.collectors = collectors()
	for _, s := range of {
		w.pods = append(w.pods, s.pods("7c9f", s.version, befalls[s.job])...)
	}
}

func well(w *world, of []service) {
	blink := func(n int, t time.Time, c *condition) { // long ago
		if n == 1 && between(t, 138*time.Minute, 136*time.Minute) {
			c.cache = "warn"
		}
	}
	fleet(w, of, map[string]func(int, time.Time, *condition){"shop/orders": blink, "shop/catalog": blink})
}

func noTraffic(w *world, of []service) {
	befalls := map[string]func(int, time.Time, *condition){}
	for _, s := range of {
		befalls[s.job] = func(_ int, _ time.Time, c *condition) { c.rate, c.length = 0, 0 }
	}
	fleet(w, of, befalls)
}

// incident: the database of orders slows down, refuses connections for a quarter of an hour, and
// comes back for one pod after the other. A pod of catalog has a trouble of its own.
func incident(w *world, of []service) {
	const m = time.Minute
	fleet(w, of, map[string]func(int, time.Time, *condition){
		"shop/orders": func(n int, t time.Time, c *condition) {
			back := 9*m - time.Duration(n)*80*time.Second
			switch {
			case between(t, 38*m, 27*m):
				c.median *= 4
				c.latency = "warn"
				if n < 3 {
					c.latency = "fail"
				}
				c.length += 30 * (38*60 - now.Sub(t).Seconds()) / 660
			case between(t, 27*m, back):
				c.database, c.errors, c.median, c.rate = "fail", .3, c.median*2, c.rate*.5
				c.length = math.Min(100, 33+60*(27*60-now.Sub(t).Seconds())/900)
				if c.length > 80 {
					c.queue = "fail"
				}
			case between(t, back, 0):
				c.length = math.Max(5, 90-90*(back.Seconds()-now.Sub(t).Seconds())/600)
				if c.length > 70 {
					c.queue = "warn"
				}
			}
		},
		"shop/catalog": func(n int, t time.Time, c *condition) {
			if n == 2 && between(t, 16*m, 0) {
				c.cache = "fail"
			}
			if between(t, 138*m, 136*m) {
				c.cache = "warn"
			}
		},
	})
}

// rollout: orders is replaced, one pod after the other.
func rollout(w *world, of []service) {
	w.collectors = collectors()
	for _, s := range of {
		old := s.pods("7c9f", s.version, nil)
		w.pods = append(w.pods, old...)
		if s.job != "shop/orders" {
			continue
		}
		next := s.pods("8d4b", "2.4.0", nil)
		for n, p := range next {
			p.start = ago(45*time.Minute - time.Duration(n)*3*time.Minute)
			old[n].end = p.start.Add(starting + drain)
		}
		w.pods = append(w.pods, next...)
	}
}

// maintenance: somebody has declared it for payments, and its database is away.
func maintenance(w *world, of []service) {
	fleet(w, of, map[string]func(int, time.Time, *condition){"shop/payments": planned, "shop/orders": func(n int, t time.Time, c *condition) {
		if len(of) == 1 {
			planned(n, t, c)
		}
	}})
}

func planned(n int, t time.Time, c *condition) {
	if between(t, 35*time.Minute-time.Duration(n)*10*time.Second, 0) {
		c.life, c.rate = "maintenance", 0
		if between(t, 30*time.Minute, 0) {
			c.database = "fail"
		}
	}
}

// dead: all pods of orders were killed half an hour ago.
func dead(w *world, of []service) {
	fleet(w, of, nil)
	for n, p := range w.pods {
		if p.job == "shop/orders" {
			p.end, p.killed = ago(30*time.Minute-time.Duration(n)*time.Second), true
		}
	}
}
