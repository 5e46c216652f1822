package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestScrape: the scrape overlay needs nothing but Kubernetes, and each pod's admin port has the
// verdict. The podmonitor overlay adds a PodMonitor, and needs the kind.
func TestScrape(t *testing.T) {
	needs(t)
	t.Parallel()
	began := time.Now()
	if err := another("scrape", "scrape"); err != nil {
		t.Fatal(err)
	}
	pods := demo(t, "scrape")
	t.Logf("ready %v after kubectl apply", time.Since(began).Round(100*time.Millisecond))
	for _, p := range pods {
		status, body, err := page(p, 8001, "/metrics")
		if err != nil || status != http.StatusOK || !strings.Contains(body, `health_probe_status{health_probe_name="readiness",health_probe_state="pass"`) {
			t.Errorf("%s: %d %v, without the verdict:\n%s", p.Metadata.Name, status, err, body)
		}
	}
	overlay := []string{"-n", "scrape", "apply", "-k", filepath.Join(root, "deploy/kubernetes/overlays/podmonitor")}
	out, err := kubectl(overlay...)
	if err == nil || !strings.Contains(out, `no matches for kind "PodMonitor"`) || !strings.Contains(out, "deployment.apps/demo ") {
		t.Errorf("podmonitor without the kind: %v\n%s", err, out)
	}
	must(t, "apply", "-f", "testdata/podmonitor.yaml")
	must(t, "wait", "--for=condition=Established", "--timeout=1m", "crd/podmonitors.monitoring.coreos.com")
	must(t, overlay...)
	if out := must(t, "-n", "scrape", "get", "podmonitors.monitoring.coreos.com", "--output=name"); !strings.HasSuffix(strings.TrimSpace(out), "/demo") {
		t.Errorf("the cluster has %q, want one PodMonitor", out)
	}
	must(t, "delete", "namespace", "scrape", "--wait=false")
}
