package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/cluster/image"
	"github.com/otelhealth/otelhealth/e2e/servers"
)

// composed are the services of the compose file that the tests start. Alertmanager and Grafana are left
// out, because they can't be built from their modules. A collector stands in for Tempo.
var composed = []string{"demo", "collector", "prometheus", "tempo"} // and what they depend on

// TestCompose: docker compose up --wait starts the demo with its database, cache, collector and
// Prometheus. Without PostgreSQL /ready is 503, and with it 200 again. The verdict is in Prometheus.
func TestCompose(t *testing.T) {
	build(t)
	loadDependencies(t)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := compose(t, "logs", "--tail=20")
			t.Log(out)
		}
		_, _ = compose(t, "down", "--volumes")
	})
	began := time.Now()
	mustCompose(t, append([]string{"up", "--wait", "--no-build", "--pull=never"}, composed...)...)
	t.Logf("up --wait took %v", time.Since(began).Round(100*time.Millisecond))
	if code := ready(t); code != http.StatusOK {
		t.Errorf("/ready is %d after up --wait", code)
	}
	for _, service := range []string{"demo", "collector"} {
		got := must(t, "inspect", "--format={{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}",
			"otelhealth-"+service+"-1")
		if !strings.HasPrefix(got, "true [ALL] [no-new-privileges:true]") || !strings.HasSuffix(got, " 0") {
			t.Errorf("%s: %s", service, got)
		}
	}
	became := func(want int) time.Duration {
		return wait(t, fmt.Sprintf("/ready is %d", want), func() error {
			if code := ready(t); code != want {
				return errors.New(fmt.Sprint(code))
			}
			return nil
		})
	}
	mustCompose(t, "stop", "postgres")
	failed := became(http.StatusServiceUnavailable)
	mustCompose(t, "start", "postgres")
	t.Logf("503 %v after PostgreSQL has stopped, and 200 %v after it has started", failed.Round(100*time.Millisecond),
		became(http.StatusOK).Round(100*time.Millisecond))
	wait(t, "the verdict is in Prometheus", func() error {
		const query = `health_probe_status{health_probe_name="readiness",health_probe_state="pass"} == 1`
		res, err := http.Get("http://127.0.0.1:9090/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		var answer struct {
			Data struct {
				Result []struct{ Metric map[string]string }
			}
		}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			return err
		}
		if len(answer.Data.Result) != 1 || answer.Data.Result[0].Metric["job"] != "laptop/demo" {
			return fmt.Errorf("%v", answer.Data.Result)
		}
		return nil
	})
	began = time.Now()
	mustCompose(t, "stop")
	t.Logf("stop took %v", time.Since(began).Round(100*time.Millisecond))
	const ofProject = "--filter=label=com.docker.compose.project=otelhealth"
	for line := range strings.Lines(must(t, "ps", "--all", ofProject, "--format={{.Names}} {{.Status}}")) {
		if !strings.Contains(line, "Exited (0)") {
			name, _, _ := strings.Cut(line, " ")
			t.Errorf("%s\n%s", strings.TrimSpace(line), must(t, "logs", "--tail=30", name)) // 137: it was killed after its grace period
		}
	}
	mustCompose(t, "down", "--volumes")
	if left := must(t, "ps", "--all", "--quiet", ofProject); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}

func ready(t *testing.T) int {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get("http://127.0.0.1:8000/ready")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// compose runs Docker Compose with the file of the repository.
func compose(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return output(root, nil, server(t, "compose"), args...)
}

func mustCompose(t *testing.T, args ...string) {
	t.Helper()
	if _, err := compose(t, args...); err != nil {
		t.Fatal(err)
	}
}

// tag returns the tag that the compose file pins for an image.
func tag(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`image: (` + regexp.QuoteMeta(name) + `:\S+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("the compose file has no image %s", name)
	}
	return string(m[1])
}

// server returns a binary of e2e.
func server(t *testing.T, name string) string {
	t.Helper()
	path, err := servers.Prepare(root, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// loadDependencies makes the images of the compose file of what this system has: Debian's PostgreSQL
// and Redis instead of a newer PostgreSQL and Valkey, and chown instead of BusyBox.
func loadDependencies(t *testing.T) {
	t.Helper()
	tmp := image.Dir{Path: "/tmp", Mode: 0o1777}
	path := []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	load(t, image.Image{Tag: tag(t, "busybox"), Files: files(t, map[string]string{"/bin/chown": "chown"}), Env: path})
	load(t, image.Image{Tag: tag(t, "valkey/valkey"), Env: path, Dirs: []image.Dir{tmp},
		Files: files(t, map[string]string{"/bin/sh": "sh", "/usr/local/bin/redis-server": "redis-server", "/usr/local/bin/valkey-cli": "redis-cli"}),
		// The server of the original is built without protected mode.
		Texts: map[string]string{"/usr/local/bin/valkey-server": "#!/bin/sh\nexec redis-server \"$@\" --protected-mode no\n"}})
	load(t, image.Image{Tag: tag(t, "otel/opentelemetry-collector-contrib"), Files: map[string]string{"/otelcol-contrib": server(t, "collector")},
		User: "10001", Entrypoint: []string{"/otelcol-contrib"}, Dirs: []image.Dir{tmp}})
	store := files(t, map[string]string{"/bin/sh": "sh"})
	store["/otelcol-contrib"] = server(t, "collector")
	load(t, image.Image{Tag: tag(t, "grafana/tempo"), Files: store, User: "10001", Dirs: []image.Dir{tmp}, Env: path,
		Texts: map[string]string{"/tempo": "#!/bin/sh\nexec /otelcol-contrib --config=/store.yaml\n", "/store.yaml": traceStore}, Entrypoint: []string{"/tempo"}})
	load(t, image.Image{Tag: tag(t, "prom/prometheus"), Files: map[string]string{"/bin/prometheus": server(t, "prometheus")},
		User: "65534:65534", Entrypoint: []string{"/bin/prometheus"}, Dirs: []image.Dir{tmp, {Path: "/prometheus", Mode: 0o755, Owner: 65534}}})
	postgres, err := image.PostgreSQL(tag(t, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	load(t, postgres)
}

// traceStore takes traces where Tempo does.
const traceStore = `receivers: { otlp: { protocols: { grpc: { endpoint: "0.0.0.0:4317" } } } }
exporters: { file: { path: /var/tempo/traces.jsonl } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { traces: { receivers: [otlp], exporters: [file] } }
`
