package replay

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var differential = flag.Int("differential", 1, "stories of each trouble that are judged live and again")

// A trouble has the faults that may happen in a story. A fault lasts longer than the longest step between two samples,
// because a fault that no sample shows can't be judged.
type trouble struct {
	name    string
	away    bool // series end and come back, and count on meanwhile
	lost    bool // samples of some series are lost, which the Monitor has read; not the first ones
	vanish  bool // all metrics but one vanish
	resets  bool // counts fall
	bad     bool // some values can't be read
	restart bool
	gap     bool // samples are missing
	late    bool // the process runs when the history begins
	readers bool // one reader collects some metrics, and another one the others
	ejects  bool // the rules eject their instance
}

var troubles = []trouble{
	{name: "none"},
	{name: "away", away: true},
	{name: "lost", lost: true},
	{name: "vanish", vanish: true},
	{name: "resets", resets: true},
	{name: "bad", bad: true},
	{name: "restarts", restart: true},
	{name: "gaps", gap: true, late: true},
	{name: "readers", readers: true, vanish: true},
	{name: "readers and restarts", readers: true, restart: true},
	{name: "ejects", ejects: true},
	{name: "ejects late", ejects: true, late: true, gap: true},
	{name: "lost and ejects", lost: true, ejects: true, readers: true, resets: true},
	{name: "all", away: true, vanish: true, resets: true, bad: true, restart: true, late: true, ejects: true},
}

// different are rules of every kind.
func different() map[string]rule.Rule {
	s := time.Second
	count, few, share := rule.Increase("c"), rule.Below(4), rule.Ratio(rule.Increase("c").Where("route", "a"), rule.Increase("c"))
	per := []string{"route"}
	return map[string]rule.Rule{
		"increase":        {Value: count, Fail: rule.Above(10), Window: 30 * s},
		"increase per":    {Value: count, Fail: rule.Above(10), Warn: rule.Above(5), Window: 30 * s, Per: per},
		"increase for":    {Value: count, Fail: rule.Above(5), Window: 30 * s, For: 20 * s, KeepFor: 30 * s, Per: per},
		"few":             {Value: count, Fail: few, Window: 30 * s},
		"few per":         {Value: count, Fail: few, Window: 30 * s, Per: per},
		"few for":         {Value: count, Fail: few, Window: 30 * s, For: 20 * s},
		"few per for":     {Value: count, Fail: few, Window: 30 * s, For: 20 * s, Per: per},
		"few where":       {Value: count.Where("route", "a"), Fail: few, Window: 30 * s, For: 10 * s},
		"ratio":           {Value: share, Fail: rule.Above(.5), Window: 30 * s, MinEvents: 5},
		"ratio low":       {Value: share, Fail: rule.Below(.3), Window: 60 * s, For: 20 * s},
		"ratio per":       {Value: rule.Ratio(rule.Increase("d"), count), Fail: rule.Above(.5), Window: 60 * s, Per: per},
		"quantile":        {Value: rule.Quantile(.9, "h"), Fail: rule.Above(.5), Window: 30 * s},
		"quantile for":    {Value: rule.Quantile(.9, "h"), Fail: rule.Above(.5), Window: 120 * s, For: 20 * s, KeepFor: 40 * s, Per: per},
		"share low":       {Value: rule.ShareAbove(.5, "h"), Fail: rule.Below(.1), Window: 30 * s, MinEvents: 10},
		"last":            {Value: rule.Last("q").Max(), Fail: rule.Above(80), Warn: rule.Above(50)},
		"last for":        {Value: rule.Last("q"), Fail: rule.Above(80), For: 20 * s, KeepFor: 30 * s, Per: per},
		"last long":       {Value: rule.Last("q").Max(), Fail: rule.Above(50), For: 90 * s, KeepFor: 90 * s},
		"last sum":        {Value: rule.Last("q").Sum(), Fail: rule.Above(120), For: 20 * s},
		"time since":      {Value: rule.TimeSince("ts"), Fail: rule.Above(30 * s)},
		"time since for":  {Value: rule.TimeSince("ts"), Fail: rule.Above(20 * s), For: 20 * s, KeepFor: 30 * s},
		"increase longer": {Value: count, Fail: rule.Above(20), Window: 120 * s},
	}
}

const storyLength = 900

// A story has the counts of a process for every second.
type story struct {
	catalogs  []evidence.Catalog // as its Monitor reads them
	recorded  []evidence.Catalog
	restarted []bool
}

// A teller tells one story.
type teller struct {
	trouble
	*rand.Rand
	series  map[string]*told
	rate    map[string]float64
	slow    float64
	success float64
	stuck   bool
	gone    *spell // all metrics but one
}

// told is one series of each metric.
type told struct {
	count, slow       int64
	buckets           []uint64
	queue             float64
	away, lost, unfit *spell
}

// A spell is a fault that goes on and off. Each state lasts longer than a minute.
type spell struct {
	on    bool
	until int
}

// goesOn reports whether it is on at a second.
func (t *teller) goesOn(s *spell, second int) bool {
	if s.until <= second {
		s.on = !s.on
		s.until = second + 61 + t.IntN(150)
	}
	return s.on
}

// spell begins late enough for a sample before it.
func (t *teller) spell(second int) *spell { return &spell{until: second + 61 + t.IntN(100)} }

func (t *teller) begin(second int) {
	t.gone = t.spell(second)
	for _, name := range routes {
		t.series[name] = &told{buckets: make([]uint64, len(edges)+1), away: t.spell(second), lost: t.spell(second), unfit: t.spell(second), queue: float64(t.IntN(100))}
	}
}

var (
	routes = []string{"a", "b", "c"}
	edges  = []float64{.1, .5, 1}
)

func tell(tr trouble, seed uint64) *story {
	t := &teller{trouble: tr, Rand: rand.New(rand.NewPCG(seed, 7)), series: map[string]*told{}, rate: map[string]float64{"a": .1, "b": .3, "c": .2}, slow: .02}
	s := &story{}
	t.begin(0)
	for second := range storyLength {
		restarts := t.restart && second > 0 && t.IntN(200) == 0
		if restarts {
			t.begin(second)
		}
		t.change(second)
		s.restarted = append(s.restarted, restarts)
		read, kept := t.collect(second)
		s.catalogs, s.recorded = append(s.catalogs, read), append(s.recorded, kept)
	}
	return s
}

// change changes the load and the faults.
func (t *teller) change(second int) {
	for _, name := range routes {
		if t.IntN(60) == 0 {
			t.rate[name] = []float64{0, .1, .5, 1, 3}[t.IntN(5)]
		}
	}
	if t.IntN(40) == 0 {
		t.slow = []float64{0, .02, .1, .3, 1}[t.IntN(5)]
	}
	if t.IntN(60) == 0 {
		t.stuck = !t.stuck
	}
	if !t.stuck && second%5 == 0 || second == 0 {
		t.success = float64(began.Add(time.Duration(second)*time.Second).UnixNano()) / 1e9
	}
	for _, name := range routes {
		one := t.series[name]
		for rate := t.rate[name]; rate > 0; rate-- {
			if t.Float64() >= rate {
				continue
			}
			one.count++
			bucket := 1
			if t.Float64() < t.slow {
				one.slow, bucket = one.slow+1, 2
			}
			one.buckets[bucket]++
		}
		if t.IntN(50) == 0 {
			one.queue = float64(t.IntN(100))
		}
		if t.resets && one.count > 200 && t.IntN(50) == 0 { // the next sample shows it
			one.count, one.slow, one.buckets = int64(t.IntN(3)), 0, make([]uint64, len(edges)+1)
		}
	}
}

// collect returns what a Monitor reads, and what is recorded of it.
func (t *teller) collect(second int) (read, kept evidence.Catalog) {
	read, kept = evidence.Catalog{}, evidence.Catalog{}
	for _, name := range routes {
		one := t.series[name]
		away, lost := t.goesOn(one.away, second) && t.away, t.goesOn(one.lost, second) && t.lost
		bad := t.goesOn(one.unfit, second) && t.bad && name == "b"
		if away {
			continue
		}
		one.add(read, name, bad)
		if !lost {
			one.add(kept, name, bad)
		}
	}
	if t.goesOn(t.gone, second) && t.vanish {
		clear(read)
		clear(kept)
	}
	ts := evidence.Metric{Name: "ts", Unit: "s", Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Value: t.success}}}}
	read["ts"], kept["ts"] = []evidence.Metric{ts}, []evidence.Metric{ts}
	return read, kept
}

// add adds a point of each metric.
func (o *told) add(to evidence.Catalog, route string, bad bool) {
	attrs := attribute.NewSet(attribute.String("route", route))
	value := func(v float64) float64 {
		if bad {
			return math.NaN()
		}
		return v
	}
	sum := func(name string, v int64) {
		data := metricdata.Sum[float64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
		if old := to[name]; old != nil {
			data = old[0].Data.(metricdata.Sum[float64])
		}
		data.DataPoints = append(data.DataPoints, metricdata.DataPoint[float64]{Attributes: attrs, Value: value(float64(v))})
		to[name] = []evidence.Metric{{Name: name, Data: data}}
	}
	sum("c", o.count)
	sum("d", o.slow)
	gauge := metricdata.Gauge[float64]{}
	histogram := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
	if old := to["q"]; old != nil {
		gauge, histogram = old[0].Data.(metricdata.Gauge[float64]), to["h"][0].Data.(metricdata.Histogram[float64])
	}
	gauge.DataPoints = append(gauge.DataPoints, metricdata.DataPoint[float64]{Attributes: attrs, Value: value(o.queue)})
	to["q"] = []evidence.Metric{{Name: "q", Data: gauge}}
	histogram.DataPoints = append(histogram.DataPoints, metricdata.HistogramDataPoint[float64]{Attributes: attrs, Count: uint64(o.count), Bounds: edges, BucketCounts: slices.Clone(o.buckets)})
	to["h"] = []evidence.Metric{{Name: "h", Data: histogram}}
}

// live judges every second, as a Monitor does.
func (s *story) live(r Rule, jitter float64) (all []verdict.State) {
	var sampler *evidence.Sampler
	var judging *judge.Rule
	var start time.Time
	for second, c := range s.catalogs {
		at := began.Add(time.Duration(second) * time.Second)
		if sampler == nil || s.restarted[second] {
			sampler = evidence.NewSampler(r.Query, r.Ejects(), func(string) bool { return false })
			judging = judge.NewRule(r.Query, r.For, r.KeepFor, sampler, func(string) judge.Creation { return judge.Recorded }, at, jitter)
			start = at
		}
		sampler.Sample(at, c)
		all = append(all, judging.Evaluate(memory.Instant{Now: at, Resumed: start}).State)
	}
	return all
}

// again replays the recorded collections of a story. It returns how many states were judged, how many of them are
// certain, and the wrong ones.
func (s *story) again(tr trouble, r Rule, jitter float64, every int, random *rand.Rand, live []verdict.State) (all, sure int, wrong []string) {
	i := New(Config{Rules: []Rule{r}, Tick: time.Second, Gap: time.Duration(every) * 1500 * time.Millisecond, Exists: func(string) bool { return true },
		Jitter: func(string) (low, high float64) { return jitter, jitter }})
	from, restarted, missing := 0, true, 0
	if tr.late {
		from = random.IntN(300)
	} else {
		i.Collect(began.Add(-time.Second), nil, false) // of another process
	}
	for second := range storyLength {
		restarted = restarted || s.restarted[second]
		c := s.recorded[second]
		switch at := second - from; {
		case at < 0:
			restarted = false
			continue
		case tr.readers && at%every == every/2:
			c = evidence.Catalog{"c": c["c"], "q": c["q"], "ts": c["ts"]}
		case at%every != 0:
			continue
		case tr.readers:
			c = evidence.Catalog{"d": c["d"], "h": c["h"]}
		}
		if missing--; tr.gap && missing < 0 && random.IntN(20) == 0 {
			missing = 2 + random.IntN(600/every)
		}
		if missing > 0 || !recorded(c) {
			continue
		}
		j := i.Collect(began.Add(time.Duration(second)*time.Second), c, restarted)
		restarted = false
		if j.Kept[0] {
			continue
		}
		is := j.Rules[0]
		all++
		if is.Certain() {
			sure++
		}
		if !is.Has(live[second]) {
			wrong = append(wrong, fmt.Sprintf("second %d: live %s, replayed %v", second, live[second], is))
		}
	}
	return all, sure, wrong
}

// recorded reports whether a collection has a sample.
func recorded(c evidence.Catalog) bool {
	for _, found := range c {
		if len(found) > 0 {
			return true
		}
	}
	return false
}

// TestDifferential compares a rule that judges every second with a replay of every n-th collection. All certain states
// of the replay must be equal.
func TestDifferential(t *testing.T) {
	rules := different()
	for _, tr := range troubles {
		t.Run(tr.name, func(t *testing.T) {
			all, sure := map[int]int{}, map[int]int{}
			for seed := range uint64(*differential) {
				s, random := tell(tr, seed), rand.New(rand.NewPCG(seed, 8))
				for _, name := range slices.Sorted(maps.Keys(rules)) {
					effect := states.WarnOnly
					if tr.ejects {
						effect = states.NotReady
					}
					r, jitter := one(rules[name], effect), random.Float64()
					live := s.live(r, jitter)
					for _, every := range []int{5, 15, 60} {
						judged, certain, wrong := s.again(tr, r, jitter, every, random, live)
						all[every], sure[every] = all[every]+judged, sure[every]+certain
						if len(wrong) > 0 {
							t.Errorf("story %d, %s, every %d s: %d wrong, %s", seed, name, every, len(wrong), wrong[0])
						}
					}
				}
			}
			for _, every := range []int{5, 15, 60} {
				t.Logf("every %d s: %d samples, %.1f %% can't tell", every, all[every], 100-100*float64(sure[every])/float64(all[every]))
			}
		})
	}
}
