// Package checks has ready-made functions for healthcheck.Check.Func that need no driver:
//
//	{Name: "auth", Func: checks.HTTP("http://auth:8080/health")},
//	{Name: "disk", Func: checks.DiskFree("/data", 0.1), OnFail: healthcheck.WarnOnly},
//
// For a database or a cache, use the method of its client, such as db.PingContext. For another gRPC
// service, use grpchealth.Serving.
//
// # What they share
//
// Every run opens a new connection, except with [HTTPClient]: there the client decides. All functions
// return when their context ends, except [DiskFree] if the kernel hangs. They have no time limit of
// their own. The check's Timeout limits a run: 2 s by default, with an Interval of 5 s. Several checks
// may use one function at once. Shares run from 0 to 1.
//
// # Errors
//
// The response and the metrics show only the class of an error; its text is for operators. The
// classes are an HTTP status such as 503, certificate_expires, disk_full, invalid_argument, and the
// Monitor's classes for errors of the network and the file system, such as connection_refused or
// timeout. Package healthcheck lists these. [Class] gives the errors of your own functions a class.
//
// With an invalid argument, such as an address without a port, every run fails with
// invalid_argument. It is not an error of Start.
package checks
