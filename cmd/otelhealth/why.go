package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelhealth/otelhealth/cmd/otelhealth/internal/ask"
)

// why says what is wrong with an instance.
func why() *cobra.Command {
	q := ask.Question{Token: os.Getenv("ADMIN_TOKEN")} // no flag, because every process sees arguments
	c := &cobra.Command{
		Use:   "why URL|DIR",
		Short: "Say what is wrong with an instance, in a sentence and a table",
		Long: `why asks an instance, or reads the records that an earlier one has left in its black box.

URL is the address of a listener. On an operators' listener why reads /status.json, with the texts of
errors. On other listeners it reads /ready. If the URL has a path, it reads that. If the listener needs a
token, set ADMIN_TOKEN. If its certificate is from your own authority, set SSL_CERT_FILE. Through a
port-forward, add --insecure.`,
		Example: `  otelhealth why localhost:8001
  otelhealth why /data/blackbox`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
				return readRecords(c.OutOrStdout(), args[0])
			}
			if strings.HasPrefix(args[0], "/") || strings.HasPrefix(args[0], ".") {
				return fmt.Errorf("there is no directory %s", args[0])
			}
			return whyNot(c.Context(), c.OutOrStdout(), args[0], q)
		},
	}
	certificates(c, &q)
	c.Flags().DurationVar(&q.Timeout, "timeout", 5*time.Second, "how long to wait for each answer")
	return c
}

// certificates adds the flag for servers with a certificate for another address.
func certificates(c *cobra.Command, q *ask.Question) {
	c.Flags().BoolVar(&q.Insecure, "insecure", false, "take any certificate, as the kubelet does")
}

// places are the paths to ask on a listener, the one with the most details first.
var places = []string{"/status.json", "/ready?verbose", "/readyz?verbose"}

func whyNot(ctx context.Context, out io.Writer, text string, q ask.Question) error {
	u, err := ask.Address(text)
	if err != nil {
		return err
	}
	asked, of := []string{u.String()}, u.String()
	if u.Path == "" || u.Path == "/" {
		asked, of = nil, ""
		for _, place := range places {
			asked = append(asked, u.Scheme+"://"+u.Host+place)
		}
	}
	var problem error
	for _, address := range asked {
		code, body, err := q.Get(ctx, address)
		if err != nil {
			return fmt.Errorf("%s: %w", address, err) // the others are on the same listener
		}
		answer, err := parse(body)
		if err == nil {
			answer.of = of
			return tell(out, answer)
		}
		switch code {
		case http.StatusUnauthorized:
			return fmt.Errorf("%s wants a token: set ADMIN_TOKEN", address)
		case http.StatusNotFound:
			err = fmt.Errorf("nothing is there: give the whole URL of DetailsHandler, or of /ready?verbose")
		}
		if problem == nil || code != http.StatusNotFound {
			problem = fmt.Errorf("%s: %d, %w", address, code, err)
		}
	}
	return problem
}

// tell prints an answer.
func tell(out io.Writer, a answer) error {
	now := a.Time // of the service, because the clock here may be wrong
	if a.ServiceID != "" {
		fmt.Fprintf(out, "%s %s, %s\n", a.ServiceID, a.ReleaseID, a.Lifecycle)
	}
	fmt.Fprintln(out, a.sentence())
	if a.Shadow != nil && a.Shadow.Status != a.Status {
		fmt.Fprintln(out, strings.TrimSuffix("With the checks in shadow it would be "+a.Shadow.Status+": "+a.Shadow.Output, ": "))
	}
	for _, line := range a.next() {
		fmt.Fprintln(out, line)
	}
	if len(a.Checks) > 0 {
		fmt.Fprintln(out)
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "CHECK\tSTATE\tROLE\tFOR\tVALUE\tWHY")
		for _, c := range a.sorted() {
			since := "-"
			if !c.Since.IsZero() {
				since = age(now.Sub(c.Since))
			}
			fmt.Fprintln(table, strings.TrimRight(strings.Join([]string{c.name, c.Status, c.Role, since, c.value(), c.why()}, "\t"), "\t"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if a.Omitted > 0 {
		fmt.Fprintf(out, "%d more checks did not fit: ask /status.json of the operators' listener\n", a.Omitted)
	}
	if a.Status == "fail" {
		return errIll
	}
	return nil
}
