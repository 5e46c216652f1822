package backtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A prometheus answers like a Prometheus without remote read.
type prometheus struct{ series []series }

type series struct {
	labels map[string]string
	values []float64 // every 15 s from began; NaN is none
}

var began = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

const step = 15 * time.Second

func (p *prometheus) add(value func(n int) float64, count int, labels ...string) {
	s := series{labels: map[string]string{"job": "orders"}}
	for n := 0; n < len(labels); n += 2 {
		s.labels[labels[n]] = labels[n+1]
	}
	for n := range count {
		s.values = append(s.values, value(n))
	}
	p.series = append(p.series, s)
}

// start serves it, and returns its address.
func (p *prometheus) start() (address string, stop func()) {
	s := httptest.NewServer(p)
	return s.URL, s.Close
}

var matcher = regexp.MustCompile(`"?([a-zA-Z0-9_.]+)"?\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)

// matching returns the series that a selector matches.
func (p *prometheus) matching(selector string) (all []series) {
	for _, s := range p.series {
		ok := true
		for _, m := range matcher.FindAllStringSubmatch(selector, -1) {
			want, _ := strconv.Unquote(`"` + m[3] + `"`)
			is := s.labels[m[1]] == want
			if strings.HasSuffix(m[2], "~") {
				is = regexp.MustCompile("^(?:" + want + ")$").MatchString(s.labels[m[1]])
			}
			ok = ok && is != strings.HasPrefix(m[2], "!")
		}
		if ok {
			all = append(all, s)
		}
	}
	return all
}

func (p *prometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	found := p.series
	if match := r.Form.Get("match[]"); match != "" {
		found = p.matching(match)
	}
	var data any
	switch label, isLabel := strings.CutPrefix(r.URL.Path, "/api/v1/label/"); {
	case isLabel:
		label, _ = url.PathUnescape(strings.TrimSuffix(label, "/values"))
		var all []string
		for _, s := range found {
			if v := s.labels[label]; v != "" {
				all = append(all, v)
			}
		}
		slices.Sort(all)
		data = slices.Compact(all)
	case r.URL.Path == "/api/v1/labels":
		var all []string
		for _, s := range found {
			for name := range s.labels {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		data = slices.Compact(all)
	case r.URL.Path == "/api/v1/query":
		data = p.query(r.Form.Get("query"), r.Form.Get("time"))
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data})
}

// query answers {…}[1000ms].
func (p *prometheus) query(text, at string) any {
	selector, window, _ := strings.Cut(text, "[")
	window, _, _ = strings.Cut(window, "]")
	span, _ := time.ParseDuration(window)
	seconds, _ := strconv.ParseFloat(at, 64)
	to := time.UnixMilli(int64(seconds * 1000))
	from := to.Add(-span)
	result := []any{}
	for _, s := range p.matching(selector) {
		var values []any
		for n, v := range s.values {
			if t := began.Add(time.Duration(n) * step); t.After(from) && !t.After(to) && v == v {
				values = append(values, []any{float64(t.UnixMilli()) / 1000, fmt.Sprint(v)})
			}
		}
		if len(values) > 0 {
			result = append(result, map[string]any{"metric": s.labels, "values": values})
		}
	}
	return map[string]any{"resultType": "matrix", "result": result}
}
