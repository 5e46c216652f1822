package answer

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	"go.opentelemetry.io/otel/attribute"
)

type entry struct {
	Status        verdict.State  `json:"status"`
	Override      verdict.Effect `json:"override,omitempty"`
	Shadow        bool           `json:"shadow,omitempty"`
	Role          string         `json:"role,omitempty"`
	ObservedValue *jsonNumber    `json:"observedValue,omitempty"`
	ObservedUnit  string         `json:"observedUnit,omitempty"`
	Took          jsonNumber     `json:"took,omitzero"`
	Limit         jsonNumber     `json:"limit,omitzero"`
	WarnLimit     jsonNumber     `json:"warnLimit,omitzero"`
	MinLimit      jsonNumber     `json:"minLimit,omitzero"`
	MinWarnLimit  jsonNumber     `json:"minWarnLimit,omitzero"`
	Quantile      jsonNumber     `json:"quantile,omitzero"`
	Share         jsonNumber     `json:"share,omitzero"`
	Window        string         `json:"window,omitempty"`
	Since         string         `json:"since,omitempty"`
	Time          string         `json:"time,omitempty"`
	Output        string         `json:"output,omitempty"`
	Peers         *peerVotes     `json:"peers,omitempty"`
	Error         string         `json:"error,omitempty"`
}

// peerVotes are the votes of the peers on a failing check.
type peerVotes struct {
	Stays   bool `json:"stays"`
	Works   int  `json:"works"`
	CutOff  int  `json:"cutOff"`
	Fails   int  `json:"fails"`
	Pending int  `json:"pending"`
}

// maxText limits the JSON of one text in a body, in bytes.
const maxText = 256

// shorten cuts a text until its JSON has at most n bytes.
func shorten(s string, n int) string {
	for len(marshal(s)) > n {
		s = text.Shorten(s, len(s)*3/4)
	}
	return s
}

// entryOf writes one check.
func entryOf(c *judge.Result, opt bodyOptions) []byte {
	f := &c.Finding
	e := entry{Status: c.State, Role: states.Role(c.Subject.OnFail), Output: shorten(c.Reason, maxText)}
	e.Override, e.Shadow = c.Override, c.Shadow
	if f.HasValue || f.Rule != nil { // the value of a rule is null if there is nothing to judge
		e.ObservedValue = &jsonNumber{f.Value, f.HasValue}
		e.ObservedUnit = f.Unit
	}
	if f.Rule != nil {
		e.rule(f)
	}
	if c.State != verdict.Pass || opt.verbose {
		e.Since = timestamp(c.Since)
	}
	if f.Outcome != nil {
		if f.Outcome.Observed != nil {
			e.Took = some(f.Outcome.Took.Seconds())
		}
		e.Time = timestamp(f.Outcome.Ran)
	}
	if v := c.Vote; v != nil {
		t := &v.Tally
		e.Peers = &peerVotes{v.Stays, t[votes.Works], t[votes.CutOff], t[votes.Fails], t[votes.Pending]}
	}
	if opt.errors && f.Outcome != nil {
		e.Error = f.Outcome.Text
	}
	b := marshal(e)
	for _, kv := range f.Group.ToSlice() {
		b = append(bytes.TrimSuffix(b, []byte("}")), ',')
		b = append(b, marshal(groupKey(kv.Key))...)
		b = append(b, ':')
		b = append(b, marshal(shorten(conventions.Text(kv.Value), maxText/4))...)
		b = append(b, '}')
	}
	return b
}

// rule writes the limits of a rule.
func (e *entry) rule(f *judge.Finding) {
	in := &f.Rule.Indicator
	for _, b := range f.Rule.Bounds {
		switch b.Edge {
		case query.MaxFail:
			e.Limit = some(b.Value)
		case query.MaxWarn:
			e.WarnLimit = some(b.Value)
		case query.MinFail:
			e.MinLimit = some(b.Value)
		case query.MinWarn:
			e.MinWarnLimit = some(b.Value)
		}
	}
	if in.Kind == query.KindQuantile {
		e.Quantile = some(in.Quantile)
		if f.HasValue {
			e.Share = some(f.Share)
		}
	}
	if in.Window > 0 {
		e.Window = in.Window.String()
	}
}

// marshal can't fail on the types above. It does not escape <, > and &, because the content type is
// not HTML and nosniff enforces it.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// groupKey gives a user's attribute a key with a dot. No field of an entry has a dot, so they can't collide.
func groupKey(k attribute.Key) string {
	if strings.Contains(string(k), ".") {
		return string(k)
	}
	return "attribute." + string(k)
}
