package generate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// link leads to another dashboard.
type link struct {
	title, uid string
	vars       []string // NAME, passed on as it is, or NAME=label
}

// url returns an address in Grafana that keeps the time range and the data sources.
func (l link) url(d dialect, from string) string {
	u := "/d/" + l.uid + "?${datasource:queryparam}&${traces:queryparam}"
	vars := l.vars
	for _, g := range d.group { // a job's value also has the labels of the group
		v := variableOf(g)
		if slices.Contains(l.vars, "job=job") {
			v += "=" + g
		}
		vars = append(slices.Clip(vars), v)
	}
	for _, v := range vars {
		if name, label, ok := strings.Cut(v, "="); ok {
			u += fmt.Sprintf(`&var-%s=${%s["%s"]:percentencode}`, name, from, d.label(label))
		} else {
			u += "&${" + v + ":queryparam}"
		}
	}
	return u + "&${__url_time_range}"
}

func (l link) build(d dialect) dashboard.DashboardLink {
	url := l.url(d, "__field.labels")
	return dashboard.DashboardLink{Title: l.title, Type: dashboard.DashboardLinkTypeLink, Url: &url, Tags: []string{}}
}
