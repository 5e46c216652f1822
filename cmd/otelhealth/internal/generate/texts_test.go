package generate

import (
	"strings"
	"testing"
)

// TestTexts: the text names the pod, also by other names and with clusters, and an instance without
// target_info has none.
func TestTexts(t *testing.T) {
	const about = `service_version="1.2",k8s_pod_name="orders-7d9",k8s_namespace_name="shop",k8s_node_name="node-3"`
	fails := func(more string) [][2]string {
		return join(pod(of(1)+more, "running 100", "pass 100"), checked(of(1)+more, "database", "core", "fail 100"),
			pod(of(2)+more, "running 100", "pass 100"), checked(of(2)+more, "database", "core", "pass 100"))
	}
	want := func(who, cluster, more string) []alarm {
		return []alarm{{"severity=warning instance=1 health_check_name=database " + more + jobOnly, "Check database fails on an instance of shop/orders" + cluster + ".",
			"Check database fails on 1" + who + " of shop/orders" + cluster + ", but not on most instances. Look at this instance, its node and its network. First ask its /status.json for the error.", ""}}
	}
	const named = ", pod orders-7d9, namespace shop, node node-3, version 1.2"
	testRules(t, generated(t), sampleStep, []testGroup{
		story{"its pod is known", join(fails(""), sample("target_info{"+of(1)+","+about+"}", "1x100")), "8m", "HealthCheckFailing", want(named, "", "")}.test(),
		story{"it has had two versions", join(fails(""), sample("target_info{"+of(1)+","+about+"}", "1x100"), sample("target_info{"+of(1)+","+about+`,host_arch="arm64"}`, "1x100")),
			"8m", "HealthCheckFailing", want(named, "", "")}.test(),
		story{"its pod is not known", fails(""), "8m", "HealthCheckFailing", want("", "", "")}.test(),
	})

	// The same by OpenTelemetry's names, in one of several clusters.
	const west = `,k8s_cluster_name="west"`
	lines := join(fails(west), sample("target_info{"+of(1)+west+","+about+"}", "1x100"), sample("target_info{"+of(1)+`,k8s_cluster_name="east",k8s_pod_name="another"}`, "1x100"))
	d := dialect{settings: usual(), names: namings["utf8"], series: known(t)}
	for n, l := range lines {
		series := strings.NewReplacer("service_version", `"service.version"`, "k8s_pod_name", `"k8s.pod.name"`, "k8s_namespace_name", `"k8s.namespace.name"`, "k8s_node_name", `"k8s.node.name"`, "k8s_cluster_name", `"k8s.cluster.name"`).Replace(l[0])
		name, labels, _ := strings.Cut(series, "{")
		for short, long := range d.series.labels {
			labels = strings.ReplaceAll(labels, short+"=", `"`+long+`"=`)
		}
		lines[n][0] = `{"` + d.metric(name) + `",` + labels
	}
	s := story{"by other names", lines, "8m", "HealthCheckFailing", want(named, " (west)", "k8s.cluster.name=west ")}
	s.raised[0].labels = strings.Replace(s.raised[0].labels, "health_check_name", "health.check.name", 1)
	s.raised[0].dashboard = "health-service?var-job=shop%2Forders&var-k8s_cluster_name=west"
	testRules(t, generated(t, "--names", "utf8", "--group-labels", "k8s.cluster.name"), sampleStep, []testGroup{s.test()})
}

// TestSelector: every series of a service is chosen by it, and none of a collector.
func TestSelector(t *testing.T) {
	selector, err := promQL.ParseMetricSelector(`{team=~"a|b"}`)
	if err != nil {
		t.Fatal(err)
	}
	d := dialect{settings: usual(), names: namings["default"], series: known(t), selector: selector}
	for _, g := range rules(d, "") {
		for _, r := range g.rules {
			text, err := d.query(r.expr)
			if err != nil {
				t.Fatal(err)
			}
			expr, err := promQL.ParseExpr(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range vectorsOf(expr) {
				other := strings.HasPrefix(v.Name, "otelcol_") || strings.Contains(v.Name, ":") || v.Name == "ALERTS" || v.Name == "up"
				if chosen := strings.Contains(v.String(), `team=~"a|b"`); chosen == other {
					t.Errorf("%s%s: %s", r.record, r.alert, v)
				}
			}
		}
	}
}

// TestFlags: what can't work is refused.
func TestFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"is not a label":  {"--group-labels", "k8s.cluster.name"},
		`"" is not a lab`: {"--group-labels", "cluster,"},
		"--selector":      {"--selector", "team=a"},
	} {
		if err := run(append([]string{"--out", t.TempDir()}, args...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
	for _, args := range [][]string{{"--group-labels", "k8s_cluster_name,deployment_environment_name"}, {"--names", "utf8", "--group-labels", "k8s.cluster.name"}} {
		if err := run(append([]string{"--out", t.TempDir()}, args...)); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}
