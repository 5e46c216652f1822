// Package checks has ready-made functions for healthcheck.Check.Func that need nobody's
// driver:
//
//	{Name: "auth", Func: checks.HTTP("http://auth:8080/health")},
//	{Name: "disk", Func: checks.DiskFree("/data", 0.1), OnFail: healthcheck.WarnOnly},
//
// For a database or a cache, give the method of its client: db.PingContext. For another gRPC
// service there is grpchealth.Serving.
//
// # What they share
//
// Each opens a connection of its own at each run, but for [HTTPClient], whose client decides.
// All end with their context, but for [DiskFree], which the kernel may keep. None has a time
// limit of its own, because the check's Timeout is one: 2 s, of an Interval of 5 s, where a Check
// does not say otherwise. They may be used by several checks at once. Shares run from 0 to 1.
//
// # Errors
//
// The response and the metrics show the class of an error alone; its text is for operators. The
// classes are a status of HTTP such as 503, certificate_expires, disk_full, invalid_argument, and
// what a Monitor calls an error of the network or of the file system, such as
// connection_refused or timeout; package healthcheck lists those. [Class] gives a function of
// yours the same.
//
// An argument that can't be right, such as an address without a port, fails each run with
// invalid_argument. It is not an error of Start.
package checks
