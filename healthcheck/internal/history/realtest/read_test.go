package realtest

import (
	"testing"
	"time"

	"github.com/prometheus/otlptranslator"

	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
)

var begin = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// TestWays: streamed chunks and raw queries give the collections that were exported, in every naming.
func TestWays(t *testing.T) {
	const n = 8 * 60 * 4 // 8 hours, so that queries are cut
	for _, d := range []struct {
		name  string
		names otlptranslator.TranslationStrategyOption
		le    func(float64) string
		exact bool
	}{
		{"underscores and suffixes", otlptranslator.UnderscoreEscapingWithSuffixes, plainLE, false},
		{"underscores and suffixes, scraped", otlptranslator.UnderscoreEscapingWithSuffixes, openMetricsLE, false},
		{"underscores", otlptranslator.UnderscoreEscapingWithoutSuffixes, plainLE, false},
		{"dots and suffixes", otlptranslator.NoUTF8EscapingWithSuffixes, plainLE, false},
		{"dots", otlptranslator.NoTranslation, plainLE, false},
		{"native histograms", otlptranslator.UnderscoreEscapingWithSuffixes, plainLE, true},
		{"native histograms, dots", otlptranslator.NoTranslation, plainLE, true},
	} {
		t.Run(d.name, func(t *testing.T) {
			all := stories(begin, n, d.exact)
			dir := t.TempDir()
			block(t, dir, d.names, d.le, all)
			url := prometheus(t, dir, "global: {external_labels: {cluster: eu, http_route: none}}\n")
			for _, way := range []history.Way{history.RemoteRead, history.Query, history.Auto} {
				t.Run(string(way), func(t *testing.T) {
					s := &history.Source{URL: url, Client: client, Selector: `{job="shop"}`, Way: way}
					same(t, all, read(t, s, needs(), begin, begin.Add(9*time.Hour)))
				})
			}
		})
	}
}
