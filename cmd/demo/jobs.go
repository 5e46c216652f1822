package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/blackbox"
)

const (
	workers    = 4
	jobTime    = 5 * time.Millisecond // time per job; all workers together do at most 800 jobs a second
	maxJobBody = 64 << 10
	remembered = 10_000 // number of jobs whose state stays in memory
)

// job is one piece of work. Its result goes to the database.
type job struct {
	ID    string `json:"id"`
	State string `json:"state"` // queued, running, done or failed
	Input string `json:"-"`

	queued time.Time
}

// jobs is the service: a queue, its workers and its routes.
type jobs struct {
	queue   chan *job
	db      *database
	worker  *blackbox.Worker
	metrics *healthcheck.Queue
	cache   *cache
	pause   pause // before the next job
	wedge   pause // in the middle of a job

	mu    sync.Mutex
	known map[string]*job
	order []string // keys of known, oldest first

	quit chan struct{}
	wg   sync.WaitGroup
}

// newJobs creates the queue, and its rule is judged from then on. begin starts the workers.
func newJobs(health *healthcheck.Monitor, cfg config) *jobs {
	j := &jobs{queue: make(chan *job, cfg.queue), known: map[string]*job{}, quit: make(chan struct{})}
	j.worker = blackbox.NewWorker(health, "worker", cfg.stall)
	j.metrics = health.Queue("jobs", cfg.queue, func() int { return len(j.queue) })
	return j
}

func (j *jobs) begin(db *database, c *cache) {
	j.db, j.cache = db, c
	for range workers {
		j.wg.Go(j.work)
	}
}

// stop lets the workers finish the accepted jobs, for at most one second.
func (j *jobs) stop() {
	close(j.quit)
	j.wg.Wait()
	if n := len(j.queue); n > 0 {
		slog.Warn("accepted jobs did not run", "jobs", n)
	}
}

// finish empties the queue, for at most one second.
func (j *jobs) finish() {
	deadline := time.Now().Add(time.Second)
	for time.Now().Before(deadline) {
		select {
		case n := <-j.queue:
			j.run(n)
		default:
			return
		}
	}
}

func (j *jobs) routes(home http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", home)
	mux.HandleFunc("POST /jobs", j.post)
	mux.HandleFunc("GET /jobs/{id}", j.get)
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("a client called GET /panic") })
	return mux
}

// post puts a job {"input": "…"} into the queue.
func (j *jobs) post(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Input *string `json:"input"`
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJobBody))
	if err == nil {
		err = json.Unmarshal(text, &body)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxJobBody))
		return
	case err != nil:
		problem(w, http.StatusBadRequest, `the body is not JSON like {"input": "text"}`)
		return
	case body.Input == nil:
		problem(w, http.StatusBadRequest, "input is missing")
		return
	}
	n := &job{ID: rand.Text(), State: "queued", Input: *body.Input, queued: time.Now()}
	select {
	case j.queue <- n:
		j.remember(n) // before the client learns the id
	default:
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, "the queue is full")
		return
	}
	w.Header().Set("Location", "/jobs/"+n.ID)
	reply(w, http.StatusAccepted, map[string]string{"id": n.ID, "state": "queued"})
}

func (j *jobs) get(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	state := j.state(id)
	if state == "queued" || state == "running" || state == "failed" {
		reply(w, http.StatusOK, map[string]string{"id": id, "state": state})
		return
	}
	if result, found := j.cache.get(r.Context(), id); found {
		reply(w, http.StatusOK, map[string]string{"id": id, "state": "done", "result": result})
		return
	}
	result, found, err := j.db.result(r.Context(), id)
	switch {
	case err != nil:
		slog.Warn("reading a result failed", "error.type", fmt.Sprintf("%T", err)) // the error's text names the host
		problem(w, http.StatusInternalServerError, "the database does not answer")
	case !found:
		problem(w, http.StatusNotFound, "no such job")
	default:
		j.cache.set(r.Context(), id, result)
		reply(w, http.StatusOK, map[string]string{"id": id, "state": "done", "result": result})
	}
}

func (j *jobs) work() {
	for {
		if !j.pause.wait(j.quit) {
			return
		}
		select {
		case <-j.quit:
			j.finish()
			return
		case <-j.pause.paused(): // check again before the next job
		case n := <-j.queue:
			j.run(n)
		}
	}
}

// run does a job. A record of the black box names the function in which it is stuck.
func (j *jobs) run(n *job) {
	j.worker.Do(context.Background(), func(ctx context.Context) { j.hash(ctx, n) })
}

// hash hashes the input and stores the hash.
func (j *jobs) hash(ctx context.Context, n *job) {
	j.metrics.Waited(ctx, time.Since(n.queued))
	j.set(n, "running")
	sum := sha256.Sum256([]byte(n.Input))
	j.wedge.wait(j.quit)
	time.Sleep(jobTime)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := j.db.store(ctx, n.ID, hex.EncodeToString(sum[:])); err != nil {
		j.set(n, "failed")
		return
	}
	j.set(n, "done")
}

func (j *jobs) remember(n *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.known[n.ID] = n
	j.order = append(j.order, n.ID)
	if len(j.order) > max(remembered, 2*cap(j.queue)) {
		delete(j.known, j.order[0])
		j.order = j.order[1:]
	}
}

func (j *jobs) set(n *job, state string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n.State = state
}

func (j *jobs) state(id string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.known[id]; n != nil {
		return n.State
	}
	return ""
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client has disconnected
}

func problem(w http.ResponseWriter, code int, text string) {
	reply(w, code, map[string]string{"error": text})
}
