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

// TestDrain stops a demo under load. The clients send only while the demo is ready, and finish
// their requests. No request may fail.
func TestDrain(t *testing.T) {
	const drain = 4 * time.Second // long enough for a client that asked just before SIGTERM
	var (
		wg                    sync.WaitGroup
		answered, open, after atomic.Int64
		ending                atomic.Bool
	)
	t.Cleanup(wg.Wait) // after the demo's end, if the test ends early
	d := startDemo(t, nil, "-load", "0", "-queue", "20000", "-drain", drain.String())
	d.WaitOK(d.app + "/ready")
	d.fault(http.MethodPut, "slow-requests") // so that some requests are in flight
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
	// This request is still arriving when the demo closes its listener.
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
	d.post() // like a load balancer that has not noticed yet
	servers.Poll(t, "the demo accepts no connections any more", func() error {
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
		t.Errorf("a request in flight during the whole drain: %v", err)
	}
	servers.Client.CloseIdleConnections()
	code := d.Wait()
	took := time.Since(began)
	if code != 0 || took > drain+10*time.Second || closed < drain {
		t.Errorf("exit code %d, %v after SIGTERM; it listened for %v, with -drain %v", code, took, closed, drain)
	}
	if strings.Contains(d.Output(), "accepted jobs did not run") {
		t.Error("jobs were lost")
	}
	t.Logf("%d requests: %d in flight at SIGTERM, %d ended after it; listened for %v, exited after %v",
		answered.Load()+2, atOnce, after.Load()+2, closed.Round(time.Millisecond), took.Round(time.Millisecond))
}

// TestDrainIsFinal: if the database recovers during the drain, the check passes but readiness still
// fails. A second signal ends the drain.
func TestDrainIsFinal(t *testing.T) {
	temp := t.TempDir()
	nobody := servers.FreeAddrs(t, 1)[0] // without an endpoint no span is live
	d := startDemo(t, []string{"TMPDIR=" + temp, "OTEL_GO_X_OBSERVABILITY=true", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://" + nobody}, "-load", "0", "-drain", "10m")
	d.until("the demo is ready", passing)
	d.fault(http.MethodPut, "database-down")
	d.until("the database check fails", failing("database"))
	d.fault(http.MethodPut, "hung-check")
	d.fault(http.MethodDelete, "database-down")
	servers.Poll(t, "a run is in flight", func() error { // its span is live, and no other is
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
	d.until("the demo drains", draining)
	d.fault(http.MethodDelete, "hung-check")
	servers.Poll(t, "the check passes", func() error {
		p := d.probe("/ready?verbose")
		if !draining(p) {
			t.Fatalf("/ready answers %d %s", p.code, p.body)
		}
		if state := p.states()["database"]; state != "pass" {
			return fmt.Errorf("the reason is %s", state)
		}
		return nil
	})
	for range 20 { // at least two more judgements
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
		t.Errorf("exit code %d, %v after the second signal", code, took)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v behind, %v", left, err)
	}
}
