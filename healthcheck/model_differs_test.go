package healthcheck_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// answer is what is known of the Monitor at one moment.
type answer struct {
	probes    map[string]string // by name
	blame     map[string]string // the check that a probe's output names
	lifecycle string
	until     string
	checks    map[string]said
}

// said is what is known of one check.
type said struct {
	state, override string
	value           float64 // of a rule; NaN for none or not known
	failures        int     // of an active check
}

var (
	severities = map[string]int{"pass": 0, "warn": 1, "unknown": 2, "stale": 3, "fail": 4}
	paths      = map[string]string{"readiness": "/ready", "liveness": "/health", "startup": "/startup"}
	ofRole     = map[string]string{"core": "fail", "vital": "fail", "auxiliary": "warn", "informational": "off"}
)

// answer is what the model expects.
func (m *model) answer(now time.Duration, began time.Time) answer {
	a := answer{probes: map[string]string{}, blame: map[string]string{}, lifecycle: "running", checks: map[string]said{}}
	worst := map[string]int{} // of the checks that fail readiness, warn of it, and fail liveness
	blame := map[string]string{}
	judge := func(name, role string, s said) {
		var ok bool
		if s.override, ok = m.overrides[name]; !ok {
			s.override = m.overrides["*"]
		}
		a.checks[name] = s
		effect := s.override
		if effect == "" {
			effect = ofRole[role]
		}
		weigh := func(to string, is bool) {
			if is && severities[s.state] > worst[to] {
				worst[to], blame[to] = severities[s.state], name
			}
		}
		weigh("fail", effect == "fail" && severities[s.state] > 1)
		weigh("warn", effect != "off")
		weigh("liveness", role == "vital" && s.state == "fail" && effect == "fail")
	}
	for _, c := range m.actives {
		judge(c.name, c.role, said{c.state(now), "", nan, c.bad})
	}
	for _, r := range m.rules {
		judge(r.name, r.role, said{r.state, "", r.value, 0})
	}
	beating := said{"pass", "", nan, 0}
	if m.busy > 0 && now-m.beat > m.conf.stall {
		beating.state = "fail"
	}
	judge("worker", "vital", beating)

	held, last := m.holds != [4]bool{}, time.Duration(0)
	m.started = m.started || !held
	for _, w := range slices.Concat(m.windows, []window{m.byFile}) {
		if !w.lifted && w.until > now {
			last = max(last, w.until)
		}
	}
	if last > 0 {
		a.until = began.Add(last).UTC().Format(time.RFC3339)
	}
	switch {
	case m.draining:
		a.lifecycle = "draining"
	case last > 0:
		a.lifecycle = "maintenance"
	case held:
		a.lifecycle = "starting"
	}
	a.probes["startup"], a.probes["liveness"], a.probes["readiness"] = "fail", "pass", "pass"
	aside := m.draining || last > 0
	if m.started || aside {
		a.probes["startup"] = "pass"
	}
	if m.started && !aside && blame["liveness"] != "" {
		a.probes["liveness"], a.blame["liveness"] = "fail", blame["liveness"]
	}
	switch {
	case a.lifecycle != "running":
		a.probes["readiness"], a.blame["readiness"] = "fail", a.lifecycle
	case blame["fail"] != "":
		a.probes["readiness"], a.blame["readiness"] = "fail", blame["fail"]
	case blame["warn"] != "":
		a.probes["readiness"], a.blame["readiness"] = "warn", blame["warn"]
	}
	return a
}

// differs is the first difference between what is served, what is exported and
// what the model says.
func (w *world) differs(m *model) error {
	want := m.answer(time.Since(w.started), w.started)
	exported, err := w.exported()
	if err != nil {
		return err
	}
	is := func(v bool) float64 { return map[bool]float64{true: 1}[v] }
	for probe, path := range paths {
		for _, query := range []string{"", "?verbose"} {
			if err := w.served(path+query, probe, want); err != nil {
				return fmt.Errorf("%s%s: %w", path, query, err)
			}
		}
		for _, s := range []string{"pass", "warn", "fail"} {
			if got, ok := exported["health.probe.status "+probe+" "+s]; !ok || got != is(s == want.probes[probe]) {
				return fmt.Errorf("health.probe.status of %s, %s is %v; the model says %s", probe, s, got, want.probes[probe])
			}
		}
	}
	for _, s := range []string{"starting", "running", "maintenance", "draining"} {
		if got, ok := exported["health.lifecycle.status "+s]; !ok || got != is(s == want.lifecycle) {
			return fmt.Errorf("health.lifecycle.status of %s is %v; the model says %s", s, got, want.lifecycle)
		}
	}
	for name, c := range want.checks {
		for s := range severities {
			if got, ok := exported["health.check.status "+name+" "+s]; !ok || got != is(s == c.state) {
				return fmt.Errorf("health.check.status of %s, %s is %v; the model says %s", name, s, got, c.state)
			}
		}
		if got := exported["health.check.consecutive_failures "+name]; got != float64(c.failures) {
			return fmt.Errorf("health.check.consecutive_failures of %s is %v; the model says %d", name, got, c.failures)
		}
		got, ok := exported["health.check.value "+name]
		if !strings.HasPrefix(name, "quantile") && (ok == (c.value != c.value) || ok && !near(got, c.value)) {
			return fmt.Errorf("health.check.value of %s is %v (%v); the model says %v", name, got, ok, c.value)
		}
	}
	return nil
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Max(1, math.Abs(b)) }

// served asks one probe.
func (w *world) served(path, probe string, want answer) error {
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	var body struct {
		Status, Output, Lifecycle, Until string
		Checks                           map[string][]struct {
			Status, Override string
			ObservedValue    *float64
		}
		Omitted int
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		return fmt.Errorf("%w: %s", err, rec.Body)
	}
	code := map[string]int{"pass": 200, "warn": 200, "fail": 503}[want.probes[probe]]
	if rec.Code != code || body.Status != want.probes[probe] || body.Lifecycle != want.lifecycle || body.Until != want.until {
		return fmt.Errorf("%d %s %s %q (%q); the model says %d %s %s %q", rec.Code, body.Status, body.Lifecycle, body.Until, body.Output,
			code, want.probes[probe], want.lifecycle, want.until)
	}
	if name := want.blame[probe]; !strings.HasPrefix(body.Output, name) || (name == "" && body.Output != "" && probe != "startup") {
		return fmt.Errorf("output %q; the model blames %q", body.Output, name)
	}
	if verbose := strings.HasSuffix(path, "verbose"); probe == "readiness" && len(body.Checks)+body.Omitted != len(want.checks) || verbose && body.Omitted > 0 {
		return fmt.Errorf("%d checks and %d omitted of %d", len(body.Checks), body.Omitted, len(want.checks))
	}
	for name, entries := range body.Checks {
		got, c := entries[0], want.checks[name]
		if got.Status != c.state || got.Override != c.override {
			return fmt.Errorf("%s is %s, override %q; the model says %s, %q", name, got.Status, got.Override, c.state, c.override)
		}
		if c.value == c.value && (got.ObservedValue == nil || !near(*got.ObservedValue, c.value)) {
			return fmt.Errorf("%s has the value %v; the model says %v", name, got.ObservedValue, c.value)
		}
	}
	return nil
}

// exported is each gauge health.* by its name and the values of its attributes health.*.
func (w *world) exported() (map[string]float64, error) {
	var rm metricdata.ResourceMetrics
	if err := w.reader.Collect(w.t.Context(), &rm); err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				addPoints(all, m.Name, data.DataPoints)
			case metricdata.Gauge[float64]:
				addPoints(all, m.Name, data.DataPoints)
			case metricdata.Sum[int64]: // an up-down counter
				addPoints(all, m.Name, data.DataPoints)
			}
		}
	}
	return all, nil
}

func addPoints[N int64 | float64](all map[string]float64, name string, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		key := name
		for _, kv := range p.Attributes.ToSlice() { // in the order of their names
			if strings.HasPrefix(string(kv.Key), "health.") {
				key += " " + kv.Value.AsString()
			}
		}
		all[key] = float64(p.Value)
	}
}
