package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// recordName is the name of a record, as package blackbox writes it.
var recordName = regexp.MustCompile(`^(\d{8}T\d{6}\.\d{3}Z)-(liveness|readiness)-([0-9a-z]+)\.txt$`)

// readRecords prints the newest record's reason, and the list of the others.
func readRecords(out io.Writer, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if recordName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no records: is it the Dir of blackbox.Options?", dir)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) }) // the newest first
	head, err := headOf(filepath.Join(dir, names[0]))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n\n%d of %d records, the newest first:\n", strings.TrimRight(head, "\n"), min(len(names), 10), len(names))
	for _, name := range names[:min(len(names), 10)] {
		parts := recordName.FindStringSubmatch(name)
		at, _ := time.Parse("20060102T150405.000Z", parts[1]) // the expression has matched
		fmt.Fprintf(out, "  %s  %s  %s\n", at.Format(time.RFC3339), parts[2], filepath.Join(dir, name))
	}
	return errIll
}

// headOf returns the lines before the first section: the reason, and where workers are stuck.
func headOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b strings.Builder
	lines := bufio.NewScanner(f)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "== ") {
		b.WriteString(lines.Text() + "\n")
	}
	return b.String(), lines.Err()
}
