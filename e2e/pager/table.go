package pager

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A bar is a limit on what may be heard for one cause.
const (
	mostPages   = 2
	mostTickets = 3
	// A cause's end needs an export and an evaluation to be seen.
	grace = 90 * time.Second
)

// excess says what a scene's notifications have too much of. The bad pod beside has a ticket of its
// own, and its cause does not end.
func (h heard) excess(s scene, bad bool) (problems []string) {
	pages, tickets := 0, 0
	for key, x := range h {
		if bad && x.alert == "HealthCheckFailing" {
			continue
		}
		if x.page {
			pages++
		} else {
			tickets++
		}
		for _, at := range x.began {
			if s.over > 0 && at > s.over+grace {
				problems = append(problems, fmt.Sprintf("%s is first heard at %s, after the end at %s", key, clock(at), clock(s.over)))
			}
		}
	}
	if pages > mostPages {
		problems = append(problems, fmt.Sprintf("%d pages", pages))
	}
	if tickets > mostTickets {
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

// table formats the rows.
func table(list []scene, rows map[string]row) string {
	var b strings.Builder
	b.WriteString("| what happens | you hear | if it is scraped | with one bad pod beside |\n|---|---|---|---|\n")
	for _, s := range list {
		r := rows[s.name]
		cell := func(lines []string) string {
			if len(lines) == 0 {
				return "nothing"
			}
			return strings.Join(lines, "<br>")
		}
		base, other, bad := r[variant{pushed, false}], "the same", "the same"
		switch {
		case s.only == scraped:
			base, other = r[variant{scraped, false}], "this is scraped"
		case s.only == pushed:
			other = "—"
		case !r.played(variant{scraped, false}):
			other = "—"
		case !slices.Equal(base, r[variant{scraped, false}]):
			other = cell(r[variant{scraped, false}])
		}
		with := variant{pushed, true}
		if s.only == scraped {
			with.way = scraped
		}
		if got := r[with]; !r.played(with) {
			bad = "—"
		} else if !slices.Equal(base, got) {
			bad = cell(got)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.what, cell(base), other, bad)
	}
	return b.String()
}
