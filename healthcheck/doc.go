// Package healthcheck judges the health of a process from the instruments that it
// exports, and answers Kubernetes' probes with the verdict.
//
//	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}}})
//	if err := health.Start(ctx); err != nil {
//		return err
//	}
//	return health.ListenAndServe(&http.Server{Addr: ":8000", Handler: health.Wrap(mux)})
//
// A [Check] runs a function and fails readiness unless its OnFail says otherwise. A
// [rule.Rule] reads a metric of the process and warns unless its OnFail says otherwise. A
// [Heartbeat] fails liveness.
//
// Evidence flows one way:
//
//	EVIDENCE                      JUDGEMENT                    ANSWER
//	instruments ────────────────▶ rules ─────────┐           ┌─▶ /health /ready /startup, gRPC
//	runs of a Func ─────────────▶ active checks ─┼─▶ verdict ┼─▶ health.* metrics, log, spans
//	beats of workers ───────────▶ heartbeats ────┤           ├─▶ status page, otelhealth why
//	hold, maintenance, drain ───▶ lifecycle ─────┘           └─▶ Watch
//
// The Monitor collects from the Pipeline's Reader every second. This Reader usually serves /metrics too.
// Every second, and at once after a change, the Monitor judges the collected metrics, the results of checks
// and the lifecycle. Judging runs no check and never waits. The answers of the probes are written once for
// every verdict, and a probe only serves them. The health.* metrics come from the same verdict, so a probe
// and a dashboard can't disagree.
//
// # Late or missing
//
// A check that has not run is unknown. A check is stale if its last run is older than three
// intervals and a timeout. A rule is unknown if its metric does not exist, and stale if collecting has
// failed for 30 s. Unknown and stale count as failing. A rule without traffic passes, with no value.
// Readiness fails if a collection takes longer than 10 s, if there was no judgement for 15 s, and after
// Stop.
//
// # Errors of checks
//
// The text of an error may contain a secret. So only Err of verdict.Result and [Monitor.DetailsHandler]
// have it. The response, the log and error.type have the error's class instead.
// The class is timeout, panic, or the result of the error's own method ErrorType() string.
// checks.Class adds this method. Errors of Go's net, crypto/tls and io/fs have the classes
// canceled, connection_refused, connection_reset, unreachable, name_not_found,
// name_resolution_error, server_certificate_invalid, permission_denied and not_found. The class of
// any other error is its Go type. After 16 classes of a check, a new class becomes _OTHER.
//
// # Concurrency and ownership
//
// All methods of [Monitor], [Heartbeat] and [Queue] may be called at any time, from any goroutine.
// Verdicts are shared and immutable. Each check's Func runs at most once at a time, in its own
// goroutine. A Func that ignores its context may outlive Stop.
//
// # Units
//
// Durations and ages are seconds in metrics and in the response. Shares run from 0 to 1. Times are RFC 3339
// in UTC. docs/metrics.md lists the instruments, and docs/response-format.md the fields of the response.
package healthcheck
