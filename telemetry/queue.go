package telemetry

import (
	"cmp"
	"strconv"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// queue is the size of a batch processor. The SDK holds the waiting items, and the batch that is exported.
type queue struct{ waiting, batch int }

// queue reads the variables of a batch processor, with the SDK's defaults.
func (env *environment) queue(waiting, batch string) queue {
	q := queue{
		waiting: env.count(waiting, sdktrace.DefaultMaxQueueSize),
		batch:   env.count(batch, sdktrace.DefaultMaxExportBatchSize),
	}
	q.batch = min(q.batch, q.waiting)
	return q
}

// items is how many the gate admits.
func (q queue) items() int { return q.waiting + q.batch }

// size is the size of the SDK's own queue. It is greater than items, because a flush takes a place in the
// queue of spans. So that queue is never full.
func (q queue) size() int { return q.items() + 64 }

// count returns a valid variable's number.
func (env *environment) count(name string, byDefault int) int {
	n, _ := strconv.Atoi(env.valid(name)) // was checked
	return cmp.Or(n, byDefault)
}

// batchTimeout is the time of a batch's export. A default never shortens the exporter's own timeout.
func (env *environment) batchTimeout(name string, s signal) time.Duration {
	return cmp.Or(env.milliseconds(name), max(patience, s.timeout))
}
