package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// startLimit is long, because the demo has the race detector and the machine may be busy.
const startLimit = 30 * time.Second

// TestIdle: a service without requests is ready, and its latency is unknown.
func TestIdle(t *testing.T) {
	servers.Demo(t, "..") // don't count the build as start time
	started := time.Now()
	d := startDemo(t, nil, "-load", "0", "-drain", "0s")
	d.WaitOK(d.app + "/startup")
	d.WaitOK(d.app + "/ready")
	took := time.Since(started)
	t.Logf("ready %v after the start of the process", took.Round(time.Millisecond))
	if took > startLimit {
		t.Errorf("that is more than %v", startLimit)
	}

	ready := d.probe("/ready")
	for name, want := range map[string]string{"queue": "0", "latency": "null"} {
		list := ready.Checks[name]
		if len(list) != 1 {
			t.Fatalf("%s: %d entries in %s", name, len(list), ready.body)
		}
		c := list[0]
		if string(c.ObservedValue) != want || !isNumber(c.Limit) || c.Status != "pass" {
			t.Errorf("%s: status %s, observedValue %s, limit %s; want pass, %s and a number", name, c.Status, c.ObservedValue, c.Limit, want)
		}
	}
	d.agree()
	d.end()
}

// TestFaults breaks resources of a service under load. The health checks must detect each fault,
// report it the same everywhere, and recover.
func TestFaults(t *testing.T) {
	d := startDemo(t, nil, "-load", "40", "-drain", "1s")
	d.until("latency is measured", func(p probe) bool {
		list := p.Checks["latency"]
		return p.code == http.StatusOK && len(list) == 1 && isNumber(list[0].ObservedValue)
	})
	d.agree()

	d.fault(http.MethodPut, "paused-workers")
	d.until("the queue is full", failing("queue:"))
	d.agree()
	d.fault(http.MethodDelete, "paused-workers")
	d.until("the queue is empty again", passing)
	d.agree()

	d.fault(http.MethodPut, "database-down")
	id := d.post()
	servers.Poll(t, "the job fails", func() error {
		if state := d.job(id); state != "failed" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	})
	d.until("the database check fails", failing("database"))
	d.agree()
	d.fault(http.MethodDelete, "database-down")
	d.until("the database check passes", passing)
	d.agree()
	d.end()
}

func passing(p probe) bool { return p.code == http.StatusOK && p.Status == "pass" }

func failing(output string) func(probe) bool {
	return func(p probe) bool {
		return p.code == http.StatusServiceUnavailable && p.Status == "fail" && strings.HasPrefix(p.Output, output)
	}
}

// until waits for a state of readiness. Meanwhile liveness and startup must pass, because a restart
// would repair none of these faults.
func (d *demo) until(what string, ok func(probe) bool) {
	d.t.Helper()
	started := time.Now()
	servers.Poll(d.t, what, func() error {
		for _, path := range []string{"/health", "/startup"} {
			if p := d.probe(path); p.code != http.StatusOK {
				d.t.Fatalf("%s answers %d: %s", path, p.code, p.Output)
			}
		}
		if p := d.probe("/ready"); !ok(p) {
			return fmt.Errorf("/ready answers %d: %s", p.code, p.body)
		}
		return nil
	})
	d.t.Logf("%s: after %v", what, time.Since(started).Round(time.Millisecond))
}

func isNumber(raw json.RawMessage) bool {
	_, err := strconv.ParseFloat(string(raw), 64)
	return err == nil
}

// post creates a job and returns its id.
func (d *demo) post() string {
	d.t.Helper()
	code, _, body := d.ask(http.MethodPost, d.app+"/jobs", `{"input":"slice"}`)
	var job struct{ ID string }
	if err := json.Unmarshal(body, &job); err != nil || code != http.StatusAccepted || job.ID == "" {
		d.t.Fatalf("POST /jobs: %d %s", code, body)
	}
	return job.ID
}

// job returns the state of a job.
func (d *demo) job(id string) string {
	d.t.Helper()
	code, _, body := d.ask(http.MethodGet, d.app+"/jobs/"+id, "")
	var job struct{ State string }
	if err := json.Unmarshal(body, &job); err != nil || code != http.StatusOK {
		d.t.Fatalf("GET /jobs/%s: %d %s", id, code, body)
	}
	return job.State
}
