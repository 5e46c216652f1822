package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// root is the repository.
const root = "../../../.."

// sampleStep is the time between two samples of a story.
const sampleStep = "30s"

// stateSet returns the series of a status metric, one for each state. A story lists states with
// their number of samples: "pass 20, fail 10, gone 40". A series that is gone leaves no staleness
// marker, as with push.
func stateSet(metric, labels, key, all, story string) (lines [][2]string) {
	for state := range strings.FieldsSeq(all) {
		var values []string
		for part := range strings.SplitSeq(story, ", ") {
			var now string
			var n int
			if _, err := fmt.Sscanf(part, "%s %d", &now, &n); err != nil {
				panic(part)
			}
			switch now {
			case "gone":
				values = append(values, fmt.Sprintf("_x%d", n))
			case state:
				values = append(values, fmt.Sprintf("1x%d", n-1))
			default:
				values = append(values, fmt.Sprintf("0x%d", n-1))
			}
		}
		lines = append(lines, [2]string{fmt.Sprintf("%s{%s,%s=%q}", metric, labels, key, state), strings.Join(values, " ")})
	}
	return lines
}

// pod is an instance: its lifecycle and its readiness.
func pod(labels, life, ready string) [][2]string {
	return append(stateSet("health_lifecycle_status", labels, "health_lifecycle_state", "starting running maintenance draining", life),
		stateSet("health_probe_status", labels+`,health_probe_name="readiness"`, "health_probe_state", "pass warn fail", ready)...)
}

func checked(labels, name, role, story string) [][2]string {
	labels += fmt.Sprintf(",health_check_name=%q", name)
	return append(stateSet("health_check_status", labels, "health_check_state", "pass warn fail unknown stale", story),
		[2]string{"health_check_info{" + labels + ",health_check_role=\"" + role + "\"}", "1x800"})
}

// of returns the labels of an instance of shop/orders, the service of most stories.
func of(id any) string { return fmt.Sprintf(`job="shop/orders",instance="%v"`, id) }

// fleetOf returns n instances with the same story, numbered from first.
func fleetOf(first, n int, life, ready string) (lines [][2]string) {
	for i := first; i < first+n; i++ {
		lines = append(lines, pod(of(i), life, ready)...)
	}
	return lines
}

func sample(series, values string) [][2]string { return [][2]string{{series, values}} }

func join(parts ...[][2]string) (lines [][2]string) {
	for _, p := range parts {
		lines = append(lines, p...)
	}
	return lines
}

var collector = join(
	sample(`otelcol_process_uptime_seconds_total{job="otel-collector",instance="c"}`, "0+30x800"),
	sample(`otelcol_exporter_queue_size{job="otel-collector",instance="c",data_type="metrics"}`, "0x800"),
	sample(`otelcol_exporter_sent_metric_points_total{job="otel-collector",instance="c"}`, "0+500x800"))

// An alarm is a firing alert, word for word.
type alarm struct {
	labels      string // such as severity=critical job=shop/orders
	summary     string
	description string
	dashboard   string // if empty: health-service?var-job=shop%2Forders
}

// A story is a test case: the series, and the alerts of one name that fire then.
type story struct {
	name   string
	input  [][2]string
	at     string
	alert  string
	raised []alarm // none means that the alert does not fire
}

func (a alarm) pairs() map[string]string {
	m := map[string]string{}
	for pair := range strings.FieldsSeq(a.labels) {
		key, value, _ := strings.Cut(pair, "=")
		m[key] = value
	}
	return m
}

// promtool's format; JSON is YAML, too
type (
	testFile struct {
		RuleFiles          []string    `json:"rule_files"`
		EvaluationInterval string      `json:"evaluation_interval"`
		FuzzyCompare       bool        `json:"fuzzy_compare"`
		Tests              []testGroup `json:"tests"`
	}
	testGroup struct {
		Name        string       `json:"name"`
		Interval    string       `json:"interval"`
		InputSeries []testSeries `json:"input_series"`
		Alerts      []alertTest  `json:"alert_rule_test,omitempty"`
		Queries     []queryTest  `json:"promql_expr_test,omitempty"`
	}
	testSeries struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	alertTest struct {
		EvalTime  string      `json:"eval_time"`
		Alertname string      `json:"alertname"`
		Exp       []testAlarm `json:"exp_alerts"`
	}
	testAlarm struct {
		Labels      map[string]string `json:"exp_labels"`
		Annotations map[string]string `json:"exp_annotations"`
	}
	queryTest struct {
		Expr     string       `json:"expr"`
		EvalTime string       `json:"eval_time"`
		Exp      []testSample `json:"exp_samples"`
	}
	testSample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
)

func (s story) test() testGroup {
	test := alertTest{EvalTime: s.at, Alertname: s.alert, Exp: []testAlarm{}}
	for _, a := range s.raised {
		board := a.dashboard
		if board == "" {
			board = "health-service?var-job=shop%2Forders"
		}
		test.Exp = append(test.Exp, testAlarm{a.pairs(), map[string]string{
			"summary": a.summary, "description": a.description, "dashboard_url": grafana + "/d/" + board,
			"runbook_url": "https://github.com/otelhealth/otelhealth/blob/main/docs/runbooks/" + s.alert + ".md",
		}})
	}
	return testGroup{Name: s.name, Interval: sampleStep, InputSeries: inputs(s.input), Alerts: []alertTest{test}}
}

func inputs(lines [][2]string) (list []testSeries) {
	for _, l := range lines {
		list = append(list, testSeries{l[0], l[1]})
	}
	return list
}

// pages expects exactly these critical alerts, at each time.
func pages(name string, input [][2]string, want []testSample, at ...string) testGroup {
	g := testGroup{Name: name, Interval: sampleStep, InputSeries: inputs(input)}
	for _, t := range at {
		g.Queries = append(g.Queries, queryTest{`count by (alertname, job, cluster) (ALERTS{severity="critical",alertstate="firing"})`, t, want})
	}
	return g
}

// promtoolPath builds promtool once, or finds it in the cache. If the build fails, it skips the
// test, because a laptop may be offline. With CI=true the test fails.
var promtoolPath = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "run", "./build", "promtool")
	cmd.Dir = root + "/e2e"
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("promtool: %w\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
})

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := promtoolPath()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const grafana = "https://grafana.example"

// run runs the command.
func run(args []string) error {
	c := Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	return c.Execute()
}

// generated returns the rules for a set of flags.
func generated(t *testing.T, args ...string) (file string) {
	t.Helper()
	dir := t.TempDir()
	if err := run(append([]string{"--only", "rules", "--out", dir, "--grafana", grafana + "/"}, args...)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "alerts", "otelhealth.yaml")
}

func testRules(t *testing.T, rules, every string, tests []testGroup) {
	t.Helper()
	text, err := json.MarshalIndent(testFile{[]string{rules}, every, true, tests}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tests.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", file)
}
