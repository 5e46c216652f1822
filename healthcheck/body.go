package healthcheck

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
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
		r := v.rulings[p]
		v.answers[p] = v.answersOf(p, r)
		stale := r
		if v.fallsWith(p) {
			stale = ruling{state: Fail, output: "no judgement for more than " + staleAfter.String()}
		}
		v.answers[p].stale = v.answer(stale, v.body(p, stale, bodyOptions{limit: maxBody}))
	}
}

func (v *Verdict) answersOf(p Probe, r ruling) answers {
	return answers{
		short:   v.answer(r, v.body(p, r, bodyOptions{limit: maxBody})),
		verbose: v.answer(r, v.body(p, r, bodyOptions{limit: maxVerbose, verbose: true})),
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

// body writes the response of one probe within its limit of bytes. What is most
// worth reading comes first; what does not fit is counted.
func (v *Verdict) body(p Probe, r ruling, opt bodyOptions) []byte {
	h := head{
		Status: r.state, Output: r.output, Lifecycle: v.Lifecycle, Until: timestamp(v.until),
		ServiceID: v.service.name, ReleaseID: v.service.version, Time: timestamp(v.Time),
	}
	b := bytes.TrimSuffix(marshal(h), []byte("}"))
	b = append(b, `,"checks":{`...)
	const tail = `},"omitted":10000}` + "\n"
	written, omitted := 0, 0
	for _, c := range v.relevant(p, opt) {
		item := append(marshal(c.Name), `:[`...)
		item = append(item, c.entry(opt)...)
		item = append(item, ']')
		if len(b)+len(item)+1+len(tail) > opt.limit {
			omitted++
			continue
		}
		if written > 0 {
			b = append(b, ',')
		}
		b = append(b, item...)
		written++
	}
	b = append(b, '}')
	if omitted > 0 {
		b = append(b, `,"omitted":`...)
		b = strconv.AppendInt(b, int64(omitted), 10)
	}
	return append(b, '}', '\n')
}

// relevant lists the checks that a probe shows: the failing ones, then rules,
// then the others, each by name. Liveness looks at nothing outside the process,
// so it shows vital checks; startup shows none.
func (v *Verdict) relevant(p Probe, opt bodyOptions) []*Result {
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
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// entry writes one check.
func (c *Result) entry(opt bodyOptions) []byte {
	f := &c.finding
	e := entry{Status: c.State, Override: c.Override, ComponentType: c.check.ComponentType, Output: c.Output}
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
		b = append(b, marshal(string(kv.Key))...)
		b = append(b, ':')
		b = append(b, marshal(kv.Value.String())...)
		b = append(b, '}')
	}
	return b
}

// marshal can't fail on the types above.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}
