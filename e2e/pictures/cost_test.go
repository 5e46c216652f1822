package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

var full = flag.Bool("full", false, "TestCost with 200 pods, six generations and 24 hours, without histograms, and all scenes of TestFigures, a day of 24 hours and all mistakes; it takes a quarter of an hour")

// most is what a query may cost, in plain sums. A query of all states of all checks reads two and a
// half times as many series as the plain sum of all states of all probes.
const most = 14

// TestCost asks a real Prometheus for each panel over a fleet of many pods. Each was
// replaced several times. No query may cost more than some plain sums over the same range. CPU time
// is the server's own, because this machine may be busy.
func TestCost(t *testing.T) {
	pods, generations, span := 40, 4, 6*time.Hour
	w := &world{}
	if *full {
		pods, generations, span = 200, 6, 24*time.Hour
		w.skip = func(name string) bool {
			return strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_sum") || strings.HasPrefix(name, "go_")
		}
	}
	dir := t.TempDir()
	writeMany(t, dir, w, pods, generations, span)
	addrs := servers.FreeAddrs(t, 1)
	servers.PrometheusWith(t, "../..", "testdata/prometheus.yaml", addrs[0], dir, "--storage.tsdb.retention.time=100d", "--query.timeout=5m")
	p := &prometheus{t: t, url: "http://" + addrs[0]}
	var sums []time.Duration
	for range 9 {
		sums = append(sums, p.cost("sum(health_probe_status)", span, span/720))
	}
	slices.Sort(sums)
	plain := sums[len(sums)/2]
	t.Logf("%d pods, %d generations, %v: a plain sum takes %v", pods, generations, span, plain)
	type cost struct {
		name, query string
		span, step  time.Duration
		d           time.Duration
	}
	var all []cost
	for _, uid := range boards {
		b, err := readBoard(filepath.Join(dashboards, uid+".json"))
		if err != nil {
			t.Fatal(err)
		}
		long := span
		if uid == "health-slo" {
			long = 30 * 24 * time.Hour
		}
		v := view{end: now, span: long, vars: map[string]string{"job": "shop/orders", "instance": ".+", "check": ".+", "collector": ".+", "latency": "latency"}}
		for _, panel := range b.all() {
			interval := max(v.interval(panel.points()), long/720)
			for _, q := range panel.Targets {
				if q.Expr == "" {
					continue
				}
				step := interval
				if q.Instant {
					step = 0
				}
				c := cost{name: fmt.Sprintf("%s/%d/%s %s", uid, panel.ID, q.RefID, panel.Title), query: v.fill(q.Expr, interval), span: long, step: step}
				c.d = p.cost(c.query, c.span, c.step)
				all = append(all, c)
			}
		}
	}
	slices.SortFunc(all, func(a, b cost) int { return int(b.d - a.d) })
	for n, c := range all {
		ratio := float64(c.d) / float64(plain)
		if n < 25 {
			t.Logf("%5.1f  %6.2f s  %s", ratio, c.d.Seconds(), c.name)
		}
		for n := 0; n < 5 && ratio > most; n++ { // other processes may slow one of both
			beside := p.cost("sum(health_probe_status)", span, span/720)
			ratio = min(ratio, float64(p.cost(c.query, c.span, c.step))/float64(beside))
		}
		if ratio > most {
			t.Errorf("%s costs %.1f plain sums", c.name, ratio)
		}
	}
}

// writeMany writes the samples as blocks, without rules.
func writeMany(t *testing.T, dir string, w *world, pods, generations int, span time.Duration) {
	t.Helper()
	s, err := open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	life := span / time.Duration(generations)
	for g := range generations {
		of := service{"shop/orders", fmt.Sprintf("1.%d", g), pods, 5, .05}
		for n, p := range of.pods(fmt.Sprintf("g%d", g), of.version, nil) {
			p.name = fmt.Sprintf("orders-g%d-%03d", g, n)
			p.start = ago(span - time.Duration(g)*life)
			p.offset = time.Duration(n%15) * time.Second
			p.end = p.start.Add(life)
			w.pods = append(w.pods, p)
		}
	}
	first := ago(span)
	remembered := &world{pods: []*pod{{job: "shop/orders"}}, began: first, days: 30 * 24 * time.Hour}
	if err := remembered.remember(s); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.collectors = collectors()
	for part := first; part.Before(now); part = part.Add(2 * time.Hour) {
		w.began, w.until = part, part.Add(2*time.Hour)
		if err := w.write(s); err != nil {
			t.Fatal(err)
		}
		if err := s.db.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
}

type prometheus struct {
	t   *testing.T
	url string
}

func (p *prometheus) get(path string) []byte {
	p.t.Helper()
	r, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %d %v %.500s", path, r.StatusCode, err, body)
	}
	return body
}

var cpu = regexp.MustCompile(`(?m)^process_cpu_seconds_total (\S+)$`)

func (p *prometheus) cpu() time.Duration {
	p.t.Helper()
	seconds, err := strconv.ParseFloat(string(cpu.FindSubmatch(p.get("/metrics"))[1]), 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}

// cost is the server's CPU time for a query: the less of two, because it also collects garbage.
func (p *prometheus) cost(query string, span, step time.Duration) (least time.Duration) {
	p.t.Helper()
	path := "/api/v1/query?" + url.Values{"query": {query}, "time": {fmt.Sprint(now.Unix())}}.Encode()
	if step > 0 {
		end := now.Truncate(step)
		path = "/api/v1/query_range?" + url.Values{"query": {query}, "start": {fmt.Sprint(end.Add(-span).Unix())}, "end": {fmt.Sprint(end.Unix())}, "step": {fmt.Sprint(step.Seconds())}}.Encode()
	}
	for n := range 2 {
		before := p.cpu()
		body := p.get(path)
		d := p.cpu() - before
		var answer struct{ Warnings, Infos []string }
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Warnings)+len(answer.Infos) > 0 {
			p.t.Errorf("%s: %v %v %v", query, err, answer.Warnings, answer.Infos)
		}
		if n == 0 || d < least {
			least = d
		}
	}
	return least
}
