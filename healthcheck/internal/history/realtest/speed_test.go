package realtest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

var (
	days      = flag.Int("days", 1, "of history that TestSpeed reads; 30 takes 5 GB and minutes")
	instances = flag.Int("instances", 5, "that TestSpeed reads; 50 for the figures of the documentation")
)

const routes = 20

// writeDays writes a block for each day: histograms of twenty routes with twelve buckets, a counter and a gauge
// of each instance. Several instances share their samples, because only the reading counts.
func writeDays(t testing.TB, dir string, days, instances int) (samples int) {
	t.Helper()
	const step, perDay, distinct = 15, 86400 / 15, 5
	le := []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "+Inf"}
	perRoute := len(le) + 2
	perInstance := routes*perRoute + 2
	counts := make([][]float64, distinct)
	r := rand.New(rand.NewPCG(1, 1))
	for d := range counts {
		counts[d] = make([]float64, perInstance)
	}
	for day := range days {
		from := begin.Add(time.Duration(day) * 24 * time.Hour)
		encoded := make([][][]chunks.Meta, distinct)
		for d := range encoded {
			encoded[d] = make([][]chunks.Meta, perInstance)
			apps := make([]chunkenc.Appender, perInstance)
			for n := range perDay {
				at := from.Add(time.Duration(n) * step * time.Second).UnixMilli()
				add := func(s int, v float64) {
					list := encoded[d][s]
					if len(list) == 0 || list[len(list)-1].Chunk.NumSamples() >= 120 {
						c := chunkenc.NewXORChunk()
						apps[s], _ = c.Appender()
						list = append(list, chunks.Meta{Chunk: c, MinTime: at})
					}
					apps[s].Append(0, at, v)
					list[len(list)-1].MaxTime = at
					encoded[d][s] = list
				}
				for route := range routes {
					total := 0.0
					for b := range le {
						s := route*perRoute + b
						if rare := 1 << (min(b, 11-b) * 2); r.IntN(4096) < rare*(routes-route)/4 {
							counts[d][s] += float64(1 + r.IntN(8))
						}
						total += counts[d][s]
						add(s, total)
					}
					add(route*perRoute+len(le), total)
					add(route*perRoute+len(le)+1, total/7)
				}
				counts[d][perInstance-2] += float64(r.IntN(40))
				add(perInstance-2, counts[d][perInstance-2])
				add(perInstance-1, float64(r.IntN(30)))
			}
		}
		type row struct {
			labels labels.Labels
			d, s   int
		}
		var rows []row
		symbols := map[string]bool{"": true}
		for i := range instances {
			for s := range perInstance {
				list := []string{"job", "shop", "instance", fmt.Sprintf("i-%02d", i)}
				switch route, part := s/perRoute, s%perRoute; {
				case s == perInstance-2:
					list = append(list, "__name__", "jobs_failed_total")
				case s == perInstance-1:
					list = append(list, "__name__", "queue_length", "queue_name", "jobs")
				default:
					list = append(list, "http_route", "/route/"+strconv.Itoa(route), "http_request_method", "GET", "http_response_status_code", "200")
					const h = "http_server_request_duration_seconds"
					switch part {
					case len(le):
						list = append(list, "__name__", h+"_count")
					case len(le) + 1:
						list = append(list, "__name__", h+"_sum")
					default:
						list = append(list, "__name__", h+"_bucket", "le", le[part])
					}
				}
				l := labels.FromStrings(list...)
				l.Range(func(l labels.Label) { symbols[l.Name], symbols[l.Value] = true, true })
				rows = append(rows, row{l, i % distinct, s})
			}
		}
		slices.SortFunc(rows, func(a, b row) int { return labels.Compare(a.labels, b.labels) })
		id := ulid.MustNew(uint64(from.UnixMilli()), zeros{})
		block := filepath.Join(dir, id.String())
		must(t, os.MkdirAll(filepath.Join(block, "chunks"), 0o755))
		cw, err := chunks.NewWriter(filepath.Join(block, "chunks"))
		must(t, err)
		iw, err := index.NewWriter(context.Background(), filepath.Join(block, "index"))
		must(t, err)
		var all []string
		for s := range symbols {
			all = append(all, s)
		}
		slices.Sort(all)
		for _, s := range all {
			must(t, iw.AddSymbol(s))
		}
		for n, row := range rows {
			metas := slices.Clone(encoded[row.d][row.s])
			must(t, cw.WriteChunks(metas...))
			must(t, iw.AddSeries(storage.SeriesRef(n), row.labels, metas...))
		}
		must(t, iw.Close())
		must(t, cw.Close())
		samples += len(rows) * perDay
		meta, err := json.Marshal(tsdb.BlockMeta{ULID: id, MinTime: from.UnixMilli(), MaxTime: from.Add(24 * time.Hour).UnixMilli(), Version: 1,
			Stats: tsdb.BlockStats{NumSamples: uint64(len(rows) * perDay), NumSeries: uint64(len(rows))}, Compaction: tsdb.BlockMetaCompaction{Level: 1, Sources: []ulid.ULID{id}}})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(block, "meta.json"), meta, 0o600))
		tombstones := append(binary.BigEndian.AppendUint32(nil, 0x0130BA30), 1)
		must(t, os.WriteFile(filepath.Join(block, "tombstones"), binary.BigEndian.AppendUint32(tombstones, 0), 0o600))
	}
	return samples
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A meter counts what comes over the network.
type meter struct {
	base  http.RoundTripper
	bytes atomic.Int64
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := m.base.RoundTrip(r)
	if err == nil {
		res.Body = &metered{res.Body, m}
	}
	return res, err
}

type metered struct {
	io.ReadCloser
	m *meter
}

func (b *metered) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.bytes.Add(int64(n))
	return n, err
}

// TestSpeed reads what some rules need, and the same series by a plain range query, in one run. It prints the
// figures, and fails only if something is missing or the memory is not bounded.
func TestSpeed(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	total := writeDays(t, dir, *days, *instances)
	t.Logf("%d instances, %d days: %d M samples of %d series written in %v", *instances, *days, total/1e6, *instances*(routes*14+2), time.Since(began).Round(time.Second))
	addr := prometheus(t, dir, "global: {}\n")
	to := begin.Add(time.Duration(*days)*24*time.Hour - time.Millisecond)
	limits := []query.Number{{Value: .5, Duration: true}}
	needs := []history.Need{
		{Metric: "http.server.request.duration", Kind: history.Histogram, Keys: []string{"http.route"}, Limits: limits, Duration: true},
		{Metric: "jobs.failed", Kind: history.Counter},
		{Metric: "queue.length"},
	}
	all := slices.Clone(needs)
	all[0].Limits = nil
	for _, c := range []struct {
		name  string
		needs []history.Need
		way   history.Way
		some  int // series of an instance
		limit int // of the instances
	}{
		{"what the rules need, by remote read", needs, history.RemoteRead, routes*2 + 2, *instances},
		{"every bucket, by remote read", all, history.RemoteRead, routes*12 + 2, *instances},
		{"what the rules need, by raw queries", needs, history.Query, routes*2 + 2, 1},
	} {
		runtime.GC()
		wire := &meter{base: client.Transport}
		s := &history.Source{URL: addr, Client: &http.Client{Transport: wire}, Selector: `{job="shop"}`, Way: c.way}
		began := time.Now()
		h, err := s.Find(t.Context(), c.needs, begin, to)
		must(t, err)
		if len(h.Instances) != *instances {
			t.Fatalf("%d instances, want %d", len(h.Instances), *instances)
		}
		found := time.Since(began)
		var peak, collections atomic.Int64
		work := make(chan history.Instance)
		var group sync.WaitGroup
		for range min(2, c.limit) {
			group.Go(func() {
				for i := range work {
					n := 0
					for _, err := range h.Read(t.Context(), i) {
						if err != nil {
							t.Error(err)
							return
						}
						if n++; n%4096 == 0 {
							var m runtime.MemStats
							runtime.ReadMemStats(&m)
							peak.Store(max(peak.Load(), int64(m.HeapInuse)))
						}
					}
					if want := *days * 5760; n != want {
						t.Errorf("%s: %d collections, want %d", i.Name, n, want)
					}
					collections.Add(int64(n))
				}
			})
		}
		for _, i := range h.Instances[:c.limit] {
			work <- i
		}
		close(work)
		group.Wait()
		took := time.Since(began)
		read := float64(collections.Load()) * float64(c.some)
		t.Logf("%s: %d instances in %v (names %v): %.0f k collections, %.1f M samples, %.2f M/s, %.1f MB, heap %d MB", c.name, c.limit, took.Round(time.Millisecond), found.Round(time.Millisecond),
			float64(collections.Load())/1e3, read/1e6, read/1e6/took.Seconds(), float64(wire.bytes.Load())/1e6, peak.Load()>>20)
		if peak.Load() > 512<<20 {
			t.Errorf("%s: the heap had %d MB", c.name, peak.Load()>>20)
		}
	}
	rangeQueries(t, addr, to)
}

// rangeQueries reads the same series of one instance by range queries, which give 11,000 points at most, and other
// instants than those of the samples.
func rangeQueries(t *testing.T, addr string, to time.Time) {
	wire := &meter{base: client.Transport}
	c := &http.Client{Transport: wire}
	began, samples := time.Now(), 0
	for _, q := range []string{`http_server_request_duration_seconds_bucket{instance="i-00",le=~"0.5|\\+Inf"}`, `jobs_failed_total{instance="i-00"}`, `queue_length{instance="i-00"}`} {
		for from := begin; from.Before(to); {
			end := from.Add(10999 * 15 * time.Second)
			if end.After(to) {
				end = to
			}
			res, err := c.Get(addr + "/api/v1/query_range?" + url.Values{"query": {q}, "start": {fmt.Sprint(from.Unix())}, "end": {fmt.Sprint(end.Unix())}, "step": {"15"}}.Encode())
			must(t, err)
			var answer struct {
				Data struct {
					Result []struct{ Values [][2]any }
				}
			}
			err = json.NewDecoder(res.Body).Decode(&answer)
			must(t, err)
			must(t, res.Body.Close())
			for _, r := range answer.Data.Result {
				samples += len(r.Values)
			}
			from = end.Add(15 * time.Second)
		}
	}
	took := time.Since(began)
	t.Logf("the same by query_range: 1 instance in %v: %.1f M samples, %.2f M/s, %.1f MB", took.Round(time.Millisecond), float64(samples)/1e6, float64(samples)/1e6/took.Seconds(), float64(wire.bytes.Load())/1e6)
	if want := *days * 5760 * (routes*2 + 2); math.Abs(float64(samples-want)) > 100 {
		t.Errorf("%d samples by query_range, want %d", samples, want)
	}
}
