// Package backtest tries the rules of a service on its past: what would these limits have done last
// week? It reads the samples of a Prometheus, or of any backend with its HTTP API, and judges them with
// the same code as a healthcheck.Monitor. The whole program is
//
//	func main() { os.Exit(backtest.Main(health.Config())) }
//
// health.Config returns the configuration of the service. If the samples are not enough to know the
// state of a Monitor, the result is "can't tell". It is never a guess. docs/backtest.md says when this
// happens.
package backtest
