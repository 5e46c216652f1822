package pager

import (
	"cmp"
	"slices"
	"time"
)

// sparse is the step of series that the rules only add up. One sample has the weight of all samples in the step.
const sparse = 10 * time.Minute

// seed writes what the rules have recorded in the days before. So the long windows of the burn rates
// are full, as in a fleet that has run for weeks.
func (w *world) seed() error {
	type fleet struct{ job, cluster string }
	size := map[fleet]float64{}
	for _, p := range w.pods {
		if p.start < -w.early && !p.noHealth {
			size[fleet{p.job, p.cluster}]++
		}
	}
	var all []sample
	for f, n := range size {
		record := func(name string, value float64, from, step time.Duration) {
			p := &pod{id: "", cluster: f.cluster}
			s := &series{labels: w.labels(name, f.job, p, nil)}
			for at := from; at < -w.early; at += step {
				all = append(all, sample{series: s, at: millis(at), value: value})
			}
		}
		days, hour := -73*time.Hour, -w.early-70*time.Minute
		for name, value := range map[string]float64{
			"job:health_ready_observed:rate5m": n, "job:health_ready_failed:rate5m": 0,
			"job:http_server_requests:rate5m": 5 * n, "job:http_server_requests_failed:rate5m": 0,
			"job:http_server_slow_observed:rate5m": 5 * n, "job:http_server_slow:rate5m": 0,
		} {
			record(name, value*float64(sparse/every), days, sparse)
		}
		for name, value := range map[string]float64{
			"job:health_instances:count": n, "job:health_instances_ready:count": n, "job:health_instances_in_service:count": n,
		} {
			record(name, value, hour, every)
		}
	}
	slices.SortStableFunc(all, func(a, b sample) int { return cmp.Compare(a.at, b.at) })
	return w.server.write(all)
}
