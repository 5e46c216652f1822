package generate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// everything is Grafana's value for All.
var everything = strings.NewReplacer("$job", ".+", "$instance", ".+", "$check", ".+", "$collector", ".+", "$__range", "30m", "$__rate_interval", "2m", "$__interval_ms", "30000", "$__interval", "30s")

// asked returns the query of a committed panel.
func asked(t *testing.T, board string, panel int, ref string) string {
	t.Helper()
	for _, p := range committed(t)[board+".json"].all() {
		for _, target := range p.Targets {
			if p.Id == panel && target.RefID == ref {
				return everything.Replace(target.Expr)
			}
		}
	}
	t.Fatalf("there is no query %s/%d/%s", board, panel, ref)
	return ""
}

// marked returns the query of an annotation.
func marked(t *testing.T, name string) string {
	t.Helper()
	for _, a := range committed(t)["health-fleet.json"].Annotations.List {
		if a.Name == name {
			return everything.Replace(a.Expr)
		}
	}
	t.Fatalf("there is no annotation %s", name)
	return ""
}

// TestPanels evaluates panels for fleets with given series, together with the alerts' rules.
func TestPanels(t *testing.T) {
	at := func(board string, panel int, ref, when string, want ...testSample) queryTest {
		if want == nil {
			want = []testSample{}
		}
		return queryTest{asked(t, board, panel, ref), when, want}
	}
	number := func(n float64) testSample { return testSample{"{}", n} }
	of1 := func(n float64) testSample { return testSample{`{job="shop/orders"}`, n} }
	story := func(name string, input [][2]string, queries ...queryTest) testGroup {
		return testGroup{Name: name, Interval: sampleStep, InputSeries: inputs(input), Queries: queries}
	}
	is := func(board string, panel int, ref string, n float64) queryTest {
		return at(board, panel, ref, "14m", number(n))
	}
	orders := func(board string, panel int, ref string, n float64) queryTest {
		return at(board, panel, ref, "14m", of1(n))
	}
	const svc, fleet, slo = "health-service", "health-fleet", "health-slo"

	// A process restarted under its old name, and its check has another role now.
	info := func(role, values string) [][2]string {
		return sample("health_check_info{"+of(1)+`,health_check_name="cache",health_check_role="`+role+`"}`, values)
	}
	role := join(fleetOf(1, 2, "running 60", "pass 60"), checked(of(2), "cache", "auxiliary", "pass 60"),
		stateSet("health_check_status", of(1)+`,health_check_name="cache"`, "health_check_state", "pass warn fail unknown stale", "pass 20, fail 40"),
		sample("health_check_last_transition_timestamp_seconds{"+of(1)+`,health_check_name="cache"}`, "600x60"), info("core", "1x26 _x40"), info("auxiliary", "_x27 1x40"))
	why := func(n float64) testSample {
		return testSample{`{job="shop/orders",health_check_name="cache",health_check_state="fail",health_check_role="auxiliary"}`, n}
	}

	silentRow := func(n float64) testSample {
		return testSample{`{job="shop/orders",health_check_state="no telemetry"}`, n}
	}
	whoIs := func(instance int, name string, n float64) testSample {
		return testSample{fmt.Sprintf(`{job="shop/orders",instance="%d",who=%q}`, instance, name), n}
	}
	resource := func(instance int, pod, version string) [][2]string {
		return sample("target_info{"+of(instance)+`,k8s_pod_name="`+pod+`",service_version="`+version+`"}`, "1x60")
	}
	spentBy := func(instance int, values string) [][2]string {
		return sample("health_probe_state_duration_seconds_total{"+of(instance)+`,health_probe_name="readiness",health_probe_state="pass"}`, values)
	}
	queued := func(name, length string) [][2]string {
		return join(sample("queue_length{"+of(1)+`,queue_name="`+name+`"}`, length), sample("queue_capacity{"+of(1)+`,queue_name="`+name+`"}`, "100x60"))
	}
	requests := func(code string, values string) [][2]string {
		return sample("http_server_request_duration_seconds_count{"+of(1)+`,http_response_status_code="`+code+`"}`, values)
	}
	spent := func(state, values string) [][2]string {
		return sample("health_probe_state_duration_seconds_total{"+of(1)+`,health_probe_name="readiness",health_probe_state="`+state+`"}`, values)
	}
	budgets := join(pod(of(1), "running 60", "pass 60"), spent("pass", "0+15x60"), spent("fail", "0+15x60"))

	testRules(t, generated(t), sampleStep, []testGroup{
		story("two fail, and one drains", join(fleetOf(1, 2, "running 30", "fail 30"), pod(of(3), "draining 30", "fail 30")),
			is(svc, 1, "A", 5), is(svc, 2, "A", 0), is(svc, 2, "B", 2), is(fleet, 3, "A", 1), is(fleet, 6, "B", 2), orders(fleet, 20, "A", 0), orders(fleet, 20, "B", 2), orders(fleet, 11, "A", 2)),
		story("two are ready, and one drains", join(fleetOf(1, 2, "running 30", "pass 30"), pod(of(3), "draining 30", "fail 30")),
			is(svc, 1, "A", 1), is(svc, 2, "A", 2), is(svc, 2, "B", 2), is(fleet, 1, "A", 1), is(fleet, 2, "A", 0), orders(fleet, 20, "A", 1), orders(fleet, 11, "A", 0)),
		story("one was killed three minutes ago", join(pod(of(1), "running 22, gone 20", "fail 22, gone 20"), pod(of(2), "running 60", "pass 60")),
			is(svc, 1, "A", 1), is(svc, 2, "B", 1), is(svc, 2, "C", 2), is(fleet, 1, "A", 0), is(fleet, 2, "A", 1), orders(fleet, 20, "A", .5), orders(fleet, 20, "B", 1)),
		story("nine of ten were killed five minutes ago", join(fleetOf(1, 9, "running 18, gone 20", "pass 18, gone 20"), pod(of(10), "running 60", "pass 60")),
			is(svc, 2, "A", 1), is(svc, 2, "C", 10), is(fleet, 1, "A", 0), is(fleet, 2, "A", 1), is(fleet, 6, "C", 10), orders(fleet, 20, "A", .1), orders(fleet, 10, "A", .1)),
		story("both were killed three minutes ago", fleetOf(1, 2, "running 22, gone 20", "pass 22, gone 20"),
			is(svc, 1, "A", -1), at(svc, 2, "B", "14m"), is(fleet, 4, "A", 1), at(fleet, 1, "A", "14m")),
		story("one starts, none is in service", join(pod(of(1), "draining 30", "fail 30"), pod(of(2), "starting 30", "fail 30")), is(svc, 1, "A", 7), is(fleet, 3, "A", 1)),
		story("all drain", fleetOf(1, 2, "draining 30", "fail 30"), is(svc, 1, "A", 6), is(svc, 2, "B", 0), is(fleet, 3, "A", 1)),
		story("all are in maintenance", fleetOf(1, 2, "maintenance 30", "fail 30"), is(svc, 1, "A", 8), is(svc, 2, "B", 2), is(svc, 2, "C", 0), is(fleet, 3, "A", 1), orders(fleet, 10, "A", 2)),
		story("the other service falls silent", join(pod(of(1), "running 10, gone 20", "pass 10, gone 20"), pod(`job="shop/carts",instance="1"`, "running 60", "pass 60")),
			at(fleet, 10, "A", "14m", of1(-1), testSample{`{job="shop/carts"}`, 1})),
		story("a check has another role since a restart", role,
			at(svc, 10, "A", "14m", why(1)), at(svc, 10, "B", "14m", why(.5)), at(svc, 10, "C", "14m", why(600000))),
		story("half of the requests get 503, half of the time is bad", join(budgets, requests("200", "0+100x60"), requests("503", "0+100x60")),
			orders(slo, 2, "A", 1-.5/.01), orders(slo, 3, "A", 1), orders(slo, 4, "A", 1), orders(slo, 10, "A", .5/.01), orders(slo, 11, "A", 0), at(svc, 21, "A", "14m", number(0))),
		story("half of the requests get 500", join(pod(of(1), "running 60", "pass 60"), requests("200", "0+100x60"), requests("500", "0+100x60")),
			orders(slo, 3, "A", .5), orders(slo, 4, "A", 1-.5/.001), orders(slo, 11, "A", .5/.001), orders(fleet, 20, "E", .5), at(svc, 21, "A", "14m", number(.5))),
		story("all were killed, and one is asked why", join(fleetOf(1, 2, "running 22, gone 20", "pass 22, gone 20"), checked(of(1), "cache", "auxiliary", "pass 22, gone 20")),
			at(svc, 10, "A", "14m", silentRow(2)), at(svc, 10, "C", "14m", silentRow(630000)), orders(fleet, 20, "A", -1), orders(fleet, 20, "H", 210), is("health-telemetry", 2, "A", 2),
			at("health-check", 3, "A", "14m"), at(fleet, 21, "A", "14m")),
		story("every check passes", join(fleetOf(1, 2, "running 60", "pass 60"), checked(of(1), "cache", "auxiliary", "pass 60"), checked(of(2), "cache", "auxiliary", "pass 60")),
			at(svc, 10, "A", "14m", testSample{`{job="shop/orders",health_check_state="every check passes"}`, 2})),
		story("all have drained", fleetOf(1, 2, "running 20, draining 2, gone 20", "pass 20, fail 2, gone 20"),
			is(fleet, 4, "A", 0), orders(fleet, 20, "A", 2), is("health-telemetry", 2, "A", 0)),
		story("a rollout has replaced one", join(pod(of(1), "running 10, draining 2, gone 30", "pass 10, fail 2, gone 30"), pod(of(2), "running 60", "pass 60")),
			is("health-telemetry", 2, "A", 0), at(svc, 12, "A", "14m", whoIs(1, "1", -1), whoIs(2, "2", 1))),
		story("one ended before the range", join(pod(of(1), "running 4, gone 90", "pass 4, gone 90"), pod(of(2), "running 100", "pass 100")),
			at(svc, 12, "A", "45m", whoIs(2, "2", 1))),
		story("one has two resources, and one none", join(fleetOf(1, 2, "running 60", "pass 60"), resource(1, "orders-a", "1.0"), resource(1, "orders-a", "1.1")),
			at(svc, 12, "A", "14m", whoIs(1, "orders-a", 1), whoIs(2, "2", 1))),
		story("a first change is a transition", join(pod(of(1), "running 60", "pass 60"), checked(of(1), "cache", "auxiliary", "pass 26, fail 40"),
			sample("health_check_transitions_total{"+of(1)+`,health_check_name="cache",health_check_state="fail"}`, "_x26 1x40")),
			at("health-check", 11, "A", "14m", testSample{`{health_check_name="cache",health_check_state="fail"}`, 1}), at("health-check", 11, "B", "14m")),
		story("nothing has changed", join(pod(of(1), "running 60", "pass 60"), checked(of(1), "cache", "auxiliary", "pass 60")),
			at("health-check", 11, "A", "14m"), is("health-check", 11, "B", 0)),
		// One fails all of its minute, and the other none of its ten.
		story("a minute weighs like a minute", join(pod(of(1), "running 28", "pass 28"), pod(of(2), "running 28", "pass 28"), checked(of(1), "cache", "auxiliary", "gone 26, fail 2"), checked(of(2), "cache", "auxiliary", "gone 10, pass 18")),
			is("health-check", 3, "A", 18./20), at(fleet, 21, "A", "14m", testSample{`{job="shop/orders",health_check_name="cache"}`, 2. / 20})),
		story("data after a gap, and a start", join(
			pod(of(1), "running 10, gone 12, running 20", "pass 10, gone 12, pass 20"), spentBy(1, "3600+30x10 _x11 4260+30x20"), resource(1, "orders-a", "1.0"),
			pod(of(2), "gone 27, running 20", "gone 27, pass 20"), spentBy(2, "_x26 10+30x20"), resource(2, "orders-b", "1.1")),
			queryTest{marked(t, "Restarts"), "11m", []testSample{}},
			queryTest{marked(t, "Restarts"), "14m", []testSample{{`{job="shop/orders",service_version="1.1"}`, 1}}}),
		story("alerts of others", join(fleetOf(1, 2, "running 60", "pass 60"), sample(`ALERTS{alertname="Watchdog",alertstate="firing",severity="none"}`, "1x60")),
			queryTest{asked(t, fleet, 22, "A") + ` unless on (alertname) ALERTS{alertname="HealthRulesBlind"}`, "5m", []testSample{{`{alertname="no alert fires"}`, 0}}},
			queryTest{marked(t, "Alerts that begin"), "5m", []testSample{}}),
		story("many instances fire one alert", sample(`ALERTS{alertname="QueueStalled",alertstate="firing",severity="warning",job="shop/orders",instance="1"}`, "_x10 1x60"),
			queryTest{marked(t, "Alerts that begin"), "5m", []testSample{{`{alertname="QueueStalled",severity="warning",job="shop/orders"}`, 1}}}),
		story("a queue is full and does not grow, another is idle", join(queued("full", "100x60"), queued("idle", "0x60")),
			at(svc, 32, "A", "14m", testSample{`{queue_name="full"}`, 1}, testSample{`{queue_name="idle"}`, 86400})),
		story("the rules see nothing", nil, at(fleet, 22, "A", "14m", testSample{`{alertname="HealthRulesBlind",severity="warning"}`, float64(canaries(t))})),
	})
}

// canaries are the metrics that the rules miss if there are no series.
func canaries(t *testing.T) (n int) {
	for _, s := range canaryStories() {
		if len(s.input) == 0 {
			n = len(s.raised)
		}
	}
	if n == 0 {
		t.Fatal("there is no story without series")
	}
	return n
}

// TestObjectives: each dashboard draws a burn rate with the budget of its alert.
func TestObjectives(t *testing.T) {
	d := shipped(t)
	for n, o := range []objective{d.readyObjective(), d.errorObjective(), d.slowObjective()} {
		g := d.budgetRules(o)
		for _, b := range burns {
			limit := fmt.Sprintf("%s_rate%s > %g * %g", o.ratio, b.long, b.factor, o.budget)
			if !slices.ContainsFunc(g.rules, func(r rule) bool { return r.alert == o.alert && strings.Contains(r.expr, limit) }) {
				t.Errorf("%s: no alert has %s", o.alert, limit)
			}
		}
		want := fmt.Sprintf(`%s_rate5m{job=~".+"} / %g`, o.ratio, o.budget)
		if got := asked(t, "health-slo", 10+n, "A"); got != want {
			t.Errorf("%s: drawn as %s, not %s", o.alert, got, want)
		}
	}
}
