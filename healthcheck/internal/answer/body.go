package answer

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The bodies follow draft-inadarei-api-health-check-06, with some more fields.
// docs/response-format.md lists them all.

const (
	maxBody    = 1 << 10 // below the 1024 bytes that a Google load balancer reads
	maxVerbose = 8 << 10
)

type head struct {
	Status    verdict.State `json:"status"`
	Output    string        `json:"output,omitempty"`
	Lifecycle states.Phase  `json:"lifecycle"`
	Until     string        `json:"until,omitempty"`
	ServiceID string        `json:"serviceId"`
	ReleaseID string        `json:"releaseId"`
	Since     string        `json:"since,omitempty"`
	Time      string        `json:"time,omitempty"`
	Shadow    *shadow       `json:"shadow,omitempty"`
}

// shadow is the answer of the probe if the checks in shadow were enforced.
type shadow struct {
	Status verdict.State `json:"status"`
	Since  string        `json:"since"`
	Output string        `json:"output,omitempty"`
}

type bodyOptions struct {
	limit   int
	verbose bool
	errors  bool
	shadow  *judge.ProbeResult // result if the checks in shadow were enforced; nil for none
}

// body writes the response of one probe within its limit of bytes. Checks that do not fit are
// counted as omitted.
func body(v *judge.Verdict, service Service, p states.Probe, r judge.ProbeResult, opt bodyOptions) []byte {
	h := head{
		Status: r.State, Output: shorten(r.Reason, maxText), Lifecycle: v.Phase, Until: timestamp(v.Until),
		ServiceID: shorten(service.Name, maxText/4), ReleaseID: shorten(service.Version, maxText/4),
		Since: timestamp(r.Since), Time: timestamp(v.Time),
	}
	if would := opt.shadow; would != nil && p != states.Startup {
		h.Shadow = &shadow{would.State, timestamp(would.Since), shorten(would.Reason, maxText)}
	}
	b := bytes.TrimSuffix(marshal(h), []byte("}"))
	b = append(b, `,"checks":{`...)
	const tail = `},"omitted":1000000}` + "\n"
	checks := relevant(v, p)
	items, left := make([][]byte, len(checks)), opt.limit-len(b)-len(tail)
	take := func(wanted func(n int, c *judge.Result) bool) {
		for n, c := range checks {
			if items[n] != nil || !wanted(n, c) {
				continue
			}
			item := append(marshal(c.Subject.Name), ":["...)
			item = append(append(item, entryOf(c, opt)...), ']')
			if len(item)+1 <= left {
				items[n], left = item, left-len(item)-1
			}
		}
	}
	// First the deciding check, then the rules with their numbers, then the rest, the failing ones first.
	take(func(n int, _ *judge.Result) bool { return n == 0 })
	take(func(_ int, c *judge.Result) bool { return c.Subject.Rule != nil })
	take(func(int, *judge.Result) bool { return true })
	written, omitted := 0, 0
	for _, item := range items {
		if item == nil {
			omitted++
			continue
		}
		if written++; written > 1 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	b = append(b, '}')
	if omitted > 0 {
		b = append(b, `,"omitted":`...)
		b = strconv.AppendInt(b, int64(omitted), 10)
	}
	return append(b, "}\n"...)
}

// vital puts a check that restarts the process before others in the same state.
func vital(c *judge.Result) int {
	if c.OnFail == states.Restart {
		return 1
	}
	return 0
}

// relevant lists the checks that a probe shows: first the deciding one, then the ones that do not
// pass, the worst first, then rules, then the others, sorted by name. Liveness shows only heartbeats
// and other checks that restart the process. Startup shows none.
func relevant(v *judge.Verdict, p states.Probe) []*judge.Result {
	var list []*judge.Result
	for i := range v.Checks {
		c := &v.Checks[i]
		if p == states.Readiness || (p == states.Liveness && c.Subject.OnFail == states.Restart) {
			list = append(list, c)
		}
	}
	rank := func(c *judge.Result) int {
		switch {
		case c == v.Probes[p].Cause:
			return math.MinInt8
		case c.State != verdict.Pass && !c.Shadow: // enforced checks come before checks in shadow
			return -2*states.Severity(c.State) - vital(c)
		case c.State != verdict.Pass:
			return 0
		case c.Subject.Rule != nil:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b *judge.Result) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Subject.Name, b.Subject.Name))
	})
	return list
}
