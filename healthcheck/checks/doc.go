// Package checks has ready-made functions for [healthcheck.Check.Func] that need
// nobody's driver:
//
//	{Name: "auth", Func: checks.HTTP(nil, "http://auth:8080/health")},
//	{Name: "disk", Func: checks.Disk("/data", 0.1)},
//
// For a database or a cache, give the method of its client: db.PingContext. For
// another gRPC service there is grpchealth.Check.
//
// # What they share
//
// Each opens a connection of its own at each run, but for HTTP, which takes one of
// its client's. All end with their context, but for Disk, which the kernel may
// keep; none has a time limit of its own, since the check's Timeout is one. They
// may be used by several checks at once. An argument that can't be right, such as
// an address without a port, fails each run with the error.type invalid_argument.
//
// # Errors
//
// The response and the metrics show the error.type alone: a status of HTTP such as
// 503, certificate_expires, disk_full, invalid_argument, or what a Monitor calls an
// error of the network, such as connection_refused. The text has the rest; it is
// for operators.
package checks
