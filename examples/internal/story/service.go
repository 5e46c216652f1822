// Package story tests an example from outside, as Kubernetes, Prometheus and a client see it.
package story

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/otelhealth/otelhealth/examples/internal/faultdb"
)

// Drain is the drain delay of an example in its test. The test's requests during the drain need
// much less.
const Drain = 3 * time.Second

// patience limits a wait that would never end.
const patience = 60 * time.Second

var client = &http.Client{Timeout: patience}

// Service is an example under test.
type Service struct {
	URL      string
	Database faultdb.DB

	// Exports return the exported states of a probe. The default reads /metrics.
	Exports []func(probe string) (states []string)

	t    *testing.T
	stop context.CancelFunc
	done chan error
}

// New returns a service. It does not run yet.
func New(t *testing.T) *Service {
	s := &Service{t: t}
	s.Exports = append(s.Exports, s.scraped)
	return s
}

// Start runs an example on a loopback port.
func (s *Service) Start(serve func(context.Context, net.Listener, *sql.DB, time.Duration) error) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	db := s.Database.Open()
	s.URL, s.stop, s.done = "http://"+l.Addr().String(), stop, make(chan error, 1)
	go func() { s.done <- serve(ctx, l, db, Drain) }()
	s.t.Cleanup(func() {
		stop()
		<-s.done
		db.Close()
	})
}

// Get requests a path. For a refused connection it returns the code 0.
func (s *Service) Get(path string) (code int, body string) {
	res, err := client.Get(s.URL + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// Until polls a probe until the code, the status and the text in the reason match.
func (s *Service) Until(path string, code int, status, reason string) {
	s.t.Helper()
	var got int
	var body string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var answer struct{ Status, Output string }
		if got, body = s.Get(path); got == 0 {
			continue
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			s.t.Fatalf("%s: %v: %s", path, err, body)
		}
		if got == code && answer.Status == status && strings.Contains(answer.Output, reason) {
			return
		}
	}
	s.t.Fatalf("%s: %d %s; want %d %s %q", path, got, body, code, status, reason)
}

// Metrics scrapes /metrics.
func (s *Service) Metrics() map[string]*dto.MetricFamily {
	s.t.Helper()
	code, body := s.Get("/metrics")
	if code != http.StatusOK {
		s.t.Fatalf("/metrics: %d %s", code, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	return families
}

// Says waits until the exported status of a probe is the given one. It polls, because the probe and
// the export can't be read at the same time.
func (s *Service) Says(probe, status string) {
	s.t.Helper()
	for _, states := range s.Exports {
		var got []string
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			if got = states(probe); len(got) == 1 && got[0] == status {
				break
			}
			if time.Now().After(end) {
				s.t.Fatalf("health.probe.status: %s is %q, want %s", probe, got, status)
			}
		}
	}
}

// scraped returns the states of a probe on /metrics.
func (s *Service) scraped(probe string) (states []string) {
	for _, m := range s.Metrics()["health_probe_status"].GetMetric() {
		if label(m, "health_probe_name") == probe && m.GetGauge().GetValue() == 1 {
			states = append(states, label(m, "health_probe_state"))
		}
	}
	return states
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// Terminate ends the context of the example, as SIGTERM does.
func (s *Service) Terminate() { s.stop() }

// Ended waits for serve to return, and fails on an error.
func (s *Service) Ended() {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.done <- nil // for the cleanup
		if err != nil {
			s.t.Error(err)
		}
	case <-time.After(patience):
		s.t.Fatal("serve does not return")
	}
	if code, body := s.Get("/ready"); code != 0 {
		s.t.Errorf("/ready after the end: %d %s", code, body)
	}
}
