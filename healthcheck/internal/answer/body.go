package answer

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// The bodies follow draft-inadarei-api-health-check-06, with a few fields more;
// docs/response-format.md has them all.

const (
	maxBody    = 1 << 10 // below the 1024 bytes that a Google load balancer reads
	maxVerbose = 8 << 10
)

type head struct {
	Status    verdict.State     `json:"status"`
	Output    string            `json:"output,omitempty"`
	Lifecycle verdict.Lifecycle `json:"lifecycle"`
	Until     string            `json:"until,omitempty"`
	ServiceID string            `json:"serviceId"`
	ReleaseID string            `json:"releaseId"`
	Time      string            `json:"time"`
}

// who is who answers.
type Who struct{ Name, Version string }

// page has every answer that a verdict can give.
type Page [len(states.Probes)]Answers

func Render(v *judge.Verdict, s Who) (all Page) {
	for _, p := range states.Probes {
		r, stand := v.Rulings[p], v.WhenStale(p)
		all[p] = Answers{
			Short:   answerOf(v, p, r, body(v, s, p, r, bodyOptions{limit: maxBody})),
			Verbose: answerOf(v, p, r, body(v, s, p, r, bodyOptions{limit: maxVerbose, verbose: true})),
			Stale:   answerOf(v, p, stand, body(v, s, p, stand, bodyOptions{limit: maxBody})),
		}
	}
	return all
}

// full is the body with every check, however many, and with the text of errors.
func Full(v *judge.Verdict, s Who, p verdict.Probe) []byte {
	return body(v, s, p, v.Rulings[p], bodyOptions{limit: math.MaxInt, verbose: true, errors: true})
}

type bodyOptions struct {
	limit   int
	verbose bool
	errors  bool
}

// body writes the response of one probe within its limit of bytes. What does not
// fit is counted.
func body(v *judge.Verdict, s Who, p verdict.Probe, r judge.Ruling, opt bodyOptions) []byte {
	b := bytes.TrimSuffix(marshal(head{
		Status: r.State, Output: fit(r.Output, maxText), Lifecycle: v.Lifecycle, Until: timestamp(v.Until),
		ServiceID: fit(s.Name, maxText/4), ReleaseID: fit(s.Version, maxText/4), Time: timestamp(v.Time),
	}), []byte("}"))
	b = append(b, `,"checks":{`...)
	const tail = `},"omitted":1000000}` + "\n"
	checks := relevant(v, p)
	items, left := make([][]byte, len(checks)), opt.limit-len(b)-len(tail)
	take := func(wanted func(n int, c *judge.Result) bool) {
		for n, c := range checks {
			if items[n] != nil || !wanted(n, c) {
				continue
			}
			item := append(marshal(c.Name), ":["...)
			item = append(append(item, entryOf(c, opt)...), ']')
			if len(item)+1 <= left {
				items[n], left = item, left-len(item)-1
			}
		}
	}
	// The check to blame first, then the rules with their numbers, then the rest.
	take(func(n int, _ *judge.Result) bool { return n == 0 })
	take(func(_ int, c *judge.Result) bool { return c.Subject.Limit != nil })
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

// relevant lists the checks that a probe shows: those that do not pass, worst
// first, then rules, then the others, each by name. Liveness looks at nothing
// outside the process, so it shows vital checks; startup shows none.
func relevant(v *judge.Verdict, p verdict.Probe) []*judge.Result {
	var list []*judge.Result
	for i := range v.Checks {
		c := &v.Checks[i]
		if p == verdict.Readiness || (p == verdict.Liveness && c.Role == effect.Vital) {
			list = append(list, c)
		}
	}
	rank := func(c *judge.Result) int {
		switch {
		case c.State != verdict.Pass:
			return -states.Severity(c.State)
		case c.Subject.Limit != nil:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b *judge.Result) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Name, b.Name))
	})
	return list
}
