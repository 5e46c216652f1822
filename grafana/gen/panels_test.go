package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// everything is what Grafana fills in for All.
var everything = strings.NewReplacer("$job", ".+", "$instance", ".+", "$check", ".+", "$collector", ".+", "$__range", "30m", "$__rate_interval", "2m", "$__interval", "30s")

// asked is a committed panel's query.
func asked(t *testing.T, board string, panel int, ref string) string {
	t.Helper()
	for _, p := range committed(t)[board+".json"].all() {
		for _, target := range p.Targets {
			if p.Id == panel && target.RefID == ref {
				return everything.Replace(target.Expr)
			}
		}
	}
	t.Fatalf("%s/%d/%s is not there", board, panel, ref)
	return ""
}

// TestPanels: what panels say of fleets that were written down, beside the alerts' rules.
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
	orders := func(board string, panel int, ref string, n float64) queryTest {
		return at(board, panel, ref, "14m", of1(n))
	}
	const svc, fleet, slo = "health-service", "health-fleet", "health-slo"

	requests := func(code string, values string) [][2]string {
		return sample("http_server_request_duration_seconds_count{"+of(1)+`,http_response_status_code="`+code+`"}`, values)
	}
	spent := func(state, values string) [][2]string {
		return sample("health_probe_state_duration_seconds_total{"+of(1)+`,health_probe_name="readiness",health_probe_state="`+state+`"}`, values)
	}
	budgets := join(pod(of(1), "running 60", "pass 60"), spent("pass", "0+15x60"), spent("fail", "0+15x60"))

	testRules(t, generated(t), sampleStep, []testGroup{
		story("half of the requests get 503, half of the time is bad", join(budgets, requests("200", "0+100x60"), requests("503", "0+100x60")),
			orders(slo, 2, "A", 1-.5/.01), orders(slo, 3, "A", 1), orders(slo, 4, "A", 1), orders(slo, 10, "A", .5/.01), orders(slo, 11, "A", 0), at(svc, 21, "A", "14m", number(0))),
		story("half of the requests get 500", join(requests("200", "0+100x60"), requests("500", "0+100x60")),
			orders(slo, 3, "A", .5), orders(slo, 4, "A", 1-.5/.001), orders(slo, 11, "A", .5/.001), orders(fleet, 20, "E", .5), at(svc, 21, "A", "14m", number(.5))),
	})
}

// TestObjectives: dashboards draw each burn rate at the budget that its alert has.
func TestObjectives(t *testing.T) {
	d := shipped(t)
	for n, o := range []objective{readyObjective, d.errorObjective(), d.slowObjective()} {
		g := d.budgetRules(o)
		for _, b := range burns {
			limit := fmt.Sprintf("%s_rate%s > %g * %g", o.ratio, b.long, b.factor, o.budget)
			if !slices.ContainsFunc(g.rules, func(r rule) bool { return r.alert == o.alert && strings.Contains(r.expr, limit) }) {
				t.Errorf("%s: no alert at %s", o.alert, limit)
			}
		}
		want := fmt.Sprintf(`%s_rate5m{job=~".+"} / %g`, o.ratio, o.budget)
		if got := asked(t, "health-slo", 10+n, "A"); got != want {
			t.Errorf("%s: drawn as %s, not %s", o.alert, got, want)
		}
	}
}
