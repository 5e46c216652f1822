package generate

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// ownRequests are the flags for a service with client_golang.
var ownRequests = []string{"--requests", "http_request_duration_seconds", "--status-label", "code"}

// asOwn gives a story's series and texts the names of ownRequests.
var asOwn = strings.NewReplacer("http_server_request_duration_seconds", "http_request_duration_seconds", statusCode, "code")

// allFiles generates all files and gates, and returns them by name.
func allFiles(t *testing.T, args ...string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := run(append([]string{"--out", dir}, args...)); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[filepath.Base(path)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(args, "--group-labels") { // not for gates
		return files
	}
	for _, kind := range []string{"--argo", "--flagger"} {
		text, err := printed(append([]string{kind, "--job", "a", "--name", "b"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		files[kind] = text
	}
	return files
}

// texts calls f with each text of a YAML or JSON file, and its key.
func texts(n *yaml.Node, key string, f func(key, text string)) {
	if n.Kind == yaml.ScalarNode {
		f(key, n.Value)
	}
	for i, c := range n.Content {
		if n.Kind != yaml.MappingNode {
			texts(c, key, f)
		} else if i%2 == 1 {
			texts(c, n.Content[i-1].Value, f)
		}
	}
}

// queriesOf returns all PromQL queries of a file.
func queriesOf(t *testing.T, name, file string) (list []string) {
	t.Helper()
	if name == "selectors.txt" {
		return slices.DeleteFunc(strings.Split(strings.TrimSpace(file), "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
	}
	for d := yaml.NewDecoder(strings.NewReader(file)); ; {
		var n yaml.Node
		if d.Decode(&n) != nil {
			return list
		}
		texts(&n, "", func(key, text string) {
			switch u, err := url.Parse(text); {
			case key == "expr" || key == "query" && strings.HasPrefix(name, "--"):
				list = append(list, text)
			case key == "url" && err == nil && u.Query().Has("query"):
				list = append(list, u.Query().Get("query"))
			}
		})
	}
}

// metricOf is the name of a selector's metric, also of one with dots.
func metricOf(v *parser.VectorSelector) string {
	for _, m := range v.LabelMatchers {
		if m.Name == model.MetricNameLabel {
			return m.Value
		}
	}
	return v.Name
}

// TestOwnRequests: no file reads the histogram of OpenTelemetry, or its label of the status code. Answers of
// probes keep their label.
func TestOwnRequests(t *testing.T) {
	for name, c := range map[string]struct {
		args             []string
		old, label, kept string // not read; kept is the metric of the probes
	}{
		"default": {nil, "http_server_request_duration", statusCode, "health_probe_requests_total"},
		"native":  {[]string{"--histograms", "native"}, "http_server_request_duration", statusCode, "health_probe_requests_total"},
		"mimir":   {[]string{"--names", "mimir"}, "http_server_request_duration", statusCode, "health_probe_requests"},
		"utf8":    {[]string{"--names", "utf8"}, "http.server.request.duration", "http.response.status_code", "health.probe.requests_total"},
		"otel":    {[]string{"--names", "otel", "--histograms", "native"}, "http.server.request.duration", "http.response.status_code", "health.probe.requests"},
		"groups":  {[]string{"--group-labels", "cluster", "--selector", `team="x"`}, "http_server_request_duration", statusCode, "health_probe_requests_total"},
	} {
		t.Run(name, func(t *testing.T) {
			legends := map[string]int{}
			for file, text := range allFiles(t, append(c.args, ownRequests...)...) {
				if strings.Contains(text, c.old) {
					t.Errorf("%s has %s", file, c.old)
				}
				if strings.HasSuffix(file, ".json") {
					var n yaml.Node
					if err := yaml.Unmarshal([]byte(text), &n); err != nil {
						t.Fatal(err)
					}
					texts(&n, "", func(key, text string) {
						if key == "legendFormat" {
							legends[text]++
						}
					})
				}
				matched, grouped := 0, 0
				queries := queriesOf(t, file, text)
				for _, q := range queries {
					expr, err := parse(q)
					if err != nil {
						t.Errorf("%s: %v", file, err)
						continue
					}
					parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
						switch n := n.(type) {
						case *parser.VectorSelector:
							own := strings.HasPrefix(metricOf(n), "http_request_duration_seconds")
							if own != strings.Contains(n.String(), "http_request_duration_seconds") || own && strings.Contains(n.String(), c.label) || !own && strings.Contains(n.String(), "code") {
								t.Errorf("%s: %s", file, n)
							}
							if own && strings.Contains(n.String(), `code=~"5.."`) {
								matched++
							}
							if own && name == "groups" && !strings.Contains(n.String(), `team="x"`) {
								t.Errorf("%s: %s is not selected", file, n)
							}
						case *parser.AggregateExpr:
							if slices.Contains(n.Grouping, "code") {
								grouped++
							}
							if slices.Contains(n.Grouping, "code") && !strings.Contains(n.Expr.String(), "http_request_duration_seconds") ||
								slices.Contains(n.Grouping, c.label) != strings.Contains(n.Expr.String(), c.kept) {
								t.Errorf("%s: %s", file, n)
							}
						}
						return nil
					})
				}
				reads := slices.Contains([]string{"otelhealth.yaml", "prometheusrule.yaml", "selectors.txt", "health-service.json", "health-fleet.json", "--argo", "--flagger"}, file)
				if reads != (matched > 0) || (file == "health-service.json") != (grouped > 0) {
					t.Errorf("%s: of %d queries, %d select codes and %d group by them", file, len(queries), matched, grouped)
				}
			}
			probes := "{{health_probe_name}} {{" + c.label + "}}"
			if strings.Contains(c.label, ".") {
				probes = "{{health.probe.name}} {{" + c.label + "}}"
			}
			if legends["{{code}}"] != 1 || legends[probes] != 1 || legends["{{"+c.label+"}}"] != 0 {
				t.Errorf("legends: %v", legends)
			}
		})
	}
}

// TestOwnLabel: the label changes only if it comes from the histogram of requests.
func TestOwnLabel(t *testing.T) {
	d := dialect{names: namings["default"], series: known(t), request: requestNames{"own", "code"}}
	const (
		hist   = `sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count[5m]))`
		probes = `sum by (http_response_status_code) (rate(health_probe_requests_total[5m]))`
		own    = `sum by (code) (rate(own_count[5m]))`
	)
	for q, want := range map[string]string{
		hist:                 own,
		probes:               probes,
		hist + " or " + hist: own + " or " + own,
		`rate(http_server_request_duration_seconds_count{http_response_status_code="500"}[5m])`: `rate(own_count{code="500"}[5m])`,
		`rate(health_probe_requests_total{http_response_status_code="500"}[5m])`:                `rate(health_probe_requests_total{http_response_status_code="500"}[5m])`,
		`max(` + hist + `) or on () max(` + probes + `)`:                                        `max(` + own + `) or on () max(` + probes + `)`,
		hist + ` / on (http_response_status_code) ` + hist:                                      own + ` / on (code) ` + own,
		probes + ` / on (http_response_status_code) ` + probes:                                  probes + ` / on (http_response_status_code) ` + probes,
		`up * on (job) group_left (http_response_status_code) ` + hist:                          `up * on (job) group_left (code) ` + own,
		hist + ` * on (job) group_right (http_response_status_code) up`:                         own + ` * on (job) group_right (code) up`,
		`up * on (job) group_left (http_response_status_code) ` + probes:                        `up * on (job) group_left (http_response_status_code) ` + probes,
		`label_replace(` + hist + `, "x", "$1", "` + statusCode + `", "(.*)")`:                  `label_replace(` + own + `, "x", "$1", "code", "(.*)")`,
		`count by (http_response_status_code) (` + probes + ` and on () ` + hist + `)`:          `count by (http_response_status_code) (` + probes + ` and on () ` + own + `)`,
	} {
		got, err := d.query(q)
		if wanted, e := parse(want); err != nil || e != nil || got != wanted.String() {
			t.Errorf("%s: %v\n%s\nwant\n%s", q, err, got, want)
		}
	}
	for _, q := range []string{
		`max by (http_response_status_code) (` + hist + ` or ` + probes + `)`,
		hist + ` / on (http_response_status_code) ` + probes,
	} {
		if got, err := d.query(q); err == nil || !strings.Contains(err.Error(), "can't be one label") {
			t.Errorf("%s: %s, %v", q, got, err)
		}
	}
	// The same for a table's columns.
	for q, want := range map[string]string{hist: "code", probes: statusCode} {
		p := panel{id: 1, title: "x", view: rows(sortBy("Code", true)), queries: []query{{expr: q}}, columns: []column{{field: statusCode, title: "Code"}}}
		built, err := p.build(d)
		if err != nil {
			t.Fatal(err)
		}
		names := built.Transformations[2].Options.(map[string]any)["renameByName"].(map[string]string)
		if names[want] != "Code" || len(names) != 1 {
			t.Errorf("%s: columns %v, want %s", q, names, want)
		}
	}
	p := panel{id: 1, title: "x", view: rows(sortBy("Code", true)), queries: []query{{expr: hist}, {expr: probes}}, columns: []column{{field: statusCode, title: "Code"}}}
	if _, err := p.build(d); err == nil {
		t.Error("a column has codes of requests and of probes")
	}
}

// TestOwnAlerts: the stories of requests and of missing metrics are the same with a service's own histogram.
func TestOwnAlerts(t *testing.T) {
	var told []story
	fired := map[string]int{}
	for _, s := range stories() {
		if s.alert != "HttpErrorBudgetBurn" && s.alert != "HttpSlowBudgetBurn" && s.alert != "HealthRulesBlind" {
			continue
		}
		s.input, s.raised = slices.Clone(s.input), slices.Clone(s.raised)
		for n := range s.input {
			s.input[n][0] = asOwn.Replace(s.input[n][0])
		}
		for n, a := range s.raised {
			s.raised[n] = alarm{asOwn.Replace(a.labels), asOwn.Replace(a.summary), asOwn.Replace(a.description), a.dashboard}
			fired[s.alert]++
		}
		told = append(told, s)
	}
	short, long := byLength(t, told)
	if len(fired) != 3 {
		t.Errorf("alerts that fire: %v", fired)
	}
	rules := generated(t, ownRequests...)
	testRules(t, rules, "1m", short)
	testRules(t, rules, "2m", long)
}

// TestOwnNativeAlerts: half of the requests fail and are slow, in a native histogram.
func TestOwnNativeAlerts(t *testing.T) {
	const values = "{{schema:0 sum:10 count:10 buckets:[5 5] offset:-1}}+{{schema:0 sum:10 count:10 buckets:[5 5] offset:-1}}x80"
	line := "http_request_duration_seconds{" + of(1) + `,code="`
	input := join(pod(of(1), "running 80", "pass 80"), sample(line+`200"}`, values), sample(line+`500"}`, values))
	var tests []testGroup
	for _, alert := range []string{"HttpErrorBudgetBurn", "HttpSlowBudgetBurn"} {
		for _, b := range budgetStories() {
			if b.alert == alert && len(b.raised) > 0 {
				tests = append(tests, story{"half of " + alert, input, "10m", alert, b.raised}.test()) // as with half of them bad
				break
			}
		}
	}
	testRules(t, generated(t, append(ownRequests, "--histograms", "native")...), sampleStep, tests)
}

// TestOwnFlags: a bad value gives one error, and it names the flag.
func TestOwnFlags(t *testing.T) {
	const good = "http_request_duration_seconds"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--requests", "http-requests"}, `--requests: "http-requests" is not a metric`},
		{[]string{"--requests", "http.requests"}, `--requests: "http.requests" is not a metric`},
		{[]string{"--requests", "2xx"}, `--requests: "2xx" is not a metric`},
		{[]string{"--requests", "a{b=\"c\"}", "--names", "utf8"}, `--requests: "a{b=\"c\"}" is not a metric`},
		{[]string{"--requests", good + "_bucket"}, `--requests: "http_request_duration_seconds_bucket" is a part of a histogram: leave out _bucket`},
		{[]string{"--requests", good + "_count"}, "leave out _count"},
		{[]string{"--requests", good + "_sum"}, "leave out _sum"},
		{[]string{"--requests", "queue_wait_duration_seconds"}, `--requests: "queue_wait_duration_seconds" is another metric`},
		{[]string{"--requests", "queue_wait_duration", "--names", "mimir"}, "is another metric"},
		{[]string{"--requests", "queue.wait.duration", "--names", "otel"}, "is another metric"},
		{[]string{"--requests", "health_probe_requests_total"}, "is another metric"},
		{[]string{"--requests", "up"}, "is another metric"},
		{[]string{"--requests", good, "--status-label", "status.code"}, `--status-label: "status.code" is not a label`},
		{[]string{"--requests", good, "--status-label", "2xx"}, "--status-label: "},
		{[]string{"--requests", good, "--status-label", `a"`, "--names", "utf8"}, "--status-label: "},
		{[]string{"--requests", good, "--status-label", "le"}, `--status-label: "le" is a label with another meaning`},
		{[]string{"--requests", good, "--status-label", "cluster", "--group-labels", "cluster"}, "--status-label: "},
		{[]string{"--status-label", "code"}, "--status-label needs --requests"},
		{[]string{"--status-label", "code", "--argo", "--job", "a", "--name", "b"}, "--status-label needs --requests"},
		{[]string{"--requests", good, "--keda", "--job", "a", "--name", "b", "--queue", "q", "--queue-limit", "8"}, "--requests is for alerts"},
	} {
		args := tt.args
		if !slices.Contains(args, "--job") {
			args = append(args, "--out", t.TempDir())
		}
		if _, err := printed(args...); err == nil || !strings.HasPrefix(err.Error(), "--") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %s", tt.args, err, tt.want)
		}
	}
	for _, args := range [][]string{
		{"--requests", "http.request.duration_seconds", "--status-label", "status.code", "--names", "utf8"},
		{"--requests", "http_server_request_duration_seconds", "--status-label", "code"}, // OpenTelemetry's name, another label
		{"--requests", good}, // with OpenTelemetry's label
	} {
		if _, err := printed(append(args, "--out", t.TempDir())...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestWaysOfStarting: the metrics without a service are those of the table in docs/alerts.md.
func TestWaysOfStarting(t *testing.T) {
	const (
		count, bucket = "http_server_request_duration_seconds_count", "http_server_request_duration_seconds_bucket"
		own, ownFast  = "http_request_duration_seconds_count", "http_request_duration_seconds_bucket"
		oldest, sent  = "http_server_oldest_request_age_seconds", "telemetry_export_last_success_timestamp_seconds"
	)
	series := func(names ...string) (lines [][2]string) {
		for _, name := range names {
			more := ""
			if strings.HasSuffix(name, "_bucket") {
				more = `,le="0.5"`
			}
			lines = append(lines, [2]string{name + "{" + of(1) + more + "}", "1x60"})
		}
		return lines
	}
	health := join(pod(of(1), "running 60", "pass 60"), checked(of(1), "database", "core", "pass 60"),
		sample("health_probe_state_duration_seconds_total{"+of(1)+`,health_probe_name="readiness",health_probe_state="pass"}`, "0+30x60"))
	queue := series("queue_length", "queue_capacity", "queue_wait_duration_seconds_count")
	way := func(name string, missing []string, lines ...[][2]string) testGroup {
		g := testGroup{Name: name, Interval: sampleStep, InputSeries: inputs(join(append(lines, health)...))}
		q := queryTest{`count by (metric) (ALERTS{alertname="HealthRulesBlind",alertstate="firing"})`, "15m", nil}
		for _, m := range missing {
			q.Exp = append(q.Exp, testSample{`{metric="` + m + `"}`, 1})
		}
		g.Queries = []queryTest{q}
		return g
	}
	scraped := series("up")
	testRules(t, generated(t), sampleStep, []testGroup{
		way("telemetry.Start", nil, collector, queue, series(count, bucket, oldest, sent)),
		way("telemetry.Start without OTLP", []string{sent}, scraped, queue, series(count, bucket, oldest)),
		way("a MeterProvider of the service's own", []string{oldest, sent}, collector, queue, series(count, bucket)),
		way("client_golang", []string{count, bucket, oldest, sent}, scraped, queue, series(own, ownFast)),
		way("checks alone", []string{count, bucket, oldest, sent}, collector, queue),
		way("no queue", []string{"queue_length", "queue_capacity", "queue_wait_duration_seconds_count"}, collector, series(count, bucket, oldest, sent)),
	})
	testRules(t, generated(t, ownRequests...), sampleStep, []testGroup{
		way("client_golang", []string{oldest, sent}, scraped, queue, series(own, ownFast)),
		way("client_golang without the boundary", []string{ownFast, oldest, sent}, scraped, queue, series(own)),
	})
}
