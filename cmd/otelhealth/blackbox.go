package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/blackbox"
)

// readRecords prints the newest record's reason, and the list of the others.
func readRecords(out io.Writer, dir string) error {
	all, err := blackbox.Records(dir)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%s has no records: is it the Dir of blackbox.Options?", dir)
	}
	shown := all[:min(len(all), 10)]
	fmt.Fprintf(out, "%s\nThat was at %s. It is the reason of the last restart only if the restart came shortly after: compare lastState.terminated.finishedAt of the pod.\n\n%d of %d records, the newest first:\n", all[0].Summary, all[0].Time.Format(time.RFC3339), len(shown), len(all))
	for _, r := range shown {
		fmt.Fprintf(out, "  %s  %s  %s\n", r.Time.Format(time.RFC3339), r.Probe, filepath.Join(dir, r.Name))
	}
	return errIll
}
