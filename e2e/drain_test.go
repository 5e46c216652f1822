package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestDrain ends a demo under clients that send only while it says that it is ready,
// and finish what they have begun: nobody may see a failure.
func TestDrain(t *testing.T) {
	const drain = 4 * time.Second // to be seen by whoever asked just before SIGTERM
	var (
		wg                    sync.WaitGroup
		answered, open, after atomic.Int64
		ending                atomic.Bool
	)
	t.Cleanup(wg.Wait) // after the demo's end, should the test give up
	d := startDemo(t, nil, "-load", "0", "-queue", "20000", "-drain", drain.String())
	d.WaitOK(d.app + "/ready")
	d.fault(http.MethodPut, "slow-requests") // so that some are in flight
	for range senders {
		wg.Go(func() {
			for {
				code, _, body, err := ask(http.MethodGet, d.app+"/ready", "")
				if err != nil || code != http.StatusOK {
					if err != nil || code != http.StatusServiceUnavailable {
						t.Errorf("/ready: %d %s %v", code, body, err)
					}
					return
				}
				open.Add(1)
				code, _, body, err = ask(http.MethodPost, d.app+"/jobs", `{"input":"drain"}`)
				open.Add(-1)
				if err != nil || code != http.StatusAccepted {
					t.Errorf("POST: %d %s %v", code, body, err)
				}
				answered.Add(1)
				if ending.Load() {
					after.Add(1)
				}
			}
		})
	}
	servers.Poll(t, "requests are in flight", func() error {
		if n := open.Load(); answered.Load() < senders || n < 2 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	// This one is still sending its request when the demo listens no more.
	body, write := io.Pipe()
	patient := make(chan error, 1)
	go func() {
		res, err := servers.Client.Post(d.app+"/jobs", "application/json", body)
		if err == nil {
			err = res.Body.Close()
			if res.StatusCode != http.StatusAccepted {
				err = fmt.Errorf("%s", res.Status)
			}
		}
		patient <- err
	}()
	if _, err := io.WriteString(write, `{"input":`); err != nil {
		t.Fatal(err)
	}

	ending.Store(true)
	began, atOnce := time.Now(), open.Load()
	d.Signal(syscall.SIGTERM)
	wg.Wait()
	d.post() // as from a load balancer that has not noticed yet
	servers.Poll(t, "the demo takes no connection any more", func() error {
		fresh := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: servers.Patience}
		res, err := fresh.Get(d.app + "/ready")
		if err != nil {
			return nil
		}
		return fmt.Errorf("%s, %w", res.Status, res.Body.Close())
	})
	closed := time.Since(began)
	if _, err := io.WriteString(write, `"patience"}`); err != nil {
		t.Error(err)
	}
	if err := write.Close(); err != nil {
		t.Error(err)
	}
	if err := <-patient; err != nil {
		t.Errorf("a request that was in flight all the while: %v", err)
	}
	servers.Client.CloseIdleConnections()
	code := d.Wait()
	took := time.Since(began)
	if code != 0 || took > drain+10*time.Second || closed < drain {
		t.Errorf("exit code %d %v after SIGTERM; it listened for %v, with -drain %v", code, took, closed, drain)
	}
	if strings.Contains(d.Output(), "accepted jobs did not run") {
		t.Error("jobs were lost")
	}
	t.Logf("%d requests, of which %d were in flight at SIGTERM and %d ended after it; listened for %v, ended after %v",
		answered.Load()+2, atOnce, after.Load()+2, closed.Round(time.Millisecond), took.Round(time.Millisecond))
}

// TestDrainIsFinal: a run of the database's check that is under way at SIGTERM mends
// the check and not readiness. A second signal ends what is left of the drain.
func TestDrainIsFinal(t *testing.T) {
	temp := t.TempDir()
	d := startDemo(t, []string{"TMPDIR=" + temp, "OTEL_GO_X_OBSERVABILITY=true"}, "-load", "0", "-drain", "10m")
	d.until("it works", passing)
	d.fault(http.MethodPut, "database-down")
	d.until("the database is missed", failing("database"))
	d.fault(http.MethodPut, "hung-check")
	d.fault(http.MethodDelete, "database-down")
	servers.Poll(t, "a run is under way", func() error { // whose span has begun and not ended, and no other has
		for _, s := range d.metrics() {
			if s.name == "otel_sdk_span_live" && s.value != "0" {
				return nil
			}
		}
		return fmt.Errorf("no span is live")
	})
	d.Signal(syscall.SIGTERM)
	draining := func(p probe) bool {
		var more struct{ Lifecycle string }
		if err := json.Unmarshal(p.body, &more); err != nil {
			t.Fatal(err)
		}
		return p.code == http.StatusServiceUnavailable && p.Status == "fail" && more.Lifecycle == "draining" && p.Output == "draining"
	}
	d.until("it drains", draining)
	d.fault(http.MethodDelete, "hung-check")
	servers.Poll(t, "the check passes", func() error {
		p := d.probe("/ready?verbose")
		if !draining(p) {
			t.Fatalf("/ready answers %d %s", p.code, p.body)
		}
		if state := p.states()["database"]; state != "pass" {
			return fmt.Errorf("it says %s", state)
		}
		return nil
	})
	for range 20 { // two more judgements at least
		if p := d.probe("/ready"); !draining(p) {
			t.Fatalf("/ready answers %d %s", p.code, p.body)
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.agree()

	began := time.Now()
	code := d.Stop()
	took := time.Since(began)
	t.Logf("the second signal ended the demo after %v", took.Round(time.Millisecond))
	if code != 1 || took > 10*time.Second {
		t.Errorf("exit code %d %v after the second signal", code, took)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("the demo has left %v, %v", left, err)
	}
}
