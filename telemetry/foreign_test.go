package telemetry

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// TestStartWithRudeViews: a view that panics for every instrument matches none, also none of
// Start's own.
func TestStartWithRudeViews(t *testing.T) {
	tel, _ := start(t, Config{Views: []sdkmetric.View{func(sdkmetric.Instrument) (sdkmetric.Stream, bool) { panic("hunter2") }}}, nil)
	_ = scrape(t, tel)
}

// slowDescriber holds the lock of its registry while it is registered, for as long as Describe takes.
type slowDescriber struct {
	rudeCollector
	began, open chan struct{}
}

func (c slowDescriber) Describe(to chan<- *prometheus.Desc) {
	close(c.began)
	<-c.open
	c.rudeCollector.Describe(to)
}

// TestCloseWithALockedRegistry: Close leaves Config.Registry, but does not wait for somebody who holds
// its lock.
func TestCloseWithALockedRegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	tel, _ := start(t, Config{Registry: registry}, nil)
	c := slowDescriber{rudeCollector{prometheus.NewDesc("slow", "slow", nil, nil), func() error { return nil }}, make(chan struct{}), make(chan struct{})}
	registered := make(chan error, 1)
	go func() { registered <- registry.Register(c) }()
	<-c.began
	within(t, "Close", closeLimit, func() {
		if fault := (*guard.Fault)(nil); !errors.As(tel.Close(), &fault) || fault.Kind != guard.Stale {
			t.Error("Close does not say that it has not left the registry")
		}
	})
	close(c.open)
	if err := <-registered; err != nil {
		t.Error(err)
	}
	within(t, "the end of leaving", time.Second, func() {
		for guard.Left() > 0 {
			time.Sleep(time.Millisecond)
		}
	})
}

// TestCircleEnds: an error that unwraps to itself leaves no goroutine behind, which would keep a core
// busy for ever.
func TestCircleEnds(t *testing.T) {
	tel, log := start(t, Config{}, nil)
	before := guard.Left()
	tel.errorLogger.Handle(circle{})
	if n := guard.Left() - before; n != 0 {
		t.Errorf("%d calls are left behind", n)
	}
	eventually(t, "the text is logged", func() bool { return strings.Contains(log.String(), "OpenTelemetry: circle") })
}

// rudeRegisterer panics when something is registered.
type rudeRegisterer struct{ prometheus.Registerer }

func (rudeRegisterer) Register(prometheus.Collector) error { panic("hunter2") }

// TestRudeRegistry: a registry that panics fails Start, and nothing is left behind, as goleak sees.
func TestRudeRegistry(t *testing.T) {
	_, err := Start(t.Context(), Config{Registry: joinedRegistry{rudeRegisterer{}, prometheus.NewRegistry()}})
	if want := "telemetry: Registry: panic of string"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

type joinedRegistry struct {
	prometheus.Registerer
	prometheus.Gatherer
}
