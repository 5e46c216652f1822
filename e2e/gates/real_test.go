package gates

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/prometheus/prometheus/promql"
)

// TestRealPrometheus: the real server answers every query as the engine does in the other tests, and
// answers a webhook with 422 while a measure can't tell.
func TestRealPrometheus(t *testing.T) {
	db := open(t)
	all := stories()
	for n, s := range all {
		db.tell(t, s, fmt.Sprint("shop/", n), 1, same)
	}
	srv := serve(t, db)
	template := read[v1alpha1.AnalysisTemplate](t, generate(t, "--argo")[0])
	type question struct {
		query  string
		at     time.Duration
		answer string
	}
	var asked []question
	told := map[bool]int{}
	for n := range all {
		for _, m := range template.Spec.Metrics {
			query := strings.NewReplacer("{{args.job}}", fmt.Sprint("shop/", n), "{{args.rollout}}", "orders",
				"{{args.canary-hash}}", canaryHash, "{{args.stable-hash}}", stableHash).Replace(m.Provider.Prometheus.Query)
			for _, at := range []time.Duration{time.Minute, 150 * time.Second, 5 * time.Minute} {
				srv.set(at)
				value, err := srv.query(t.Context(), query, 0)
				if err != nil {
					t.Fatalf("%s: %v", query, err)
				}
				answer := numbers(value.(promql.Vector))
				told[answer != ""]++
				asked = append(asked, question{query, at, answer})
			}
		}
	}
	if told[true] < 50 || told[false] < 50 {
		t.Errorf("%d answers, and %d times none", told[true], told[false])
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	address := realPrometheus(t, db.dir)
	for _, q := range asked {
		code, got := ask(t, address, q.query, start.Add(q.at))
		if code != http.StatusOK || got != q.answer {
			t.Errorf("%v: %d, %s, want %s: %s", q.at, code, got, q.answer, q.query)
		}
	}
	hold := regexp.MustCompile(`url: \S+query=(\S+)`).FindSubmatch(generate(t, "--flagger", "--job", "shop/0")[5])
	if hold == nil {
		t.Fatal("no webhook")
	}
	query, err := url.QueryUnescape(string(hold[1]))
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := ask(t, address, query, start.Add(5*time.Minute)); code != http.StatusOK {
		t.Errorf("the webhook of a measure that tells: %d", code)
	}
	if code, _ := ask(t, address, query, start.Add(-time.Minute)); code != http.StatusUnprocessableEntity {
		t.Errorf("the webhook of a measure that can't tell: %d", code)
	}
}

// numbers are the values of an answer.
func numbers(v promql.Vector) string {
	var list []string
	for _, s := range v {
		list = append(list, round(s.F))
	}
	return strings.Join(list, " ")
}

// round drops the digits that depend on the order of a sum.
func round(v float64) string { return fmt.Sprint(math.Round(v*1e9) / 1e9) }

func ask(t *testing.T, address, query string, at time.Time) (code int, answer string) {
	t.Helper()
	r, err := http.Post(address+"/api/v1/query?query="+url.QueryEscape(query)+"&time="+at.Format(time.RFC3339), "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var body struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, s := range body.Data.Result {
		var v float64
		if _, err := fmt.Sscan(s.Value[1].(string), &v); err != nil {
			t.Fatal(err)
		}
		list = append(list, round(v))
	}
	return r.StatusCode, strings.Join(list, " ")
}

// realPrometheus starts the server that the other tests with real servers use, over a directory.
func realPrometheus(t *testing.T, dir string) (address string) {
	t.Helper()
	build := exec.Command("go", "run", "./build", "prometheus")
	build.Dir = ".."
	out, err := build.Output()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "prometheus.yaml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(strings.TrimSpace(string(out)), "--config.file="+config, "--storage.tsdb.path="+dir, "--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := regexp.MustCompile(`msg="Listening on".* address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			address = "http://" + m[1]
		}
		if strings.Contains(lines.Text(), "ready to receive web requests") {
			go func() { // the pipe must not fill
				for lines.Scan() {
				}
			}()
			return address
		}
	}
	t.Fatalf("Prometheus ended: %v", lines.Err())
	return ""
}
