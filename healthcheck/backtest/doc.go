// Package backtest tries the rules of a service on its past: what would these limits have done last
// week? It reads what a Prometheus has recorded, or any backend with its HTTP API, and judges it with
// the code that judges in a healthcheck.Monitor. The whole program is
//
//	func main() { os.Exit(backtest.Main(health.Config())) }
//
// where health.Config returns the configuration of the service. Where the samples don't tell what a
// Monitor would have said, the result is "can't tell", and never a guess. docs/backtest.md says what
// that depends on.
package backtest
