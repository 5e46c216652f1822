package promhealth

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// TestChurn: children of a vec that are deleted, made again, reset or new take no history from the
// others. Each says when it was created, so it counts from zero.
func TestChurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		jobs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jobs_total"}, []string{"kind"})
		reg.MustRegister(jobs)
		m := begin(t, reg, rule.Rule{Name: "jobs", Value: rule.Increase("jobs_total"), Window: time.Minute, Fail: rule.Above(10_000)})
		pass(2500 * time.Millisecond)
		for _, c := range []struct {
			why  string
			do   func()
			want float64
		}{
			{"the first child", func() { jobs.WithLabelValues("a").Add(100) }, 100},
			{"another child", func() { jobs.WithLabelValues("b").Add(500) }, 600},
			{"one is deleted", func() { jobs.DeleteLabelValues("a") }, 600},
			{"and made again", func() { jobs.WithLabelValues("a").Add(5) }, 605},
			{"all are new, and one is beyond its old count", func() { jobs.Reset(); jobs.WithLabelValues("a").Add(7) }, 612},
			{"it grows", func() { jobs.WithLabelValues("a").Add(7) }, 619},
		} {
			c.do()
			pass(2 * time.Second)
			if v := judged(t, m, "jobs").Value; v == nil || *v != c.want {
				t.Errorf("%s: %v, want %v", c.why, v, c.want)
			}
		}
	})
}
