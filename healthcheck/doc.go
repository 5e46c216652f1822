// Package healthcheck judges the health of a process from the instruments that it
// exports, and answers Kubernetes' probes with the verdict.
//
// Evidence flows one way:
//
//	requests, queues, heartbeats ─▶ OTel SDK ─▶ collector ─▶ samples ─┐
//	                                                                  ├─▶ judge ─▶ verdict ─▶ /health /ready /startup
//	checks ─▶ outcome ────────────────────────────────────────────────┘              └─▶ health.*.status
//
// The collector reads a [Source], usually the reader that /metrics already uses,
// each second. The judge looks at samples, outcomes and the lifecycle each second
// and whenever one of them changes; it runs nothing and waits for nothing. A
// probe serves the last verdict as it was rendered. The verdict is exported as
// health.* metrics from the same memory, so a probe and a dashboard can't
// disagree.
//
// # Late or missing
//
// A check that has not run is unknown, one whose last run is older than three
// intervals and a timeout is stale; both count as failing. A rule whose metric
// does not exist is unknown and says which; one without traffic passes with the
// value null. If collecting hangs for 10 s, or no judgement was made for 15 s,
// readiness fails.
//
// # Errors of checks
//
// The text of an error may hold a secret and is for operators: [Result.Err]. The
// response, the log and error.type have its class: timeout, panic, what the error's
// own method ErrorType() string says, for errors of Go's net, crypto/tls and io/fs
// one of canceled, connection_refused, connection_reset, unreachable,
// name_not_found, name_resolution_error, server_certificate_invalid,
// permission_denied and not_found, or else the Go type. Of one check there are at
// most 16; what comes after them is _OTHER.
//
// # Concurrency and ownership
//
// Set the fields of a [Monitor] before Start. All methods of a started Monitor,
// of [Heartbeat] and of [Queue] are safe for concurrent use. Verdicts are
// immutable. Each check's Func runs at most once at a time, in a goroutine of its
// own.
//
// # Units
//
// Durations and ages are seconds, shares run from 0 to 1, times are RFC 3339 in
// UTC; instrument names, units and attributes are in the README.
package healthcheck
