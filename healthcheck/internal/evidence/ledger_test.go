package evidence

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

func observable(string) bool { return true }

// grown samples the collections every second and returns the growth of the only group.
func grown(t *testing.T, s *Sampler, all []Catalog) float64 {
	t.Helper()
	at := time.Unix(1e9, 0)
	for n, c := range all {
		s.Sample(at.Add(time.Duration(n)*time.Second), c)
	}
	r := read(s)
	if r.Problem != "" || len(r.Groups) != 1 {
		t.Fatalf("problem %q, %d groups", r.Problem, len(r.Groups))
	}
	return r.Groups[0].Value
}

// TestChurn: a series that begins, ends, comes back or resets changes only its own growth.
func TestChurn(t *testing.T) {
	one := func(v int64) Catalog { return collection("", counter(cum, point(v, "s", "1"))) }
	two := func(v, o int64) Catalog {
		return collection("", counter(cum, point(v, "s", "1"), point(o, "s", "2")))
	}
	var gone, long []Catalog
	for n := range 310 { // the second series is gone for longer than the window, or than Prometheus looks back
		if n < 40 {
			gone = append(gone, one(int64(n)))
		}
		long = append(long, one(int64(n)))
	}
	back := append(append([]Catalog{two(0, 50)}, gone...), two(40, 90))
	late := append(append([]Catalog{two(0, 50)}, long...), two(310, 90))
	for _, c := range []struct {
		why            string
		all            []Catalog
		observed, sync float64
	}{
		{"a new series", []Catalog{one(1), two(2, 100_000)}, 1, 100_001},
		{"it grows from then on", []Catalog{one(1), two(2, 100_000), two(3, 100_007)}, 9, 100_009},
		{"an end keeps its growth", []Catalog{two(0, 0), two(1, 60), one(2), one(3)}, 63, 63},
		{"the growth of a series that ended leaves the window", append([]Catalog{two(0, 0), two(0, 60)}, gone...), 30, 30},
		{"back with more", []Catalog{two(0, 100), one(0), one(0), two(0, 103)}, 3, 3},
		{"back with less: a reset", []Catalog{two(0, 100), one(0), two(0, 7)}, 7, 7},
		{"a reset", []Catalog{two(0, 100), two(5, 110), two(10, 4)}, 24, 24},
		{"back after more than the window", back, 70, 70},
		{"back after five minutes", late, 30, 120},
		{"the only one is back", append([]Catalog{collection("", counter(cum, point(int64(7))))}, append(slices.Repeat([]Catalog{{}}, 40), collection("", counter(cum, point(int64(9)))))...), 2, 2},
		{"all end", []Catalog{two(0, 0), two(3, 4), {}, {}}, 7, 7},
		{"one is always there, and one comes and goes", []Catalog{one(0), two(100, 5), one(200), two(300, 5), one(400), two(500, 5)}, 500, 505},
	} {
		t.Run(c.why, func(t *testing.T) {
			r := queryOf(rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(10)})
			if got := grown(t, NewSampler(r, false, observable), c.all); got != c.observed {
				t.Errorf("observable: a growth of %v, want %v", got, c.observed)
			}
			if got := grown(t, NewSampler(r, false, synchronous), c.all); got != c.sync {
				t.Errorf("synchronous: a growth of %v, want %v", got, c.sync)
			}
		})
	}
}

// TestChurnOfHistograms: the same for the buckets of Quantile and ShareAbove, and for both sides of
// a Ratio.
func TestChurnOfHistograms(t *testing.T) {
	bounds := []float64{.5}
	a := func(good, bad uint64) metricdata.Aggregation { return hist(cum, bounds, []uint64{good, bad}, "s", "a") }
	b := func(good, bad uint64) metricdata.Aggregation { return hist(cum, bounds, []uint64{good, bad}, "s", "b") }
	all := []Catalog{
		collection("s", a(1000, 0)), collection("s", a(1010, 0), b(0, 10)), collection("s", a(1020, 0)), collection("s", a(1030, 0), b(0, 4)), // b was reset
		collection("s", a(5, 0)), // a was reset, and b ended
	}
	for _, v := range []rule.Rule{
		{Value: rule.ShareAbove(500*time.Millisecond, "m"), Fail: rule.Above(.1)},
		{Value: rule.Ratio(rule.Increase("m").Where("s", "b"), rule.Increase("m")), Fail: rule.Above(.1)},
	} {
		if got := grown(t, samplerOf(v), all); got != 14.0/49 {
			t.Errorf("a share of %v, want 14 of 49", got)
		}
	}
	if got := grown(t, samplerOf(rule.Rule{Value: rule.Quantile(.5, "m"), Fail: rule.Above(500 * time.Millisecond)}), all); got != .35 {
		t.Errorf("a median of %v, want .35", got)
	}
}

// TestStartTimes: a start time after the last collection means that an observable series began at zero, or was
// reset.
func TestStartTimes(t *testing.T) {
	began := time.Unix(1e9, 0)
	dated := func(v int64, started float64, kv ...string) metricdata.DataPoint[int64] {
		p := point(v, kv...)
		p.StartTime = began.Add(time.Duration(started * 1e9))
		return p
	}
	all := []Catalog{
		collection("", counter(cum, dated(100, -9, "s", "1"))),
		collection("", counter(cum, dated(101, -9, "s", "1"), dated(40, .5, "s", "2"), dated(500, -9, "s", "3"))),
		collection("", counter(cum, dated(101, -9, "s", "1"), dated(60, 1.5, "s", "2"), dated(500, -9, "s", "3"))),
	}
	r := queryOf(rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(10)})
	if got := grown(t, NewSampler(r, false, observable), all); got != 101 {
		t.Errorf("a growth of %v, want 101", got)
	}
	s := NewSampler(r, false, observable)
	s.Dated = func(string) bool { return false }
	if got := grown(t, s, all); got != 21 {
		t.Errorf("start times of the instrument: a growth of %v, want 21", got)
	}
}

// TestTwins: series of the same attributes, in two scopes or in one, are two series.
func TestTwins(t *testing.T) {
	of := func(scope string, v int64) Metric {
		return Metric{Name: "m", Scope: instrumentation.Scope{Name: scope}, Data: counter(cum, point(v))}
	}
	r := queryOf(rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(10)})
	if got := grown(t, NewSampler(r, false, observable), []Catalog{
		{"m": {of("a", 10)}}, {"m": {of("b", 1000), of("a", 11)}}, {"m": {of("a", 12), of("b", 1003)}},
	}); got != 5 {
		t.Errorf("two scopes: a growth of %v, want 5", got)
	}
	if got := grown(t, NewSampler(r, false, observable), []Catalog{
		collection("", counter(cum, point(int64(10)), point(int64(500)))), collection("", counter(cum, point(int64(11)), point(int64(503)))),
	}); got != 4 {
		t.Errorf("one scope: a growth of %v, want 4", got)
	}
}

// TestStuckConsumer: a lower limit is crossed although series come and go.
func TestStuckConsumer(t *testing.T) {
	s := NewSampler(queryOf(rule.Rule{Value: rule.Increase("m"), Window: 5 * time.Second, Fail: rule.Below(1)}), false, observable)
	at := time.Now()
	for n := range 20 {
		points := []metricdata.DataPoint[int64]{point(int64(7), "s", "1")}
		if n%3 == 0 {
			points = append(points, point(int64(9), "s", fmt.Sprint(n)))
		}
		s.Sample(at.Add(time.Duration(n)*time.Second), collection("", counter(cum, points...)))
	}
	if m := read(s).Groups[0]; edge(m) != "min.fail" {
		t.Errorf("%s, want min.fail", edge(m))
	}
}

// TestSeriesAreForgotten: the memory does not grow with series that are gone.
func TestSeriesAreForgotten(t *testing.T) {
	s := samplerOf(rule.Rule{Value: rule.Increase("m").WhereNot("s", "none"), Window: 3 * time.Second, Per: []string{"s"}, Fail: rule.Above(10)})
	at := time.Now()
	for n := range 1000 {
		s.Sample(at.Add(time.Duration(n)*time.Second), Catalog{"m": {{Name: "m", Scope: instrumentation.Scope{Name: fmt.Sprint(n / 10)},
			Data: counter(cum, point(int64(n), "s", fmt.Sprint(n)))}}})
	}
	accounts := 0
	for _, b := range s.ledger.sides[0].scopes {
		accounts += len(b.accounts)
	}
	if n := len(s.ledger.sides[0].scopes); n > 33 || accounts > 310 || len(s.ledger.windows) > 5 {
		t.Errorf("%d scopes, %d series, %d groups", n, accounts, len(s.ledger.windows))
	}
}

// TestGlitch: after one absurdly high count, later counts are still exact.
func TestGlitch(t *testing.T) {
	s := NewSampler(queryOf(rule.Rule{Value: rule.Increase("m"), Window: 5 * time.Second, Fail: rule.Above(10)}), false, observable)
	at := time.Now()
	for n := range 20 {
		v := float64(n)
		if n == 3 {
			v = 1e300
		}
		s.Sample(at.Add(time.Duration(n)*time.Second), collection("", metricdata.Sum[float64]{Temporality: cum, IsMonotonic: true, DataPoints: []metricdata.DataPoint[float64]{point(v)}}))
	}
	if m := read(s).Groups[0]; m.Value != 5 {
		t.Errorf("a growth of %v, want 5", m.Value)
	}
}

// FuzzChurn lets series begin, end, come back, reset and grow. The growth of each group is compared
// with an oracle that keeps every count of every series.
func FuzzChurn(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 9, 17, 25, 33, 2, 10, 3, 11, 4, 12, 1, 1, 1, 5, 13, 7, 15, 23, 31, 0, 0, 0, 1})
	f.Add([]byte("A00000000090")) // reset, after its group was gone
	f.Add([]byte("a series begins, ends, comes back and resets; nobody else's history is forgotten"))
	const window = 4
	names := []string{"0", "1", "2", "3"}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		for _, observed := range []bool{true, false} {
			s := NewSampler(queryOf(rule.Rule{Value: rule.Increase("m"), Window: window * time.Second, Per: []string{"group"}, Fail: rule.Above(1e9)}), false,
				func(string) bool { return observed })
			at := time.Unix(1e9, 0)
			counts := map[string]int64{}                    // of the living series
			var history []map[string]int64                  // for the oracle
			for n := 0; n < len(bytes) && n < 200; n += 2 { // two operations in each collection
				for _, b := range bytes[n:min(n+2, len(bytes))] {
					name := names[b/8%4]
					_, alive := counts[name]
					switch op := b % 8; {
					case op == 0:
					case op < 4 && alive:
						counts[name] += int64(b)
					case op < 4, op == 4: // begins, comes back or resets, with any count
						counts[name] = int64(b) * 3
					case op == 5:
						counts[name] = 0
					default:
						delete(counts, name)
					}
				}
				var points []metricdata.DataPoint[int64]
				for name, v := range counts {
					points = append(points, metricdata.DataPoint[int64]{Value: v, Attributes: attribute.NewSet(
						attribute.String("series", name), attribute.Bool("group", name < "2"))})
				}
				history = append(history, maps.Clone(counts))
				at = at.Add(time.Second)
				s.Sample(at, collection("", counter(cum, points...)))
				r := read(s)
				if r.Problem != "" {
					t.Fatal(r.Problem)
				}
				got := map[string]float64{}
				for _, m := range r.Groups {
					got[GroupName(m.Group)] = m.Value
				}
				want := oracle(history, names, window, observed)
				if len(got) != len(want) || !maps.Equal(got, want) {
					t.Fatalf("observed %v, %v: %v, want %v", observed, history, got, want)
				}
			}
		}
	})
}

// oracle returns the growth of each group over the last seconds.
func oracle(history []map[string]int64, names []string, window int, observed bool) map[string]float64 {
	out := map[string]float64{}
	last := len(history) - 1
	for _, name := range names {
		group := fmt.Sprintf("group=%v", name < "2")
		before, seen := int64(0), -1
		for n, counts := range history {
			v, alive := counts[name]
			if !alive {
				continue
			}
			growth := v - before
			switch {
			case seen < 0: // a new series
				growth = v
				if n == 0 || observed {
					growth = 0
				}
			case v < before:
				growth = v
			}
			if n > last-window {
				out[group] += float64(growth)
			}
			before, seen = v, n
		}
		if _, has := out[group]; !has && seen >= 0 && last-seen <= window {
			out[group] = 0
		}
	}
	return out
}
