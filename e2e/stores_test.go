package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestStores stops and freezes a real PostgreSQL and a real Redis. A frozen server closes no
// connection. Without the database the demo is not ready. Without the cache it works more slowly.
func TestStores(t *testing.T) {
	addrs, dir := servers.FreeAddrs(t, 2), servers.PostgresDir(t)
	postgres := servers.Postgres(t, addrs[0], dir)
	redis := servers.Redis(t, addrs[1])
	d := startDemo(t, []string{"DATABASE_URL=" + postgres.URL, "CACHE_URL=redis://" + addrs[1] + "/0"}, "-load", "20", "-drain", "0s")
	well := func(when string) {
		t.Helper()
		d.until(when, passing)
		d.agree()
		d.shows("pass", "", "")
		id := d.post()
		servers.Poll(t, when+", a job is done", func() error {
			_, _, body := d.ask(http.MethodGet, d.app+"/jobs/"+id, "") // first from the database, then from the cache
			var job struct{ State, Result string }
			if err := json.Unmarshal(body, &job); err != nil || job.State != "done" || len(job.Result) != 64 {
				return fmt.Errorf("%s %v", body, err)
			}
			return nil
		})
	}
	noDatabase := func(when string) {
		t.Helper()
		d.until(when, func(p probe) bool { // the queue may be full by then, and be named first
			return p.code == http.StatusServiceUnavailable && p.Status == "fail" && p.states()["database"] == "fail"
		})
		d.agree()
		d.shows("fail", "database", "fail")
	}
	noCache := func(when string) {
		t.Helper()
		d.until(when, func(p probe) bool {
			return p.code == http.StatusOK && p.Status == "warn" && strings.HasPrefix(p.Output, "cache:")
		})
		d.agree()
		d.shows("warn", "cache", "fail")
	}
	well("both servers answer")

	postgres.Halt()
	noDatabase("PostgreSQL has stopped")
	postgres = servers.Postgres(t, addrs[0], dir)
	well("PostgreSQL is back")
	postgres.SignalAll(syscall.SIGSTOP)
	noDatabase("PostgreSQL is frozen")
	postgres.SignalAll(syscall.SIGCONT)
	well("PostgreSQL continues")

	if code := redis.Stop(); code != 0 {
		t.Errorf("the exit code of Redis is %d", code)
	}
	noCache("Redis has stopped")
	redis = servers.Redis(t, addrs[1])
	well("Redis is back")
	redis.Signal(syscall.SIGSTOP)
	noCache("Redis is frozen")
	redis.Signal(syscall.SIGCONT)
	well("Redis continues")

	names := map[string]bool{}
	for _, s := range d.metrics() {
		names[s.name] = true
	}
	for _, name := range []string{"db_client_operation_duration_seconds_count", "pgxpool_acquires_total"} { // from the drivers' own instrumentation
		if !names[name] {
			t.Errorf("/metrics has no %s", name)
		}
	}
	d.end()
}

// shows checks that /metrics has these states of readiness and of one check.
func (d *demo) shows(readiness, check, state string) {
	d.t.Helper()
	servers.Poll(d.t, fmt.Sprintf("/metrics shows readiness %s, %s %s", readiness, check, state), func() error {
		got := states(d.t, d.metrics())
		if got[""] != readiness || check != "" && got[check] != state {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}
