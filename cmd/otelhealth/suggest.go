package main

import (
	"flag"

	"github.com/spf13/cobra"

	backtests "github.com/otelhealth/otelhealth/healthcheck/backtest"
)

// suggest says which limits rules could have.
func suggest() *cobra.Command {
	set := flag.NewFlagSet("suggest", flag.ContinueOnError)
	program := backtests.SuggestFlags(set)
	return past(set, program, &cobra.Command{
		Use:   "suggest --rule RULE…",
		Short: "Say which limits rules could have",
		Long: `suggest reads recorded metrics of a Prometheus, or of any backend with its HTTP API. It prints how the
value of a rule was distributed, by hour of the day and by instance. It also prints the lowest limit that
would have kept a promise such as "at most one warning a week". A promise must hold with a certainty of
90 %, so it needs at least two and a half weeks. At the end it prints what these limits would have done to
readiness.

A rule is written as for backtest. Its limit gives only the side, above or below. A limit of a latency is a
bucket boundary, because counts are exact only there.

Real faults make limits too high. suggest lists the worst times, each with a flag that leaves it out.

It exits with 0, and with 2 if the command has a mistake or the backend does not answer.`,
		Example: `  otelhealth suggest --selector 'job="orders"' --rule 'queue: Last(queue.length) > 80, not-ready'
  otelhealth suggest --selector 'job="orders"' --per-week 0.5 --incident 2026-10-01T12:20:00Z/2026-10-01T12:50:00Z \
    --rule 'latency: Quantile(0.99, http.server.request.duration) > 500ms, window 1m, for 1m'`,
	})
}
