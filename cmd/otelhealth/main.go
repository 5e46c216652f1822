// Command otelhealth says whether an instance of a service with otelhealth is well, and if not, why. It also
// generates alerts, dashboards and manifests, checks manifests, and tests rules against recorded metrics.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/otelhealth/otelhealth/cmd/otelhealth/internal/generate"
	"github.com/otelhealth/otelhealth/cmd/otelhealth/internal/lint"
)

// The exit codes of all commands.
const (
	well   = 0
	ill    = 1 // the instance is not well, or lint found something
	failed = 2 // a mistake in the command, or nobody answers
)

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

// errIll says that the instance is not well. The output says why.
var errIll = errors.New("not well")

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "otelhealth",
		Short: "Is this instance well, and if not, why?",
		Long: `otelhealth says whether an instance of a service with otelhealth is well, and if not, why. It also
generates alerts, dashboards and manifests, checks manifests, and tests rules against recorded metrics.

It exits with 0 if all is well, with 1 if the instance is not well or lint found something, and with 2
if nobody answers or the command has a mistake.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(why(), probe(), backtest(), suggest(), lint.Command(), generate.Command())
	return root
}

// twoHyphens makes --selector of -selector. Flags have one hyphen in users' own programs, and two here.
func twoHyphens(args []string) (all []string) {
	for n, a := range args {
		if a == "--" {
			return append(all, args[n:]...)
		}
		if len(a) > 2 && a[0] == '-' && a[1] >= 'a' && a[1] <= 'z' && a[2] >= 'a' && a[2] <= 'z' {
			a = "-" + a
		}
		all = append(all, a)
	}
	return all
}

func command(args []string, stdout, stderr io.Writer) (code int) {
	root := rootCommand()
	root.SetArgs(twoHyphens(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	switch err := root.Execute(); {
	case err == nil:
		return well
	case errors.Is(err, errIll), errors.Is(err, lint.ErrFound):
		return ill
	default:
		fmt.Fprintln(stderr, "otelhealth:", err)
		return failed
	}
}
