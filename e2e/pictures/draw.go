package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// width of all pictures, in points. A point has two pixels.
const width = 1200

// sheet is what the page draws.
type sheet struct {
	Theme   string           `json:"theme"`
	Width   int              `json:"width"`
	From    int64            `json:"from"`
	To      int64            `json:"to"`
	Board   sheetBoard       `json:"board"`
	Chosen  [][2]string      `json:"chosen"`
	Results map[int][]result `json:"results"` // by panel
	Marks   []mark           `json:"marks"`
	Empty   []int            `json:"empty"` // panels that may have no data
}

type sheetBoard struct {
	Title  string            `json:"title"`
	Panels []json.RawMessage `json:"panels"`
}

// result has the series of a query.
type result struct {
	RefID  string       `json:"refId"`
	Format string       `json:"format"`
	Legend string       `json:"legend"`
	Times  []int64      `json:"times,omitempty"` // all steps
	Series []resultLine `json:"series"`
}

type resultLine struct {
	Labels map[string]string `json:"labels"`
	Times  []int64           `json:"times"`
	Values []*float64        `json:"values"`
}

// mark is an annotation.
type mark struct {
	Color string `json:"color"`
	From  int64  `json:"from"`
	To    int64  `json:"to"`
}

// draw makes a picture of a dashboard.
func (p picture) draw(b *browser, s *store, theme, out string) error {
	began := time.Now()
	sheet, err := p.sheet(s, theme)
	if err != nil {
		return err
	}
	png, problems, err := b.take(sheet)
	if err != nil {
		return err
	}
	if p.name != "" { // it is to be committed
		if png, err = fewer(png); err != nil {
			return err
		}
	}
	from, err := source(p.board)
	if err != nil {
		return err
	}
	png = tell(png, from)
	fmt.Printf("%-36s %4d kB %6.1f s\n", p.file(theme), len(png)>>10, time.Since(began).Seconds())
	return errors.Join(append(problems, os.WriteFile(filepath.Join(out, p.file(theme)), png, 0o644))...)
}

// sheet asks all queries of the rows that are drawn.
func (p picture) sheet(s *store, theme string) (sheet, error) {
	path := filepath.Join(dashboards, p.board+".json")
	b, err := readBoard(path)
	if err != nil {
		return sheet{}, err
	}
	v := view{store: s, end: now, span: p.span, vars: map[string]string{}}
	out := sheet{Theme: theme, Width: width, From: now.Add(-p.span).UnixMilli(), To: now.UnixMilli(), Board: sheetBoard{Title: b.Title}, Results: map[int][]result{}, Chosen: [][2]string{}, Marks: []mark{}, Empty: []int{}}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(p.vars))) { // the service first
		value := p.vars[name]
		v.vars[name] = value
		out.Chosen = append(out.Chosen, [2]string{map[string]string{"job": "Service", "check": "Check"}[name], value})
	}
	if err := v.choose(b); err != nil {
		return sheet{}, err
	}
	raw, err := p.chosen(path)
	if err != nil {
		return sheet{}, err
	}
	var problems []error
	for _, text := range raw {
		var x panel
		if err := json.Unmarshal(text, &x); err != nil {
			return sheet{}, err
		}
		out.Board.Panels = append(out.Board.Panels, text)
		if slices.Contains([]string{"dead", "no-traffic", "never"}, p.scene) || x.Title == "Votes of the peers" || x.Title == "Would be out" { // no scene has peers or a check in shadow
			out.Empty = append(out.Empty, x.ID)
		}
		for _, t := range x.Targets {
			m, err := v.ask(x, t)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", x.Title, err))
				continue
			}
			out.Results[x.ID] = append(out.Results[x.ID], v.result(x, t, m))
		}
	}
	out.Marks, err = v.marks(b)
	return out, errors.Join(append(problems, err)...)
}

// chosen returns the JSON of the panels to draw, with the headings of their rows.
func (p picture) chosen(path string) (list []json.RawMessage, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var b struct{ Panels []json.RawMessage }
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, err
	}
	take := true
	for _, text := range b.Panels {
		var x struct {
			Type, Title string
			Collapsed   bool
			Panels      []json.RawMessage
		}
		if err := json.Unmarshal(text, &x); err != nil {
			return nil, err
		}
		if x.Type == "row" {
			take = p.rows == nil && !x.Collapsed || slices.Contains(p.rows, x.Title)
		}
		if take && !slices.Contains(p.but, x.Title) {
			list = append(append(list, text), x.Panels...)
		}
	}
	return list, nil
}

func (v view) result(p panel, t target, m promql.Matrix) result {
	r := result{RefID: t.RefID, Format: t.Format, Legend: t.LegendFormat, Series: []resultLine{}}
	if !t.Instant {
		interval := v.interval(p.points())
		end := v.end.Truncate(interval)
		for at := end.Add(-v.span); !at.After(end); at = at.Add(interval) {
			r.Times = append(r.Times, at.UnixMilli())
		}
	}
	for _, s := range m {
		labels := s.Metric.Map()
		delete(labels, "__name__")
		line := resultLine{Labels: labels}
		for _, f := range s.Floats {
			line.Times = append(line.Times, f.T)
			if math.IsNaN(f.F) || math.IsInf(f.F, 0) {
				line.Values = append(line.Values, nil)
			} else {
				line.Values = append(line.Values, &f.F)
			}
		}
		r.Series = append(r.Series, line)
	}
	return r
}

// marks asks for the annotations that are on. What follows at the next step is one region.
func (v view) marks(b board) (list []mark, err error) {
	list = []mark{}
	interval := v.interval(width)
	for _, a := range b.Annotations.List {
		if !a.Enable {
			continue
		}
		m, err := v.ask(panel{MaxDataPoints: width}, target{Expr: a.Expr})
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", a.Name, err)
		}
		for _, s := range m {
			var open *mark
			for _, f := range s.Floats {
				if a.UseValueForTime {
					if at := int64(f.F); at >= now.Add(-v.span).UnixMilli() {
						list = append(list, mark{a.IconColor, at, at})
					}
					continue
				}
				if open == nil || f.T-open.To > interval.Milliseconds() {
					list = append(list, mark{a.IconColor, f.T, f.T})
					open = &list[len(list)-1]
				}
				open.To = f.T
			}
		}
	}
	slices.SortFunc(list, func(a, b mark) int {
		if c := strings.Compare(a.Color, b.Color); c != 0 {
			return c
		}
		return int(a.From - b.From + a.To - b.To)
	})
	return slices.Compact(list), nil
}
