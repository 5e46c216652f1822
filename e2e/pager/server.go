package pager

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// epoch is the time of each scene's event.
var epoch = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func millis(at time.Duration) int64 { return epoch.Add(at).UnixMilli() }

// A series is one in the store.
type series struct {
	labels labels.Labels
	ref    storage.SeriesRef
}

// An identity distinguishes the series of one origin.
type identity struct {
	name, part, le string
	attrs          [8]string
}

type known map[identity]*series

type sample struct {
	series *series
	at     int64
	value  float64
	counts *histogram.Histogram
}

// server is Prometheus: its store, its engine and its rules.
type server struct {
	db     *tsdb.DB
	engine *promql.Engine
	files  []string
	groups []*rules.Group
	errors map[string]error // of rules
}

func newServer(dir, file string) (*server, error) {
	o := tsdb.DefaultOptions()
	o.OutOfOrderTimeWindow = (6 * time.Hour).Milliseconds()
	o.WALSegmentSize = -1 // none
	o.IsolationDisabled = true
	o.RetentionDuration = (30 * 24 * time.Hour).Milliseconds()
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		return nil, err
	}
	db.DisableCompactions()
	s := &server{db: db, files: []string{file}, errors: map[string]error{},
		engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 50e6, Timeout: 10 * time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
			NoStepSubqueryIntervalFn: func(int64) int64 { return 15000 }, Parser: parser.NewParser(parser.Options{})})}
	if err := s.load(); err != nil {
		return nil, err
	}
	for _, g := range s.groups {
		for _, r := range g.AlertingRules() {
			r.SetRestored(true)
		}
	}
	return s, nil
}

// load reads the rules, as at each start of Prometheus.
func (s *server) load() error {
	m := rules.NewManager(&rules.ManagerOptions{QueryFunc: rules.EngineQueryFunc(s.engine, s.db), AppendableV2: s.db, Queryable: s.db, Context: context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: slog.New(slog.DiscardHandler), Parser: parser.NewParser(parser.Options{}),
		OutageTolerance: time.Hour, ForGracePeriod: 10 * time.Minute})
	groups, errs := m.LoadGroups(15*time.Second, labels.EmptyLabels(), "", nil, false, s.files...)
	if len(errs) > 0 {
		return errs[0]
	}
	s.groups = nil
	for _, g := range groups {
		s.groups = append(s.groups, g)
	}
	slices.SortFunc(s.groups, func(a, b *rules.Group) int { return compare(a.Name(), b.Name()) })
	return nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// restart loads the rules and restores the state of their alerts.
func (s *server) restart(now time.Duration) error {
	if err := s.load(); err != nil {
		return err
	}
	for _, g := range s.groups {
		g.Eval(context.Background(), epoch.Add(now))
		g.RestoreForState(epoch.Add(now))
	}
	return nil
}

// evaluate runs the rules, and returns the firing alerts and the number of pending ones. The rules of
// a budget add up what they have recorded, so they must not miss an evaluation.
func (s *server) evaluate(now time.Duration, all bool) (firing []*rules.Alert, pending int) {
	for _, g := range s.groups {
		if all || strings.HasSuffix(g.Name(), "-budget") {
			g.Eval(context.Background(), epoch.Add(now))
		}
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				s.errors[g.Name()+" "+r.Name()] = err
			}
		}
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					firing = append(firing, a)
				} else {
					pending++
				}
			}
		}
	}
	return firing, pending
}

func (s *server) write(list []sample) error {
	app := s.db.Appender(context.Background())
	for _, x := range list {
		var err error
		if x.counts != nil {
			x.series.ref, err = app.AppendHistogram(x.series.ref, x.series.labels, x.at, x.counts, nil)
		} else {
			x.series.ref, err = app.Append(x.series.ref, x.series.labels, x.at, x.value)
		}
		if err != nil {
			return err
		}
	}
	return app.Commit()
}

var stale = math.Float64frombits(value.StaleNaN)

// request durations: those below half a second, and the slow ones
func durations(all, slow float64) *histogram.Histogram {
	fast := int64(all - slow)
	return &histogram.Histogram{Schema: 0, Count: uint64(all), Sum: .08*(all-slow) + .9*slow,
		PositiveSpans:   []histogram.Span{{Offset: -3, Length: 1}, {Offset: 2, Length: 1}},
		PositiveBuckets: []int64{fast, int64(slow) - fast}}
}
