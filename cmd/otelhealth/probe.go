package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelhealth/otelhealth/cmd/otelhealth/internal/ask"
)

// probe asks a probe once.
func probe() *cobra.Command {
	var q ask.Question
	c := &cobra.Command{
		Use:   "probe URL",
		Short: "Ask a probe: exit 0 if it answers 200",
		Long: `probe asks once. Unless the code is 200, it prints the body and exits with 1. It exits with 1 also if
nobody answers, because Docker reserves 2. For an image without a shell there is a smaller program that
does the same, otelhealth-probe:

  HEALTHCHECK CMD ["/otelhealth-probe", "http://localhost:8000/health"]`,
		Example: "  otelhealth probe http://localhost:8000/ready",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			u, err := ask.Address(args[0])
			if err != nil {
				return err
			}
			code, body, err := q.Get(c.Context(), u.String())
			switch {
			case err != nil:
				fmt.Fprintf(c.ErrOrStderr(), "otelhealth: %s: %v\n", u, err)
				return errIll
			case code == http.StatusOK:
				return nil
			}
			fmt.Fprintf(c.OutOrStdout(), "%d %s\n", code, body)
			return errIll
		},
	}
	certificates(c, &q)
	c.Flags().DurationVar(&q.Timeout, "timeout", 2*time.Second, "how long to wait for the answer")
	return c
}
