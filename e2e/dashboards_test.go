package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestDashboards sends every query of every committed dashboard to a Prometheus with data of real
// demos and collectors. It fills in the variables as Grafana does. Every query must return data
// when its subject exists, and never an error or a warning. testdata/subjects.txt names the subject
// of each query.
func TestDashboards(t *testing.T) {
	queries := readDashboards(t)
	subjects := readSubjects(t, queries)
	addrs, dir := servers.FreeAddrs(t, 5), t.TempDir()
	groups := regexp.MustCompile(`(?m)^( +interval:) .*$`)
	config := laidOut(t, dir, func(rules string) string { // instances count after five minutes
		return strings.ReplaceAll(groups.ReplaceAllString(rules, "$1 1s"), "offset 5m", "offset 5s")
	})
	// An alert without a wait, under the name of one of ours, because panels show no others.
	const alert = `groups: [{name: test, interval: 1s, rules: [{alert: HealthCheckFailing, expr: 'health_check_status{health_check_state="fail"} == 1', labels: {severity: warning}}]}]`
	if err := os.WriteFile(filepath.Join(dir, "grafana", "alerts", "test.yaml"), []byte(alert), 0o600); err != nil {
		t.Fatal(err)
	}
	p := prometheus{servers.PrometheusWith(t, "..", config, addrs[0], t.TempDir(),
		"--query.lookback-delta=5s", // otherwise silence shows only after five minutes
	), t, "http://" + addrs[0]}
	env := []string{"PROMETHEUS_OTLP_ENDPOINT=" + p.url + "/api/v1/otlp", "COLLECTOR_METRICS_INTERVAL=500"}
	servers.Collector(t, "..", addrs[1], t.TempDir(), env)
	start := func(service, instance, collector string, env []string, args ...string) *demo {
		return startDemo(t, slices.Concat(soon, []string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + collector, "OTEL_SERVICE_NAME=" + service,
			"OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop,service.instance.id=" + instance,
		}, env), append([]string{"-load", "20", "-drain", "0s"}, args...)...)
	}
	overrides := filepath.Join(dir, "overrides")
	one := start("orders", "pod-1", addrs[1], nil, "-overrides", overrides)
	// Nothing listens at its traces endpoint. One of its texts is not UTF-8.
	two := start("orders", "pod-2", addrs[1], []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://" + addrs[3], "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=1000", "OTEL_PROPAGATORS=tracecontext,b3",
		"OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop,service.instance.id=pod-2,owner=caf%E9"})
	lonely := start("carts", "cart-1", addrs[1], nil)
	for _, d := range []*demo{one, two, lonely} {
		d.until("the service is ready", passing)
	}

	asked := map[string]bool{}
	// see waits until all queries on a subject return what must hold.
	see := func(subject string) {
		t.Helper()
		var waiting []dashboardQuery
		for _, q := range queries {
			if s := subjects[q.name]; s.subject == subject {
				waiting = append(waiting, q)
			}
		}
		n := len(waiting)
		started := time.Now()
		servers.Poll(t, subject, func() error {
			var first error
			waiting = slices.DeleteFunc(waiting, func(q dashboardQuery) bool {
				series := p.ask(q, everything)
				err := subjects[q.name].hold(series)
				if err != nil && first == nil {
					first = fmt.Errorf("%s: %w\n%s", q.name, err, q.filled(everything))
				}
				asked[q.name] = asked[q.name] || err == nil
				return err == nil
			})
			if len(waiting) > 0 {
				return fmt.Errorf("%d of %d queries; %w", len(waiting), n, first)
			}
			return nil
		})
		t.Logf("%s: %d queries, after %v", subject, n, time.Since(started).Round(time.Millisecond))
	}
	fault := func(d *demo, name string) {
		t.Helper()
		d.fault(http.MethodPut, name)
		see(name)
		d.fault(http.MethodDelete, name)
	}

	see("load")
	see("export failures")
	fault(one, "database-down")
	fault(two, "failing-requests")
	fault(two, "slow-requests")
	fault(one, "paused-workers")
	if err := os.WriteFile(overrides, []byte("cache=show\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	see("override")
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if code, _, body := lonely.ask(http.MethodPut, lonely.admin+"/maintenance", `{"reason": "test", "until": "`+until+`"}`); code >= 300 {
		t.Fatalf("maintenance: %d %s", code, body)
	}
	see("down")

	sick := filepath.Join(dir, "sick.yaml") // its queue has room for one request
	if err := os.WriteFile(sick, []byte("exporters: {otlp_http/prometheus: {sending_queue: {queue_size: 1}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	servers.Collector(t, "..", addrs[2], t.TempDir(), env, sick)
	refused := start("refused", "pod-1", addrs[2], nil)
	see("refused")
	refused.Kill()
	deltas := filepath.Join(dir, "deltas.yaml") // passes deltas on as they are
	if err := os.WriteFile(deltas, []byte("service: {pipelines: {metrics: {processors: [memory_limiter]}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	servers.Collector(t, "..", addrs[4], t.TempDir(), env, deltas)
	delta := start("delta", "pod-1", addrs[4], []string{prefersDelta})
	see("failed")
	delta.Kill()
	lonely.Kill()
	see("silence")
	apart := servers.FreeAddrs(t, 2)
	for n := range apart { // two that ask each other
		start("orders", fmt.Sprintf("peer-%d", n), addrs[1], nil, "-addr", apart[n], "-peers", apart[1-n]).fault(http.MethodPut, "database-down")
	}
	see("peers")
	start("orders", "shadow", addrs[1], []string{"HEALTH_OVERRIDES=database=shadow"}).fault(http.MethodPut, "database-down")
	see("shadow")

	t.Run("chosen", func(t *testing.T) {
		// Some variables need a choice: one instance, or a service without data.
		few := everything.with("$job", "shop/orders", "$instance", "pod-1", "$check", "database")
		none := everything.with("$job", "nobody", "$instance", "nobody", "$check", "nothing", "$collector", "nobody")
		for _, q := range queries {
			if subjects[q.name].subject == "tempo" || q.label != "" {
				continue
			}
			p.ask(q, few)
			for _, s := range p.ask(q, none) {
				if !strings.HasSuffix(q.expr, "or vector(-1)") || slices.ContainsFunc(s, func(v float64) bool { return v != -1 }) {
					t.Errorf("%s returns %v for an unknown service", q.name, s)
				}
			}
		}
	})
	for _, q := range queries {
		switch s := subjects[q.name]; {
		case s.subject == "tempo", asked[q.name]:
		default:
			t.Errorf("%s: the test never creates its subject, %q", q.name, s.subject)
		}
	}
	t.Logf("%d of %d queries returned data", len(asked), len(queries))
}

// dashboardQuery is the query of a panel, an annotation or a variable.
type dashboardQuery struct {
	name, expr string
	instant    bool
	label      string // a variable's values come from this label
}

func (q dashboardQuery) filled(by filling) string { return strings.NewReplacer(by...).Replace(q.expr) }

// filling has the values of Grafana's variables. Longer names come first.
type filling []string

// everything is Grafana's value for All, with a range and a zoom for a test: data comes 30 times as
// often as usual.
var everything = filling{
	"$__rate_interval", "15s", "$__range", "600s", "$__interval_ms", "5000", "$__interval", "5s",
	"$instance", ".+", "$job", "shop/orders|shop/carts", "$check", ".+", "$latency", "latency", "$collector", ".+",
	"[2m]", "[5s]", // the window of fresh data
	":5m]", ":5s]", // the lookback
}

func (f filling) with(pairs ...string) filling {
	f = slices.Clone(f)
	for n := 0; n < len(pairs); n += 2 {
		f[slices.Index(f, pairs[n])+1] = pairs[n+1]
	}
	return f
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// readDashboards returns all queries of the dashboards. A query of several dashboards, such as an
// annotation, is there once.
func readDashboards(t *testing.T) (list []dashboardQuery) {
	t.Helper()
	type panel struct {
		ID      int
		Targets []struct {
			RefID, Expr, Query string
			Instant            bool
		}
	}
	files, err := filepath.Glob("../grafana/dashboards/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v %v", files, err)
	}
	seen := map[string]bool{}
	add := func(q dashboardQuery) {
		if key := q.name; !seen[key] {
			seen[key] = true
			list = append(list, q)
		}
	}
	for _, path := range files {
		var d struct {
			Uid    string
			Panels []struct {
				panel
				Panels []panel
			}
			Templating struct {
				List []struct{ Name, Type, Definition string }
			}
			Annotations struct{ List []struct{ Name, Expr string } }
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, p := range append(p.Panels, p.panel) {
				for _, target := range p.Targets {
					add(dashboardQuery{fmt.Sprintf("%s/%d/%s", d.Uid, p.ID, target.RefID), target.Expr, target.Instant, ""})
				}
			}
		}
		for _, a := range d.Annotations.List {
			add(dashboardQuery{"annotation/" + a.Name, a.Expr, false, ""})
		}
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			m := labelValues.FindStringSubmatch(v.Definition)
			if m == nil {
				t.Fatalf("%s: variable %s: %s", path, v.Name, v.Definition)
			}
			add(dashboardQuery{"variable/" + v.Name, m[1], true, m[2]})
		}
	}
	return list
}

// subject is a line of subjects.txt.
type subject struct{ subject, holds string }

func readSubjects(t *testing.T, queries []dashboardQuery) map[string]subject {
	t.Helper()
	text, err := os.ReadFile("testdata/subjects.txt")
	if err != nil {
		t.Fatal(err)
	}
	subjects := map[string]subject{}
	for _, q := range queries {
		subjects[q.name] = subject{"load", "data"}
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) != 4 || f[3] == "" {
			t.Fatalf("subjects.txt: %s", line)
		}
		if _, ok := subjects[f[0]]; !ok {
			t.Errorf("subjects.txt: no dashboard has the query %s", f[0])
		}
		subjects[f[0]] = subject{f[1], f[2]}
	}
	return subjects
}

// hold returns an error if the rule of the subject does not hold.
func (s subject) hold(series [][]float64) error {
	var newest, all []float64
	for _, values := range series {
		values = slices.DeleteFunc(slices.Clone(values), math.IsNaN)
		if len(values) > 0 {
			newest, all = append(newest, values[len(values)-1]), append(all, values...)
		}
	}
	ok := len(all) > 0
	what, number, _ := strings.Cut(s.holds, "=")
	n, err := strconv.ParseFloat(number, 64)
	near := func(v float64) bool { return math.Abs(v-n) < 1e-9 }
	switch {
	case s.holds == "any":
		ok = true
	case s.holds == "data":
	case s.holds == ">0":
		ok = slices.ContainsFunc(newest, func(v float64) bool { return v > 0 })
	case what == "" && err == nil:
		ok = slices.ContainsFunc(newest, near)
	case what == "was" && err == nil:
		ok = slices.ContainsFunc(all, near)
	default:
		return fmt.Errorf("subjects.txt: %q", s.holds)
	}
	if !ok {
		return fmt.Errorf("want %s, have %v", s.holds, newest)
	}
	return nil
}

// ask queries as Grafana does, and returns the numbers of each series. An error or a warning fails
// the test.
func (p prometheus) ask(q dashboardQuery, by filling) (series [][]float64) {
	p.t.Helper()
	expr := q.filled(by)
	now := time.Now()
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	path, form := "query", url.Values{"query": {expr}}
	switch {
	case q.label != "":
		path, form = "label/"+q.label+"/values", url.Values{"match[]": {expr}}
	case !q.instant:
		path, form = "query_range", url.Values{"query": {expr}, "start": {unix(now.Add(-5 * time.Minute))}, "end": {unix(now)}, "step": {"5s"}}
	}
	code, _, body, err := ask(http.MethodGet, p.url+"/api/v1/"+path+"?"+form.Encode(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		Warnings, Infos []string
		Data            json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil || code != http.StatusOK || len(answer.Warnings)+len(answer.Infos) != 0 {
		p.t.Fatalf("%s: %s: %d %s", q.name, expr, code, body)
	}
	if q.label != "" {
		var values []string
		if err := json.Unmarshal(answer.Data, &values); err != nil {
			p.t.Fatal(err)
		}
		for range values {
			series = append(series, []float64{1})
		}
		return series
	}
	var data struct {
		Result []struct {
			Value  [2]any
			Values [][2]any
		}
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil {
		p.t.Fatalf("%s: %v in %s", q.name, err, answer.Data)
	}
	for _, r := range data.Result {
		if r.Values == nil {
			r.Values = [][2]any{r.Value}
		}
		var values []float64
		for _, v := range r.Values {
			f, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
			if err != nil {
				p.t.Fatalf("%s: %v in %s", q.name, err, answer.Data)
			}
			values = append(values, f)
		}
		series = append(series, values)
	}
	return series
}
