package promhealth

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// lines is a log that a test can read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestStartWith: changes go to the logger of the pipeline, and a reader or a provider is an error by
// its field.
func TestStartWith(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &lines{}
		m := healthcheck.New(healthcheck.Config{})
		if err := StartWith(t.Context(), m, prometheus.NewRegistry(), healthcheck.Pipeline{Logger: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		m.Stop()
		if !strings.Contains(log.String(), "a probe changed its state") {
			t.Errorf("log: %s", log)
		}
	})
	for field, p := range map[string]healthcheck.Pipeline{
		"Reader":        {Reader: sdkmetric.NewManualReader()},
		"MeterProvider": {MeterProvider: sdkmetric.NewMeterProvider()},
	} {
		reg := prometheus.NewRegistry()
		err := StartWith(t.Context(), healthcheck.New(healthcheck.Config{}), reg, p)
		if err == nil || !strings.Contains(err.Error(), field+": is set beside a registry") {
			t.Errorf("%s: %v", field, err)
		}
		if families, _ := reg.Gather(); len(families) != 0 {
			t.Errorf("%s: %d families", field, len(families))
		}
	}
}
