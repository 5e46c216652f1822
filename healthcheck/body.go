package healthcheck

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
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

type entry struct {
	Status        State       `json:"status"`
	Override      string      `json:"override,omitempty"`
	Role          string      `json:"role,omitempty"`
	ComponentType string      `json:"componentType,omitempty"`
	ObservedValue *jsonNumber `json:"observedValue,omitempty"`
	ObservedUnit  string      `json:"observedUnit,omitempty"`
	Limit         jsonNumber  `json:"limit,omitzero"`
	WarnLimit     jsonNumber  `json:"warnLimit,omitzero"`
	MinLimit      jsonNumber  `json:"minLimit,omitzero"`
	MinWarnLimit  jsonNumber  `json:"minWarnLimit,omitzero"`
	Quantile      jsonNumber  `json:"quantile,omitzero"`
	Share         jsonNumber  `json:"share,omitzero"`
	Window        string      `json:"window,omitempty"`
	Since         string      `json:"since,omitempty"`
	Time          string      `json:"time,omitempty"`
	Output        string      `json:"output,omitempty"`
	Error         string      `json:"error,omitempty"`
}

// jsonNumber is a number that may be absent; the zero value is null.
type jsonNumber struct {
	value float64
	set   bool
}

func some(v float64) jsonNumber { return jsonNumber{v, true} }

func (n jsonNumber) MarshalJSON() ([]byte, error) {
	if !n.set || !finite(n.value) {
		return []byte("null"), nil
	}
	return json.Marshal(round(n.value))
}

// round keeps six significant digits: enough to compare, short enough to read.
func round(v float64) float64 {
	if v == math.Trunc(v) {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// number writes a value for people.
func number(v float64) string { return strconv.FormatFloat(round(v), 'f', -1, 64) }

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// render makes every answer that the verdict can give.
func (v *Verdict) render() {
	for _, p := range probes {
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
	take(func(_ int, c *Result) bool { return c.check.Limit.set() })
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

// maxText bounds what one text adds to a body, in bytes of JSON.
const maxText = 256

// fit shortens a text until its JSON fits.
func fit(s string, n int) string {
	for len(marshal(s)) > n {
		s = shorten(s, len(s)*3/4)
	}
	return s
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
			return -severity(c.State)
		case c.check.Limit.set():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b *Result) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Name, b.Name))
	})
	return list
}

// entry writes one check.
func (c *Result) entry(opt bodyOptions) []byte {
	f := &c.finding
	e := entry{Status: c.State, Override: c.Override, ComponentType: c.check.ComponentType, Output: fit(c.Output, maxText)}
	if c.Role != Auxiliary {
		e.Role = c.Role.String()
	}
	if c.HasValue || c.check.Limit.set() { // null says that there is nothing to judge
		e.ObservedValue = &jsonNumber{c.Value, c.HasValue}
		e.ObservedUnit = c.Unit
	}
	for _, b := range c.check.Limit.bounds {
		switch b.edge {
		case maxFail:
			e.Limit = some(b.value)
		case maxWarn:
			e.WarnLimit = some(b.value)
		case minFail:
			e.MinLimit = some(b.value)
		case minWarn:
			e.MinWarnLimit = some(b.value)
		}
	}
	if f.quantile > 0 {
		e.Quantile = some(f.quantile)
		if c.HasValue {
			e.Share = some(f.share)
		}
	}
	if f.window > 0 {
		e.Window = f.window.String()
	}
	if c.State != Pass || opt.verbose {
		e.Since = timestamp(c.Since)
	}
	if f.outcome != nil {
		e.Time = timestamp(f.outcome.ran)
	}
	if opt.errors && c.Err != nil {
		e.Error = c.Err.Error()
	}
	b := marshal(e)
	for _, kv := range f.group.ToSlice() {
		b = append(bytes.TrimSuffix(b, []byte("}")), ',')
		b = append(b, marshal(groupKey(kv.Key))...)
		b = append(b, ':')
		b = append(b, marshal(fit(kv.Value.String(), maxText/4))...)
		b = append(b, '}')
	}
	return b
}

// marshal can't fail on the types above. It leaves <, > and & as they are: the
// content type is not HTML, and nosniff keeps it so.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// groupKey keeps a user's attribute apart from the fields of an entry, none of
// which has a dot.
func groupKey(k attribute.Key) string {
	if strings.Contains(string(k), ".") {
		return string(k)
	}
	return "attribute." + string(k)
}
