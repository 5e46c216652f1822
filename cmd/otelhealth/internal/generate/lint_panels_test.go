package generate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// The lint checks the committed dashboards, so it also finds edits by hand. Each rule has a name.
// lint_broken_test.go has a copy that breaks it.

// doc has the fields of a dashboard's JSON that the rules read.
type doc struct {
	Uid, Title, Description, Refresh string
	Time                             struct{ From string }
	Editable                         *bool
	GraphTooltip                     int
	Tags                             []string
	Panels                           []docPanel
	Links                            []struct {
		Type string
		Tags []string
	}
	Templating  struct{ List []docVariable }
	Annotations struct{ List []docAnnotation }
}

type docPanel struct {
	Type, Title, Description string
	Id                       int
	Collapsed                bool
	Datasource               docSource
	GridPos                  struct{ X, Y, W, H int }
	Panels                   []docPanel
	Targets                  []docTarget
	Links                    []docLink
	FieldConfig              struct {
		Defaults struct {
			Unit, NoValue string
			Min, Max      *float64
			Mappings      []docMapping
			Thresholds    *docThresholds
			Links         []docLink
			Custom        struct{ AxisSoftMax *float64 }
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
	Options struct {
		TextMode, ColorMode, ShowValue, ValueMode string
		Text                                      struct{ TitleSize *float64 }
		Legend                                    struct {
			ShowLegend, Show       *bool
			DisplayMode, Placement string
		}
	}
	folded bool // in a folded row
}

type docTarget struct {
	RefID, Expr, Query, LegendFormat, Format string
	Datasource                               docSource
	Instant, Range, Exemplar                 bool
}

type (
	docSource  struct{ Type, UID string }
	docLink    struct{ Title, URL string }
	docMapping struct {
		Type    string
		Options json.RawMessage
	}
	docThresholds struct {
		Steps []struct {
			Value *float64
			Color string
		}
	}
	docVariable struct {
		Name, Type, AllValue, Definition string
		Query                            json.RawMessage
		Datasource                       docSource
		Multi, IncludeAll                bool
		Refresh                          int
	}
	docAnnotation struct {
		Name, Expr      string
		TitleFormat     string
		Datasource      docSource
		UseValueForTime bool
	}
)

// set has all dashboards, for rules between them.
type set map[string]*doc // by file name

// rule returns the problems of one dashboard.
type lintRule struct {
	name  string
	check func(s set, file string, d *doc, report func(format string, args ...any))
}

var lintRules = []lintRule{
	{"identity", lintIdentity},
	{"variables", lintVariables},
	{"datasource", lintDatasource},
	{"words", lintWords},
	{"unit", lintUnit},
	{"targets", lintTargets},
	{"parse", lintParse},
	{"metrics", lintMetrics},
	{"counter", lintCounters},
	{"fresh", lintFresh},
	{"matchers", lintMatchers},
	{"interval", lintIntervals},
	{"legend", lintLegends},
	{"exemplars", lintExemplars},
	{"no data", lintNoData},
	{"thresholds", lintThresholds},
	{"links", lintLinks},
	{"grid", lintGrid},
	{"ids", lintIDs},
	{"text", lintText},
	{"annotations", lintAnnotations},
	{"refresh", lintRefresh},
	{"quantiles", lintQuantiles},
	{"axis", lintAxis},
	{"room", lintRoom},
	{"averages", lintAverages},
	{"who", lintWho},
	{"alerts", lintAlerts},
	{"cost", lintCost},
}

// lint returns the findings in some of the files, by rule.
func lint(s set, files ...string) map[string][]string {
	found := map[string][]string{}
	for _, file := range files {
		for _, r := range lintRules {
			r.check(s, file, s[file], func(format string, args ...any) {
				found[r.name] = append(found[r.name], file+": "+fmt.Sprintf(format, args...))
			})
		}
	}
	for exception := range unmatched { // an unneeded exception hides the next mistake
		uid, rest, _ := strings.Cut(exception, "/")
		if d := s[uid+".json"]; slices.Contains(files, uid+".json") && !slices.ContainsFunc(d.all(), func(p docPanel) bool {
			return slices.ContainsFunc(p.Targets, func(t docTarget) bool {
				return fmt.Sprintf("%d/%s", p.Id, t.RefID) == rest && strings.Contains(t.Expr, "{") && len(missing(t.Expr, false)) > 0
			})
		}) {
			found["matchers"] = append(found["matchers"], exception+": no query needs the exception")
		}
	}
	return found
}

// unmatched are the queries that ignore $instance, by dashboard, panel and refId.
var unmatched = map[string]string{
	"health-service/10/B": "the number of peers with the failure does not depend on the selected instances",
}

// recorded are the recording rules that panels may read.
var recorded = regexp.MustCompile(`^job:(health_instances:count|health_instances_ready:count|health_instances_expected:count|health_ready:ratio|health_instances:max1h|health_silent:count|` +
	`(health_ready_failed|health_ready_observed|http_server_requests_failed|http_server_requests):rate5m|` +
	`(health_ready:error_ratio|http_server_requests:error_ratio|http_server_slow:ratio)_rate(5m|30m|1h|2h|6h|1d|3d))$`)

// bare are counters whose own value means something.
var bare = []string{
	"otelcol_process_uptime_seconds_total",
	"health_probe_state_duration_seconds_total", // over all states, the age of a process
}

// TestLint runs every rule on every panel of the shipped dashboards.
func TestLint(t *testing.T) {
	s := committed(t)
	if len(s) < 5 {
		t.Fatalf("%d dashboards", len(s))
	}
	for rule, found := range lint(s, sorted(s)...) {
		for _, f := range found {
			t.Errorf("%s: %s", rule, f)
		}
	}
	panels, queries := 0, 0
	for _, d := range s {
		for _, p := range d.all() {
			panels++
			queries += len(p.Targets)
		}
	}
	t.Logf("%d rules, %d dashboards, %d panels, %d queries", len(lintRules), len(s), panels, queries)
}

// TestRecorded: the recording rules that panels read exist.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob(root + "/grafana/alerts/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	for _, d := range committed(t) {
		for _, p := range d.all() {
			for _, target := range p.Targets {
				for _, v := range selectors(target.Expr) {
					if !strings.Contains(v.Name, ":") {
						continue
					}
					if !recorded.MatchString(v.Name) {
						t.Errorf("%s/%d: no rule has the name %s", d.Uid, p.Id, v.Name)
					}
					if len(files) > 0 && !strings.Contains(text.String(), "record: "+v.Name+"\n") {
						t.Errorf("%s/%d: nothing in grafana/alerts records %s", d.Uid, p.Id, v.Name)
					}
				}
			}
		}
	}
}

func committed(t *testing.T) set {
	t.Helper()
	files, err := filepath.Glob(root + "/grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	s := set{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s[filepath.Base(path)] = decode(t, text)
	}
	return s
}

func decode(t *testing.T, text []byte) *doc {
	t.Helper()
	var d doc
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// all returns the panels without the rows, also those in folded rows.
func (d *doc) all() (list []docPanel) {
	for _, p := range d.Panels {
		if p.Type != "row" {
			list = append(list, p)
		}
		for _, inner := range p.Panels {
			inner.folded = p.Collapsed
			list = append(list, inner)
		}
	}
	return list
}

// each calls f for every Prometheus query in the panels.
func (d *doc) each(f func(where string, p docPanel, t docTarget)) {
	for _, p := range d.all() {
		for _, t := range p.Targets {
			if t.Datasource.Type == "prometheus" {
				f(fmt.Sprintf("%s/%d/%s", d.Uid, p.Id, t.RefID), p, t)
			}
		}
	}
}

func (p docPanel) where() string { return fmt.Sprintf("panel %d %q", p.Id, p.Title) }

func (p docPanel) traces() bool { return p.Datasource.Type == "tempo" }

func lintIdentity(s set, file string, d *doc, report func(string, ...any)) {
	if d.Uid == "" || len(d.Uid) > 40 || file != d.Uid+".json" {
		report("uid %q", d.Uid)
	}
	for other, o := range s {
		if other != file && o.Uid == d.Uid {
			report("uid %q is that of %s, too", d.Uid, other)
		}
	}
	if d.Editable == nil || *d.Editable {
		report("it is editable, but Grafana loses edits at the next start")
	}
	if d.GraphTooltip != 1 || !slices.Contains(d.Tags, "health-otel") || d.Title == "" || d.Description == "" {
		report("crosshair %d, tags %q, title %q, description %q", d.GraphTooltip, d.Tags, d.Title, d.Description)
	}
}

func lintVariables(_ set, _ string, d *doc, report func(string, ...any)) {
	found := map[string]docVariable{}
	for _, v := range d.Templating.List {
		if _, twice := found[v.Name]; twice {
			report("variable %s appears twice", v.Name)
		}
		found[v.Name] = v
		if v.Type == "query" && v.Refresh != 2 {
			report("variable %s does not follow the time range", v.Name)
		}
		all := ".+"
		if v.Name == "service" || v.Name == "job" { // only what has health metrics
			all = ""
		}
		if v.Type == "query" && (v.Multi != v.IncludeAll || v.Multi && v.AllValue != all) {
			report("variable %s: multi %v, all %v as %q", v.Name, v.Multi, v.IncludeAll, v.AllValue)
		}
	}
	if v := found["datasource"]; v.Type != "datasource" || string(v.Query) != `"prometheus"` {
		report("no variable datasource of a Prometheus")
	}
	for _, name := range []string{"job", "instance"} {
		if v := found[name]; v.Type != "query" || !v.Multi {
			report("no variable %s of many values", name)
		}
	}
	used := regexp.MustCompile(`\$\{?([A-Za-z_]\w*)`) // $1 is of a regular expression
	text, err := json.Marshal(d)
	if err != nil {
		report("%v", err)
	}
	for _, m := range used.FindAllStringSubmatch(string(text), -1) {
		if _, ok := found[m[1]]; !ok && !strings.HasPrefix(m[1], "__") {
			report("variable %s does not exist", m[1])
		}
	}
}

func lintDatasource(_ set, _ string, d *doc, report func(string, ...any)) {
	ok := func(s docSource, folded bool) bool {
		return s == docSource{"prometheus", "${datasource}"} || folded && s == docSource{"tempo", "${traces}"}
	}
	for _, p := range d.all() {
		if !ok(p.Datasource, p.folded) { // traces are optional, so their panels must be folded
			report("%s has data source %v", p.where(), p.Datasource)
		}
		for _, t := range p.Targets {
			if t.Datasource != p.Datasource {
				report("%s %s has data source %v", p.where(), t.RefID, t.Datasource)
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" && !ok(v.Datasource, false) {
			report("variable %s has data source %v", v.Name, v.Datasource)
		}
	}
	for _, a := range d.Annotations.List {
		if !ok(a.Datasource, false) {
			report("annotation %s has data source %v", a.Name, a.Datasource)
		}
	}
}

func lintWords(_ set, _ string, d *doc, report func(string, ...any)) {
	titles := map[string]bool{}
	for _, p := range d.all() {
		if p.Title == "" || titles[p.Title] {
			report("%s: the title is empty or a duplicate", p.where())
		}
		titles[p.Title] = true
		if r := []rune(p.Description); len(r) < 20 || !unicode.IsUpper(r[0]) && !unicode.IsDigit(r[0]) || r[len(r)-1] != '.' {
			report("%s: %q is not a description", p.where(), p.Description)
		}
	}
}

var units = []string{"short", "s", "percentunit", "reqps", "ops", "cps", "Bps", "bytes", "dateTimeFromNow"}

func lintUnit(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, p := range d.all() {
		if p.FieldConfig.Defaults.Unit == "" && len(p.FieldConfig.Defaults.Mappings) == 0 {
			report("%s has neither unit nor mappings", p.where())
		}
		if u := p.FieldConfig.Defaults.Unit; u != "" && !slices.Contains(units, u) {
			report("%s: %q is not one of the units in use", p.where(), u)
		}
	}
}

func lintTargets(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, p := range d.all() {
		if len(p.Targets) == 0 {
			report("%s has no queries", p.where())
		}
		for _, t := range p.Targets {
			if !p.traces() && t.Instant == t.Range || p.traces() && t.Query == "" {
				report("%s %s: instant %v, range %v", p.where(), t.RefID, t.Instant, t.Range)
			}
		}
	}
}

func lintParse(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, q := range d.queries() {
		if _, err := parse(q.expr); err != nil {
			report("%s: %v", q.where, err)
		}
	}
}

type docQuery struct{ where, expr string }

// queries returns all expressions of panels, annotations and variables.
func (d *doc) queries() (list []docQuery) {
	d.each(func(where string, _ docPanel, t docTarget) { list = append(list, docQuery{where, t.Expr}) })
	for _, a := range d.Annotations.List {
		list = append(list, docQuery{"annotation " + a.Name, a.Expr})
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			selector, _, _ := strings.Cut(strings.TrimPrefix(v.Definition, "label_values("), "}, ")
			if strings.Contains(v.Definition, "}, ") {
				selector += "}"
			} else {
				selector, _, _ = strings.Cut(selector, ",")
			}
			list = append(list, docQuery{"variable " + v.Name, selector})
		}
	}
	return list
}

var instruments = sync.OnceValues(func() (series, error) { return readSeries() })

// lintMetrics: names, labels and kinds must match the tables of instruments.
func lintMetrics(_ set, _ string, d *doc, report func(string, ...any)) {
	known, err := instruments()
	if err != nil {
		report("%v", err)
	}
	for _, q := range d.queries() {
		expr, err := parse(q.expr)
		if err != nil {
			continue // parse reports it
		}
		if err := (dialect{series: known}).check(expr); err != nil {
			report("%s: %v", q.where, err)
		}
		for _, v := range selectors(q.expr) {
			if strings.Contains(v.Name, ":") && !recorded.MatchString(v.Name) {
				report("%s: no rule records %s", q.where, v.Name)
			}
		}
	}
}

// lintCounters: a counter's own value means nothing, so a query must ask for its growth.
func lintCounters(_ set, _ string, d *doc, report func(string, ...any)) {
	known, err := instruments()
	if err != nil {
		report("%v", err)
	}
	for _, q := range d.queries() {
		if strings.HasPrefix(q.where, "variable ") {
			continue
		}
		walk(q.expr, func(v *parser.VectorSelector, _ *parser.MatrixSelector, call *parser.Call) {
			kind, _ := known.kind(v.Name)
			if growth := call != nil && slices.Contains([]string{"rate", "increase", "irate", "resets"}, call.Func.Name); kind == "counter" && !growth && !slices.Contains(bare, v.Name) && !began(v, call) {
				report("%s: %s is a counter", q.where, v.Name)
			}
		})
	}
}

// began tells whether a selector is part of finding a new series, whose first value is its growth.
func began(v *parser.VectorSelector, call *parser.Call) bool {
	return v.OriginalOffsetExpr != nil || v.OriginalOffset != 0 || call != nil && call.Func.Name == "last_over_time"
}

// lintFresh: a tile or a table of the current state must use fresh data only, as the rules do. An
// instant query alone looks back for five minutes.
func lintFresh(_ set, _ string, d *doc, report func(string, ...any)) {
	d.each(func(where string, _ docPanel, t docTarget) {
		if !t.Instant {
			return
		}
		walk(t.Expr, func(v *parser.VectorSelector, m *parser.MatrixSelector, call *parser.Call) {
			if strings.HasPrefix(v.Name, "health_") && m == nil && (call == nil || call.Func.Name != "timestamp") {
				report("%s: %s may be five minutes old", where, v.Name)
			}
		})
	})
}

// walk finds the selectors of a query, their ranges and the nearest function.
func walk(q string, f func(v *parser.VectorSelector, m *parser.MatrixSelector, call *parser.Call)) {
	expr, err := parse(q)
	if err != nil {
		return
	}
	parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		var m *parser.MatrixSelector
		var call *parser.Call
		for n := len(path) - 1; n >= 0 && call == nil; n-- {
			switch p := path[n].(type) {
			case *parser.MatrixSelector:
				m = p
			case *parser.Call:
				call = p
			}
		}
		f(v, m, call)
		return nil
	})
}

func selectors(q string) (list []*parser.VectorSelector) {
	walk(q, func(v *parser.VectorSelector, _ *parser.MatrixSelector, _ *parser.Call) { list = append(list, v) })
	return list
}

// lintMatchers: every selector must follow the variables. Metrics of an instance match $job and
// $instance. Recorded series have no instance and match $job. Alerts match $job or no job. The
// collector's own metrics match $collector.
func lintMatchers(_ set, _ string, d *doc, report func(string, ...any)) {
	d.each(func(where string, _ docPanel, t docTarget) {
		_, excepted := unmatched[where]
		for _, m := range missing(t.Expr, excepted) {
			report("%s: %s", where, m)
		}
	})
	for _, a := range d.Annotations.List {
		for _, m := range missing(a.Expr, false) {
			report("annotation %s: %s", a.Name, m)
		}
	}
}

func missing(expr string, fleet bool) (list []string) {
	for _, v := range selectors(expr) {
		want := []string{`job=~"$job"`, `instance=~"$instance"`}
		switch {
		case strings.HasPrefix(v.Name, "otelcol_"):
			want = []string{`job=~"$collector"`}
		case v.Name == "ALERTS": // the rules' own alerts have no job
			want = []string{`job=~"$job|"`}
		case strings.Contains(v.Name, ":"), fleet:
			want = want[:1]
		}
		for _, w := range want {
			if !slices.ContainsFunc(v.LabelMatchers, func(m *labels.Matcher) bool { return m.String() == w }) {
				list = append(list, fmt.Sprintf("%s lacks %s", v.Name, w))
			}
		}
	}
	return list
}

// lintIntervals: a window must follow the zoom, and is never shorter than four exports. A total
// over the time range belongs in an instant query, not in a line. A line may look over the range with
// @ end(), which Prometheus evaluates once. Forecasts and fresh data use fixed windows, because
// the zoom must not change them.
func lintIntervals(_ set, _ string, d *doc, report func(string, ...any)) {
	look := func(where, expr string, instant bool) {
		walk(expr, func(v *parser.VectorSelector, m *parser.MatrixSelector, call *parser.Call) {
			if m == nil || call == nil {
				return
			}
			window := restore(m.Range.String())
			for _, p := range placeholders {
				if w, err := parse("up[" + p[1] + "]"); err == nil && w.(*parser.MatrixSelector).Range == m.Range {
					window = p[0]
				}
			}
			ok := window == "$__rate_interval"
			switch fn := call.Func.Name; {
			case window == "$__range":
				ok = instant || v.StartOrEnd == parser.END || strings.HasPrefix(v.Name, "job:")
			case fn == "last_over_time" && m.Range == 2*time.Minute:
				ok = true
			case fn == "predict_linear" || fn == "deriv":
				ok = !strings.HasPrefix(window, "$")
			}
			if !ok {
				report("%s: %s of %s over %s", where, call.Func.Name, v.Name, window)
			}
		})
	}
	d.each(func(where string, _ docPanel, t docTarget) {
		look(where, t.Expr, t.Instant)
		expr, err := parse(t.Expr)
		if err != nil || t.Instant {
			return
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if s, ok := n.(*parser.SubqueryExpr); ok && s.StartOrEnd != parser.END {
				report("%s: a subquery at each step: %s", where, restore(s.String()))
			}
			return nil
		})
	})
	for _, a := range d.Annotations.List {
		look("annotation "+a.Name, a.Expr, false)
	}
}

// lintLegends: a legend may use only labels that the query keeps.
func lintLegends(_ set, _ string, d *doc, report func(string, ...any)) {
	d.each(func(where string, p docPanel, t docTarget) {
		if p.Type != "table" && t.LegendFormat == "" {
			report("%s has no legend", where)
		}
		named := braces.FindAllStringSubmatch(t.LegendFormat, -1)
		for _, l := range p.FieldConfig.Defaults.Links {
			named = append(named, fieldLabel.FindAllStringSubmatch(l.URL, -1)...)
		}
		for _, m := range named {
			if !slices.Contains(grouping(t.Expr), m[1]) {
				report("%s: the query drops the label %s", where, m[1])
			}
		}
	})
}

var fieldLabel = regexp.MustCompile(`__field\.labels\["(\w+)"\]`)

// grouping returns the labels that a query's aggregations keep. A recorded series keeps job.
func grouping(expr string) (list []string) {
	e, err := parse(expr)
	if err != nil {
		return nil
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			list = append(list, n.Grouping...)
		case *parser.Call:
			if n.Func.Name == "label_replace" {
				list = append(list, n.Args[1].(*parser.StringLiteral).Val)
			}
		case *parser.VectorSelector:
			if strings.HasPrefix(n.Name, "job:") {
				list = append(list, "job")
			}
		}
		return nil
	})
	return list
}

func lintExemplars(_ set, _ string, d *doc, report func(string, ...any)) {
	d.each(func(where string, p docPanel, t docTarget) {
		buckets := strings.Contains(t.Expr, "_bucket") && t.Range
		if buckets != t.Exemplar {
			report("%s: exemplars %v", where, t.Exemplar)
		}
		if p.Type == "heatmap" && t.Format != "heatmap" {
			report("%s: format %q", where, t.Format)
		}
	})
}

// lintNoData: every panel must show a text if it has no data, and never a value.
func lintNoData(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, p := range d.all() {
		f := p.FieldConfig.Defaults
		if f.NoValue == "" {
			report("%s says nothing where there is no data", p.where())
		}
		for _, list := range p.mappings() {
			if len(list) > 0 && !slices.ContainsFunc(list, func(m docMapping) bool {
				return m.Type == "special" && strings.Contains(string(m.Options), `"null+nan"`)
			}) {
				report("%s maps no null", p.where())
			}
		}
		if p.Type == "state-timeline" || p.Type == "stat" && len(f.Mappings) > 0 {
			if !slices.ContainsFunc(f.Mappings, func(m docMapping) bool { return m.Type == "value" && strings.Contains(string(m.Options), `"-1"`) }) {
				report("%s does not map -1, silence", p.where())
			}
			for _, t := range p.Targets {
				if !strings.Contains(t.Expr, "or vector(-1)") && !strings.Contains(t.Expr, "<= time()) - 1") {
					report("%s %s is never -1", p.where(), t.RefID)
				}
			}
		}
	}
}

func lintThresholds(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, p := range d.all() {
		t := p.FieldConfig.Defaults.Thresholds
		if t == nil || len(t.Steps) == 0 || t.Steps[0].Value != nil {
			report("%s has no thresholds, and Grafana takes its own", p.where())
			continue
		}
		for n, s := range t.Steps {
			if s.Value != nil && (*s.Value == 80 || n > 1 && *s.Value <= *t.Steps[n-1].Value) {
				report("%s: threshold %v", p.where(), *s.Value)
			}
		}
	}
}

var (
	address = regexp.MustCompile(`/d/([\w-]+)`)
	carried = regexp.MustCompile(`[?&](?:\$\{(\w+):queryparam\}|var-(\w+)=)`)
)

// lintLinks: links lead to shipped dashboards and existing variables, and every tile has one.
func lintLinks(s set, _ string, d *doc, report func(string, ...any)) {
	follow := func(where, url string) {
		m := address.FindStringSubmatch(url)
		if m == nil {
			report("%s: %s", where, url)
			return
		}
		target := s[m[1]+".json"]
		if target == nil {
			report("%s: dashboard %s does not exist", where, m[1])
			return
		}
		if !strings.Contains(url, "${datasource:queryparam}") || !strings.Contains(url, "${__url_time_range}") {
			report("%s: %s does not pass on the data source or the time", where, url)
		}
		for _, v := range carried.FindAllStringSubmatch(url, -1) {
			name := v[1] + v[2]
			if !slices.ContainsFunc(target.Templating.List, func(v docVariable) bool { return v.Name == name }) {
				report("%s: %s has no variable %s", where, m[1], name)
			}
		}
	}
	for _, p := range d.all() {
		links := slices.Concat(p.Links, p.FieldConfig.Defaults.Links)
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				if property.ID != "links" {
					continue
				}
				var list []docLink
				if err := json.Unmarshal(property.Value, &list); err != nil {
					report("%s: %v", p.where(), err)
				}
				links = append(links, list...)
			}
		}
		for _, l := range links {
			follow(p.where(), l.URL)
		}
		if len(links) == 0 && (p.Type == "stat" || p.Type == "state-timeline" || p.Type == "bargauge") {
			report("%s has no link", p.where())
		}
	}
	for _, l := range d.Links {
		for file, other := range s {
			if l.Type != "dashboards" || !slices.Contains(other.Tags, l.Tags[0]) {
				report("the menu lacks %s", file)
			}
		}
	}
	if len(d.Links) == 0 {
		report("the menu of dashboards is missing")
	}
}

func lintGrid(_ set, _ string, d *doc, report func(string, ...any)) {
	place := func(list []docPanel) {
		taken := map[[2]int]docPanel{}
		for _, p := range list {
			g := p.GridPos
			if g.W <= 0 || g.H <= 0 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
				report("%s is at %+v", p.where(), g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						report("%s overlaps %s", p.where(), other.where())
						return
					}
					taken[[2]int{x, y}] = p
				}
			}
		}
	}
	place(d.Panels)
	for _, p := range d.Panels {
		place(p.Panels) // an open folded row moves the panels below it
	}
}

func lintIDs(_ set, _ string, d *doc, report func(string, ...any)) {
	ids := map[int]bool{}
	list := d.all()
	for _, p := range d.Panels {
		if p.Type == "row" {
			list = append(list, p)
		}
	}
	for _, p := range list {
		if p.Id <= 0 || ids[p.Id] {
			report("%s: the id is 0 or a duplicate", p.where())
		}
		ids[p.Id] = true
		refs := map[string]bool{}
		for _, t := range p.Targets {
			if t.RefID == "" || refs[t.RefID] {
				report("%s: refId %q is empty or a duplicate", p.where(), t.RefID)
			}
			refs[t.RefID] = true
		}
	}
}

var coloured, worded = regexp.MustCompile(`"color": ?"`), regexp.MustCompile(`"text": ?"[^"]`)

// mappings returns the mappings of a panel and of its columns.
func (p docPanel) mappings() [][]docMapping {
	lists := [][]docMapping{p.FieldConfig.Defaults.Mappings}
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			var list []docMapping
			if property.ID == "mappings" && json.Unmarshal(property.Value, &list) == nil {
				lists = append(lists, list)
			}
		}
	}
	return lists
}

// lintText: colour never appears without text.
func lintText(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, p := range d.all() {
		switch o := p.Options; {
		case p.Type == "stat" && (o.TextMode == "none" || o.TextMode == "name"),
			p.Type == "state-timeline" && (o.ShowValue == "never" || o.Legend.ShowLegend == nil || !*o.Legend.ShowLegend),
			p.Type == "timeseries" && (o.Legend.ShowLegend == nil || !*o.Legend.ShowLegend),
			p.Type == "heatmap" && (o.Legend.Show == nil || !*o.Legend.Show),
			p.Type == "bargauge" && o.ValueMode == "hidden":
			report("%s shows colour without text", p.where())
		}
		for _, list := range p.mappings() {
			for _, m := range list {
				if len(coloured.FindAll(m.Options, -1)) > len(worded.FindAll(m.Options, -1)) {
					report("%s: a %s mapping has a colour but no text", p.where(), m.Type)
				}
			}
		}
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				if property.ID == "custom.cellOptions" && !strings.Contains(string(property.Value), `"color-text"`) {
					report("%s: cells of %s are %s", p.where(), o.Matcher.Options, property.Value)
				}
			}
		}
	}
}

// lintRefresh: a refresh within one point of the range draws the same again.
func lintRefresh(_ set, _ string, d *doc, report func(string, ...any)) {
	span, err := model.ParseDuration(strings.TrimPrefix(d.Time.From, "now-"))
	if err != nil {
		report("time range %q", d.Time.From)
	}
	every, err := model.ParseDuration(d.Refresh)
	if err != nil || every < span/1000 || every > span/60 {
		report("a range of %s is asked for each %q", span, d.Refresh)
	}
}

var quantileOf = regexp.MustCompile(`^histogram_quantile\((0\.\d+),`)

// lintQuantiles: the legend says which quantile it is.
func lintQuantiles(_ set, _ string, d *doc, report func(string, ...any)) {
	d.each(func(where string, p docPanel, t docTarget) {
		m := quantileOf.FindStringSubmatch(t.Expr)
		if m == nil || p.Type == "table" {
			return
		}
		q, err := strconv.ParseFloat(m[1], 64)
		if name, _, _ := strings.Cut(t.LegendFormat, " "); err != nil || name != fmt.Sprintf("p%g", 100*q) {
			report("%s: the quantile %s is called %q", where, m[1], t.LegendFormat)
		}
	})
}

// lintAxis: the axis of an idle percentage must not end at 10,000 %.
func lintAxis(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, p := range d.all() {
		if f := p.FieldConfig.Defaults; p.Type == "timeseries" && f.Unit == "percentunit" && f.Max == nil && f.Custom.AxisSoftMax == nil {
			report("%s: nothing bounds the axis", p.where())
		}
	}
}

// lintRoom: names must have room. Below a graph a table has two rows of six.
func lintRoom(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, p := range d.all() {
		many := len(p.Targets) > 1 || len(p.Targets) == 1 && strings.Contains(p.Targets[0].LegendFormat, "{{")
		if p.Type == "stat" && many && p.Options.Text.TitleSize == nil {
			report("%s: names of many values are as small as they must be", p.where())
		}
		if l := p.Options.Legend; p.Type == "timeseries" && l.DisplayMode == "table" && l.Placement != "right" {
			report("%s: the legend is a table at the %s", p.where(), l.Placement)
		}
	}
}

// lintAverages: an average of averages over time gives a minute as much weight as a day.
func lintAverages(_ set, _ string, d *doc, report func(string, ...any)) {
	d.each(func(where string, _ docPanel, t docTarget) {
		walk(t.Expr, func(v *parser.VectorSelector, m *parser.MatrixSelector, call *parser.Call) {
			if call != nil && call.Func.Name == "avg_over_time" {
				report("%s: averages of %s", where, v.Name)
			}
		})
	})
}

// lintWho: a legend has the pod, or what else people know, because an instance is a UID.
func lintWho(_ set, _ string, d *doc, report func(string, ...any)) {
	d.each(func(where string, p docPanel, t docTarget) {
		if strings.Contains(t.LegendFormat, "{{instance}}") && !strings.Contains(t.Expr, "otelcol_") {
			report("%s: the legend %q has the instance", where, t.LegendFormat)
		}
	})
	for _, a := range d.Annotations.List {
		if strings.Contains(a.TitleFormat, "{{instance}}") || !strings.Contains(a.Expr, "by (") {
			report("annotation %s: a mark for each instance", a.Name)
		}
	}
}

// lintAlerts: the alerts are ours. Another team's Watchdog fires always.
func lintAlerts(_ set, _ string, d *doc, report func(string, ...any)) {
	for _, q := range d.queries() {
		for _, v := range selectors(q.expr) {
			if v.Name != "ALERTS" {
				continue
			}
			i := slices.IndexFunc(v.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == "alertname" })
			if i < 0 || v.LabelMatchers[i].Matches("Watchdog") || !v.LabelMatchers[i].Matches("HealthNoReadyInstance") {
				report("%s: alerts of others", q.where)
			}
		}
	}
}

// lintCost: a range of many days reads recorded series only, because the raw ones are too many.
func lintCost(_ set, _ string, d *doc, report func(string, ...any)) {
	long := strings.HasSuffix(d.Time.From, "d")
	d.each(func(where string, _ docPanel, t docTarget) {
		walk(t.Expr, func(v *parser.VectorSelector, m *parser.MatrixSelector, _ *parser.Call) {
			if long && !strings.HasPrefix(v.Name, "job:") {
				report("%s: reads %s over %s", where, v.Name, d.Time.From)
			}
		})
	})
}

func lintAnnotations(_ set, _ string, d *doc, report func(string, ...any)) {
	exact, alerts, restarts := false, false, false
	for _, a := range d.Annotations.List {
		exact = exact || a.UseValueForTime && strings.Contains(a.Expr, "last_transition_timestamp_seconds") && strings.HasSuffix(a.Expr, "* 1000")
		alerts = alerts || strings.Contains(a.Expr, "ALERTS{")
		restarts = restarts || strings.Contains(a.Expr, "health_probe_state_duration_seconds_total")
	}
	if !exact || !alerts || !restarts {
		report("transitions at their time %v, alerts %v, restarts %v", exact, alerts, restarts)
	}
}
