package main

import "time"

// day is 24 hours of a few services: nights without traffic, an incident, a rollout, a maintenance, a pod
// that is killed and one that replaces it.
func day(w *world, of []service) {
	const h = time.Hour
	night := func(c *condition, t time.Time) {
		if between(t, 14*h, 12*h) {
			c.rate, c.length = 0, 0
		}
	}
	w.collectors = collectors()
	for _, s := range of {
		var list []*pod
		switch s.n = 3; s.job {
		case "shop/orders":
			list = s.pods("7c9f", s.version, func(n int, t time.Time, c *condition) {
				night(c, t)
				switch {
				case between(t, 9*h, 8*h+40*time.Minute):
					c.database, c.errors, c.median = "fail", .3, c.median*3
				case n == 0 && between(t, 8*h+40*time.Minute, 8*h+30*time.Minute):
					c.queue, c.length = "warn", 70
				}
			})
			next := s.pods("8d4b", "2.4.0", func(n int, t time.Time, c *condition) {
				if n == 1 && between(t, 90*time.Minute, 40*time.Minute) {
					c.cache, c.errors = "stale", .002
				}
			})
			for n, p := range next {
				p.start = ago(5*h - time.Duration(n)*3*time.Minute)
				list[n].end = p.start.Add(starting + drain)
			}
			list = append(list, next...)
		case "shop/payments":
			list = s.pods("7c9f", s.version, func(n int, t time.Time, c *condition) {
				night(c, t)
				if between(t, 18*h-time.Duration(n)*10*time.Second, 17*h) {
					c.life, c.rate = "maintenance", 0
				}
			})
		default:
			list = s.pods("7c9f", s.version, func(_ int, t time.Time, c *condition) { night(c, t) })
			list[2].end, list[2].killed = ago(3*h), true
			again := s.pods("9e1c", s.version, nil)[:1]
			again[0].start = ago(3*h - 4*time.Minute)
			list = append(list, again...)
		}
		w.pods = append(w.pods, list...)
	}
}
