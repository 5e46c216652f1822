package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// A series is one in the store.
type series struct {
	labels labels.Labels
	ref    storage.SeriesRef
}

// store is Prometheus: its storage, its engine and its promrules.
type store struct {
	db     *tsdb.DB
	engine *promql.Engine
	groups []*promrules.Group
}

const every = 30 * time.Second // between evaluations

// open begins an empty store with the rules of a file, or with none.
func open(dir, file string) (*store, error) {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = (100 * 24 * time.Hour).Milliseconds()
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		return nil, err
	}
	db.DisableCompactions()
	s := &store{db: db, engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 50e6, Timeout: 2 * time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 15000 }, Parser: parser.NewParser(parser.Options{})})}
	if file == "" {
		return s, nil
	}
	m := promrules.NewManager(&promrules.ManagerOptions{QueryFunc: promrules.EngineQueryFunc(s.engine, db), AppendableV2: db, Queryable: db, Context: context.Background(),
		NotifyFunc: func(context.Context, string, ...*promrules.Alert) {}, Logger: slog.New(slog.DiscardHandler), Parser: parser.NewParser(parser.Options{}),
		OutageTolerance: time.Hour, ForGracePeriod: 10 * time.Minute})
	groups, errs := m.LoadGroups(tick, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	for _, g := range groups {
		for _, r := range g.AlertingRules() {
			r.SetRestored(true)
		}
		s.groups = append(s.groups, g)
	}
	slices.SortFunc(s.groups, func(a, b *promrules.Group) int { return strings.Compare(a.Name(), b.Name()) })
	return s, nil
}

// evaluate runs the rules once.
func (s *store) evaluate(t time.Time) error {
	for _, g := range s.groups {
		g.Eval(context.Background(), t)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				return err
			}
		}
	}
	return nil
}

// writer appends samples at a time, under a job and an instance.
type writer struct {
	app  storage.Appender
	skip func(name string) bool // series that nobody needs
	n    int
	err  error
}

func (w *writer) put(known map[string]*series, t time.Time, job, instance string) put {
	return func(v float64, name string, pairs ...string) {
		if w.skip != nil && w.skip(name) {
			return
		}
		key := name + strings.Join(pairs, "|")
		x := known[key]
		if x == nil {
			b := labels.NewBuilder(labels.FromStrings(append(pairs[:len(pairs):len(pairs)], model.MetricNameLabel, name)...))
			if job != "" {
				b.Set("job", job)
			}
			if instance != "" {
				b.Set("instance", instance)
			}
			x = &series{labels: b.Labels()}
			known[key] = x
		}
		ref, err := w.app.Append(x.ref, x.labels, t.UnixMilli(), v)
		x.ref = ref
		if err != nil && w.err == nil {
			w.err = err
		}
		w.n++
	}
}

func (w *writer) commit() error {
	if w.err != nil {
		return w.err
	}
	return w.app.Commit()
}
