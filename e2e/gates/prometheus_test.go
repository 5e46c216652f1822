package gates

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// start is when the canary's pods start.
var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// counters are a pod's since its start.
type counters struct{ fast, slow, failed, up float64 }

// writer writes series into a database.
type writer struct {
	app   storage.Appender
	names func(string) string // of metrics and labels
	t     *testing.T
}

func (w *writer) export(job string, p *pod, s state, c counters) {
	put := func(metric string, value float64, more ...string) {
		list := []string{"__name__", w.names(metric), "job", job, "instance", p.name, w.names("k8s_pod_name"), p.name}
		for n := 0; n < len(more); n += 2 {
			list = append(list, w.names(more[n]), more[n+1])
		}
		if _, err := w.app.Append(0, labels.FromStrings(list...), start.Add(p.at).UnixMilli(), value); err != nil {
			w.t.Fatal(err)
		}
	}
	states := func(metric, label, all, now string, more ...string) {
		for each := range strings.FieldsSeq(all) {
			value := 0.
			if each == now {
				value = 1
			}
			put(metric, value, append(more, label, each)...)
		}
	}
	phase := "running"
	if s.starting {
		phase = "starting"
	}
	states("health_lifecycle_status", "health_lifecycle_state", "starting running maintenance draining", phase)
	states("health_probe_status", "health_probe_state", "pass warn fail", s.ready, "health_probe_name", "readiness")
	put("health_probe_state_duration_seconds_total", c.up, "health_probe_name", "liveness", "health_probe_state", "pass")
	for name, about := range map[string][2]string{"database": {s.database, "core"}, "cache": {s.cache, "auxiliary"}, "search": {"fail", "informational"}} {
		states("health_check_status", "health_check_state", "pass warn fail unknown stale", about[0], "health_check_name", name)
		put("health_check_info", 1, "health_check_name", name, "health_check_role", about[1])
	}
	requests := func(code string, all, fast float64) {
		if all > 0 {
			put("http_server_request_duration_seconds_count", all, "http_response_status_code", code)
			put("http_server_request_duration_seconds_bucket", fast, "http_response_status_code", code, "le", "0.5")
			put("http_server_request_duration_seconds_bucket", all, "http_response_status_code", code, "le", "+Inf")
		}
	}
	requests("200", c.fast+c.slow, c.fast)
	requests("500", c.failed, c.failed)
}

// A database has all stories. Each is a job of its own.
type database struct {
	*tsdb.DB
	dir string
}

func open(t *testing.T) database {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.OutOfOrderTimeWindow = time.Hour.Milliseconds() // one pod after the other
	dir := t.TempDir()
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a test may have closed it
	return database{db, dir}
}

// tell writes a whole story in a naming.
func (db database) tell(t *testing.T, s story, job string, seed uint64, names func(string) string) {
	t.Helper()
	db.until(t, s.pods(job, seed), after, true, names)
}

// until writes what the pods export until a time.
func (db database) until(t *testing.T, pods []*exporter, end time.Duration, routed bool, names func(string) string) {
	t.Helper()
	w := &writer{db.Appender(t.Context()), names, t}
	for _, p := range pods {
		p.until(w, end, routed)
	}
	if err := w.app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// A server answers as Prometheus' API does, at the time of its clock. It only has samples that are older than
// the duration in the address, such as /1m0s.
type server struct {
	*httptest.Server
	now    atomic.Int64 // ms
	engine *promql.Engine
	db     database
	away   func(at time.Duration) bool // for a restart of Prometheus
}

func serve(t *testing.T, db database) *server {
	s := &server{db: db, engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 5e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{})})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) set(at time.Duration) { s.now.Store(start.Add(at).UnixMilli()) }

func (s *server) address(late time.Duration) string { return s.URL + "/" + late.String() }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	late, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	by, err := time.ParseDuration(late)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/api/v1/query") {
		http.NotFound(w, r)
		return
	}
	if s.away != nil && s.away(time.UnixMilli(s.now.Load()).Sub(start)) {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	value, err := s.query(r.Context(), r.FormValue("query"), by)
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": "execution", "error": err.Error()})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": value.Type(), "result": value}})
}

func (s *server) query(ctx context.Context, text string, late time.Duration) (parser.Value, error) {
	now := s.now.Load()
	known := storage.QueryableFunc(func(from, to int64) (storage.Querier, error) {
		return s.db.Querier(from, min(to, now-late.Milliseconds()))
	})
	q, err := s.engine.NewInstantQuery(ctx, known, nil, text, time.UnixMilli(now))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	// The querier closes with the query, so the answer is a copy.
	switch v := result.Value.(type) {
	case promql.Vector:
		return append(promql.Vector{}, v...), nil
	default:
		return nil, fmt.Errorf("%s is not a vector", text)
	}
}
