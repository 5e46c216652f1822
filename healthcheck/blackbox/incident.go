package blackbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const placeLimit = 3 // places of a worker in the summary

// An incident has the data of a record.
type incident struct {
	probe    verdict.Result
	failure  int // number of the failure in message
	verdict  *verdict.Verdict
	history  *seconds
	begun    time.Time // of the Box
	census   census
	places   map[string][]place
	suspects []string // facts beside the places

	exemplars []exemplar
	untraced  string // why exemplars may be missing
}

// look takes the census. This is the slow part of a record.
func (i *incident) look() {
	i.census = takeCensus()
	i.places = map[string][]place{}
	for _, r := range i.failing() {
		if p := placesOf(i.census.groups, r.Name); p != nil {
			i.places[r.Name] = p
		}
	}
	i.suspects = suspectsOf(i.census.groups, i.failing(), i.places)
}

// summary has a line for the probe, a line for each place of a stuck worker, and the lines of suspectsOf. It
// contains only classes and names of checks, workers and functions, because it goes to the termination
// message.
func (i *incident) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s since %s", i.probe.Name, i.probe.State, i.probe.Since.UTC().Format("15:04:05Z"))
	if i.probe.Reason != "" {
		fmt.Fprintf(&b, ": %s", i.probe.Reason)
	}
	fmt.Fprintln(&b)
	for _, r := range i.failing() {
		places := i.places[r.Name]
		for _, p := range places[:min(placeLimit, len(places))] {
			fmt.Fprintf(&b, "  %s: %s\n", r.Name, p)
		}
		if rest := len(places) - placeLimit; rest > 0 {
			fmt.Fprintf(&b, "  %s: %d more places\n", r.Name, rest)
		}
		if strings.Contains(r.Reason, "no beat") && i.census.taken && places == nil {
			fmt.Fprintf(&b, "  %s: unknown function; the goroutines of a blackbox.Worker have names\n", r.Name)
		}
	}
	for _, s := range i.suspects {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	return b.String()
}

// failing reports whether a check fails and is not in shadow.
func failing(r *verdict.Result) bool {
	return (r.State == verdict.Fail || r.State == verdict.Stale) && !r.Shadow
}

// lastSummary is the summary at the end of the process. It includes the places of the last record, because
// work may leave its place when the process tells it to end.
func (i *incident) lastSummary(record *incident) string {
	still := "still so"
	if i.failure == record.failure && len(record.places) > 0 {
		for _, r := range i.failing() { // a worker that has no place any more was somewhere before
			if i.places[r.Name] == nil {
				i.places[r.Name] = []place{}
			}
		}
		for name, places := range record.places {
			for _, p := range places {
				if !slices.ContainsFunc(i.places[name], func(now place) bool { return now.function == p.function }) { // callee and wait may differ, because a running function calls others
					still = "no longer so"
				}
			}
			i.places[name] = places
		}
		i.suspects = record.suspects
	}
	return i.summary() + fmt.Sprintf("%s when the process ended, after %v\n", still, time.Since(i.probe.Since).Round(time.Second))
}

// failing are the failing checks. Vital checks come first.
func (i *incident) failing() (list []verdict.Result) {
	for _, r := range i.verdict.Results {
		if failing(&r) {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b verdict.Result) int {
		switch restart := healthcheck.Restart; {
		case a.OnFail == restart && b.OnFail != restart:
			return -1
		case b.OnFail == restart && a.OnFail != restart:
			return 1
		}
		return 0
	})
	return list
}
