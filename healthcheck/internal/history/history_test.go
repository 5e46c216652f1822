package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// numbers writes the points of a metric.
func numbers(data metricdata.Aggregation) string {
	var out []string
	switch d := data.(type) {
	case metricdata.Sum[float64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprintf("%s%v", evidence.GroupName(p.Attributes), p.Value))
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprintf("%s%v%v", evidence.GroupName(p.Attributes), p.Bounds, p.BucketCounts))
		}
	default:
		out = append(out, fmt.Sprintf("%T", data))
	}
	return strings.Join(out, ",")
}

// readAll reads all instances in both ways. The results must be equal.
func readAll(t *testing.T, s *Source, needs ...Need) map[string][]string {
	t.Helper()
	var first map[string][]string
	for _, way := range []Way{RemoteRead, Query} {
		one := *s
		one.Way = way
		h, err := one.Find(t.Context(), needs, begin, end)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]string{}
		for _, i := range h.Instances {
			for c, err := range h.Read(t.Context(), i) {
				if err != nil {
					t.Fatal(err)
				}
				out[i.Name] = append(out[i.Name], line(c))
			}
		}
		if first == nil {
			first = out
		} else if fmt.Sprint(first) != fmt.Sprint(out) {
			t.Errorf("%s gives\n%v\n%s gives\n%v", RemoteRead, first, Query, out)
		}
	}
	return first
}

var counter = Need{Metric: "jobs", Kind: Counter, Limits: []query.Number{}}

func TestCollections(t *testing.T) {
	stale := math.Float64frombits(staleNaN)
	const a = `__name__="jobs_total",instance="a"`
	for _, c := range []struct {
		name  string
		add   func(f *fake)
		needs []Need
		want  string
	}{
		{"the last flush is a collection of its own", func(f *fake) {
			f.add(a, at(0, 1), at(15, 2), at(15.051, 3), at(30, 4))
			f.add(`__name__="queue",instance="a"`, at(0.002, 5), at(15.001, 6), at(15.053, 7), at(30, 8))
		}, []Need{counter, {Metric: "queue"}}, "0.002 jobs=1 queue=5, 15.001 jobs=2 queue=6, 15.053 jobs=3 queue=7, 30 jobs=4 queue=8"},
		{"a stale marker is no sample", func(f *fake) {
			f.add(a, at(0, 1), at(15, 2), at(30, stale), at(45, 3), at(60, stale))
		}, []Need{counter}, "0 jobs=1, 15 jobs=2, 45 jobs=3"},
		{"a series that ended is not held", func(f *fake) {
			f.add(a+`,kind="x"`, at(0, 1), at(15, 2))
			f.add(a+`,kind="y"`, at(0, 1), at(15, 2), at(30, 3))
		}, []Need{counter}, "0 jobs=kind=x1,kind=y1, 15 jobs=kind=x2,kind=y2, 30 jobs=kind=y3"},
		{"counters that are reset together are a restart", func(f *fake) {
			f.add(a+`,kind="x"`, at(0, 100), at(15, 110), at(30, 1))
			f.add(a+`,kind="y"`, at(0, 50), at(15, 60), at(30, 2))
			f.add(a+`,kind="z"`, at(0, 1), at(15, 1), at(30, 3)) // it hides its reset
		}, []Need{counter}, "0 jobs=kind=x100,kind=y50,kind=z1, 15 jobs=kind=x110,kind=y60,kind=z1, 30 restarted jobs=kind=x1,kind=y2,kind=z3"},
		{"one that is reset alone is none", func(f *fake) {
			f.add(a+`,kind="x"`, at(0, 100), at(15, 1))
			f.add(a+`,kind="y"`, at(0, 50), at(15, 60))
			f.add(a+`,kind="z"`, at(0, 1), at(15, 2))
		}, []Need{counter}, "0 jobs=kind=x100,kind=y50,kind=z1, 15 jobs=kind=x1,kind=y60,kind=z2"},
		{"one that falls beside one that stays is none", func(f *fake) {
			f.add(a+`,kind="x"`, at(0, 100), at(15, 1))
			f.add(a+`,kind="y"`, at(0, 50), at(15, 50))
		}, []Need{counter}, "0 jobs=kind=x100,kind=y50, 15 jobs=kind=x1,kind=y50"},
		{"time does not go back", func(f *fake) {
			f.add(a, at(0, 1), at(15, 2), at(15.051, 3), at(30, 4))
			f.add(`__name__="queue",instance="a"`, at(0, 5), at(15.2, 6), at(30, 8))
		}, []Need{counter, {Metric: "queue"}}, "0 jobs=1 queue=5, 15.2 jobs=2 queue=6, 15.201 jobs=3, 30 jobs=4 queue=8"},
		{"a gauge that falls is none", func(f *fake) {
			f.add(`__name__="queue",instance="a"`, at(0, 9), at(15, 1))
		}, []Need{{Metric: "queue"}}, "0 queue=9, 15 queue=1"},
		{"a new version is a restart", func(f *fake) {
			f.add(a+`,version="1"`, at(0, 5), at(15, 6))
			f.add(a+`,version="2"`, at(30, 7), at(45, 8))
		}, []Need{counter}, "0 jobs=version=15, 15 jobs=version=16, 30 restarted jobs=version=27, 45 jobs=version=28"},
		{"the start time tells a hidden restart", func(f *fake) {
			f.add(a, at(0, 5), at(15, 6), at(30, 7))
			f.add(`__name__="process_start_time_seconds",instance="a"`, at(0, 1000), at(15, 1000.01), at(30, 1025))
		}, []Need{counter}, "0 jobs=5, 15 jobs=6, 30 restarted jobs=7"},
		{"two backends hold the same", func(f *fake) {
			f.add(a+`,prometheus_replica="0"`, at(0, 5), at(15, 6), at(30, 7))
			f.add(a+`,prometheus_replica="1"`, at(0, 5), at(15, 6), at(30, 7), at(45, 8))
		}, []Need{counter}, "0 jobs=5, 15 jobs=6, 30 jobs=7, 45 jobs=8"},
		{"another collector scrapes it", func(f *fake) {
			f.add(`__name__="jobs_total",exported_instance="a",instance="c1"`, at(0, 5), at(15, 6))
			f.add(`__name__="jobs_total",exported_instance="a",instance="c2"`, at(30, 7))
		}, []Need{counter}, "0 jobs=5, 15 jobs=6, 30 jobs=7"},
		{"the series beyond the cardinality limit", func(f *fake) {
			f.add(a+`,otel_metric_overflow="true"`, at(0, 5))
		}, []Need{counter}, "0 jobs=otel.metric.overflow=true5"},
		{"metrics of two times are two collections", func(f *fake) {
			f.add(a, at(0, 1), at(15, 2))
			f.add(`__name__="queue",instance="a"`, at(7, 5), at(22, 6))
		}, []Need{counter, {Metric: "queue"}}, "0 jobs=1, 7 queue=5, 15 jobs=2, 22 queue=6"},
		{"attributes have the names of the rules", func(f *fake) {
			f.add(a+`,http_route="/a",other_thing="x"`, at(0, 1))
		}, []Need{{Metric: "jobs", Kind: Counter, Keys: []string{"http.route"}}}, "0 jobs=http.route=/a,other_thing=x1"},
		{"up to the ends, and no further", func(f *fake) {
			f.add(a, at(-15, 1), at(0, 2), at(3600, 3), at(3615, 4))
		}, []Need{counter}, "0 jobs=2, 3600 jobs=3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, left := range []bool{false, true} {
				f := &fake{t: t, left: left}
				c.add(f)
				is := readAll(t, f.start(), c.needs...)
				if got := strings.Join(is["a"], ", "); got != c.want || len(is) != 1 {
					t.Errorf("left-closed %v: %v, want %s", left, is, c.want)
				}
			}
		})
	}
}

var latency = Need{Metric: "http.server.request.duration", Kind: Histogram, Duration: true}

func limits(all ...float64) (out []query.Number) {
	out = []query.Number{}
	for _, v := range all {
		out = append(out, query.Number{Value: v, Duration: true})
	}
	return out
}

// TestBuckets reads classic histograms, some buckets or all.
func TestBuckets(t *testing.T) {
	add := func(f *fake, more string, les ...string) {
		for n, le := range les {
			f.add(`__name__="http_server_request_duration_seconds_bucket",instance="a",le="`+le+`"`+more, at(0, float64(n+1)), at(15, float64(10*(n+1))))
		}
	}
	need := func(l []query.Number) Need { n := latency; n.Limits = l; return n }
	ms := Need{Metric: "rpc.duration", Kind: Histogram, Limits: limits(.25)}
	for _, c := range []struct {
		name string
		add  func(f *fake)
		need Need
		want string
	}{
		{"all", func(f *fake) { add(f, "", "0.25", "0.5", "1", "+Inf") }, need(nil), "[0.25 0.5 1][1 1 1 1]"},
		{"on a boundary", func(f *fake) { add(f, "", "0.25", "0.5", "1", "+Inf") }, need(limits(.5)), "[0.5][2 2]"},
		{"as OpenMetrics writes it", func(f *fake) { add(f, "", "0.5", "1.0", "2.0", "+Inf") }, need(limits(1)), "[1][2 2]"},
		{"as both write it", func(f *fake) { add(f, `,x="1"`, "0.5", "1.0", "+Inf"); add(f, `,x="2"`, "0.5", "1", "+Inf") }, need(limits(1)), "x=1[1][2 1],x=2[1][2 1]"},
		{"between two", func(f *fake) { add(f, "", "0.25", "0.5", "1", "2", "+Inf") }, need(limits(.7)), "[0.5 1][2 1 2]"},
		{"near another", func(f *fake) { add(f, "", "0.5", "0.52", "+Inf") }, need(limits(.51)), "[0.5 0.52][1 1 1]"},
		{"written while it was read", func(f *fake) {
			add(f, "", "0.5", "+Inf")
			f.series[0].samples = []sample{at(0, 1), at(15, 30)} // once higher than the bucket +Inf
			f.series[1].samples = []sample{at(0, 2), at(15, 20)}
		}, need(nil), "[0.5][1 1]"},
		{"beyond the last", func(f *fake) { add(f, "", "0.25", "0.5", "+Inf") }, need(limits(3)), "[0.5][2 1]"},
		{"the count alone", func(f *fake) { add(f, "", "0.25", "0.5", "+Inf") }, need([]query.Number{}), "[][3]"},
		{"that all series have", func(f *fake) { add(f, `,x="1"`, "0.25", "0.5", "1", "+Inf"); add(f, `,x="2"`, "0.5", "1", "+Inf") }, need(nil), "x=1[0.5 1][2 1 1],x=2[0.5 1][1 1 1]"},
		{"in milliseconds", func(f *fake) {
			for n, le := range []string{"100", "250", "500", "+Inf"} {
				f.add(`__name__="rpc_duration_milliseconds_bucket",instance="a",le="`+le+`"`, at(0, float64(n+1)))
			}
		}, ms, "[250][2 2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{t: t}
			c.add(f)
			is := readAll(t, f.start(), c.need)
			if want := "0 " + c.need.Metric + "=" + c.want; len(is["a"]) == 0 || is["a"][0] != want {
				t.Errorf("%v, want %s", is["a"], want)
			}
			if c.name == "written while it was read" && (len(is["a"]) != 2 || is["a"][1] != "15 ") {
				t.Errorf("%v, want nothing at 15 s", is["a"])
			}
		})
	}
}

// TestNames finds a metric in each naming, and no other metric.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		need   Need
		exist  []string
		want   string
		unit   string
		absent bool
	}{
		{latency, []string{"http.server.request.duration_bucket"}, "http.server.request.duration_bucket", "s", false},
		{latency, []string{"http.server.request.duration_seconds_bucket", "http.server.request.duration_seconds_count"}, "http.server.request.duration_seconds_bucket", "s", false},
		{latency, []string{"http_server_request_duration_bucket"}, "http_server_request_duration_bucket", "s", false},
		{latency, []string{"http_server_request_duration_milliseconds_bucket"}, "http_server_request_duration_milliseconds_bucket", "ms", false},
		{latency, []string{"http_server_request_duration_seconds"}, "http_server_request_duration_seconds", "s", false},
		{latency, []string{"http_server_request_duration_seconds_extra_bucket", "http_server_request_duration_x_bucket"}, "", "", true},
		{Need{Metric: "http_request_duration_seconds", Kind: Histogram, Duration: true}, []string{"http_request_duration_seconds_bucket"}, "http_request_duration_seconds_bucket", "s", false},
		{counter, []string{"jobs_total"}, "jobs_total", "", false},
		{counter, []string{"jobs"}, "jobs", "", false},
		{counter, []string{"jobs_seconds_bucket"}, "jobs_seconds_bucket", "s", false},
		{Need{Metric: "http_requests_total", Kind: Counter}, []string{"http_requests_total"}, "http_requests_total", "", false},
		{Need{Metric: "process.memory"}, []string{"process_memory_bytes", "process_memory_limit_bytes"}, "process_memory_bytes", "By", false},
		{Need{Metric: "cpu.usage"}, []string{"cpu_usage_ratio"}, "cpu_usage_ratio", "1", false},
		{Need{Metric: "net.io"}, []string{"net_io_bytes_per_second"}, "net_io_bytes_per_second", "By/s", false},
		{Need{Metric: "2xx.rate"}, []string{"_2xx_rate"}, "_2xx_rate", "", false},
		{Need{Metric: "jobs"}, []string{"jobs_total"}, "", "", true},
	} {
		m := merged([]Need{c.need})[0]
		exists := map[string]bool{}
		for _, n := range c.exist {
			exists[n] = true
		}
		m.resolve(exists)
		if got := strings.Join(m.list(), " "); got != c.want || m.unit != c.unit || c.absent != (len(m.names) == 0) {
			t.Errorf("%s among %v: %q in %q, want %q in %q", c.need.Metric, c.exist, got, m.unit, c.want, c.unit)
		}
	}
}

// TestInstances tells instances apart by the labels that they have.
func TestInstances(t *testing.T) {
	f := &fake{t: t}
	for _, s := range []string{
		`job="shop",service_instance_id="id-1",instance="id-1"`, `job="shop",instance="10.0.0.1:80"`, `job="shop",exported_instance="real",instance="collector:8889"`,
		`job="shop",pod="shop-1"`, `job="shop",version="1"`, `job="jobs",instance="10.0.0.1:80"`,
	} {
		f.add(`__name__="jobs_total",`+s, at(0, 1))
	}
	s := f.start()
	names := func(selector string, by ...string) string {
		one := *s
		one.Selector, one.InstanceLabels = selector, by
		h, err := one.Find(t.Context(), []Need{counter}, begin, end)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, i := range h.Instances {
			out = append(out, i.Name)
			n := 0
			for range h.Read(t.Context(), i) {
				n++
			}
			if n != 1 {
				t.Errorf("%s has %d collections, want 1", i.Name, n)
			}
		}
		return strings.Join(out, " ")
	}
	if got, want := names(`job="shop"`), "(no instance) 10.0.0.1:80 id-1 real shop-1"; got != want {
		t.Errorf("instances %s, want %s", got, want)
	}
	if got, want := names(``), "jobs/10.0.0.1:80 shop/(no instance) shop/10.0.0.1:80 shop/id-1 shop/real shop/shop-1"; got != want {
		t.Errorf("instances of both jobs %s, want %s", got, want)
	}
	if got, want := names(`{job="shop",pod!=""}`, "pod"), "shop-1"; got != want {
		t.Errorf("instances by pod %s, want %s", got, want)
	}
}

// TestRecorded reads the verdicts that a Monitor exported.
func TestRecorded(t *testing.T) {
	f := &fake{t: t}
	f.add(`__name__="jobs_total",instance="a"`, at(0, 1), at(15, 2))
	for _, s := range []string{"pass", "fail"} {
		v := map[string]float64{"pass": 1}[s]
		f.add(`__name__="health_probe_status",instance="a",health_probe_name="readiness",health_probe_state="`+s+`"`, at(0, v), at(15, 1-v))
		f.add(`__name__="health_check_status",instance="a",health_check_name="latency",health_check_state="`+s+`"`, at(0, v), at(15, 1-v))
	}
	f.add(`__name__="health_probe_shadow_status",instance="a",health_probe_name="readiness",health_probe_state="warn"`, at(15, 1))
	f.add(`__name__="health_check_last_transition_timestamp_seconds",instance="a",health_check_name="latency"`, at(0, 1.7e9), at(15, 1.7e9+.25))
	h, err := f.start().Find(t.Context(), append(Verdicts(), counter), begin, end)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for c, err := range h.Read(t.Context(), h.Instances[0]) {
		if err != nil {
			t.Fatal(err)
		}
		was, since := c.Recorded, c.Recorded.Since["latency"].UnixMilli()
		was.Since = nil
		got = append(got, fmt.Sprint(was, since, len(c.Metrics)))
	}
	want := []string{"{map[readiness:pass] map[] map[latency:pass] map[]} 1700000000000 1", "{map[readiness:fail] map[readiness:warn] map[latency:fail] map[]} 1700000000250 1"}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

// TestParts: a collection whose samples come from two requests is one collection.
func TestParts(t *testing.T) {
	f := &fake{t: t}
	edge := partSpan.Seconds()
	f.add(`__name__="jobs_total",instance="a"`, at(0, 1), at(edge-.1, 2), at(edge+15, 3), at(2*edge, 4))
	f.add(`__name__="queue",instance="a"`, at(0, 1), at(edge+.05, 2), at(edge+15, 3), at(2*edge-.001, 4))
	s := f.start()
	s.Way = Query
	h, err := s.Find(t.Context(), []Need{counter, {Metric: "queue"}}, begin, begin.Add(3*partSpan))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for c, err := range h.Read(t.Context(), h.Instances[0]) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line(c))
	}
	want := "0 jobs=1 queue=1, 21600.05 jobs=2 queue=2, 21615 jobs=3 queue=3, 43200 jobs=4 queue=4"
	if strings.Join(got, ", ") != want || f.asked("/api/v1/query") != 2*4 {
		t.Errorf("%v after %d queries, want %s after 8", got, f.asked("/api/v1/query"), want)
	}
}

// TestOverflow: the overflow series has the boolean attribute by which the sampler recognizes it.
func TestOverflow(t *testing.T) {
	f := &fake{t: t}
	f.add(`__name__="jobs_total",instance="a",otel_metric_overflow="true"`, at(0, 5))
	h, err := f.start().Find(t.Context(), []Need{counter}, begin, end)
	if err != nil {
		t.Fatal(err)
	}
	for c, err := range h.Read(t.Context(), h.Instances[0]) {
		if err != nil {
			t.Fatal(err)
		}
		set := c.Metrics["jobs"][0].Data.(metricdata.Sum[float64]).DataPoints[0].Attributes
		if v, _ := set.Value("otel.metric.overflow"); !v.AsBool() {
			t.Errorf("the attributes are %v", set.ToSlice())
		}
	}
}

// TestErrors: each error names the field and says what to do.
func TestErrors(t *testing.T) {
	status := func(code int, text string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool { http.Error(w, text, code); return true }
	}
	onRead := func(answer func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			return (r.URL.Path == "/api/v1/read" || r.URL.Path == "/api/v1/query") && answer(w, r)
		}
	}
	for _, c := range []struct {
		name   string
		source Source
		before func(http.ResponseWriter, *http.Request) bool
		from   time.Time
		needs  []Need
		want   string
	}{
		{name: "no URL", source: Source{URL: "-"}, want: `URL: "-" is no address: write http://localhost:9090`},
		{name: "no scheme", source: Source{URL: "localhost:9090"}, want: `URL: "localhost:9090" is no address`},
		{name: "password", source: Source{URL: "ftp://me:secret@host"}, want: `URL: "ftp://me:xxxxx@host" is no address`},
		{name: "query", source: Source{URL: "http://host/graph?g0=1"}, want: "URL: http://host/graph?g0=1 has a query"},
		{name: "nobody there", source: Source{URL: "http://127.0.0.1:1"}, want: "URL: http://127.0.0.1:1 can't be reached: dial tcp"},
		{name: "selector", source: Source{Selector: `{job=shop}`}, want: "Selector: the value of job: \"shop\" is not in quotes"},
		{name: "selector that is open", source: Source{Selector: `{job="shop"`}, want: "Selector: {job=\"shop\" has no closing brace"},
		{name: "regular expression", source: Source{Selector: `{job=~"("}`}, want: "Selector: the value of job: error parsing regexp"},
		{name: "way", source: Source{Way: "fast"}, want: `Way: "fast" is neither "remote-read" nor "query"`},
		{name: "future", from: time.Now().Add(time.Hour), want: "is in the future"},
		{name: "empty time", from: end, want: "From: the time from 2026-10-01T01:00:00Z to 2026-10-01T01:00:00Z is empty"},
		{name: "nothing selected", source: Source{Selector: `{job="shpo"}`}, want: `Selector: {job="shpo"} matches no series from 2026-10-01T00:00:00Z to 2026-10-01T01:00:00Z: its jobs are shop`},
		{name: "nothing needed", needs: []Need{{Metric: "jobs.done", Kind: Counter}}, want: "jobs.done: tried jobs.done, jobs_done_total, jobs_done_seconds_total and other units; there is jobs_total"},
		{name: "unauthorized", before: status(401, "who are you?"), want: "Header: /api/v1/label/__name__/values answers 401 Unauthorized: who are you?: give a token in the header Authorization"},
		{name: "tenant", before: status(400, "no org id"), want: "Header: /api/v1/label/__name__/values answers 400 Bad Request: no org id: give the tenant in the header X-Scope-OrgID"},
		{name: "another path", before: status(404, "page not found"), want: "URL: /api/v1/label/__name__/values answers 404 Not Found: page not found: give the address before /api/v1"},
		{name: "a login page", before: func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "<html>"); return true }, want: "answers with text/html; charset=utf-8, and Prometheus would not"},
		{name: "a login page on read", before: onRead(func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "<html>"); return true }), want: "answers with text/html, and Prometheus would not"},
		{name: "broken", before: onRead(status(500, "boom\nmore")), want: "/api/v1/read answers 500 Internal Server Error: boom"},
		{name: "no remote read", source: Source{Way: RemoteRead}, before: onRead(status(404, "no")), want: "the backend has no remote read, so read it by Query"},
		{name: "too many samples", source: Source{Way: Query}, before: onRead(status(422, "query processing would load too many samples into memory")), want: "can't answer even for one minute of one instance"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{t: t, before: c.before}
			f.add(`__name__="jobs_total",instance="a",job="shop"`, at(0, 1))
			s := f.start()
			c.source.Client = s.Client
			switch c.source.URL {
			case "":
				c.source.URL = s.URL
			}
			c.source.wait = func(context.Context, time.Duration) error { return nil }
			from := begin
			if !c.from.IsZero() {
				from = c.from
			}
			to := end
			if c.name == "future" {
				to = from.Add(time.Hour)
			}
			if c.needs == nil {
				c.needs = []Need{counter}
			}
			h, err := c.source.Find(t.Context(), c.needs, from, to)
			if err == nil {
				for _, e := range h.Read(t.Context(), h.Instances[0]) {
					err = e
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the error has a password")
			}
		})
	}
}

// TestAnotherWay: a backend without remote read is read by queries. It is asked for remote read only once.
func TestAnotherWay(t *testing.T) {
	for _, code := range []int{400, 403, 404, 405, 415, 501} {
		f := &fake{t: t, before: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/api/v1/read" {
				http.Error(w, "no", code)
				return true
			}
			return false
		}}
		for _, i := range []string{"a", "b"} {
			f.add(`__name__="jobs_total",instance="`+i+`"`, at(0, 1), at(15, 2))
		}
		h, err := f.start().Find(t.Context(), []Need{counter}, begin, end)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, i := range h.Instances {
			for _, err := range h.Read(t.Context(), i) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
		}
		if n != 4 || f.asked("/api/v1/read") != 1 {
			t.Errorf("%d: %d collections, remote read asked %d times; want 4, 1", code, n, f.asked("/api/v1/read"))
		}
	}
}

// TestSmallerParts: if a backend refuses large requests, it gets smaller ones, and no sample is lost.
func TestSmallerParts(t *testing.T) {
	f := &fake{t: t}
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/query" {
			return false
		}
		var ms int64
		part := rangeQuery.FindStringSubmatch(r.FormValue("query"))
		if _, err := fmt.Sscan(part[2], &ms); err == nil && ms <= (10*time.Minute).Milliseconds() {
			return false
		}
		http.Error(w, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`, http.StatusUnprocessableEntity)
		return true
	}
	var all []sample
	for n := range 240 {
		all = append(all, at(float64(15*n), float64(n)))
	}
	f.add(`__name__="jobs_total",instance="a"`, all...)
	s := f.start()
	s.Way = Query
	h, err := s.Find(t.Context(), []Need{counter}, begin, end)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, err := range h.Read(t.Context(), h.Instances[0]) {
		if err != nil {
			t.Fatal(err)
		}
		if got, want := line(c), fmt.Sprintf("%d jobs=%d", 15*n, n); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		n++
	}
	if n != 240 {
		t.Errorf("%d collections, want 240", n)
	}
}

// TestAgain: a busy backend is asked again, a limited number of times.
func TestAgain(t *testing.T) {
	for _, c := range []struct{ busy, waits int }{{2, 2}, {100, attempts - 1}} {
		left := c.busy
		f := &fake{t: t, before: func(w http.ResponseWriter, r *http.Request) bool {
			if left--; left >= 0 {
				w.WriteHeader(503)
				return true
			}
			return false
		}}
		f.add(`__name__="jobs_total",instance="a"`, at(0, 1))
		s := f.start()
		var waits []time.Duration
		s.wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
		_, err := s.Find(t.Context(), []Need{counter}, begin, end)
		if (err == nil) != (c.busy < attempts) || len(waits) != c.waits {
			t.Errorf("busy %d times: %v after %v", c.busy, err, waits)
		}
	}
}

// TestCancel: Find and Read end when the context does.
func TestCancel(t *testing.T) {
	f := &fake{t: t}
	f.add(`__name__="jobs_total",instance="a"`, at(0, 1))
	s := f.start()
	ctx, cancel := context.WithCancel(t.Context())
	h, err := s.Find(ctx, []Need{counter}, begin, end)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Find(ctx, []Need{counter}, begin, end); !errors.Is(err, context.Canceled) {
		t.Errorf("Find: %v", err)
	}
	for _, err := range h.Read(ctx, h.Instances[0]) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v", err)
		}
	}
}

// TestHeader: every request has the user's headers and those of the protocol.
func TestHeader(t *testing.T) {
	f := &fake{t: t}
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Scope-OrgID") != "a" || r.Header.Get("Authorization") != "Bearer t" {
			t.Errorf("%s without the headers", r.URL.Path)
		}
		return false
	}
	f.add(`__name__="jobs_total",instance="a"`, at(0, 1))
	s := f.start()
	s.URL += "/graph"
	s.Header = http.Header{"X-Scope-Orgid": {"a"}, "Authorization": {"Bearer t"}}
	if is := readAll(t, s, counter); len(is["a"]) != 1 {
		t.Error(is)
	}
}
