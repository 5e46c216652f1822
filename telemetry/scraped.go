package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// scraped is the collector of client_golang behind /metrics. OpenTelemetry's exporter translates the snapshot.
// scraped gives it to the exporter as the Producer of a provider without instruments.
type scraped struct {
	from     *collection
	exporter prometheus.Collector

	mu  sync.Mutex // one translation at a time, because a Producer does not know its caller
	now *snapshot
}

// scrapeLimit is shorter than the handler's limit, so that the error says what the scrape waited for.
const scrapeLimit = 8 * time.Second

func newScraped(from *collection, res *resource.Resource) (*scraped, error) {
	s := &scraped{from: from}
	caught := &catcher{}
	reader, err := otelprom.New(otelprom.WithRegisterer(caught), otelprom.WithTranslationStrategy(translation), otelprom.WithProducer(s))
	if err != nil {
		return nil, err
	}
	sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader))
	s.exporter = caught.collector
	return s, nil
}

// Describe describes nothing, because instruments come later.
func (s *scraped) Describe(chan<- *prometheus.Desc) {}

func (s *scraped) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	all, err := s.from.Snapshot(ctx)
	switch {
	case errors.Is(err, sdkmetric.ErrReaderShutdown), errors.Is(err, sdkmetric.ErrReaderNotRegistered):
		return
	case err != nil:
		to <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		return
	}
	for _, m := range s.translate(all) {
		to <- m
	}
}

// translate never waits for the scraper.
func (s *scraped) translate(all *snapshot) (out []prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = all
	defer func() { s.now = nil }()
	translated := make(chan prometheus.Metric, 256)
	go func() {
		defer close(translated)
		if failed := guard.Inline(func() { s.exporter.Collect(translated) }); failed != nil { // a Producer may have more buckets than bounds
			err := fmt.Errorf("translating metrics: %w", failed)
			translated <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		}
	}()
	for m := range translated {
		out = append(out, m)
	}
	return out
}

// Produce returns the snapshot that is translated.
func (s *scraped) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	return s.now.ScopeMetrics, nil
}
