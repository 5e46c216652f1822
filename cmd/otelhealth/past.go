package main

import (
	"flag"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/otelhealth/otelhealth/cmd/otelhealth/internal/rules"
	"github.com/otelhealth/otelhealth/healthcheck"
	backtests "github.com/otelhealth/otelhealth/healthcheck/backtest"
)

// past completes a command that judges the past by rules of the command line.
func past(set *flag.FlagSet, program backtests.Program, c *cobra.Command) *cobra.Command {
	var texts []string
	c.Flags().AddGoFlagSet(set)
	c.Flags().StringArrayVar(&texts, "rule", nil, "a `rule`; may be given more than once")
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		if len(texts) == 0 {
			return fmt.Errorf("%s: no rule: write --rule 'queue: Last(queue.length) > 80'; backtest --help has more", c.Name())
		}
		all, err := rules.All(texts)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		code, err := program(ctx, healthcheck.Config{Rules: all}, c.OutOrStdout(), c.ErrOrStderr())
		if err == nil && code == backtests.Ill {
			return errIll
		}
		return err
	}
	return c
}
