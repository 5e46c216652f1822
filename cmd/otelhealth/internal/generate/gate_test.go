package generate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// printed runs the command for manifests.
func printed(args ...string) (string, error) {
	c := Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

// TestGateFlags: a bad value gives one error, and it names the flag.
func TestGateFlags(t *testing.T) {
	const long = "a-name-that-is-longer-than-forty-six-characters"
	good := []string{"--job", "shop/orders", "--name", "orders", "--queue", "jobs", "--queue-limit", "80"}
	for _, kind := range []string{"--argo", "--flagger", "--keda", "--hpa"} {
		if _, err := printed(append([]string{kind}, good...)...); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, tt := range []struct{ kind, flag, value string }{
		{"--argo", "--job", ""}, {"--argo", "--job", `a"b`}, {"--argo", "--job", "{{x}}"}, {"--argo", "--name", ""}, {"--argo", "--name", "Orders"}, {"--argo", "--name", "a.b"},
		{"--argo", "--name", long}, {"--flagger", "--name", long[:39]}, {"--argo", "--namespace", "a b"}, {"--argo", "--prometheus", "prometheus:9090"},
		{"--argo", "--prometheus", "ftp://x"}, {"--argo", "--window", "59s"}, {"--argo", "--window", "61s"}, {"--argo", "--interval", "9s"}, {"--argo", "--interval", "10500ms"},
		{"--argo", "--successes", "0"}, {"--argo", "--wait", "3m"}, {"--argo", "--wait", "600500ms"}, {"--argo", "--slow", "0s"}, {"--argo", "--min-requests", "19"},
		{"--argo", "--no-traffic", "wait"}, {"--argo", "--checks", "vital"}, {"--flagger", "--port", "0"}, {"--argo", "--pod-label", "k8s.pod.name"},
		{"--keda", "--queue", ""}, {"--hpa", "--queue-limit", "0"}, {"--keda", "--queue-limit", "NaN"}, {"--hpa", "--queue-share", "1"}, {"--hpa", "--queue-share", "0"},
		{"--keda", "--pod-capacity", "-1"}, {"--keda", "--min-replicas", "0"}, {"--keda", "--max-replicas", "1"},
	} {
		out, err := printed(append(append([]string{tt.kind}, good...), tt.flag, tt.value)...)
		if err == nil || !strings.HasPrefix(err.Error(), tt.flag) || out != "" {
			t.Errorf("%s %s %q: %v", tt.kind, tt.flag, tt.value, err)
		}
	}
	if _, err := printed("--argo", "--job", "a", "--name", long[:46]); err != nil {
		t.Error(err)
	}
}

// TestGateNamings: each naming has its own names, and the selector of a team is in every selector.
func TestGateNamings(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want []string
		not  string
	}{
		{nil, []string{"health_probe_status", "k8s_pod_name=~", `le="0.5"`, "http_server_request_duration_seconds_count"}, "health.probe"},
		{[]string{"--slow", "1s"}, []string{`le=~"1|1\\.0"`}, `le="1"`},
		{[]string{"--names", "mimir"}, []string{"health_probe_state_duration{", "http_server_request_duration_count"}, "_total"},
		{[]string{"--names", "utf8"}, []string{`"health.probe.status"`, `"k8s.pod.name"=~`, `"http.server.request.duration_seconds_count"`}, "health_"},
		{[]string{"--names", "otel", "--histograms", "native", "--slow", "750ms"}, []string{`"k8s.pod.name"=~`, "histogram_count(", "histogram_fraction(", "0.75"}, "_count{"},
		{[]string{"--pod-label", "pod"}, []string{"pod=~", "by (pod)"}, "k8s_pod_name"},
	} {
		text, err := printed(append([]string{"--argo", "--job", "a", "--name", "b", "--selector", `team="x"`}, tt.args...)...)
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(strings.ReplaceAll(text, `__name__=`, ""), want) {
				t.Errorf("%v: no %s", tt.args, want)
			}
		}
		if queries := text[strings.Index(text, "kind:"):]; strings.Contains(queries, tt.not) {
			t.Errorf("%v: has %s", tt.args, tt.not)
		}
	}
	d := dialect{settings: usual(), names: namings["default"], series: known(t)}
	selector, err := promQL.ParseMetricSelector(`{team="x"}`)
	if err != nil {
		t.Fatal(err)
	}
	d.selector = selector
	list, err := (gate{dialect: d, scope: scope{"a", "b-.+", "c-.+"}, window: 120e9, interval: 30e9, successes: 4, hold: 600e9, slow: 5e8, minRequests: 200, noTraffic: "hold", checks: "all"}).measures()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		expr, err := promQL.ParseExpr(m.expr)
		if err != nil {
			t.Fatal(err)
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if v, ok := n.(*parser.VectorSelector); ok && (!strings.Contains(v.String(), `team="x"`) || !strings.Contains(v.String(), `job="a"`)) {
				t.Errorf("%s: %s", m.name, v)
			}
			return nil
		})
	}
}
