// Command otelhealth-probe asks a probe once. It exits with 0 if the probe answers 200 within 2 s, and with
// 1 otherwise, because Docker reserves 2. It is small, for images without a shell. With -insecure it accepts
// any certificate, as the kubelet does, because a server's certificate is seldom for localhost.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/otelhealth/otelhealth/cmd/otelhealth/internal/ask"
)

func main() { os.Exit(probe(os.Args[1:], os.Stdout, os.Stderr)) }

func probe(args []string, stdout, stderr io.Writer) int {
	q := ask.Question{Timeout: 2 * time.Second}
	if len(args) > 0 && (args[0] == "-insecure" || args[0] == "--insecure") {
		q.Insecure, args = true, args[1:]
	}
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: otelhealth-probe [-insecure] URL, for example http://localhost:8000/health")
		return 1
	}
	u, err := ask.Address(args[0])
	if err != nil {
		fmt.Fprintln(stderr, "otelhealth-probe:", err)
		return 1
	}
	code, body, err := q.Get(context.Background(), u.String())
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "otelhealth-probe: %s: %v\n", u, err)
		return 1
	case code == http.StatusOK:
		return 0
	}
	fmt.Fprintf(stdout, "%d %s\n", code, body)
	return 1
}
