package prometheus

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/file" // for alertmanagers.yaml
)

const file = "../../prometheus.yaml"

func TestConfig(t *testing.T) {
	c, err := config.LoadFile(file, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.OTLPConfig.TranslationStrategy; got != otlptranslator.UnderscoreEscapingWithSuffixes {
		t.Errorf("Prometheus translates names by %s, and /metrics does it in another way", got)
	}
	// Data from the collector's queue may be hours old.
	if got := time.Duration(c.StorageConfig.TSDBConfig.OutOfOrderTimeWindow) * time.Millisecond; got < time.Hour {
		t.Errorf("Prometheus accepts samples only up to %v old", got)
	}
	promoted := strings.Join(c.OTLPConfig.PromoteResourceAttributes, " ")
	const want = "service.name service.namespace service.instance.id deployment.environment.name cloud.region cloud.availability_zone " +
		"k8s.cluster.name k8s.namespace.name k8s.pod.name k8s.container.name k8s.node.name k8s.deployment.name k8s.statefulset.name " +
		"k8s.daemonset.name k8s.job.name k8s.cronjob.name"
	if promoted != want {
		t.Errorf("the promoted attributes are %s", promoted)
	}
	if jobs, err := c.GetScrapeConfigs(); err != nil || len(jobs) != 0 {
		t.Errorf("%d scrape configurations, %v: scraped series would appear twice", len(jobs), err)
	}
}

func TestConfigRefused(t *testing.T) {
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"unknown field", "promote_resource_attributes:", "promoted_resource_attributes:", "promoted_resource_attributes"},
		{"unknown strategy", "UnderscoreEscapingWithSuffixes", "UnderscoreEscaping", "UnderscoreEscaping"},
		{"bad duration", "6h", "6 hours", "6 hours"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(string(good), tt.old, tt.new, 1)
			if bad == string(good) {
				t.Fatalf("%q is not in %s", tt.old, file)
			}
			path := filepath.Join(t.TempDir(), "bad.yaml")
			if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.LoadFile(path, false, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s", err, tt.want)
			}
		})
	}
}
