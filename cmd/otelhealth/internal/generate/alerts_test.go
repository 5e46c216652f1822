package generate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	orders  = `job="shop/orders"`
	jobOnly = "job=shop/orders"
)

// Texts of more than one story.
const (
	noneReady     = "No instance of shop/orders answers its readiness probe with 200, so none gets traffic. At least one should be in service. First list the pods, and ask /ready of one: output is the reason."
	requestsHang  = "If there is a black box, first save /blackbox/now of an operators' listener: it shows where requests hang."
	workersHang   = "If there is a black box, first save /blackbox/now of an operators' listener: it shows where workers hang."
	mostTakeNone  = " items wait in queue jobs of shop/orders, and for five minutes most instances have taken none. " + workersHang + " If all instances hang, what they wait for is down, and a restart does not help."
	fillsUp       = "A full queue refuses items. First compare how many items a second are taken with the usual number: as many means more load, fewer means slow workers."
	tooLong       = "Instances of shop/orders have been in maintenance for four hours."
	between       = "First see on the Check dashboard between which states, and how far its value is from the limit."
	inMaintenance = " been in maintenance for four hours, without traffic. First ask /ready: output has the reason that an operator gave. Ask that person."
)

// low is HealthCapacityLow.
func low(severity, limit, share string) alarm {
	return alarm{"severity=" + severity + " " + jobOnly, "Only " + share + " of the instances of shop/orders are ready.",
		share + " of the expected instances of shop/orders are ready, less than " + limit + ". " + lowFirst, ""}
}

// stories have for every alert a case in which it fires, and one in which it doesn't.
func stories() []story {
	return slices.Concat(readinessStories(), checkStories(), budgetStories(), requestStories(), queueStories(), severalStories(), pipelineStories(), canaryStories())
}

func readinessStories() []story {
	const half, most = "half", "70%"
	none := alarm{"severity=critical " + jobOnly, "No instance of shop/orders is ready.", noneReady, ""}
	unready := alarm{"severity=warning instance=1 " + jobOnly, "An instance of shop/orders is not ready, and no failing check explains it.",
		"1 of shop/orders has not been ready for ten minutes. None of the checks that can take it out fails. First ask its /ready?verbose: look for a core check with status unknown, or a time that stands still.", ""}
	starting := func(share string) alarm {
		return alarm{"severity=critical " + jobOnly, "Instances of shop/orders don't finish starting: " + share + " are ready.",
			"For ten minutes more instances of shop/orders have been starting than were ready. " + share + " are ready now. First ask /startup of one that is starting: output says what it waits for.", ""}
	}
	startingOne := alarm{"severity=warning instance=1 " + jobOnly, "An instance of shop/orders has been starting for 15 minutes.",
		"1 of shop/orders has been starting for 15 minutes, and gets no traffic. First ask its /startup: output says what it waits for.", ""}
	maintained := alarm{"severity=warning instance=1 " + jobOnly, tooLong, "1 of shop/orders has" + inMaintenance, ""}
	mostMaintained := alarm{"severity=warning " + jobOnly, tooLong, "66.67% of the instances of shop/orders have" + inMaintenance, ""}
	// Crashes every minute, under a new name each time.
	var loop [][2]string
	for i := range 20 {
		before := fmt.Sprintf("gone %d, ", 40+2*i)
		loop = append(loop, pod(of(fmt.Sprint("x", i)), before+"starting 2, gone 100", before+"fail 2, gone 100")...)
	}
	others := fleetOf(2, 2, "running 60", "pass 60")
	again := func(turn string) string { return strings.Repeat(turn+", gone 9, ", 7) + turn }
	way := func(id int, story string) [][2]string {
		return stateSet("health_peers_status", of(id), "health_peers_state", "unknown reached foreign refused silent", story)
	}
	return []story{
		{"none of three is ready", fleetOf(1, 3, "running 40", "pass 20, fail 20"), "12m", "HealthNoReadyInstance", []alarm{none}},
		{"a new service is never ready", fleetOf(1, 3, "running 20", "fail 20"), "3m", "HealthNoReadyInstance", []alarm{none}},
		{"all crash again and again", join(fleetOf(1, 3, "running 40, gone 100", "pass 40, gone 100"), loop), "28m", "HealthNoReadyInstance", []alarm{none}},
		{"all three are in maintenance", fleetOf(1, 3, "running 20, maintenance 20", "pass 20, fail 20"), "15m", "HealthNoReadyInstance", nil},
		{"one of three is ready", join(fleetOf(1, 2, "running 40", "pass 20, fail 20"), pod(of(3), "running 40", "warn 40")), "15m", "HealthNoReadyInstance", nil},
		{"all drain", fleetOf(1, 3, "running 20, draining 20", "pass 20, fail 20"), "15m", "HealthNoReadyInstance", nil},

		{"two of three stay in, because their peers fail too", join(fleetOf(1, 3, "running 40", "pass 20, warn 20"), sample("health_panic{"+of(1)+"}", "0x20 1x20"),
			sample("health_panic{"+of(2)+"}", "0x20 1x20"), sample("health_panic{"+of(3)+"}", "0x40")), "12m", "HealthPanic", []alarm{{"severity=critical " + jobOnly,
			"Core checks fail on shop/orders, and it stays ready (instances: 2).",
			"A core check fails on 2 instances of shop/orders. They stay ready because most of their peers fail too. Requests that need the dependency fail. First ask /status.json of one: output names the check. Don't restart the pods: new ones stay out.", ""}}},
		{"one stays in for a moment", join(fleetOf(1, 3, "running 40", "pass 40"), sample("health_panic{"+of(1)+"}", "0x20 1x1 0x20")), "12m", "HealthPanic", nil},

		{"one of three can't ask its peers", join(fleetOf(1, 3, "running 80", "pass 80"), way(1, "unknown 4, silent 76"), way(2, "reached 80"), way(3, "reached 80")), "22m", "HealthPeersUnreachable", []alarm{{"severity=warning instance=1 " + jobOnly,
			"An instance of shop/orders can't reach its peers.",
			"1 of shop/orders has reached no other instance for 15 minutes. If a shared dependency fails, it becomes not ready without asking its peers. First look in its log for Config.Peers: the line says what to change.", ""}}},
		{"none of four can ask its peers", join(fleetOf(1, 4, "running 100", "pass 100"), way(1, "refused 100"), way(2, "refused 100"), way(3, "foreign 100"), way(4, "silent 100")), "32m", "HealthPeersUnreachable", []alarm{{"severity=warning instances=several " + jobOnly,
			"4 instances of shop/orders can't reach their peers.",
			"4 instances of shop/orders have reached no other instance for 15 minutes. If a shared dependency fails, they all become not ready. First look in the log of one for Config.Peers: the line says what to change.", ""}}},
		{"the peers are reached late, or there are none", join(fleetOf(1, 2, "running 80", "pass 80"), way(1, "refused 20, reached 60"), way(2, "unknown 80")), "30m", "HealthPeersUnreachable", nil},
		{"one that drains can't ask its peers", join(pod(of(1), "draining 80", "fail 80"), way(1, "silent 80")), "30m", "HealthPeersUnreachable", nil},

		{"nine of ten have gone", join(fleetOf(1, 9, "running 40, gone 40", "pass 40, gone 40"), pod(of(10), "running 80", "pass 80")),
			"23m", "HealthCapacityLow", []alarm{low("critical", half, "10%")}},
		{"three of ten crash again and again", join(fleetOf(1, 3, "running 40, gone 100", "pass 40, gone 100"), loop, fleetOf(4, 7, "running 140", "pass 140")),
			"32m", "HealthCapacityLow", nil},
		{"four of ten crash again and again", join(fleetOf(1, 4, "running 40, gone 100", "pass 40, gone 100"), loop, fleetOf(5, 6, "running 140", "pass 140")),
			"32m", "HealthCapacityLow", []alarm{low("warning", most, "60%")}},
		{"six of ten are ready", join(fleetOf(1, 4, "running 80", "pass 20, fail 60"), fleetOf(5, 6, "running 80", "pass 80")),
			"16m", "HealthCapacityLow", []alarm{low("warning", most, "60%")}},
		{"seven of ten are ready", join(fleetOf(1, 3, "running 80", "pass 20, fail 60"), fleetOf(4, 7, "running 80", "pass 80")),
			"20m", "HealthCapacityLow", nil},
		{"six of ten are in maintenance", join(fleetOf(1, 6, "running 20, maintenance 60", "pass 20, fail 60"), fleetOf(7, 4, "running 80", "pass 80")),
			"20m", "HealthCapacityLow", nil},
		{"ten are scaled to three", join(fleetOf(1, 7, "running 40, draining 2, gone 40", "pass 40, fail 2, gone 40"), fleetOf(8, 3, "running 82", "pass 82")),
			"30m", "HealthCapacityLow", nil},
		{"one is killed and replaced", join(pod(of(1), "running 40, gone 60", "pass 40, gone 60"), pod(of(4), "gone 41, starting 1, running 60", "gone 41, fail 1, pass 60"),
			fleetOf(2, 2, "running 100", "pass 100")), "30m", "HealthCapacityLow", nil},

		{"not ready, and all checks pass", join(pod(of(1), "running 60", "fail 60"), others, checked(of(1), "database", "core", "unknown 60")), "12m", "HealthInstanceNotReady", []alarm{unready}},
		{"not ready, and a check fails that takes nobody out", join(pod(of(1), "running 60", "fail 60"), others, checked(of(1), "database", "core", "unknown 60"), checked(of(1), "latency", "auxiliary", "fail 60")),
			"12m", "HealthInstanceNotReady", []alarm{unready}},
		{"not ready, and an operator has made a check take it out", join(pod(of(1), "running 60", "fail 60"), others, checked(of(1), "latency", "auxiliary", "fail 60"),
			sample("health_check_override{"+of(1)+`,health_check_name="latency",health_check_effect="not-ready"}`, "1x60")), "20m", "HealthInstanceNotReady", nil},
		{"not ready, and a check says why", join(pod(of(1), "running 60", "fail 60"), others, checked(of(1), "database", "core", "fail 60")), "20m", "HealthInstanceNotReady", nil},
		{"all are not ready, and no check says why", fleetOf(1, 3, "running 60", "fail 60"), "20m", "HealthInstanceNotReady", nil},
		{"not ready, and it is starting", join(pod(of(1), "starting 60", "fail 60"), others), "20m", "HealthInstanceNotReady", nil},

		{"all are starting", fleetOf(1, 2, "starting 60", "fail 60"), "12m", "HealthStartingTooLong", []alarm{starting("0%")}},
		{"the successors of nine of ten are starting", join(fleetOf(1, 9, "running 40, draining 2, gone 60", "pass 40, fail 2, gone 60"), pod(of(10), "running 102", "pass 102"),
			fleetOf(11, 9, "gone 42, starting 60", "gone 42, fail 60")), "34m", "HealthStartingTooLong", []alarm{starting("10%")}},
		{"one is starting, one is ready", join(pod(of(1), "starting 60", "fail 60"), pod(of(2), "running 60", "pass 60")), "20m", "HealthStartingTooLong", []alarm{startingOne}},
		{"one is starting, and soon is not, one is ready", join(pod(of(1), "starting 25, running 60", "fail 25, pass 60"), pod(of(2), "running 85", "pass 85")),
			"20m", "HealthStartingTooLong", nil},
		{"one never passes its startup probe, and begins again after five minutes", join(pod(of(1), again("starting 2, draining 1"), again("fail 3")), fleetOf(2, 2, "running 80", "pass 80")),
			"30m", "HealthStartingTooLong", []alarm{startingOne}},
		{"all have been starting for five minutes", fleetOf(1, 2, "starting 10, running 60", "fail 10, pass 60"), "20m", "HealthStartingTooLong", nil},
		{"most fail, and one at a time is starting", join(pod(of(1), again("starting 2, draining 1"), again("fail 3")), pod(of(2), "running 80", "pass 80"), fleetOf(3, 3, "running 80", "fail 80")),
			"30m", "HealthStartingTooLong", []alarm{startingOne}},
		{"most fail, and one is starting for a while", join(pod(of(1), "starting 15, running 60", "fail 15, pass 60"), fleetOf(2, 3, "running 75", "fail 75")), "12m", "HealthStartingTooLong", nil},

		{"maintenance for four hours", join(pod(of(1), "maintenance 600", "fail 600"), fleetOf(2, 2, "running 600", "pass 600")), "4h2m", "HealthMaintenanceTooLong", []alarm{maintained}},
		{"maintenance of most for four hours", join(fleetOf(1, 2, "maintenance 600", "fail 600"), pod(of(3), "running 600", "pass 600")), "4h2m", "HealthMaintenanceTooLong", []alarm{mostMaintained}},
		{"maintenance for less", pod(of(1), "running 30, maintenance 600", "pass 30, fail 600"), "4h2m", "HealthMaintenanceTooLong", nil},
	}
}

func checkStories() []story {
	ready := func(n int) [][2]string { return fleetOf(1, n, "running 100", "pass 100") }
	database := func(id int, role, story string) [][2]string { return checked(of(id), "database", role, story) }
	onOne := alarm{"severity=warning instance=1 health_check_name=database " + jobOnly, "Check database fails on an instance of shop/orders.",
		"Check database fails on 1 of shop/orders, but not on most instances. Look at this instance, its node and its network. First ask its /status.json for the error.", ""}
	down := func(severity, share, consequence string) alarm {
		return alarm{"severity=" + severity + " health_check_name=database " + jobOnly, "Check database fails on " + share + " of the instances of shop/orders.",
			"Check database fails, hangs or flaps on " + share + " of the instances of shop/orders. Something that they share is down or wrong. " + consequence +
				" First ask /status.json of one for the error, and see whether other services fail too. Don't restart: it does not help.", ""}
	}
	stale := alarm{"severity=warning instance=1 health_check_name=database " + jobOnly, "Check database gives no new result on an instance of shop/orders.",
		"Check database gives no new result on 1 of shop/orders, so its last result may be wrong. If there is a black box, first save /blackbox/now of its operators' listener: it shows the call that hangs.", ""}
	flaps := alarm{"severity=warning instance=1 health_check_name=database " + jobOnly, "Check database keeps changing its state on an instance of shop/orders.",
		"Check database on 1 of shop/orders has changed its state 12 times in half an hour. " + between, ""}
	override := alarm{"severity=warning health_check_name=latency health_check_effect=show " + jobOnly, "An override of check latency of shop/orders has been on for an hour.",
		"For an hour, an operator's override has given failures of check latency of shop/orders the effect show. First ask /ready?verbose. If the check passes, remove the override.", ""}
	last := func(values string) [][2]string {
		l := of(1) + `,health_check_name="database"`
		return join(ready(1), sample("health_check_last_run_timestamp_seconds{"+l+"}", values), sample("health_check_interval_seconds{"+l+"}", "10x100"),
			sample("health_check_timeout_seconds{"+l+"}", "2x100"))
	}
	transitions := func(id int, life, values string) [][2]string {
		l := of(id) + `,health_check_name="database",health_check_state=`
		return join(pod(of(id), life, strings.NewReplacer("running", "pass", "maintenance", "fail").Replace(life)),
			sample("health_check_transitions_total{"+l+`"pass"}`, values), sample("health_check_transitions_total{"+l+`"fail"}`, values))
	}
	const core, aux = "The check takes these instances out of service.", "The check takes few instances or none out of service."
	return []story{
		{"a check fails on one of three", join(ready(3), database(1, "core", "pass 20, fail 80"), database(2, "core", "pass 100"), database(3, "core", "pass 100")),
			"16m", "HealthCheckFailing", []alarm{onOne}},
		{"a check fails on the only one", join(ready(1), database(1, "core", "pass 20, fail 80")), "16m", "HealthCheckFailing", []alarm{onOne}},
		{"a check fails on all three", join(ready(3), database(1, "core", "pass 20, fail 80"), database(2, "core", "pass 20, fail 80"), database(3, "core", "pass 20, fail 80")),
			"16m", "HealthCheckFailing", nil},
		{"a check fails in maintenance", join(pod(of(1), "maintenance 100", "fail 100"), database(1, "core", "fail 100")), "20m", "HealthCheckFailing", nil},
		{"a check warns", join(ready(1), database(1, "core", "warn 100")), "20m", "HealthCheckFailing", nil},

		{"a core check fails on two of three", join(ready(3), database(1, "core", "pass 20, fail 80"), database(2, "core", "pass 20, fail 80"), database(3, "core", "pass 100")),
			"13m", "HealthDependencyDown", []alarm{down("critical", "66.67%", core)}},
		{"an auxiliary check fails on both", join(ready(2), database(1, "auxiliary", "pass 20, fail 80"), database(2, "auxiliary", "pass 20, fail 80")),
			"13m", "HealthDependencyDown", []alarm{down("warning", "100%", aux)}},
		{"a core check hangs on two of three", join(ready(3), database(1, "core", "pass 20, stale 80"), database(2, "core", "pass 20, stale 80"), database(3, "core", "pass 100")),
			"13m", "HealthDependencyDown", []alarm{down("critical", "66.67%", core)}},
		{"an auxiliary check flaps on both", join(transitions(1, "running 100", "0+0.1x100"), transitions(2, "running 100", "0+0.1x100"), database(1, "auxiliary", "pass 100"), database(2, "auxiliary", "pass 100")),
			"40m", "HealthDependencyDown", []alarm{down("warning", "100%", aux)}},
		{"a check fails on one of two", join(ready(2), database(1, "core", "fail 100"), database(2, "core", "pass 100")), "20m", "HealthDependencyDown", nil},
		// A check in shadow is informational. Only the instances that it takes out of service make an outage.
		{"a check fails everywhere, and a canary enforces it", join(ready(3), database(1, "core", "pass 20, fail 80"), database(2, "informational", "pass 20, fail 80"), database(3, "informational", "pass 20, fail 80")),
			"13m", "HealthDependencyDown", []alarm{down("warning", "100%", aux)}},
		{"a check fails everywhere, and half enforce it", join(ready(2), database(1, "core", "pass 20, fail 80"), database(2, "informational", "pass 20, fail 80")),
			"13m", "HealthDependencyDown", []alarm{down("warning", "100%", aux)}},
		{"a check fails everywhere, and two of three enforce it", join(ready(3), database(1, "core", "pass 20, fail 80"), database(2, "vital", "pass 20, fail 80"), database(3, "informational", "pass 20, fail 80")),
			"13m", "HealthDependencyDown", []alarm{down("critical", "66.67%", core)}},
		{"a check flaps on both, and one enforces it", join(transitions(1, "running 100", "0+0.1x100"), transitions(2, "running 100", "0+0.1x100"), database(1, "core", "pass 100"), database(2, "informational", "pass 100")),
			"40m", "HealthDependencyDown", []alarm{down("warning", "100%", aux)}},
		{"a check fails on all that drain", join(fleetOf(1, 3, "draining 100", "fail 100"), database(1, "core", "fail 100"), database(2, "core", "fail 100")),
			"20m", "HealthDependencyDown", nil},

		{"a check has not run for minutes", last("300x100"), "10m", "HealthCheckStale", []alarm{stale}},
		{"a check says that it is stale", join(last("0+30x100"), database(1, "core", "pass 10, stale 90")), "8m", "HealthCheckStale", []alarm{stale}},
		{"a check hangs on both", join(ready(2), database(1, "core", "pass 20, stale 80"), database(2, "core", "pass 20, stale 80")), "20m", "HealthCheckStale", nil},
		{"a check runs", join(last("0+30x100"), database(1, "core", "pass 100")), "20m", "HealthCheckStale", nil},
		{"a check does not run in maintenance", join(pod(of(2), "maintenance 100", "fail 100"), checked(of(2), "database", "core", "stale 100")), "20m", "HealthCheckStale", nil},

		{"a check flaps", transitions(1, "running 100", "0+0.1x100"), "40m", "HealthCheckFlapping", []alarm{flaps}},
		{"a check changes its state now and then", transitions(1, "running 100", "0+0.04x100"), "40m", "HealthCheckFlapping", nil},
		{"a check flaps on both", join(transitions(1, "running 100", "0+0.1x100"), transitions(2, "running 100", "0+0.1x100")), "40m", "HealthCheckFlapping", nil},
		{"a check flaps in maintenance", transitions(1, "maintenance 100", "0+0.1x100"), "40m", "HealthCheckFlapping", nil},

		{"an override for an hour", sample("health_check_override{"+of(1)+`,health_check_name="latency",health_check_effect="show"}`, "1x200"), "62m", "HealthOverrideLeftOn", []alarm{override}},
		{"an override for less", sample("health_check_override{"+of(1)+`,health_check_name="latency",health_check_effect="show"}`, "_x20 1x200"), "62m", "HealthOverrideLeftOn", nil},
		{"an override, taken back", sample("health_check_override{"+of(1)+`,health_check_name="latency",health_check_effect="show"}`, "1x100 _x60"), "62m", "HealthOverrideLeftOn", nil},
	}
}

// budgetStories have four rates of failure. Each matches one pair of windows, and lasts long enough
// for it.
func budgetStories() (list []story) {
	type kind struct {
		alert, summary, what, first, objective string // with the share and the window in the summary
		input                                  func(share float64) [][2]string
		shares                                 [4]float64 // from the fastest burn to the slowest
		read                                   [4]string
		quiet                                  float64
	}
	http := func(code string, bad float64, rate float64) [][2]string {
		line := "http_server_request_duration_seconds_count{" + of(1) + `,http_response_status_code="`
		return join(pod(of(1), "running 800", "pass 800"), sample(line+`200"}`, fmt.Sprintf("0+%gx800", rate*(1-bad))), sample(line+code+`"}`, fmt.Sprintf("0+%gx800", rate*bad)))
	}
	spent := func(pass, fail string) [][2]string {
		line := "health_probe_state_duration_seconds_total{" + of(1) + `,health_probe_name="readiness",health_probe_state="`
		return join(sample(line+`pass"}`, pass), sample(line+`fail"}`, fail))
	}
	ready := func(bad float64) [][2]string {
		return join(spent(fmt.Sprintf("0+%gx800", 30*(1-bad)), fmt.Sprintf("0+%gx800", 30*bad)), pod(of(1), "running 800", "pass 800"))
	}
	slow := func(bad float64) [][2]string {
		line := "http_server_request_duration_seconds_"
		return join(http("500", 0, 1000), sample(line+"bucket{"+of(1)+`,le="0.5"}`, fmt.Sprintf("0+%gx800", 1000*(1-bad))))
	}
	kinds := []kind{
		{"HealthReadyBudgetBurn", "Instances of shop/orders were not ready for %s of the last %s.",
			"the instances' time in service was spent not ready, or ready only because most peers failed too",
			"First see on which instances. If it is one, look at that one. If it is all, look at what they share.", "99%",
			ready, [4]float64{.5, .1, .04, .02}, [4]string{"50%", "10%", "4%", "2%"}, .005},
		{"HttpErrorBudgetBurn", "%s of the requests to shop/orders failed in the last %s.", "requests were answered 5xx (503 not counted)",
			"First see which route and which code. If it began with a release, roll that back.", "99.9%",
			func(bad float64) [][2]string { return http("500", bad, 10000) }, [4]float64{.5, .01, .004, .002}, [4]string{"50%", "1%", "0.4%", "0.2%"}, .0005},
		{"HttpSlowBudgetBurn", "%s of the requests to shop/orders took longer than 0.5 s in the last %s.", "requests took longer than 0.5 s",
			"First see which route, and whether there is more load than usual. If it began with a release, roll that back.", "99%",
			slow, [4]float64{.5, .1, .04, .02}, [4]string{"50%", "10%", "4%", "2%"}, .005},
	}
	// One instance answers a thousand requests a minute. Beside it, every minute a new one answers 50 with 500, and dies.
	crashing := func() [][2]string {
		lines := join(pod(of(1), "running 200", "pass 200"), sample(`http_server_request_duration_seconds_count{`+of(1)+`,http_response_status_code="200"}`, "0+500x200"))
		for i := range 100 {
			l := of(fmt.Sprint("x", i))
			before := fmt.Sprintf("gone %d, ", 2*i+1)
			lines = join(lines, pod(l, before+"running 1, gone 1", before+"pass 1, gone 1"),
				sample(`health_probe_state_duration_seconds_total{`+l+`,health_probe_name="readiness",health_probe_state="pass"}`, fmt.Sprintf("_x%d 20", 2*i)),
				sample(`http_server_request_duration_seconds_count{`+l+`,http_response_status_code="500"}`, fmt.Sprintf("_x%d 50", 2*i)))
		}
		return lines
	}
	gap := join(pod(of(1), "running 20, gone 25, running 100", "pass 20, gone 25, pass 100"),
		spent("600000x19 _x25 600000x100", "0x19 _x25 0x100"),
		sample(`http_server_request_duration_seconds_count{`+of(1)+`,http_response_status_code="200"}`, "1000000+100x19 _x25 1005000+100x100"),
		sample(`http_server_request_duration_seconds_count{`+of(1)+`,http_response_status_code="500"}`, "90000x19 _x25 90000x100"))
	at := [4]string{"10m", "30m", "80m", "4h"}
	severity := [4]string{"critical", "critical", "warning", "warning"}
	lasts := [4]string{"two days", "five days", "ten days", "thirty days"}
	long, short := [4]string{"1h", "6h", "1d", "3d"}, [4]string{"5m", "30m", "2h", "6h"}
	burn := func(k kind, n int, share string) alarm {
		return alarm{fmt.Sprintf("severity=%s long=%s short=%s %s", severity[n], long[n], short[n], jobOnly), fmt.Sprintf(k.summary, share, long[n]),
			fmt.Sprintf("shop/orders: %s of %s in the last %s. The objective is %s. At this rate the budget of thirty days lasts about %s, or less. %s",
				share, k.what, long[n], k.objective, lasts[n], k.first), "health-slo?var-job=shop%2Forders"}
	}
	for _, k := range kinds {
		for n := range at {
			list = append(list, story{fmt.Sprintf("%s: %s is bad", k.alert, k.read[n]), k.input(k.shares[n]), at[n], k.alert, []alarm{burn(k, n, k.read[n])}})
		}
		list = append(list, story{k.alert + ": little is bad", k.input(k.quiet), "4h", k.alert, nil})
	}
	// With Config.Peers the instance stays ready for half of its time only because the peers fail too.
	stays := func(life string) [][2]string {
		return join(spent("0+30x800", "0x800"), sample("health_peers_stay_duration_seconds_total{"+of(1)+"}", "0+15x800"), pod(of(1), life, "pass 800"))
	}
	return append(list,
		story{"half of the time in a panic", stays("running 800"), "10m", "HealthReadyBudgetBurn", []alarm{burn(kinds[0], 0, "50%")}},
		story{"in a panic that a page has told", join(stays("running 800"), sample("health_panic{"+of(1)+"}", "1x800")), "10m", "HealthReadyBudgetBurn", nil},
		story{"in a panic before a maintenance", join(spent("0+30x800", "0x800"), sample("health_peers_stay_duration_seconds_total{"+of(1)+"}", "0+15x800"), pod(of(1), "maintenance 800", "fail 800")), "4h", "HealthReadyBudgetBurn", nil},
		story{"not ready in maintenance, in between", join(spent("0+30x99 3000x99 3000+30x600", "0x99 0+30x99 3000x600"), pod(of(1), "running 100, maintenance 100, running 600", "pass 800")),
			"4h", "HealthReadyBudgetBurn", nil},
		story{"not ready in a drain", join(spent("0+30x99 3000x99", "0x99 0+30x99"), pod(of(1), "running 100, draining 100", "pass 800")), "80m", "HealthReadyBudgetBurn", nil},
		story{"a full queue answers 503", http("503", .5, 10000), "4h", "HttpErrorBudgetBurn", nil},
		story{"one of two requests in five minutes fails", http("500", .5, .05), "30m", "HttpErrorBudgetBurn", nil},
		story{"another team's requests fail", http("500", .5, 10000)[7:], "30m", "HttpErrorBudgetBurn", nil},
		story{"each of many answers its first requests with 500 and dies", crashing(), "60m", "HttpErrorBudgetBurn", []alarm{burn(kinds[1], 0, "4.824%")}},
		story{"what an old instance counted is not new after a gap", gap, "30m", "HttpErrorBudgetBurn", nil},
		story{"no boundary at half a second", http("500", 0, 1000), "4h", "HttpSlowBudgetBurn", nil},
	)
}

func requestStories() []story {
	age := func(id int, values string) [][2]string {
		return sample("http_server_oldest_request_age_seconds{"+of(id)+"}", values)
	}
	three := fleetOf(1, 3, "running 60", "pass 60")
	return []story{
		{"a request hangs on one of three", join(three, age(1, "0+30x60"), age(2, "0x60"), age(3, "1x60")), "5m", "HttpRequestsHung", []alarm{{
			"severity=warning instance=1 " + jobOnly, "A request to an instance of shop/orders has waited for 5m 0s.",
			"The oldest request that 1 of shop/orders has not answered is 5m 0s old. For a stream or a long poll that is normal. " + requestsHang, ""}}},
		{"requests hang on two of three", join(three, age(1, "0+30x60"), age(2, "0+30x60"), age(3, "1x60")), "5m", "HttpRequestsHung", []alarm{{
			"severity=critical " + jobOnly, "Requests hang on 66.67% of the instances of shop/orders.",
			"On 66.67% of the instances of shop/orders a request has waited for more than a minute. Latency does not show it, because these requests have not ended. " + requestsHang, ""}}},
		{"requests take half a minute", join(three, age(1, "30x60"), age(2, "30x60"), age(3, "30x60")), "20m", "HttpRequestsHung", nil},
		{"a request hangs in a drain", join(pod(of(1), "draining 60", "fail 60"), age(1, "0+30x60")), "20m", "HttpRequestsHung", nil},
	}
}

func queueStories() []story {
	queue := func(id any, length, taken string) [][2]string {
		l := of(id) + `,queue_name="jobs"`
		return join(pod(of(id), "running 100", "pass 100"), sample("queue_length{"+l+"}", length), sample("queue_capacity{"+l+"}", "100x100"),
			sample("queue_wait_duration_seconds_count{"+l+"}", taken))
	}
	const works, stands = "0+300x100", "7x100"
	drains := join(pod(of(1), "draining 100", "fail 100"), queue(1, "95x100", stands)[7:])
	crashing := queue("well", "5x100", works) // beside one that lives a minute, again and again
	for i := range 50 {
		l := of(fmt.Sprint("x", i))
		before := fmt.Sprintf("gone %d, ", 2*i+1)
		crashing = join(crashing, pod(l, before+"running 2, gone 1", before+"pass 2, gone 1"),
			sample("queue_length{"+l+`,queue_name="jobs"}`, fmt.Sprintf("_x%d 5 5", 2*i)), sample("queue_capacity{"+l+`,queue_name="jobs"}`, fmt.Sprintf("_x%d 100 100", 2*i)))
	}
	const one, all = "severity=warning instance=1 queue_name=jobs " + jobOnly, "severity=critical queue_name=jobs " + jobOnly
	return []story{
		{"one of three queues is full", join(queue(1, "95x100", works), queue(2, "5x100", works), queue(3, "5x100", works)), "6m", "QueueNearlyFull", []alarm{{
			one, "Queue jobs of an instance of shop/orders is 95% full.", "Queue jobs on 1 of shop/orders is 95% full. " + fillsUp, ""}}},
		{"all queues are full", join(queue(1, "92x100", works), queue(2, "98x100", works)), "6m", "QueueNearlyFull", []alarm{{
			all, "Queue jobs of shop/orders is 95% full on average.",
			"Queue jobs of shop/orders is 95% full on average over the instances, and more than 90% on average or on most of them. " + fillsUp, ""}}},
		{"two of three queues are full", join(queue(1, "95x100", works), queue(2, "95x100", works), queue(3, "5x100", works)), "6m", "QueueNearlyFull", []alarm{{
			all, "Queue jobs of shop/orders is 65% full on average.",
			"Queue jobs of shop/orders is 65% full on average over the instances, and more than 90% on average or on most of them. " + fillsUp, ""}}},
		{"a queue is half full", queue(1, "50x100", works), "20m", "QueueNearlyFull", nil},
		{"a full queue drains", drains, "20m", "QueueNearlyFull", nil},

		{"a queue grows", queue(1, "40+1x100", works), "15m", "QueuePredictedFull", []alarm{{
			one, "Queue jobs of an instance of shop/orders will be full in half an hour.",
			"Queue jobs on 1 of shop/orders grows. At the rate of the last 15 minutes it would reach 130 items in half an hour, more than its capacity. " + fillsUp, ""}}},
		{"a queue is steady", queue(1, "60x100", works), "30m", "QueuePredictedFull", nil},
		{"a queue grows, far below", queue(1, "0+1.45x60", works), "10m", "QueuePredictedFull", nil},
		{"a queue has grown", queue(1, "40+1x57 97x40", works), "34m", "QueuePredictedFull", nil},

		{"one of two queues stands", join(queue(1, "5x100", stands), queue(2, "5x100", works)), "12m", "QueueStalled", []alarm{{
			one, "Nothing is taken from queue jobs of an instance of shop/orders.",
			"Items wait in queue jobs on 1 of shop/orders, and for five minutes none has been taken. " + workersHang, ""}}},
		{"both queues stand", join(queue(1, "5x100", stands), queue(2, "5x100", stands)), "12m", "QueueStalled", []alarm{{
			all, "10 items wait in queue jobs of shop/orders, and most instances take none.", "10" + mostTakeNone, ""}}},
		{"two of three queues stand", join(queue(1, "5x100", stands), queue(2, "5x100", stands), queue(3, "0x100", works)), "12m", "QueueStalled", []alarm{{
			all, "10 items wait in queue jobs of shop/orders, and most instances take none.", "10" + mostTakeNone, ""}}},
		{"one of three queues stands, and the others are idle", join(queue(1, "5x100", stands), queue(2, "0x100", stands), queue(3, "0x100", stands)), "12m", "QueueStalled", []alarm{{
			all, "5 items wait in queue jobs of shop/orders, and most instances take none.", "5" + mostTakeNone, ""}}},
		{"each instance takes nothing and dies", crashing, "30m", "QueueStalled", nil},
		{"another team's queue stands", sample(`queue_length{job="celery",instance="1",queue="mail"}`, "196x100"), "20m", "QueueStalled", nil},
		{"a queue of this name is another team's", queue(1, "5x100", stands)[7:], "20m", "QueueStalled", nil},
		{"a queue is empty", queue(1, "0x100", stands), "20m", "QueueStalled", nil},
		{"a queue moves", queue(1, "50x100", works), "20m", "QueueStalled", nil},
		{"a queue stands in a drain", drains, "20m", "QueueStalled", nil},
	}
}

// severalStories affect four of ten instances. These have one alert together, not one each.
func severalStories() (list []story) {
	befall := func(alert, at, labels, summary, description string, one, other func(id int) [][2]string) {
		var input [][2]string
		for id := 1; id <= 10; id++ {
			if id <= 4 {
				input = append(input, one(id)...)
			} else {
				input = append(input, other(id)...)
			}
		}
		list = append(list, story{"four of ten: " + alert, input, at, alert, []alarm{{strings.TrimSpace("severity=warning instances=several "+labels) + " " + jobOnly, summary, description, ""}}})
	}
	well := func(id int) [][2]string { return pod(of(id), "running 140", "pass 140") }
	with := func(more func(id int) [][2]string) func(int) [][2]string {
		return func(id int) [][2]string { return join(well(id), more(id)) }
	}
	check := func(story string) func(int) [][2]string {
		return with(func(id int) [][2]string { return checked(of(id), "database", "auxiliary", story) })
	}
	queue := func(length, taken string) func(int) [][2]string {
		return with(func(id int) [][2]string {
			l := of(id) + `,queue_name="jobs"`
			return join(sample("queue_length{"+l+"}", length), sample("queue_capacity{"+l+"}", "100x140"), sample("queue_wait_duration_seconds_count{"+l+"}", taken))
		})
	}
	unready := func(id int) [][2]string { return pod(of(id), "running 140", "pass 20, fail 120") }
	starting := func(id int) [][2]string { return pod(of(id), "starting 140", "fail 140") }
	age := func(values string) func(int) [][2]string {
		return with(func(id int) [][2]string {
			return sample("http_server_oldest_request_age_seconds{"+of(id)+"}", values)
		})
	}
	flaps := with(func(id int) [][2]string {
		return sample("health_check_transitions_total{"+of(id)+`,health_check_name="database",health_check_state="fail"}`, "0+0.2x140")
	})
	const of4, name, jobs = "4 instances of shop/orders", "health_check_name=database", "queue_name=jobs"
	befall("HealthInstanceNotReady", "40m", "", of4+" are not ready, and no failing check explains it.",
		of4+" have not been ready for ten minutes. None of the checks that can take them out fails. First ask /ready?verbose of one: look for a core check with status unknown, or a time that stands still.", unready, well)
	befall("HealthStartingTooLong", "40m", "", of4+" have been starting for 15 minutes.",
		of4+" have been starting for 15 minutes, and get no traffic. First ask /startup of one: output says what it waits for.", starting, well)
	befall("HealthCheckFailing", "40m", name, "Check database fails on "+of4+".",
		"Check database fails on "+of4+", but not on most. First see what these share: a node, a zone or a version.", check("pass 20, fail 120"), check("pass 140"))
	befall("HealthCheckStale", "40m", name, "Check database gives no new result on "+of4+".",
		"Check database gives no new result on "+of4+", so its last result may be wrong. First see what these share: a node or a version. If there is a black box, save /blackbox/now of one: it shows the call that hangs.", check("pass 20, stale 120"), check("pass 140"))
	befall("HealthCheckFlapping", "60m", name, "Check database keeps changing its state on "+of4+".",
		"Check database on "+of4+" has changed its state more than six times in half an hour. "+between, flaps, well)
	befall("HttpRequestsHung", "20m", "", "Requests hang on "+of4+".", "On "+of4+" a request has waited for more than a minute. "+requestsHang, age("100x140"), age("0x140"))
	befall("QueueNearlyFull", "20m", jobs, "Queue jobs is nearly full on "+of4+".", "Queue jobs is more than 90% full on "+of4+". "+fillsUp, queue("95x140", "0+300x140"), queue("5x140", "0+300x140"))
	befall("QueuePredictedFull", "20m", jobs, "Queue jobs of shop/orders will be full on 4 instances in half an hour.",
		"Queue jobs of shop/orders grows. At the rate of the last 15 minutes it will be full on 4 instances in half an hour. "+fillsUp, queue("35+1x140", "0+300x140"), queue("5x140", "0+300x140"))
	befall("QueueStalled", "20m", jobs, "Nothing is taken from queue jobs on "+of4+".",
		"Items wait in queue jobs on "+of4+", and for five minutes none has been taken there. "+workersHang, queue("5x140", "7x140"), queue("5x140", "0+300x140"))
	maintained := func(id int) [][2]string { return pod(of(id), "maintenance 600", "fail 600") }
	befall("HealthMaintenanceTooLong", "4h2m", "", tooLong, "40% of the instances of shop/orders have"+inMaintenance, maintained, func(id int) [][2]string { return pod(of(id), "running 600", "pass 600") })
	list[len(list)-1].raised[0].labels = "severity=warning " + jobOnly
	// The number moves around the limit every two minutes. Each instance keeps its alert.
	var moving [][2]string
	for id := 1; id <= 10; id++ {
		switch {
		case id <= 3:
			moving = append(moving, check("pass 20, fail 120")(id)...)
		case id == 4:
			moving = append(moving, check("pass 20"+strings.Repeat(", fail 4, pass 4", 14))(id)...)
		default:
			moving = append(moving, check("pass 140")(id)...)
		}
	}
	var three []alarm
	for id := 1; id <= 3; id++ {
		three = append(three, alarm{fmt.Sprintf("severity=warning instance=%d health_check_name=database %s", id, jobOnly), "Check database fails on an instance of shop/orders.",
			fmt.Sprintf("Check database fails on %d of shop/orders, but not on most instances. Look at this instance, its node and its network. First ask its /status.json for the error.", id), ""})
	}
	return append(list, story{"three or four of ten", moving, "40m", "HealthCheckFailing", three})
}

func pipelineStories() []story {
	silent := alarm{"severity=critical " + jobOnly, "shop/orders has fallen silent without an orderly shutdown (instances: 2).",
		"No metrics of shop/orders arrive, though the pipeline seems to work. Instances that vanished without an orderly shutdown: 2. First list its pods. If there are none, or they restart, the service is down. If they run, they can't export. No other alert about it can fire, and this one ends after a day in any case.", ""}
	const board = "health-telemetry?var-job=otel-collector"
	deaf := alarm{"severity=critical reason=silent job=otel-collector", "Collector otel-collector has fallen silent.",
		"otel-collector sent its own metrics within the last day, and sends none now. Services that send through it are not seen, and no alert about them can fire. First see whether it runs: its pods, its log, its port 13133.", board}
	stuck := alarm{"severity=critical reason=queue job=otel-collector", "Collector otel-collector can't send its metrics on.",
		"otel-collector runs, but its queue of metrics does not move or is full. Metrics in the queue arrive late. A full queue refuses more. First read its log for the status code of the backend, and see whether the backend runs.", board}
	stuckOne := alarm{"severity=warning reason=queue instance=d job=otel-collector", "One instance of collector otel-collector can't send its metrics on.",
		"The queue of metrics of d of otel-collector does not move. Services that send to it look dead. First read its log for the status code of the backend.", board}
	const c = `{job="otel-collector",instance="c"}`
	const q = `{job="otel-collector",instance="c",data_type="metrics"}`
	gone := fleetOf(1, 2, "running 40, gone 60", "pass 40, gone 60")
	dead := join(sample("otelcol_process_uptime_seconds_total"+c, "0+30x39 _x60"), sample("otelcol_exporter_queue_size"+q, "0x39 _x60"), sample("otelcol_exporter_sent_metric_points_total"+c, "0+500x39 _x60"))
	second := strings.NewReplacer(`"c"`, `"d"`)
	unsteady := sample("otelcol_process_uptime_seconds_total"+c, "0+30x10 _x6 0+30x10 _x6 0+30x10 _x6 0+30x60")
	twice := sample("otelcol_process_uptime_seconds_total"+c, "0+30x10 _x6 0+30x10 _x6 0+30x80")
	other := func(name string) (lines [][2]string) {
		for i := range 2 {
			lines = append(lines, pod(fmt.Sprintf(`job="shop/%s",instance="%d"`, name, i), "running 40, gone 60", "pass 40, gone 60")...)
		}
		return lines
	}
	var otherQueue [][2]string // beside one that works
	full := join(sample("otelcol_process_uptime_seconds_total"+c, "0+30x100"), sample("otelcol_exporter_queue_size"+q, "0x39 100+100x60"), sample("otelcol_exporter_sent_metric_points_total"+c, "0+500x39 20000x60"))
	for _, l := range full {
		otherQueue = append(otherQueue, [2]string{second.Replace(l[0]), l[1]})
	}
	manyQueues := collector // four beside it stand
	for i := range 4 {
		for _, l := range full {
			manyQueues = join(manyQueues, sample(strings.Replace(l[0], `"c"`, fmt.Sprintf(`"d%d"`, i), 1), l[1]))
		}
	}
	refuses := join(collector, sample("otelcol_exporter_enqueue_failed_metric_points_total"+c, "0+100x100"))
	lost := func(reason, values string) [][2]string {
		return sample("telemetry_items_lost_total{"+of(1)+`,telemetry_signal="traces",error_type="`+reason+`"}`, values)
	}
	failures := func(values string) [][2]string {
		return sample("telemetry_export_failures_total{"+of(1)+`,telemetry_signal="traces",error_type="Unavailable"}`, values)
	}
	return []story{
		{"a service falls silent", join(gone, collector), "26m", "HealthTelemetryAbsent", []alarm{silent}},
		{"a service falls silent, with no collector", gone, "26m", "HealthTelemetryAbsent", []alarm{silent}},
		{"a service is scaled to zero", join(fleetOf(1, 2, "running 40, draining 2, gone 60", "pass 40, fail 2, gone 60"), collector), "24m", "HealthTelemetryAbsent", nil},
		{"all fall silent with the collector", join(gone, dead), "26m", "HealthTelemetryAbsent", nil},
		{"the collector's queue stands", join(gone, full), "26m", "HealthTelemetryAbsent", nil},
		{"three services fall silent at once", join(gone, other("carts"), other("pay"), collector), "24m", "HealthTelemetryAbsent", nil},
		{"one of two is heard", join(pod(of(1), "running 40, gone 60", "pass 40, gone 60"), pod(of(2), "running 100", "pass 100"), collector), "26m", "HealthTelemetryAbsent", nil},

		{"three services fall silent at once", join(gone, other("carts"), other("pay"), collector), "24m", "TelemetryPipelineDown", []alarm{{
			"severity=critical reason=cut", "3 services have fallen silent at once.",
			"No metrics of 3 services arrive, and they did not shut down in order. They can't reach the collector, or their nodes are gone. First look at the nodes, and at what changed in network policies, DNS, certificates and endpoints.", "health-telemetry"}}},
		{"two services fall silent at once", join(gone, other("carts"), collector), "24m", "TelemetryPipelineDown", nil},
		{"the backend rejects", join(collector, sample("otelcol_exporter_send_failed_metric_points_total"+c, "0+100x100")), "20m", "TelemetryPipelineDown", []alarm{{
			"severity=warning reason=rejected job=otel-collector", "The backend of otel-collector rejects 1k metric points in five minutes.",
			"The backend of collector otel-collector has rejected 1k points in five minutes, for good: the collector drops them. The service that sends them may be missing from all dashboards and alerts. First read the collector's log: it has the reason.", board}}},
		{"the backend rejected once", join(collector, sample("otelcol_exporter_send_failed_metric_points_total"+c, "0x20 100x80")), "16m", "TelemetryPipelineDown", nil},
		{"the collector falls silent", dead, "24m", "TelemetryPipelineDown", []alarm{deaf}},
		{"the queue stands", full, "26m", "TelemetryPipelineDown", []alarm{stuck}},
		{"one of two queues stands", join(collector, otherQueue), "26m", "TelemetryPipelineDown", []alarm{stuckOne}},
		{"four of five queues stand", manyQueues, "26m", "TelemetryPipelineDown", []alarm{{"severity=warning reason=queue instances=several job=otel-collector",
			"4 instances of collector otel-collector can't send their metrics on.",
			"The queues of metrics of 4 instances of otel-collector do not move. Services that send to them look dead. First read the log of one for the status code of the backend.", board}}},
		{"the queue refuses", refuses, "10m", "TelemetryPipelineDown", []alarm{stuck}},
		{"the collector works", collector, "30m", "TelemetryPipelineDown", nil},
		{"the collector comes and goes", unsteady, "28m", "TelemetryPipelineDown", []alarm{{
			"severity=critical reason=unsteady", "The metrics pipeline stops again and again (6 changes in half an hour).",
			"In half an hour the pipeline has stopped or started 6 times. A service that is lost in an interruption is reported late or never. First look why the collector's pod ended last: often it is OOMKilled.", "health-telemetry"}}},
		{"the collector went twice", twice, "28m", "TelemetryPipelineDown", nil},
		{"one collector replaces another", join(dead, sample(`otelcol_process_uptime_seconds_total{job="otel-collector",instance="d"}`, "_x41 0+30x60")), "30m", "TelemetryPipelineDown", nil},

		{"exports fail", failures("0+1x100"), "30m", "TelemetryExportFailing", []alarm{{
			"severity=warning telemetry_signal=traces error_type=Unavailable " + jobOnly, "shop/orders fails to export traces (instances: 1).",
			"1 instances of shop/orders fail to export traces: Unavailable. First see whether other services fail too. If so, look at the collector, otherwise at the OTEL_EXPORTER_OTLP variables and the log of this service.", "health-telemetry?var-job=shop%2Forders"}}},
		{"exports failed while the collector was away", failures("0x20 _x8 17x80"), "22m", "TelemetryExportFailing", nil},
		{"a queue is full", lost("queue_full", "0+100x100"), "30m", "TelemetryItemsLost", []alarm{{
			"severity=warning telemetry_signal=traces error_type=queue_full " + jobOnly, "shop/orders loses traces before export (instances: 1).",
			"1 instances of shop/orders lose traces before export, because their queue is full: queue_full. They make more than the collector takes. First see whether the collector is slow, otherwise sample.", "health-telemetry?var-job=shop%2Forders"}}},
		{"a queue was full while the collector was away", lost("queue_full", "0x20 _x8 900x80"), "22m", "TelemetryItemsLost", nil},
		{"items of failed exports are lost", lost("Unavailable", "0+100x100"), "30m", "TelemetryItemsLost", nil},
		{"an export failed once", failures("0x50 1x60"), "30m", "TelemetryExportFailing", nil},
	}
}

// canaryStories: without any series every canary fires for each of its metrics.
func canaryStories() []story {
	var all []alarm
	var there [][2]string
	more := map[string]string{"health_probe_status": `health_probe_name="readiness",health_probe_state="pass",`,
		"health_lifecycle_status": `health_lifecycle_state="running",`, "health_check_status": `health_check_state="pass",`, "http_server_request_duration_seconds_bucket": `le="0.5",`}
	for _, l := range []string{
		"readiness health_probe_status health_lifecycle_status",
		"lifecycle health_lifecycle_status",
		"checks health_check_status health_check_info",
		"ready-budget health_probe_state_duration_seconds_total health_lifecycle_status",
		"error-budget http_server_request_duration_seconds_count",
		"slow-budget http_server_request_duration_seconds_bucket",
		"requests http_server_oldest_request_age_seconds",
		"queues queue_length queue_capacity queue_wait_duration_seconds_count",
		"silence telemetry_export_last_success_timestamp_seconds",
		"collectors otelcol_process_uptime_seconds_total",
	} {
		f := strings.Fields(l)
		exporter := "service with health metrics"
		if f[0] == "collectors" {
			exporter = "collector"
		}
		for _, m := range f[1:] {
			all = append(all, alarm{"severity=warning rule_group=otelhealth-" + f[0] + " metric=" + m, "Alerts of otelhealth-" + f[0] + " can't fire: " + m + " is missing.",
				"No " + exporter + " exports " + m + ", so alerts of otelhealth-" + f[0] + " that read it can't fire. First look for the metric under another name.", "health-telemetry"})
			there = append(there, [2]string{m + "{" + more[m] + of(1) + "}", "1x60"})
		}
	}
	slices.SortFunc(there, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	there = slices.Compact(there)
	foreign := slices.Clone(there)
	for n, l := range foreign {
		if strings.HasPrefix(l[0], "queue_") {
			foreign[n][0] = strings.ReplaceAll(l[0], "shop/orders", "celery")
		}
	}
	var queues []alarm // of another team only
	for _, a := range all {
		if strings.Contains(a.labels, "otelhealth-queues") {
			queues = append(queues, a)
		}
	}
	scraped := slices.DeleteFunc(append(slices.Clone(there), [2]string{"up{" + of(1) + "}", "1x60"}), func(l [2]string) bool { return strings.HasPrefix(l[0], "otelcol") })
	return []story{
		{"queues are another team's", foreign, "12m", "HealthRulesBlind", queues},
		{"services are scraped, and there is no collector", scraped, "12m", "HealthRulesBlind", nil},
		{"nothing is there", nil, "12m", "HealthRulesBlind", all},
		{"everything is there", there, "12m", "HealthRulesBlind", nil},
	}
}

// byLength makes the tests of stories. Those of an hour or more have longer steps.
func byLength(t *testing.T, all []story) (short, long []testGroup) {
	t.Helper()
	for _, s := range all {
		if d, err := time.ParseDuration(s.at); err != nil {
			t.Fatal(err)
		} else if d < time.Hour {
			short = append(short, s.test())
		} else {
			long = append(long, s.test())
		}
	}
	return short, long
}

// TestAlerts: each story has the expected alerts.
func TestAlerts(t *testing.T) {
	short, long := byLength(t, stories())
	rules := generated(t)
	// Steps of 30 s, as the rules use them, would take minutes. TestWhoIsPaged uses them.
	testRules(t, rules, "1m", short)
	testRules(t, rules, "2m", long)
}

// TestNativeBudgets: half of the requests take longer than half a second.
func TestNativeBudgets(t *testing.T) {
	half := sample("http_server_request_duration_seconds{"+of(1)+`,http_response_status_code="200"}`,
		"{{schema:0 sum:10 count:10 buckets:[5 5] offset:-1}}+{{schema:0 sum:10 count:10 buckets:[5 5] offset:-1}}x80")
	idle := sample("http_server_request_duration_seconds{"+of(2)+`,http_response_status_code="200"}`,
		"{{schema:0 sum:10 count:10 buckets:[5 5] offset:-1}}x80")
	half, idle = join(pod(of(1), "running 80", "pass 80"), half), join(pod(of(2), "running 80", "pass 80"), idle)
	s := story{"half are slow", join(half, idle), "10m", "HttpSlowBudgetBurn", nil}
	for _, b := range budgetStories() {
		if b.alert == s.alert && len(b.raised) > 0 && s.raised == nil {
			s.raised = b.raised // as with half of them bad
		}
	}
	testRules(t, generated(t, "--histograms", "native"), sampleStep, []testGroup{s.test(),
		story{"nobody asks", idle, "10m", "HttpSlowBudgetBurn", nil}.test()})
}

// TestAlertsAreTested: each alert, with each severity and window, has a story in which it fires and
// one in which it doesn't.
func TestAlertsAreTested(t *testing.T) {
	for _, g := range rules(dialect{settings: usual(), series: known(t)}, "") {
		for _, r := range g.rules {
			if r.alert == "" {
				continue
			}
			fires, quiet := false, false
			for _, s := range stories() {
				if s.alert != r.alert {
					continue
				}
				raises := slices.ContainsFunc(s.raised, func(a alarm) bool {
					is := a.pairs()
					return is["severity"] == r.severity && !slices.ContainsFunc(r.labels, func(l [2]string) bool { return is[l[0]] != l[1] })
				})
				fires, quiet = fires || raises, quiet || !raises && len(s.input) > 0
			}
			if !fires || !quiet {
				t.Errorf("%s %s %v: fires in a story: %v, does not fire in one: %v", r.alert, r.severity, r.labels, fires, quiet)
			}
		}
	}
}

// TestWhoIsPaged: events in a fleet, and all pages for them.
func TestWhoIsPaged(t *testing.T) {
	minutes := func(from, to int) (at []string) {
		for m := from; m <= to; m++ {
			at = append(at, fmt.Sprintf("%dm", m))
		}
		return at
	}
	page := func(alert string) []testSample {
		return []testSample{{fmt.Sprintf(`{alertname=%q,job="shop/orders"}`, alert), 1}}
	}
	renamed := fleetOf(1, 3, "running 40, draining 2, gone 150", "pass 40, fail 2, gone 150")
	for i := range 3 {
		renamed = append(renamed, pod(fmt.Sprintf(`job="shop/orders-v2",instance="new%d"`, i), "gone 38, starting 2, running 150", "gone 38, fail 2, pass 150")...)
	}
	var rolled [][2]string // ten instances are replaced one by one, and each new one starts before the old one ends
	for i := range 10 {
		old, born := 40+4*i, 38+4*i
		rolled = append(rolled, pod(of(i), fmt.Sprintf("running %d, draining 2, gone 150", old), fmt.Sprintf("pass %d, fail 2, gone 150", old))...)
		rolled = append(rolled, pod(of(i+10), fmt.Sprintf("gone %d, starting 2, running 150", born), fmt.Sprintf("gone %d, fail 2, pass 150", born))...)
	}
	// Exports are a minute apart, and the collector stops at 20m. So the last samples of most
	// instances are nearly a minute older than the last of one.
	minutely := func(life, ready string, phase int) [2]string {
		var story [2]string
		for n, state := range [2]string{life, ready} {
			first := ""
			if phase > 0 {
				first = fmt.Sprintf("gone %d, ", phase)
			}
			story[n] = first + strings.Repeat(state+" 1, gone 3, ", 20) + "gone 300"
		}
		return story
	}
	early, late := minutely("running", "pass", 0), minutely("running", "pass", 3)
	rare := pod(of(10), late[0], late[1])
	for i := 1; i < 10; i++ {
		rare = append(rare, pod(of(i), early[0], early[1])...)
	}
	rarer := pod(`job="shop/carts",instance="1"`, early[0], early[1]) // all instances of a service
	const c, q = `{job="otel-collector",instance="c"}`, `{job="otel-collector",instance="c",data_type="metrics"}`
	cut := func(name string, collector [][2]string) testGroup {
		g := pages(name, join(rare, rarer, collector), nil, minutes(15, 22)...)
		g.Queries = append(g.Queries, pages("", nil, []testSample{{`{alertname="TelemetryPipelineDown",job="otel-collector"}`, 1}}, minutes(26, 40)...).Queries...)
		g.Interval = "15s"
		return g
	}
	down := []testSample{{`{alertname="TelemetryPipelineDown",job="otel-collector"}`, 1}}
	again := join(sample("otelcol_process_uptime_seconds_total"+c, "0+30x200"), sample("otelcol_exporter_queue_size"+q, "0x39 100+100x40 4000x10 0x100"),
		sample("otelcol_exporter_sent_metric_points_total"+c, "0+500x39 20000x40 20000+9000x100"))
	recovers := pages("the queue moves again, and what comes is old", join(fleetOf(1, 2, "running 40, gone 50, running 90", "pass 40, gone 50, pass 90"), again), down, minutes(26, 40)...)
	recovers.Queries = append(recovers.Queries, pages("", nil, nil, minutes(46, 60)...).Queries...)
	for _, m := range minutes(15, 60) {
		recovers.Queries = append(recovers.Queries, queryTest{`ALERTS{alertname="HealthTelemetryAbsent",alertstate="firing"}`, m, nil})
	}
	forever := join(sample("otelcol_process_uptime_seconds_total"+c, "0+30x39 _x200"), sample("otelcol_exporter_queue_size"+q, "0x39 _x200"))
	// One of three crashed at 20m and was replaced. Their stories after that:
	crashed := func(life, ready string) [][2]string {
		return join(pod(of(1), "running 40, gone 200", "pass 40, gone 200"), pod(of(4), "gone 42, starting 2, running 8, "+life, "gone 42, fail 2, pass 8, "+ready),
			fleetOf(2, 2, "running 52, "+life, "pass 52, "+ready), collector)
	}
	nine := fleetOf(1, 9, "running 40, draining 2, gone 150", "pass 40, fail 2, gone 150")
	var probed [][2]string // nine instances that start every six minutes, and are stopped after one
	for turn := range 7 {
		before := fmt.Sprintf("gone %d, ", 42+12*turn)
		for i := range 9 {
			probed = append(probed, pod(of(fmt.Sprint(turn, "-", i)), before+"starting 2, draining 1, gone 200", before+"fail 3, gone 200")...)
		}
	}
	testRules(t, generated(t), sampleStep, []testGroup{
		pages("the successors of nine of ten never pass their startup probe", join(nine, pod(of(10), "running 210", "pass 210"), probed, collector), page("HealthStartingTooLong"), minutes(33, 60)...),
		pages("two more are eight for a while", join(fleetOf(1, 2, "running 200", "pass 200"),
			fleetOf(3, 6, "gone 40, starting 2, running 4, draining 2, gone 100", "gone 40, fail 2, pass 4, fail 2, gone 100"), collector), nil, minutes(20, 50)...),
		pages("crashed, replaced, and all scaled to zero", crashed("draining 2, gone 200", "fail 2, gone 200"), nil, minutes(20, 100)...),
		pages("crashed, replaced, and all in maintenance", crashed("maintenance 200", "fail 200"), nil, minutes(20, 100)...),
		pages("nine of ten were killed, and the last drained", join(fleetOf(1, 9, "running 40, gone 150", "pass 40, gone 150"),
			pod(of(10), "running 52, draining 2, gone 150", "pass 52, fail 2, gone 150"), collector), page("HealthTelemetryAbsent"), minutes(32, 80)...),
		pages("maintenance, and later killed", join(fleetOf(1, 3, "running 20, maintenance 10, running 20, gone 150", "pass 20, fail 10, pass 20, gone 150"), collector),
			page("HealthTelemetryAbsent"), minutes(29, 100)...),
		pages("the first of a rollout brings a check that fails", join(fleetOf(1, 10, "running 100", "pass 100"), pod(of(11), "running 100", "fail 100"),
			checked(of(11), "cache", "core", "fail 100"), collector), nil, minutes(15, 45)...),
		pages("the successors of nine of ten hang in their start", join(fleetOf(1, 9, "running 40, draining 2, gone 150", "pass 40, fail 2, gone 150"),
			pod(of(10), "running 190", "pass 190"), fleetOf(11, 9, "gone 42, starting 150", "gone 42, fail 150"), collector), page("HealthStartingTooLong"), minutes(33, 40)...),
		cut("exports a minute apart, and the collector ends", join(sample("otelcol_process_uptime_seconds_total"+c, "0+15x79 _x200"),
			sample("otelcol_exporter_queue_size"+q, "0x79 _x200"), sample("otelcol_exporter_sent_metric_points_total"+c, "0+500x79 _x200"))),
		cut("exports a minute apart, and the collector is stuck", join(sample("otelcol_process_uptime_seconds_total"+c, "0+15x300"),
			sample("otelcol_exporter_queue_size"+q, "0x79 100+100x200"), sample("otelcol_exporter_sent_metric_points_total"+c, "0+500x79 39500x200"))),
		recovers,
		pages("the collector is silent for hours", join(fleetOf(1, 2, "running 40, gone 200", "pass 40, gone 200"), forever), down, "30m", "81m", "85m"),
		pages("killed, hours ago", join(fleetOf(1, 2, "running 40, gone 200", "pass 40, gone 200"), collector), page("HealthTelemetryAbsent"), "30m", "81m", "85m"),
		pages("killed, and later back and scaled to zero", join(fleetOf(1, 2, "running 40, gone 200", "pass 40, gone 200"),
			fleetOf(3, 2, "gone 80, running 100, draining 2, gone 60", "gone 80, pass 100, fail 2, gone 60"), collector), nil, "45m", "85m", "95m", "100m"),
		pages("nine of ten gone", join(fleetOf(1, 9, "running 40, gone 150", "pass 40, gone 150"), pod(of(10), "running 190", "pass 190"), collector),
			page("HealthCapacityLow"), "23m", "24m", "40m", "70m"),
		pages("scaled to zero", join(fleetOf(1, 10, "running 40, draining 2, gone 150", "pass 40, fail 2, gone 150"), collector), nil, minutes(15, 90)...),
		pages("scaled to zero and back", join(fleetOf(1, 3, "running 40, draining 2, gone 150", "pass 40, fail 2, gone 150"),
			fleetOf(4, 3, "gone 80, starting 2, running 100", "gone 80, fail 2, pass 100"), collector), nil, minutes(15, 85)...),
		pages("rolled", join(rolled, collector), nil, minutes(15, 90)...),
		pages("rolled, all at once", join(fleetOf(1, 3, "running 40, draining 2, gone 150", "pass 40, fail 2, gone 150"),
			fleetOf(4, 3, "gone 42, starting 4, running 150", "gone 42, fail 4, pass 150"), collector), nil, minutes(15, 90)...),
		pages("renamed", join(renamed, collector), nil, minutes(15, 90)...),
		pages("maintenance of all", join(fleetOf(1, 3, "running 40, maintenance 60, running 90", "pass 40, fail 60, pass 90"), collector), nil, minutes(15, 90)...),
		pages("killed", join(fleetOf(1, 10, "running 40, gone 150", "pass 40, gone 150"), collector), page("HealthTelemetryAbsent"), "25m", "40m", "70m"),
	})
}

// TestClusters: two clusters have a job of the same name, and one cluster is in trouble.
func TestClusters(t *testing.T) {
	in := func(cluster string, id int) string { return of(id) + `,cluster="` + cluster + `",namespace="shop"` }
	var input [][2]string
	for id := 1; id <= 10; id++ {
		input = append(input, pod(in("east", id), "running 100", "pass 100")...)
		if id < 10 {
			input = append(input, pod(in("west", id), "running 40, gone 60", "pass 40, gone 60")...)
		}
	}
	input = append(input, pod(in("west", 10), "running 100", "pass 100")...)
	test := story{"west", input, "23m", "HealthCapacityLow", []alarm{{"severity=critical cluster=west namespace=shop " + jobOnly,
		"Only 10% of the instances of shop/orders (west, shop) are ready.", "10% of the expected instances of shop/orders (west, shop) are ready, less than half. " + lowFirst,
		"health-service?var-job=shop%2Forders&var-cluster=west&var-namespace=shop"}}}.test()
	test.Queries = pages("", nil, []testSample{{`{alertname="HealthCapacityLow",job="shop/orders",cluster="west"}`, 1}}, "23m", "40m").Queries
	testRules(t, generated(t, "--group-labels", "cluster,namespace"), sampleStep, []testGroup{test})
}

// TestDesired: with a desired number of instances, the ones that never came count as missing, too.
func TestDesired(t *testing.T) {
	rules := generated(t, "--desired", `label_join(kube_deployment_spec_replicas, "job", "/", "namespace", "deployment")`)
	replicas := func(values string) [][2]string {
		return sample(`kube_deployment_spec_replicas{namespace="shop",deployment="orders",instance="ksm"}`, values)
	}
	four := fleetOf(1, 4, "running 100", "pass 100")
	capacity := []alarm{low("critical", "half", "40%")}
	left := fleetOf(1, 3, "running 40, draining 2, gone 150", "pass 40, fail 2, gone 150")
	crashed := join(pod(of(4), "running 20, gone 150", "pass 20, gone 150"), left, replicas("3x41 0x150"), collector)
	none := []alarm{{"severity=critical " + jobOnly, "No instance of shop/orders is ready.", noneReady, ""}}
	testRules(t, rules, sampleStep, []testGroup{
		story{"all left in order, and nobody comes", join(left, replicas("3x200"), collector), "60m", "HealthNoReadyInstance", none}.test(),
		story{"a job that was never heard", join(replicas("3x200"), collector), "60m", "HealthNoReadyInstance", nil}.test(),
		story{"none is wanted any more", crashed, "30m", "HealthNoReadyInstance", nil}.test(),
		story{"none is wanted any more, after a crash", crashed, "30m", "HealthTelemetryAbsent", nil}.test(),
		story{"six never came", join(four, replicas("10x100")), "10m", "HealthCapacityLow", capacity}.test(),
		story{"four are wanted", join(four, replicas("4x100")), "10m", "HealthCapacityLow", nil}.test(),
		story{"nobody says", four, "10m", "HealthCapacityLow", nil}.test(),
		story{"six in maintenance", join(four, fleetOf(5, 6, "maintenance 100", "fail 100"), replicas("10x100")), "10m", "HealthCapacityLow", nil}.test(),
		story{"none is wanted", join(fleetOf(1, 2, "draining 100", "fail 100"), replicas("0x100")), "10m", "HealthNoReadyInstance", nil}.test(),
	})
}
