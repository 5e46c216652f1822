package main

import (
	"flag"

	"github.com/spf13/cobra"

	backtests "github.com/otelhealth/otelhealth/healthcheck/backtest"
)

// backtest says what rules would have done in the past.
func backtest() *cobra.Command {
	set := flag.NewFlagSet("backtest", flag.ContinueOnError)
	program := backtests.Flags(set)
	return past(set, program, &cobra.Command{
		Use:   "backtest --rule RULE…",
		Short: "Say what rules would have done in the past",
		Long: `backtest reads recorded metrics of a Prometheus, or of any backend with its HTTP API, and judges them as
a service with these rules would have. If the samples are not enough for that, it says "can't tell".

A rule is [NAME:] VALUE > LIMIT, or < LIMIT, and then options after commas:

  values   Last(M)  TimeSince(M)  TimeUntil(M)  Increase(M)  Quantile(0.99, M)  ShareAbove(500ms, M)
           Ratio(Increase(M), Increase(M))  Sum(Last(M))  Max(Last(M))  Min(Last(M))
  M        a metric as the service names it, with a filter if it needs one:
           http.server.request.duration{http.route="/a|/b",error.type!=""}
  limits   80  5%  500ms
  options  warn > LIMIT  window 30s  for 1m  keep 1m  min 10  per ATTRIBUTE
           not-ready  warn-only  show  restart  shadow

To judge the rules in your service's code, write a program of three lines: docs/backtest.md.

It exits with 0 if no instance would have been taken out of service, with 1 if one would have been or may
have been, and with 2 if the command has a mistake or the backend does not answer.`,
		Example: `  otelhealth backtest --selector 'job="orders"' --rule 'queue: Last(queue.length) > 80, not-ready'
  otelhealth backtest --selector 'job="orders"' --last 30d --format html -o backtest.html \
    --rule 'latency: Quantile(0.99, http.server.request.duration) > 500ms, window 1m'`,
	})
}
