package main

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/promql"
)

// A mutant is a mistake that somebody could make in a query.
type mutant struct {
	name string
	from *regexp.Regexp
	to   string
}

var mutants = []mutant{
	{"sum is avg", regexp.MustCompile(`\bsum( by| ?\()`), "avg$1"},
	{"max is min", regexp.MustCompile(`\bmax( by| ?\()`), "min$1"},
	{"max is sum", regexp.MustCompile(`\bmax( by| ?\()`), "sum$1"},
	{"min is max", regexp.MustCompile(`\bmin( by| ?\()`), "max$1"},
	{"avg is max", regexp.MustCompile(`\bavg( by| ?\()`), "max$1"},
	{"count is sum", regexp.MustCompile(`\bcount( by| ?\()`), "sum$1"},
	{"no by", regexp.MustCompile(` by \([^)]*\)`), " by (job)"},
	{"a label less", regexp.MustCompile(`, \w+\) \(`), ") ("},
	{"not of the job", regexp.MustCompile(`,job=~"\$job"`), ""},
	{"not of the instance", regexp.MustCompile(`instance=~"\$instance",`), ""},
	{"another rate window", regexp.MustCompile(`\$__rate_interval`), "5m"},
	{"a longer range", regexp.MustCompile(`\$__range`), "2h"},
	{"older data", regexp.MustCompile(`\[2m\]`), "[10m]"},
	{"another code", regexp.MustCompile(`5\.\.`), "2.."},
	{"503 too", regexp.MustCompile(`http_response_status_code!="503",`), ""},
	{"another state", regexp.MustCompile(`"fail"`), `"warn"`},
	{"another quantile", regexp.MustCompile(`quantile\(0\.9+`), "quantile(0.9"},
	{"another median", regexp.MustCompile(`quantile\(0\.5`), "quantile(0.6"},
	{"another budget", regexp.MustCompile(`/ 0\.01`), "/ 0.001"},
	{"another window", regexp.MustCompile(`rate30m`), "rate1h"},
	{"a shorter window", regexp.MustCompile(`rate1h`), "rate30m"},
	{"rate is increase", regexp.MustCompile(`\brate\(`), "increase("},
	{"increase is rate", regexp.MustCompile(`\bincrease\(`), "rate("},
	{"another unit", regexp.MustCompile(`\b1000 \*`), "1 *"},
	{"another rank", regexp.MustCompile(`topk\((\d+), `), "bottomk($1, "},
	{"another lowest", regexp.MustCompile(`bottomk\((\d+), `), "topk($1, "},
	{"the other limit", regexp.MustCompile(`max\.fail`), "min.fail"},
	{"not a share", regexp.MustCompile(` / on \([^)]*\)( group_left ?\(\))?`), " * on ($1"},
}

// mutate tries mistakes in the queries of all dashboards. One that changes a figure of the scene by more
// than a twentieth must be found. Without -full it tries each in three queries.
func (p *played) mutate(t *testing.T, choices []choice) {
	t.Helper()
	found, refused, nothing := 0, 0, 0
	tried := map[string]int{}
	for _, uid := range boards {
		b, err := readBoard(filepath.Join(dashboards, uid+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range choices {
			v := p.view(c)
			for _, on := range b.all() {
				for _, q := range on.Targets {
					w := figures[uid][fmt.Sprintf("%d %s", on.ID, q.RefID)]
					if w.count == nil {
						continue
					}
					var right promql.Matrix
					for _, m := range mutants {
						mutated := q
						if mutated.Expr = m.from.ReplaceAllString(q.Expr, m.to); mutated.Expr == q.Expr || tried[m.name] == 3 && !*full {
							continue
						}
						tried[m.name]++
						if right == nil {
							if right, err = v.ask(on, q); err != nil {
								t.Fatal(err)
							}
						}
						wrong, err := v.ask(on, mutated)
						if err != nil {
							refused++
							continue
						}
						if same(right, wrong, w.top != 0) {
							nothing++
							continue
						}
						if _, err := w.compare(p, c, v, on, mutated, func(panel, target) (promql.Matrix, error) { return wrong, nil }); err == nil {
							t.Errorf("%s/%d %s %s: a mistake is not found: %s", uid, on.ID, q.RefID, on.Title, m.name)
						}
						found++
					}
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d mistakes change a figure", found)
	}
	t.Logf("%d mistakes are found, %d are refused by Prometheus, %d change no figure of this scene", found, refused, nothing)
}

// same tells whether two answers show the same, but for a twentieth. Rows that were cut may be others with
// the same figures.
func same(a, b promql.Matrix, cut bool) bool {
	shown := func(m promql.Matrix) map[string][]float64 {
		at := map[string][]float64{}
		for _, s := range m {
			for _, x := range s.Floats {
				key := fmt.Sprint(x.T)
				if !cut {
					key += s.Metric.String()
				}
				at[key] = append(at[key], x.F)
			}
		}
		for _, list := range at {
			slices.Sort(list)
		}
		return at
	}
	return maps.EqualFunc(shown(a), shown(b), func(a, b []float64) bool {
		return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) <= .05*math.Abs(y)+1e-9 })
	})
}
