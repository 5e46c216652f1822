package gates

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

const page = "../../docs/rollouts.md"

var update = flag.Bool("update", false, "write the table on the page instead of comparing it")

// same is the default naming.
func same(name string) string { return name }

// TestOutcomes: Argo's and Flagger's own code decide each story as a person would, and docs/rollouts.md has the
// same outcomes.
func TestOutcomes(t *testing.T) {
	db := open(t)
	all := stories()
	for n, s := range all {
		db.tell(t, s, fmt.Sprint("shop/", n), 1, same)
	}
	srv := serve(t, db)
	template := read[v1alpha1.AnalysisTemplate](t, generate(t, "--argo")[0])
	var table strings.Builder
	table.WriteString("| story | Argo Rollouts | Flagger |\n|---|---|---|\n")
	for n, s := range all {
		name := fmt.Sprint("shop/", n)
		byArgo, why, tookArgo := argo(t, srv, template, name, s.late)
		own := fmt.Sprint("flagger/", n)
		byFlagger, tookFlagger := flagger(t, srv, generate(t, "--flagger", "--job", own, "--prometheus", srv.address(s.late)), s.pods(own, 1))
		fmt.Fprintf(&table, "| %s | %s | %s |\n", s.name, cell(byArgo, tookArgo), cell(byFlagger, tookFlagger))
		if byArgo != s.want {
			t.Errorf("%s: Argo: %s by%s, want %s", s.name, byArgo, why, s.want)
		}
		if byFlagger != s.want {
			t.Errorf("%s: Flagger: %s, want %s", s.name, byFlagger, s.want)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?s)(<!-- outcomes -->\n).*(<!-- /outcomes -->)`)
	want := shown.ReplaceAllString(string(text), "${1}"+table.String()+"${2}")
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s differs from:\n%s", page, &table)
	}
}

// TestOtherNames: with OpenTelemetry's names the outcomes are the same.
func TestOtherNames(t *testing.T) {
	names := map[string]string{
		"health_lifecycle_status": "health.lifecycle.status", "health_lifecycle_state": "health.lifecycle.state",
		"health_probe_status": "health.probe.status", "health_probe_name": "health.probe.name", "health_probe_state": "health.probe.state",
		"health_probe_state_duration_seconds_total": "health.probe.state.duration", "k8s_pod_name": "k8s.pod.name",
		"health_check_status": "health.check.status", "health_check_info": "health.check.info",
		"health_check_name": "health.check.name", "health_check_state": "health.check.state", "health_check_role": "health.check.role",
		"http_server_request_duration_seconds_count": "http.server.request.duration_count", "http_server_request_duration_seconds_bucket": "http.server.request.duration_bucket",
		"http_response_status_code": "http.response.status_code", "le": "le",
	}
	dotted := func(name string) string {
		if names[name] == "" {
			t.Fatalf("no other name for %s", name)
		}
		return names[name]
	}
	db := open(t)
	srv := serve(t, db)
	template := read[v1alpha1.AnalysisTemplate](t, generate(t, "--argo", "--names", "otel")[0])
	for n, s := range stories() {
		name := fmt.Sprint("shop/", n)
		db.tell(t, s, name, 1, dotted)
		if got, why, _ := argo(t, srv, template, name, s.late); got != s.want {
			t.Errorf("%s: %s by%s, want %s", s.name, got, why, s.want)
		}
	}
}

// TestPrometheusRestarts: Argo waits for Prometheus. With its default it aborts after 40 s.
func TestPrometheusRestarts(t *testing.T) {
	db := open(t)
	db.tell(t, stories()[0], job, 1, same)
	srv := serve(t, db)
	srv.away = func(at time.Duration) bool { return at > 100*time.Second && at < 3*time.Minute }
	template := read[v1alpha1.AnalysisTemplate](t, generate(t, "--argo")[0])
	if got, why, _ := argo(t, srv, template, job, 0); got != promoted {
		t.Errorf("%s by%s", got, why)
	}
	for n := range template.Spec.Metrics {
		template.Spec.Metrics[n].ConsecutiveErrorLimit = nil
	}
	if got, _, _ := argo(t, srv, template, job, 0); got != rolledBack {
		t.Errorf("with Argo's default: %s", got)
	}
}

// TestFewRequests: how often chance decides wrongly, in 20 rollouts each. The stable release has 1 % of errors.
func TestFewRequests(t *testing.T) {
	db := open(t)
	srv := serve(t, db)
	for _, tt := range []struct {
		rate, errors float64
		least        string // --min-requests
		wrong        string
		most         int // so many are wrong
	}{
		{1, .05, "200", promoted, 1}, // 240 requests in the window
		{1, .01, "200", rolledBack, 0},
		{.4, .05, "200", promoted, 0}, // 96 requests
		{.4, .05, "20", promoted, 10}, // the reason for the default
		{.4, .01, "20", rolledBack, 0},
	} {
		template := read[v1alpha1.AnalysisTemplate](t, generate(t, "--argo", "--min-requests", tt.least)[0])
		got := map[string]int{}
		for seed := range uint64(20) {
			s := story{pod: func(p *pod, s *state) {
				s.rate, s.errors = tt.rate, .01
				if p.canary {
					s.errors = tt.errors
				}
			}}
			name := fmt.Sprint("shop/", tt.rate, tt.errors, tt.least, seed)
			db.tell(t, s, name, seed, same)
			outcome, _, _ := argo(t, srv, template, name, 0)
			got[outcome]++
		}
		t.Logf("%g requests a second and pod, %g %% of errors, --min-requests %s: %v", tt.rate, 100*tt.errors, tt.least, got)
		if got[tt.wrong] > tt.most {
			t.Errorf("%d are %s, want at most %d", got[tt.wrong], tt.wrong, tt.most)
		}
	}
}

// cell is an outcome with its time. A rollout that is held by Flagger waits for more.
func cell(outcome string, took time.Duration) string {
	if took >= after {
		return outcome
	}
	return fmt.Sprintf("%s, %d s", outcome, int(took.Round(10*time.Second).Seconds()))
}
