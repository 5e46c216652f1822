package backtest

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// WriteText writes the result for people.
func (r *Result) WriteText(w io.Writer) error {
	t := &lines{w: w}
	of := r.Selector
	if of != "" {
		of = " on " + of
	}
	t.line("Backtest of %s%s, %s, %s to %s, %s.", count(len(r.Rules), "rule"), of, count(len(r.Instances), "instance"), stamp(r.From), stamp(r.To), r.samples())
	t.line("States are those at the samples. What lasted for less than the time between two of them may be missing.")
	if r.Ready.NoData > 0 {
		t.line("For %s there is no data, of all instances together. The shares leave it out.", minutes(r.Ready.NoData))
	}
	t.list("Notes:", r.Notes) // before the numbers, because a wrong name or unit makes them worthless
	t.line("")
	t.table([]string{"", "PASS", "WARN", "FAIL", "CAN'T TELL", "FLIPS", "FIRST NOT READY", "LAST UNTIL"}, r.totals())
	t.line("")
	t.line("Most out at once:  %s%s", number(r.Fleet.MostOut, false), at(r.Fleet.MostOut))
	t.line("Fewest ready:      %s%s", number(r.Fleet.FewestReady, true), at(r.Fleet.FewestReady))
	t.line("")
	var rows [][]string
	for _, rule := range r.Rules {
		name := rule.Name
		if rule.Shadow {
			name += " (in shadow)"
		}
		rows = append(rows, append([]string{name, states.Role(rule.OnFail)}, rule.row()...))
	}
	t.table([]string{"RULE", "ROLE", "PASS", "WARN", "FAIL", "CAN'T TELL", "FLIPS", "FIRST FAILURE", "LAST UNTIL"}, rows)
	for _, rule := range r.Rules {
		t.line("  %s: %s", rule.Name, rule.Text)
	}
	t.outs(r)
	if r.Recorded != nil {
		t.line("")
		t.line("%s", r.Recorded.text())
	}
	t.list("Not judged:", r.Left)
	return t.err
}

func (r *Result) totals() [][]string {
	rows := [][]string{append([]string{"readiness"}, r.Ready.row()...)}
	if r.Shadow != nil {
		rows = append(rows, append([]string{"with shadow"}, r.Shadow.row()...))
	}
	return rows
}

func (r *Result) samples() string {
	if r.Every == 0 {
		return count(r.Samples, "sample")
	}
	return fmt.Sprintf("%s, every %v", count(r.Samples, "sample"), short(time.Duration(float64(r.Every)*float64(time.Second)).Round(time.Second)))
}

// row is a total as cells.
func (t *Total) row() []string {
	return []string{
		fmt.Sprintf("%.3f %%", t.share(t.Pass)), minutes(t.Warn), minutes(t.Fail), fmt.Sprintf("%s (%.2f %%)", minutes(t.CantTell), t.share(t.CantTell)),
		fmt.Sprint(t.Flips), stamp(t.First), stamp(t.Last),
	}
}

func minutes(s Seconds) string {
	if s == 0 {
		return "0"
	}
	if s < 60 {
		return fmt.Sprintf("%.0f s", float64(s))
	}
	return fmt.Sprintf("%.0f min", float64(s)/60)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// number writes "3", or "between 0 and 3", of 50.
func number(a At, ready bool) string {
	text := fmt.Sprint(a.Low)
	if a.Low != a.High {
		text = fmt.Sprintf("between %d and %d", a.Low, a.High)
	}
	if !ready && a.High == 0 {
		return "none"
	}
	return fmt.Sprintf("%s of %d", text, a.Of)
}

func at(a At) string {
	if a.Time.IsZero() {
		return ""
	}
	return ", at " + stamp(a.Time)
}

// text describes the agreement with the recorded states.
func (a *Agreement) text() string {
	if a.Certain == 0 {
		return fmt.Sprintf("Recorded verdicts: %s, and none to compare: the backtest is not sure of its own, or no change of a state was recorded yet.", count(a.Samples, "state"))
	}
	text := fmt.Sprintf("Recorded verdicts: %s, sure of %.2f %%, equal in %.3f %% of these.",
		count(a.Samples, "state"), 100*float64(a.Certain)/float64(a.Samples), 100*float64(a.Equal)/float64(a.Certain))
	if d := a.Differs; d != nil {
		what := d.Rule
		if what == "" {
			what = "readiness"
		}
		text += fmt.Sprintf("\nThe first difference: %s of %s at %s was recorded as %s; with these rules it is %s.", what, d.Instance, stamp(d.Time), d.Recorded, d.Backtest)
	}
	return text
}

// lines writes lines, and keeps the first error.
type lines struct {
	w   io.Writer
	err error
}

func (l *lines) line(format string, a ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", a...)
	}
}

// list writes a title and indented lines, or nothing.
func (l *lines) list(title string, all []string) {
	if len(all) == 0 {
		return
	}
	l.line("")
	l.line("%s", title)
	for _, one := range all {
		l.line("  %s", one)
	}
}

func (l *lines) table(head []string, rows [][]string) {
	if l.err != nil {
		return
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{head}, rows...) {
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	if l.err = table.Flush(); l.err != nil {
		return
	}
	for line := range strings.Lines(text.String()) {
		l.line("%s", strings.TrimRight(line, " \n"))
	}
}

// bound says why the result after a first ejection is only a bound.
const bound = "(Traffic is the evidence. After the first ejection, the others would have had the requests. So take the rest as a bound.)"

// mostOuts is how many times that an instance was out the text has at most.
const mostOuts = 10

// outs writes when instances would have been out.
func (l *lines) outs(r *Result) {
	n, more := 0, 0
	for _, i := range r.Instances {
		for _, o := range i.outs() {
			if n++; n > mostOuts {
				more++
				continue
			}
			if n == 1 {
				l.line("")
				l.line("Not ready:")
				if r.ejects {
					l.line("%s", bound)
				}
			}
			l.line("  %s: %s", i.Name, o)
		}
	}
	if more > 0 {
		l.line("  and %d more: -format json or html has all", more)
	}
}

// outs returns a text for every time in which an instance was out, or may have been.
func (i *Instance) outs() (all []string) {
	for n := 0; n < len(i.Ready); n++ {
		if !out(i.Ready[n].High) {
			continue
		}
		first, sure := i.Ready[n].From, time.Time{}
		last := n
		for ; last < len(i.Ready) && out(i.Ready[last].High); last++ {
			if out(i.Ready[last].Low) && sure.IsZero() {
				sure = i.Ready[last].From
			}
		}
		n = last - 1
		to := i.Ready[n].To
		switch {
		case sure.IsZero():
			all = append(all, fmt.Sprintf("perhaps, at some time between %s and %s", stamp(first), stamp(to)))
		case sure.Equal(first):
			all = append(all, fmt.Sprintf("from %s until %s", stamp(first), stamp(to)))
		default:
			all = append(all, fmt.Sprintf("from some time between %s and %s, until %s at the latest", stamp(first), stamp(sure), stamp(to)))
		}
	}
	return all
}
