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

// Unmatched says that a filter matches nothing, although the metric counts.
type Unmatched struct {
	Text    string
	Lasting bool // for a whole window
}

// maxKeys is how many attributes of other events the text names.
const maxKeys = 3

// unmatched returns what the filter of one side misses; nil if it matches, or if nothing was
// counted. A filter for bad events matches nothing on a good day. So it counts only if no event has
// the attribute at all.
func unmatched(sd *side, read []Metric, bad bool, least float64, span time.Duration) *Unmatched {
	i := &sd.in
	if sd.matched || len(i.Matchers) == 0 {
		return nil
	}
	grown, _ := sd.missed.growth(span)
	if grown[0] < least {
		return nil
	}
	has, passes := make([]bool, len(i.Matchers)), make([]bool, len(i.Matchers))
	keys := map[attribute.Key]bool{}
	for _, m := range read {
		each(m.Data, func(p *series) {
			if p.overflowed() {
				return
			}
			for n, m := range i.Matchers {
				_, is := p.Attrs.Value(m.Key)
				has[n], passes[n] = has[n] || is, passes[n] || matches(m, p.Attrs)
			}
			for _, kv := range p.Attrs.ToSlice() {
				keys[kv.Key] = true
			}
		})
	}
	what, events := "nothing matches "+describe(i.Matchers), text.Number(grown[0])
	for n, m := range i.Matchers {
		switch {
		case has[n] || passes[n]:
		case bad && m.Key == conventions.ErrorType:
			return nil // by convention, only failures have it
		default:
			return &Unmatched{Text: fmt.Sprintf("%s: %s events have no %s%s", what, events, m.Key, instead(keys))}
		}
	}
	if bad {
		return nil
	}
	if n := slices.Index(passes, false); n >= 0 && !i.Matchers[n].Not {
		return &Unmatched{Text: fmt.Sprintf("%s: %s events have another %s", what, events, i.Matchers[n].Key)}
	}
	return &Unmatched{Text: fmt.Sprintf("%s: %s events match a part of it", what, events)}
}

// instead names attributes that the events have. Only names, because values may be secrets.
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
