package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// board is what is read of a dashboard's JSON.
type board struct {
	UID, Title string
	Time       struct{ From string }
	Panels     []panel
	Templating struct{ List []variable }

	Annotations struct {
		List []struct {
			Name, Expr, IconColor   string
			Enable, UseValueForTime bool
		}
	}
}

type variable struct{ Name, Type, Definition, AllValue, Regex string }

type panel struct {
	ID            int
	Type, Title   string
	Collapsed     bool
	Panels        []panel
	Targets       []target
	MaxDataPoints float64
	GridPos       struct{ W, H, X, Y int }
	FieldConfig   struct {
		Defaults  fieldConfig
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
	Options         struct{ TextMode string }
	Transformations []struct {
		ID      string
		Options struct{ RenameByName map[string]string }
	}
}

type target struct {
	RefID, Expr, Query, LegendFormat, Format string
	Instant                                  bool
}

type fieldConfig struct {
	Unit, NoValue string
	Mappings      []mapping
	Thresholds    struct {
		Steps []struct {
			Value *float64
			Color string
		}
	}
}

type mapping struct {
	Type    string
	Options json.RawMessage
}

func readBoard(path string) (b board, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal(text, &b)
}

// all returns the panels without the rows, also those in folded rows.
func (b board) all() (list []panel) {
	for _, p := range b.Panels {
		if p.Type != "row" {
			list = append(list, p)
		}
		list = append(list, p.Panels...)
	}
	return list
}

// A view is a time range and the values of variables.
type view struct {
	store *store
	end   time.Time
	span  time.Duration
	vars  map[string]string
}

// interval is Grafana's: a step for each point of the panel, but not less than the interval of the samples.
func (v view) interval(points int) time.Duration {
	raw := v.span / time.Duration(points)
	for _, nice := range []time.Duration{15 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour} {
		if raw <= nice {
			return nice
		}
	}
	return 12 * time.Hour
}

var variables = regexp.MustCompile(`\$\{?([A-Za-z_]\w*)\}?`)

// fill puts the values of variables into a query.
func (v view) fill(q string, interval time.Duration) string {
	seconds := func(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }
	return variables.ReplaceAllStringFunc(q, func(m string) string {
		switch name := variables.FindStringSubmatch(m)[1]; name {
		case "__interval":
			return seconds(interval)
		case "__interval_ms":
			return fmt.Sprint(interval.Milliseconds())
		case "__rate_interval":
			return seconds(max(interval+tick, 4*tick))
		case "__range":
			return seconds(v.span)
		default:
			if value, ok := v.vars[name]; ok {
				return value
			}
			return m
		}
	})
}

var labelValues = regexp.MustCompile(`^label_values\((.*), ([\w.]+)\)$`)

// choose gives each variable without a value that of All, or the first value.
func (v view) choose(b board) error {
	for _, x := range b.Templating.List {
		if _, given := v.vars[x.Name]; given || x.Type != "query" {
			continue
		}
		if x.AllValue != "" {
			v.vars[x.Name] = x.AllValue
			continue
		}
		m := labelValues.FindStringSubmatch(x.Definition)
		if m == nil {
			return fmt.Errorf("variable %s: %s", x.Name, x.Definition)
		}
		values, err := v.values(v.fill(m[1], tick), m[2])
		if err != nil {
			return fmt.Errorf("variable %s: %w", x.Name, err)
		}
		if x.Name == "latency" && slices.Contains(values, x.Name) {
			values = []string{x.Name}
		}
		v.vars[x.Name] = strings.Join(values, "|")
	}
	return nil
}

// values returns a label's values in the time range.
func (v view) values(selector, label string) (list []string, err error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	if err != nil {
		return nil, err
	}
	q, err := v.store.db.Querier(v.end.Add(-v.span).UnixMilli(), v.end.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer q.Close()
	list, _, err = q.LabelValues(context.Background(), label, nil, matchers...)
	return list, err
}

// points is how many a panel has room for.
func (p panel) points() int {
	if p.MaxDataPoints > 0 {
		return int(p.MaxDataPoints)
	}
	return max(100, p.GridPos.W*50)
}

// ask sends a query of a panel.
func (v view) ask(p panel, t target) (promql.Matrix, error) {
	interval := v.interval(p.points())
	text := v.fill(t.Expr, interval)
	var q promql.Query
	var err error
	if t.Instant {
		q, err = v.store.engine.NewInstantQuery(context.Background(), v.store.db, nil, text, v.end)
	} else {
		end := v.end.Truncate(interval)
		q, err = v.store.engine.NewRangeQuery(context.Background(), v.store.db, nil, text, end.Add(-v.span), end, interval)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	defer q.Close()
	r := q.Exec(context.Background())
	if r.Err != nil {
		return nil, fmt.Errorf("%w: %s", r.Err, text)
	}
	if len(r.Warnings.AsErrors()) > 0 {
		return nil, fmt.Errorf("%v: %s", r.Warnings.AsErrors(), text)
	}
	return copied(r.Value)
}

// copied copies the values, because the engine reuses the query's own.
func copied(value parser.Value) (out promql.Matrix, err error) {
	switch x := value.(type) {
	case promql.Vector:
		for _, s := range x {
			out = append(out, promql.Series{Metric: s.Metric, Floats: []promql.FPoint{{T: s.T, F: s.F}}})
		}
	case promql.Matrix:
		for _, s := range x {
			out = append(out, promql.Series{Metric: s.Metric, Floats: slices.Clone(s.Floats)})
		}
	case promql.Scalar:
		out = promql.Matrix{{Floats: []promql.FPoint{{T: x.T, F: x.V}}}}
	default:
		return nil, fmt.Errorf("a value of type %T", value)
	}
	return out, nil
}

// real tells whether a series has a number.
func real(s promql.Series) bool {
	return slices.ContainsFunc(s.Floats, func(p promql.FPoint) bool { return !math.IsNaN(p.F) })
}
