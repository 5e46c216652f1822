package generate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	requestDuration = "http.server.request.duration"
	statusCode      = "http_response_status_code"
)

// requestNames are the names of a service's own histogram of requests, as Prometheus stores them. Without a
// metric, the histogram is that of OpenTelemetry.
type requestNames struct{ metric, status string }

// own reads the names from the flags.
func (d dialect) own(metric, status string) (names requestNames, err error) {
	if metric == "" && status == "" {
		return names, nil
	}
	if metric == "" {
		return names, fmt.Errorf("--status-label needs --requests: it is the label of that histogram")
	}
	for _, part := range []string{"_bucket", "_count", "_sum"} {
		if base, cut := strings.CutSuffix(metric, part); cut {
			return names, fmt.Errorf("--requests: %q is a part of a histogram: leave out %s, as in %q", metric, part, base)
		}
	}
	for _, unit := range []string{"milliseconds", "microseconds", "nanoseconds", "minutes"} {
		if strings.HasSuffix(metric, "_"+unit) {
			return names, fmt.Errorf("--requests: %q is in %s, and the limits are in seconds", metric, unit)
		}
	}
	if !model.LegacyValidation.IsValidMetricName(d.plain(metric)) {
		return names, fmt.Errorf("--requests: %q is not a metric with these names", metric)
	}
	other, err := d.otherMetric(metric)
	if err != nil {
		return names, err
	}
	if other {
		return names, fmt.Errorf("--requests: %q is another metric of the alerts and dashboards, not a histogram of requests", metric)
	}
	if status == "" {
		status = d.label(statusCode)
	}
	if !model.LegacyValidation.IsValidLabelName(d.plain(status)) {
		return names, fmt.Errorf("--status-label: %q is not a label with these names", status)
	}
	if d.taken(status) {
		return names, fmt.Errorf("--status-label: %q is a label with another meaning", status)
	}
	return requestNames{metric, status}, nil
}

// plain replaces the characters that only some namings allow. Others, such as quotes, would not be safe in texts.
func (d dialect) plain(name string) string {
	if d.names.ShouldEscape() {
		return name
	}
	return strings.NewReplacer(".", "_", "-", "_", "/", "_").Replace(name)
}

// otherMetric reports whether a name is that of an instrument or of another program's metric. A service may have
// its own histogram under OpenTelemetry's name, with another label.
func (d dialect) otherMetric(metric string) (bool, error) {
	if _, ok := foreign[metric]; ok {
		return true, nil
	}
	for name, i := range d.series.own {
		stored, err := translate(i, d.names)
		if err != nil {
			return false, err
		}
		if i.Name != requestDuration && (metric == name || metric == stored) {
			return true, nil
		}
	}
	return false, nil
}

// taken reports whether the queries use a label for something else.
func (d dialect) taken(label string) bool {
	used := append([]string{"job", "instance", "le", d.label("k8s_pod_name")}, d.group...)
	return strings.HasPrefix(label, "__") || slices.Contains(used, label)
}

// stored is an instrument's name in this dialect.
func (d dialect) stored(i instrument) (string, error) {
	if i.Name == requestDuration && d.request.metric != "" {
		return d.request.metric, nil
	}
	return translate(i, d.names)
}

// scoped is the dialect for labels of queries, in the default naming. In it the label of the status code has the
// name that it has in the queries' series: that of the histogram of requests, or that of other metrics.
func (d dialect) scoped(labels string, queries ...parser.Expr) (dialect, error) {
	if d.request.metric == "" || !strings.Contains(labels, statusCode) {
		return d, nil
	}
	var requests, others bool
	for _, q := range queries {
		r, o := d.codes(q)
		requests, others = requests || r, others || o
	}
	if requests && others {
		return d, fmt.Errorf("%s of requests and of another metric have different names, and can't be one label", statusCode)
	}
	d.ofRequests = requests
	return d, nil
}

// scopedTo is scoped for queries that are not parsed yet.
func (d dialect) scopedTo(labels string, queries ...string) (dialect, error) {
	if d.request.metric == "" || !strings.Contains(labels, statusCode) {
		return d, nil // also for TraceQL
	}
	var list []parser.Expr
	for _, q := range queries {
		expr, err := parse(d.fill(q))
		if err != nil {
			return d, err
		}
		list = append(list, expr)
	}
	return d.scoped(labels, list...)
}

// codes reports whose status codes an expression's result has: those of the histogram of requests, or others.
func (d dialect) codes(n parser.Node) (requests, others bool) {
	switch e := n.(type) {
	case *parser.VectorSelector:
		i, _, ok := d.series.of(e.Name)
		return ok && i.Name == requestDuration, ok && i.Name != requestDuration && d.series.has(e.Name, statusCode)
	case *parser.AggregateExpr:
		if e.Without == slices.Contains(e.Grouping, statusCode) { // the result has no such label
			return false, false
		}
		return d.codes(e.Expr)
	case *parser.BinaryExpr:
		if e.Op == parser.LAND || e.Op == parser.LUNLESS {
			return d.codes(e.LHS)
		}
	}
	for child := range parser.ChildrenIter(n) {
		r, o := d.codes(child)
		requests, others = requests || r, others || o
	}
	return requests, others
}
