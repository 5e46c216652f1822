package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestSecret plants a password in every possible place, and looks for it in all output: answers,
// /metrics, logs, and the collector's files. /status and /status.json are left out, because they
// show operators the text of errors.
func TestSecret(t *testing.T) {
	const secret = "hunter2" // the other patterns are the database's address and clients
	tell := []string{secret, "dbhost", "cachehost", "dbuser", "spy/1.0", "192.0.2.7"}
	dir := t.TempDir()
	collector, endpoint := startCollector(t, dir)
	d := startDemo(t, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint,
		"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20" + secret,
		"OTEL_METRIC_EXPORT_INTERVAL=200",
		"DATABASE_URL=postgres://dbuser:" + secret + "@dbhost.invalid:1/jobs",
		"CACHE_URL=redis://:" + secret + "@cachehost.invalid:1/0",
		"ADMIN_TOKEN=" + secret,
	}, "-load", "0", "-drain", "0s")
	d.until("the database check fails", failing("database"))

	var out bytes.Buffer
	ask := func(method, url, body string) {
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = secret + ".example"
		req.Header.Set("Authorization", "Bearer "+secret)
		req.Header.Set("Cookie", "session="+secret)
		req.Header.Set("User-Agent", "spy/1.0")
		req.Header.Set("X-Forwarded-For", "192.0.2.7")
		res, err := servers.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_ = res.Header.Write(&out)
		if _, err := out.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range []string{"", "cache-down", "panicking-check"} {
		if fault != "" {
			ask(http.MethodPut, d.admin+"/faults/"+fault, "")
		}
		for _, path := range []string{"/health?verbose", "/ready?verbose", "/ready?token=" + secret, "/startup", "/panic?token=" + secret, "/jobs/" + secret + "?token=" + secret, "/" + secret} {
			ask(http.MethodGet, d.app+path, "")
		}
		ask(http.MethodPost, d.app+"/jobs", `{"input":"`+secret+`"}`)
		ask(http.MethodPost, d.app+"/jobs", secret)
	}
	d.until("the check reports the panic", failing("database: "))
	ask(http.MethodGet, d.admin+"/metrics", "")
	d.end()
	if code := collector.Stop(); code != 0 {
		t.Errorf("the collector's exit code is %d", code)
	}
	outputs := map[string][]byte{"an answer": out.Bytes(), "the demo's log": []byte(d.Output())}
	for _, name := range []string{"metrics", "traces", "logs"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".jsonl"))
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(b), err)
		}
		outputs[name] = b
	}
	for where, b := range outputs {
		for n, line := range bytes.Split(b, []byte("\n")) {
			for _, word := range tell {
				if i := bytes.Index(line, []byte(word)); i >= 0 {
					t.Errorf("%s, line %d: …%s…", where, n+1, line[max(0, i-80):min(len(line), i+40)])
				}
			}
		}
	}
	if logs := outputs["logs"]; !bytes.Contains(logs, []byte(`"eventName":"health.check.state_changed"`)) {
		t.Error("the logs have no event")
	}
}
