package healthcheck

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The bodies follow draft-inadarei-api-health-check-06, with a few fields more;
// docs/response-format.md has them all.

const (
	maxBody    = 1 << 10 // below the 1024 bytes that a Google load balancer reads
	maxVerbose = 8 << 10
)

type head struct {
	Status    State     `json:"status"`
	Output    string    `json:"output,omitempty"`
	Lifecycle Lifecycle `json:"lifecycle"`
	Until     string    `json:"until,omitempty"`
	ServiceID string    `json:"serviceId"`
	ReleaseID string    `json:"releaseId"`
	Time      string    `json:"time"`
}

// render makes every answer that the verdict can give.
func (v *Verdict) render() {
	for _, p := range verdict.Probes {
		r, stand := v.rulings[p], v.stand(p)
		v.answers[p] = answers{
			short:   v.answer(p, r, v.body(p, r, bodyOptions{limit: maxBody})),
			verbose: v.answer(p, r, v.body(p, r, bodyOptions{limit: maxVerbose, verbose: true})),
			stale:   v.answer(p, stand, v.body(p, stand, bodyOptions{limit: maxBody})),
		}
	}
}

// JSON is the response for a probe with every check, however many, and with the
// text of errors. It may hold what nobody outside should see: serve it to
// operators only.
func (v *Verdict) JSON(p Probe) []byte {
	return v.body(p, v.rulings[p], bodyOptions{limit: math.MaxInt, verbose: true, errors: true})
}

type bodyOptions struct {
	limit   int
	verbose bool
	errors  bool
}

// body writes the response of one probe within its limit of bytes. What does not
// fit is counted.
func (v *Verdict) body(p Probe, r ruling, opt bodyOptions) []byte {
	b := bytes.TrimSuffix(marshal(head{
		Status: r.state, Output: fit(r.output, maxText), Lifecycle: v.Lifecycle, Until: timestamp(v.until),
		ServiceID: fit(v.service.name, maxText/4), ReleaseID: fit(v.service.version, maxText/4), Time: timestamp(v.Time),
	}), []byte("}"))
	b = append(b, `,"checks":{`...)
	const tail = `},"omitted":1000000}` + "\n"
	checks := v.relevant(p)
	items, left := make([][]byte, len(checks)), opt.limit-len(b)-len(tail)
	take := func(wanted func(n int, c *Result) bool) {
		for n, c := range checks {
			if items[n] != nil || !wanted(n, c) {
				continue
			}
			item := append(marshal(c.Name), ":["...)
			item = append(append(item, c.entry(opt)...), ']')
			if len(item)+1 <= left {
				items[n], left = item, left-len(item)-1
			}
		}
	}
	// The check to blame first, then the rules with their numbers, then the rest.
	take(func(n int, _ *Result) bool { return n == 0 })
	take(func(_ int, c *Result) bool { return c.check.limit().Set() })
	take(func(int, *Result) bool { return true })
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

// relevant lists the checks that a probe shows: those that do not pass, worst
// first, then rules, then the others, each by name. Liveness looks at nothing
// outside the process, so it shows vital checks; startup shows none.
func (v *Verdict) relevant(p Probe) []*Result {
	var list []*Result
	for i := range v.Checks {
		c := &v.Checks[i]
		if p == Readiness || (p == Liveness && c.Role == Vital) {
			list = append(list, c)
		}
	}
	rank := func(c *Result) int {
		switch {
		case c.State != Pass:
			return -verdict.Severity(c.State)
		case c.check.limit().Set():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b *Result) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Name, b.Name))
	})
	return list
}
