package pager

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// These are the limits on what may be heard for one cause.
const (
	mostPages   = 2
	mostTickets = 3
	// A cause's end needs an export and an evaluation to be seen.
	grace = 90 * time.Second
)

// excess returns the problems of a scene's notifications, such as too many pages. The ticket of the bad pod
// beside does not count, because its cause does not end.
func (h heard) excess(s scene, bad bool) (problems []string) {
	pages, tickets := 0, 0
	for key, x := range h {
		if bad && x.alert == "HealthCheckFailing" {
			continue
		}
		if x.page { // each alert of a group counts
			pages += x.most
		} else {
			tickets += x.most
		}
		for _, job := range s.quiet {
			if x.job == job {
				problems = append(problems, key+" is about another service")
			}
		}
		for _, at := range x.began {
			if s.over > 0 && at > s.over+grace {
				problems = append(problems, fmt.Sprintf("%s is first heard at %s, after the end at %s", key, clock(at), clock(s.over)))
			}
		}
	}
	services := max(1, s.services)
	if pages > mostPages*services {
		problems = append(problems, fmt.Sprintf("%d pages", pages))
	}
	if tickets > mostTickets*services {
		problems = append(problems, fmt.Sprintf("%d tickets", tickets))
	}
	if text := h.broken(); text != "" {
		problems = append(problems, "text: "+text)
	}
	return problems
}

// lines are the notifications in the order in which they begin. Groups of one alert are one line.
func (h heard) lines(last time.Duration) []string {
	type line struct {
		page         bool
		alert, times string
		at           time.Duration
		groups, most int
	}
	found := map[string]*line{}
	for _, x := range h {
		span := clock(x.began[0])
		switch {
		case x.until >= last-every:
			span = "from " + span
		default:
			span += " to " + clock(x.until)
		}
		if len(x.began) > 1 {
			span += fmt.Sprintf(", %d times", len(x.began))
		}
		key := fmt.Sprint(x.page, x.alert, span, x.most)
		if found[key] == nil {
			found[key] = &line{x.page, x.alert, span, x.began[0], 0, x.most}
		}
		found[key].groups++
	}
	var list []*line
	for _, l := range found {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *line) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return strings.Compare(a.alert, b.alert)
	})
	var out []string
	for _, l := range list {
		text := "ticket"
		if l.page {
			text = "**page**"
		}
		if l.groups > 1 {
			text = fmt.Sprintf("%d %ss", l.groups, strings.Trim(text, "*"))
			if l.page {
				text = "**" + text + "**"
			}
		}
		text += " " + l.alert
		if l.most > 1 {
			text += fmt.Sprintf(" (%d)", l.most)
		}
		out = append(out, text+" "+l.times)
	}
	return out
}

// alerts are the names of what is heard, without times, numbers and services.
func (h heard) alerts() string {
	var names []string
	for _, x := range h {
		names = append(names, fmt.Sprint(x.alert, x.page))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// clock formats a time since the event.
func clock(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}

// A row is what is heard in a scene, by way of the data, without and with a bad pod beside.
type row map[variant][]string

type variant struct {
	way way
	bad bool
}

func (r row) played(v variant) bool { _, ok := r[v]; return ok }

// base is the variant of the first column.
func (s scene) base() variant {
	if s.only != "" {
		return variant{s.only, false}
	}
	return variant{pushed, false}
}

// has reports whether the scene has a variant. Long windows don't depend on the way of the data.
func (s scene) has(v variant) bool {
	switch {
	case s.only != "" && s.only != v.way:
		return false
	case v == s.base():
		return true
	case s.over > 2*time.Hour, v.bad && s.lone:
		return false
	}
	return !v.bad || v.way == s.base().way
}

// cells are the cells of a table, by the first of each line.
func cells(table string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(table) {
		if f := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |\n"), " | "); len(f) == 4 {
			all[f[0]] = f
		}
	}
	return all
}

// table formats the rows. A cell that was not played is as before.
func table(list []scene, rows map[string]row, before map[string][]string) string {
	var b strings.Builder
	b.WriteString("| what happens | you hear | if it is scraped | with one bad pod beside |\n|---|---|---|---|\n")
	for _, s := range list {
		r, base := rows[s.name], s.base()
		cell := func(n int, v variant) string {
			lines := r[v]
			switch old := before[s.what]; {
			case !s.has(v):
				return "—"
			case !r.played(v) && len(old) == 4:
				return old[n]
			case !r.played(v):
				return "not played"
			case v != base && slices.Equal(lines, r[base]):
				return "the same"
			case len(lines) == 0:
				return "nothing"
			}
			return strings.Join(lines, "<br>")
		}
		other := cell(2, variant{scraped, false})
		if s.only == scraped {
			other = "this is scraped"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.what, cell(1, base), other, cell(3, variant{base.way, true}))
	}
	return b.String()
}
