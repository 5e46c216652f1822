package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql"
)

// shown is what a panel says at the end of its range: words and colours of its mappings and
// thresholds, or its text for no data. A row of a table is one entry.
func (v view) shown(p panel) (entries []entry, err error) {
	var results []promql.Matrix
	for _, t := range p.Targets {
		if t.Expr == "" {
			return []entry{{text: "(a query of traces)"}}, nil
		}
		m, err := v.ask(p, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Title, err)
		}
		results = append(results, slices.DeleteFunc(m, func(s promql.Series) bool { return !real(s) }))
	}
	if p.Type == "table" {
		entries = p.table(results)
	} else {
		for n, m := range results {
			for _, s := range m {
				e := p.FieldConfig.Defaults.say(s.Floats[len(s.Floats)-1].F)
				if name := legend(p.Targets[n].LegendFormat, s); p.Type != "stat" || len(m) > 1 || len(p.Targets) > 1 {
					e.text = name + ": " + e.text
				}
				if last := s.Floats[len(s.Floats)-1].T; !p.Targets[n].Instant && last < v.end.Truncate(v.interval(p.points())).UnixMilli() {
					e.text, e.colour = e.text+" (ended)", "" // a line that has ended says nothing of now
				}
				entries = append(entries, e)
			}
		}
	}
	if len(entries) == 0 {
		entries = []entry{{text: p.FieldConfig.Defaults.NoValue}}
	}
	return entries, nil
}

type entry struct{ text, colour string }

var braces = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

func legend(format string, s promql.Series) string {
	return braces.ReplaceAllStringFunc(format, func(m string) string { return s.Metric.Get(braces.FindStringSubmatch(m)[1]) })
}

// say gives a number its word and its colour.
func (f fieldConfig) say(n float64) entry {
	for _, m := range f.Mappings {
		switch m.Type {
		case "value":
			var values map[string]struct{ Text, Color string }
			if json.Unmarshal(m.Options, &values) == nil {
				if r, ok := values[strconv.FormatFloat(n, 'g', -1, 64)]; ok {
					return entry{r.Text, r.Color}
				}
			}
		case "range":
			var r struct {
				From, To float64
				Result   struct{ Text, Color string }
			}
			if json.Unmarshal(m.Options, &r) == nil && n >= r.From && n <= r.To {
				return entry{r.Result.Text, r.Result.Color}
			}
		}
	}
	e := entry{text: strconv.FormatFloat(n, 'g', 3, 64)}
	for _, s := range f.Thresholds.Steps {
		if s.Value == nil || n >= *s.Value {
			e.colour = s.Color
		}
	}
	return e
}

// table joins the results by their labels, as Grafana's merge does, and says each row's columns.
func (p panel) table(results []promql.Matrix) (entries []entry) {
	columns := map[string]fieldConfig{}
	for _, o := range p.FieldConfig.Overrides {
		var f fieldConfig
		for _, property := range o.Properties {
			switch property.ID {
			case "mappings":
				_ = json.Unmarshal(property.Value, &f.Mappings)
			case "thresholds":
				_ = json.Unmarshal(property.Value, &f.Thresholds)
			}
		}
		columns[o.Matcher.Options] = f
	}
	var names map[string]string
	for _, t := range p.Transformations {
		if t.Options.RenameByName != nil {
			names = t.Options.RenameByName
		}
	}
	type row struct {
		key   string
		cells []string
		worst string
	}
	var rows []*row
	common := commonLabels(results)
	for n, m := range results {
		for _, s := range m {
			var key []string
			for _, l := range common {
				key = append(key, s.Metric.Get(l))
			}
			k := strings.Join(key, "\x00")
			i := slices.IndexFunc(rows, func(r *row) bool { return r.key == k })
			if i < 0 {
				rows, i = append(rows, &row{key: k}), len(rows)
			}
			r := rows[i]
			for label := range s.Metric.Map() {
				if title, ok := names[label]; ok && !slices.Contains(r.cells, title+" "+s.Metric.Get(label)) {
					r.cells = append(r.cells, title+" "+s.Metric.Get(label))
					if f, mapped := columns[title]; mapped {
						r.worst += f.word(s.Metric.Get(label))
					}
				}
			}
			field := "Value #" + p.Targets[n].RefID
			if len(p.Targets) == 1 {
				field = "Value"
			}
			if title, ok := names[field]; ok {
				e := columns[title].say(s.Floats[0].F)
				r.cells, r.worst = append(r.cells, title+" "+e.text), r.worst+" "+e.colour
			}
		}
	}
	for _, r := range rows {
		slices.Sort(r.cells)
		entries = append(entries, entry{strings.Join(r.cells, ", "), r.worst})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.text, b.text) })
	return entries
}

// word is the colour of a label's value.
func (f fieldConfig) word(value string) string {
	for _, m := range f.Mappings {
		var values map[string]struct{ Text, Color string }
		if m.Type == "value" && json.Unmarshal(m.Options, &values) == nil {
			return " " + values[value].Color
		}
	}
	return ""
}

// commonLabels are the labels of every result.
func commonLabels(results []promql.Matrix) (common []string) {
	first := true
	for _, m := range results {
		if len(m) == 0 {
			continue
		}
		have := map[string]bool{}
		for _, s := range m {
			for l := range s.Metric.Map() {
				have[l] = true
			}
		}
		if first {
			for l := range have {
				common = append(common, l)
			}
			first = false
		}
		common = slices.DeleteFunc(common, func(l string) bool { return !have[l] })
	}
	slices.Sort(common)
	return common
}
