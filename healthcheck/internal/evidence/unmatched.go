package evidence

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// Unmatched means that a filter matches nothing although the metric counts.
type Unmatched struct {
	Text    string
	Lasting bool // for a whole window
}

// maxKeys is how many attributes of other events the text names.
const maxKeys = 3

// seen has the attributes of all series so far. They are noted once for each series, so that they cost no
// time every second.
type seen struct {
	has    []bool // by matcher: a series has its attribute
	passes []bool // and a series passes it
	groups []bool // by attribute of Per: a series that passes has it
	keys   map[attribute.Key]bool
}

func newSeen(i *query.Indicator) seen {
	n := len(i.Matchers)
	return seen{make([]bool, n), make([]bool, n), make([]bool, len(i.GroupBy)), map[attribute.Key]bool{}}
}

func (s *seen) note(i *query.Indicator, set attribute.Set) {
	for n, m := range i.Matchers {
		_, has := set.Value(m.Key)
		s.has[n], s.passes[n] = s.has[n] || has, s.passes[n] || matches(m, set)
	}
	s.names(set)
}

// group notes a series that passes the filter.
func (s *seen) group(i *query.Indicator, set attribute.Set) {
	if !slices.Contains(s.groups, false) {
		return
	}
	for n, key := range i.GroupBy {
		s.groups[n] = s.groups[n] || set.HasValue(key)
	}
	s.names(set)
}

func (s *seen) names(set attribute.Set) {
	for _, kv := range set.ToSlice() {
		if len(s.keys) < 64 { // keys usually come from code, but may be generated
			s.keys[kv.Key] = true
		}
	}
}

// ungrouped returns an Unmatched for an attribute of Per that no event has: then the rule judges several
// groups as one.
func ungrouped(sd *side) *Unmatched {
	i := &sd.in
	n := slices.Index(sd.seen.groups, false)
	if n < 0 || !sd.matched || i.GroupBy[n] == conventions.ErrorType {
		return nil
	}
	return &Unmatched{Text: fmt.Sprintf("Per: no event has %s%s", i.GroupBy[n], instead(sd.seen.keys))}
}

// unmatched returns why the filter of one side matches nothing; nil if it matches, or if nothing was
// counted. A filter for bad events matches nothing on a good day, so it is reported only if no event has
// the attribute at all.
func unmatched(sd *side, bad bool, least float64, span time.Duration) *Unmatched {
	i := &sd.in
	if sd.matched || len(i.Matchers) == 0 {
		return nil
	}
	grown, _ := sd.missed.growth(span, early)
	if grown[0] < least {
		return nil
	}
	what, events := "nothing matches "+describe(i.Matchers), text.Number(grown[0])
	for n, m := range i.Matchers {
		switch {
		case sd.seen.has[n] || sd.seen.passes[n]:
		case bad && m.Key == conventions.ErrorType:
			return nil // by convention, only failures have this attribute
		default:
			return &Unmatched{Text: fmt.Sprintf("%s: %s events have no %s%s", what, events, m.Key, instead(sd.seen.keys))}
		}
	}
	if bad {
		return nil
	}
	if n := slices.Index(sd.seen.passes, false); n >= 0 && !i.Matchers[n].Not {
		return &Unmatched{Text: fmt.Sprintf("%s: %s events have another %s", what, events, i.Matchers[n].Key)}
	}
	return &Unmatched{Text: fmt.Sprintf("%s: %s events match a part of it", what, events)}
}

// instead names attributes that the events have. It names no values, because these may be secrets.
func instead(keys map[attribute.Key]bool) string {
	all := slices.Sorted(maps.Keys(keys))
	if len(all) == 0 {
		return ""
	}
	var names []string
	for _, k := range all[:min(len(all), maxKeys)] {
		names = append(names, text.Shorten(strings.ToValidUTF8(string(k), "?"), 40))
	}
	more := ""
	if len(all) > maxKeys {
		more = ", …"
	}
	return ", but " + strings.Join(names, ", ") + more
}

// describe writes a filter for people: http.route=/checkout.
func describe(all []query.Matcher) string {
	var parts []string
	for _, m := range all {
		is := "="
		if m.Not {
			is = "!="
		}
		parts = append(parts, string(m.Key)+is+strings.Join(m.Values, "|"))
	}
	return text.Shorten(strings.Join(parts, ","), 64)
}
