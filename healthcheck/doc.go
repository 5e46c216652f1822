// Package healthcheck judges the health of a process from the instruments that it
// exports, and answers Kubernetes' probes with the verdict.
//
//	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}}})
//	if err := health.Start(ctx); err != nil {
//		return err
//	}
//	return http.ListenAndServe(":8000", health.Wrap(mux))
//
// A [Check] runs a function and fails readiness unless its OnFail says otherwise. A
// [rule.Rule] reads a metric of the process and warns unless its OnFail says otherwise. A
// [Heartbeat] fails liveness.
//
// Evidence flows one way:
//
//	requests, queues, heartbeats ─▶ OTel SDK ─▶ collector ─▶ samples ─┐
//	                                                                  ├─▶ judge ─▶ verdict ─▶ /health /ready /startup
//	checks ─▶ outcome ────────────────────────────────────────────────┘              └─▶ health.*.status
//
// The collector reads the Pipeline's Reader, usually the one that /metrics already uses,
// every second. The judge looks at samples, outcomes and the lifecycle every second,
// and whenever one of them changes. It runs nothing and waits for nothing. A
// probe serves the last verdict as it was rendered. The verdict is exported as
// health.* metrics from the same memory, so a probe and a dashboard can't
// disagree.
//
// # Late or missing
//
// A check that has not run is unknown. A check whose last run is older than three
// intervals and a timeout is stale. Both count as failing. A rule whose metric
// does not exist is unknown and says so; a rule without traffic passes, with no
// value. If collecting hangs for 10 s, or no judgement was made for 15 s,
// readiness fails. After Stop it fails too.
//
// # Errors of checks
//
// The text of an error may hold a secret and is for operators: Err of verdict.Result, and
// [Monitor.DetailsHandler]. The response, the log and error.type have the error's class: timeout, panic, or
// what the error's own method ErrorType() string says (checks.Class makes one). Errors of Go's
// net, crypto/tls and io/fs have the classes canceled, connection_refused, connection_reset, unreachable,
// name_not_found, name_resolution_error, server_certificate_invalid,
// permission_denied and not_found. Any other error has its Go type. A check has at
// most 16 classes; the ones after them are _OTHER.
//
// # Concurrency and ownership
//
// All methods of [Monitor], [Heartbeat] and [Queue] may be called at any time, from any
// goroutine. Verdicts are shared and immutable. Each check's Func runs at most once at a time, in a
// goroutine of its own. A Func that does not heed its context may outlive Stop.
//
// # Units
//
// Durations and ages are seconds in metrics and in the response, shares run from 0 to 1, times are RFC 3339 in
// UTC. Instrument names, units and attributes are in the README.
package healthcheck
