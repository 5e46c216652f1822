// Command otelhealth asks services that answer with otelhealth: is this instance well, and if not, why?
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// The exit codes of all commands.
const (
	well   = 0
	ill    = 1 // the instance is not well
	failed = 2 // a mistake in the command, or nobody answers
)

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

// errIll says that the instance is not well. The output says why.
var errIll = errors.New("not well")

func command(args []string, stdout, stderr io.Writer) (code int) {
	root := &cobra.Command{
		Use:   "otelhealth",
		Short: "Is this instance well, and if not, why?",
		Long: `otelhealth asks a service that answers with otelhealth.

It exits with 0 if the instance is well, with 1 if it is not, and with 2 if nobody answers or the
command has a mistake.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(why(), probe(), backtest(), suggest())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	switch err := root.Execute(); {
	case err == nil:
		return well
	case errors.Is(err, errIll):
		return ill
	default:
		fmt.Fprintln(stderr, "otelhealth:", err)
		return failed
	}
}
