package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// A timing asks a real Prometheus, and keeps how long its answers took.
type timing struct {
	*prometheus
	took []took
}

type took struct {
	name string
	d    time.Duration
}

// serve starts a real Prometheus with the store of a scene.
func (p *played) serve(t *testing.T) *timing {
	t.Helper()
	if err := p.store.db.Close(); err != nil {
		t.Fatal(err)
	}
	addrs := servers.FreeAddrs(t, 1)
	servers.PrometheusWith(t, "../..", "testdata/prometheus.yaml", addrs[0], p.store.db.Dir(), "--storage.tsdb.retention.time=100d", "--query.timeout=5m")
	return &timing{prometheus: &prometheus{t: t, url: "http://" + addrs[0]}}
}

// panels asks as Grafana does.
func (s *timing) panels(uid string, v view) asker {
	return func(on panel, q target) (promql.Matrix, error) {
		interval := v.interval(on.points())
		query := v.fill(q.Expr, interval)
		path := "/api/v1/query?" + url.Values{"query": {query}, "time": {fmt.Sprint(v.end.Unix())}}.Encode()
		if !q.Instant {
			end := v.end.Truncate(interval)
			path = "/api/v1/query_range?" + url.Values{"query": {query}, "start": {fmt.Sprint(end.Add(-v.span).Unix())}, "end": {fmt.Sprint(end.Unix())}, "step": {fmt.Sprint(interval.Seconds())}}.Encode()
		}
		began := time.Now()
		body := s.get(path)
		s.took = append(s.took, took{fmt.Sprintf("%s/%d %s %s", uid, on.ID, q.RefID, on.Title), time.Since(began)})
		return decode(body)
	}
}

// table logs the times, the longest first. They say little on a busy machine: TestCost holds the costs.
func (s *timing) table(t *testing.T) {
	t.Helper()
	slices.SortStableFunc(s.took, func(a, b took) int { return int(b.d - a.d) })
	for _, x := range s.took {
		t.Logf("%7.1f ms  %s", float64(x.d.Microseconds())/1000, x.name)
	}
}

// decode reads Prometheus' answer.
func decode(body []byte) (out promql.Matrix, err error) {
	var answer struct {
		Warnings, Infos []string
		Data            struct {
			ResultType string
			Result     []struct {
				Metric map[string]string
				Value  []any
				Values [][]any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Warnings)+len(answer.Infos) > 0 {
		return nil, errors.New(strings.Join(append(answer.Warnings, answer.Infos...), "; "))
	}
	for _, r := range answer.Data.Result {
		s := promql.Series{Metric: labels.FromMap(r.Metric)}
		if r.Value != nil {
			r.Values = append(r.Values, r.Value)
		}
		for _, pair := range r.Values {
			var f float64
			if _, err := fmt.Sscan(pair[1].(string), &f); err != nil {
				return nil, err
			}
			s.Floats = append(s.Floats, promql.FPoint{T: int64(math.Round(pair[0].(float64) * 1000)), F: f})
		}
		out = append(out, s)
	}
	return out, nil
}
