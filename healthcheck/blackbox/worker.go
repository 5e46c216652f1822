package blackbox

import (
	"context"
	"runtime/pprof"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// workerLabel is the label of a worker's goroutines in profiles.
const workerLabel = "health.worker"

// A Worker is a heartbeat whose goroutines have a label with its name, so a record shows in which function
// they are stuck. Its methods are safe for concurrent use.
type Worker struct {
	beat   *healthcheck.Heartbeat
	labels pprof.LabelSet
}

// NewWorker returns a worker that m judges under this name. [healthcheck.Monitor.Heartbeat] describes the
// name and the stall time, and their errors.
func NewWorker(m *healthcheck.Monitor, name string, stall time.Duration) *Worker {
	return &Worker{m.Heartbeat(name, stall), pprof.Labels(workerLabel, name)}
}

// Do runs work in the calling goroutine, as one piece of work of the heartbeat. The goroutine, all
// goroutines that work starts and work's context get the pprof label health.worker. If work may take
// longer than the stall time, it must call Beat meanwhile. Do costs about 200 ns and two allocations.
func (w *Worker) Do(ctx context.Context, work func(context.Context)) {
	w.beat.Begin()
	defer w.beat.End()
	pprof.Do(ctx, w.labels, work)
}

// Beat says that work goes on.
func (w *Worker) Beat() { w.beat.Beat() }

// Close ends the heartbeat, as [healthcheck.Heartbeat.Close] does. Call it once for every NewWorker.
func (w *Worker) Close() { w.beat.Close() }
