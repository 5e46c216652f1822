package backtest

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// WriteHTML writes the result as one HTML page without external assets. It has a strip for each instance,
// and a table of all times.
func (r *Result) WriteHTML(w io.Writer) error {
	p := pageOf{Title: "What these rules would have done", From: stamp(r.From), To: stamp(r.To), Samples: r.samples(), Selector: r.Selector, Result: r, Width: stripWidth}
	p.Totals = r.totals()
	p.Most, p.Fewest = number(r.Fleet.MostOut, false)+at(r.Fleet.MostOut), number(r.Fleet.FewestReady, true)+at(r.Fleet.FewestReady)
	if r.ejects {
		p.Bound = bound
	}
	if r.Recorded != nil {
		p.Recorded = r.Recorded.text()
	}
	p.CantTell = fmt.Sprintf("%.2f %%", r.Ready.share(r.Ready.CantTell))
	for _, rule := range r.Rules {
		p.Rules = append(p.Rules, append([]string{rule.Name, rule.Text, states.Role(rule.OnFail)}, rule.row()...))
	}
	for n := range 5 {
		at := r.From.Add(time.Duration(n) * r.To.Sub(r.From) / 4)
		p.Ticks = append(p.Ticks, at.UTC().Format("01-02 15:04"))
	}
	for n := range r.Instances {
		i := &r.Instances[n]
		row := instanceRow{Name: i.Name, Strips: []stripOf{r.strip("readiness", i.Ready)}}
		if i.Shadow != nil {
			row.Strips = append(row.Strips, r.strip("with shadow", i.Shadow))
		}
		for _, rule := range r.Rules {
			row.Strips = append(row.Strips, r.strip(rule.Name, i.Rules[rule.Name]))
		}
		row.Outs = i.outs()
		p.Instances = append(p.Instances, row)
	}
	return page.Execute(w, p)
}

type pageOf struct {
	Title, From, To, Samples, Selector, Most, Fewest, Recorded, CantTell, Bound string

	Width     int
	Result    *Result
	Totals    [][]string
	Rules     [][]string
	Ticks     []string
	Instances []instanceRow
}

type instanceRow struct {
	Name   string
	Strips []stripOf
	Outs   []string
}

// A stripOf is one row: a path for each class of states.
type stripOf struct {
	Name, Label string
	Paths       []path
}

type path struct{ Class, D string }

// stripWidth is the width of a strip, in columns.
const stripWidth = 720

// classes are the classes of states, from the best to the worst.
var classes = []string{"pass", "warn", "cant", "fail"}

// strip draws spans. Each column has the worst class of its time. "Can't tell" is worse than a warning, and
// better than a failure.
func (r *Result) strip(name string, spans []Span) stripOf {
	columns := make([]int, stripWidth)
	per := r.To.Sub(r.From).Seconds() / stripWidth
	var total Total
	total.of(spans)
	for _, s := range spans {
		if s.Low == "" {
			continue
		}
		rank := 0
		switch {
		case !s.Certain():
			rank = 2
		case s.Low == verdict.Warn:
			rank = 1
		case out(s.Low):
			rank = 3
		}
		first := int(s.From.Sub(r.From).Seconds() / per)
		last := int(math.Ceil(s.To.Sub(r.From).Seconds()/per)) - 1
		for c := max(0, first); c <= min(last, stripWidth-1); c++ {
			columns[c] = max(columns[c], rank+1)
		}
	}
	out := stripOf{Name: name, Label: fmt.Sprintf("%s: pass %.2f %%, warn %s, fail %s, can't tell %s, no data %s", name,
		total.share(total.Pass), minutes(total.Warn), minutes(total.Fail), minutes(total.CantTell), minutes(total.NoData))}
	for rank, class := range classes {
		var d strings.Builder
		for c := 0; c < stripWidth; c++ {
			if columns[c] != rank+1 {
				continue
			}
			begin := c
			for c < stripWidth && columns[c] == rank+1 {
				c++
			}
			fmt.Fprintf(&d, "M%d 0h%dv10h-%dz", begin, c-begin, c-begin)
		}
		if d.Len() > 0 {
			out.Paths = append(out.Paths, path{class, d.String()})
		}
	}
	return out
}
