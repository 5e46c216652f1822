package telemetry

import (
	"context"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// callback is a callback of the user. The SDK gets what it has observed, but no error: after an
// error, an exporting reader of the SDK leaves out all metrics, also those of Producers.
type callback struct {
	question question[*observations]
	name     string
	faults   *faults
}

// observation is one value that a callback has observed.
type observation struct {
	instrument metric.Observable // of a callback of several
	int        int64
	float      float64
	options    []metric.ObserveOption
}

// observations are those of one run. If the callback has left a goroutine behind, later observations
// of that goroutine are lost.
type observations struct {
	mu    sync.Mutex
	all   []observation
	ended bool
}

func (o *observations) add(x observation) {
	x.options = slices.Clone(x.options) // the caller may use it again
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.all = append(o.all, x)
	}
}

func (o *observations) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// observe asks the callback, and passes on what it has observed. replay calls filters of views, and
// these are foreign code too.
func (c *callback) observe(ctx context.Context, f func(context.Context, *observations) error, replay func(*observation)) error {
	seen, failed := c.question.ask(ctx, func(ctx context.Context, o **observations) error {
		*o = &observations{}
		defer (*o).end()
		return f(ctx, *o)
	})
	c.faults.report(failed, "callback", "the callback of "+c.name)
	if seen == nil {
		return nil
	}
	failed = faultOf(guard.Inline(func() {
		for n := range seen.all {
			replay(&seen.all[n])
		}
	}))
	c.faults.report(failed, "view", "a view of "+c.name)
	return nil
}

type intObserver struct {
	embedded.Int64Observer
	to *observations
}

func (o intObserver) Observe(v int64, options ...metric.ObserveOption) {
	o.to.add(observation{int: v, options: options})
}

type floatObserver struct {
	embedded.Float64Observer
	to *observations
}

func (o floatObserver) Observe(v float64, options ...metric.ObserveOption) {
	o.to.add(observation{float: v, options: options})
}

type observer struct {
	embedded.Observer
	to *observations
}

func (o observer) ObserveInt64(i metric.Int64Observable, v int64, options ...metric.ObserveOption) {
	o.to.add(observation{instrument: i, int: v, options: options})
}

func (o observer) ObserveFloat64(i metric.Float64Observable, v float64, options ...metric.ObserveOption) {
	o.to.add(observation{instrument: i, float: v, options: options})
}
