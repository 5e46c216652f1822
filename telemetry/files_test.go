//go:build unix

package telemetry

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestIrregularCertificate: a named pipe or a device in the place of a certificate does not hang
// Start.
func TestIrregularCertificate(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		for _, name := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
			_, log := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_" + name: path, "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1"})
			if !strings.Contains(log.String(), "is not a regular file") || strings.Contains(log.String(), "OTLP export is on") {
				t.Errorf("%s %s: %s", name, path, log)
			}
			t.Setenv("OTEL_EXPORTER_OTLP_"+name, "")
		}
	}
}
