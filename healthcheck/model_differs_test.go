package healthcheck_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// answer is the observable state of the Monitor at one instant.
type answer struct {
	probes    map[string]string // by name
	cause     map[string]string // the check that a probe's output names
	lifecycle string
	until     string
	checks    map[string]checkState
}

// checkState is the observable state of one check.
type checkState struct {
	state    string
	effect   string // in force
	override string
	role     string  // as configured
	value    float64 // of a rule; NaN if there is none or it is unknown
	failures int     // of an active check
	rule     *ruleModel
	limits   map[string]float64 // of a rule, by their type, as shown
	unit     string             // of a value
}

var (
	severities = map[string]int{"pass": 0, "warn": 1, "unknown": 2, "stale": 3, "fail": 4}
	paths      = map[string]string{"readiness": "/ready", "liveness": "/health", "startup": "/startup"}
	roles      = map[string]string{"not-ready": "core", "restart": "vital", "warn": "auxiliary", "show": "informational"}
)

// answer is the answer that the model expects.
func (m *model) answer(now time.Duration, began time.Time) answer {
	a := answer{probes: map[string]string{}, cause: map[string]string{}, lifecycle: "running", checks: map[string]checkState{}}
	worst := map[string]int{} // of the checks that fail readiness, warn of it, and fail liveness
	cause := map[string]string{}
	judge := func(name, effect string, s checkState) {
		s.role = roles[effect]
		var ok bool
		if s.override, ok = m.overrides[name]; !ok {
			s.override = m.overrides["*"]
		}
		s.effect = cmp.Or(s.override, effect)
		a.checks[name] = s
		weigh := func(to string, is bool) {
			rank := 2 * severities[s.state]
			if s.effect == "restart" { // of two that fail alike, it is named
				rank++
			}
			if is && s.state != "pass" && rank > worst[to] {
				worst[to], cause[to] = rank, name
			}
		}
		weigh("fail", (s.effect == "not-ready" || s.effect == "restart") && severities[s.state] > 1)
		weigh("warn", s.effect != "show")
		weigh("liveness", s.effect == "restart" && s.state == "fail")
	}
	for _, c := range m.actives {
		judge(c.name, cmp.Or(c.effect, "not-ready"), checkState{state: c.state(now), value: nan, failures: c.bad})
	}
	for _, r := range m.rules {
		s := checkState{state: r.state, value: r.value, rule: r}
		s.limits, s.unit = m.shown(r.ruled)
		judge(r.name, cmp.Or(r.effect, "warn"), s)
	}
	beating := checkState{state: "pass", value: nan}
	if m.busy > 0 && now-m.beat > m.conf.stall {
		beating.state = "fail"
	}
	judge("worker", "restart", beating)

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
	outOfTraffic := m.draining || last > 0
	if m.started || outOfTraffic {
		a.probes["startup"] = "pass"
	}
	if m.started && !outOfTraffic && cause["liveness"] != "" {
		a.probes["liveness"], a.cause["liveness"] = "fail", cause["liveness"]
	}
	switch {
	case a.lifecycle != "running":
		a.probes["readiness"], a.cause["readiness"] = "fail", a.lifecycle
	case cause["fail"] != "":
		a.probes["readiness"], a.cause["readiness"] = "fail", cause["fail"]
	case cause["warn"] != "":
		a.probes["readiness"], a.cause["readiness"] = "warn", cause["warn"]
	}
	return a
}

// differs returns the first difference between the model, the answers and the exported metrics.
func (w *world) differs(m *model) error {
	want := m.answer(time.Since(w.started), w.started)
	exported, err := w.exported()
	if err != nil {
		return err
	}
	is := func(v bool) float64 { return map[bool]float64{true: 1}[v] }
	for probe, path := range paths {
		for _, query := range []string{"", "?verbose"} {
			if err := w.probeDiffers(path+query, probe, want); err != nil {
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
		for _, effect := range effects {
			if got, want := exported["health.check.override "+effect+" "+name], is(c.override == effect); got != want {
				return fmt.Errorf("health.check.override of %s, %s is %v; the model says %q", name, effect, got, c.override)
			}
		}
		for _, edge := range edges {
			got, ok := exported["health.check.limit "+edge+" "+name]
			if want, is := c.limits[edge]; ok != is || !near(got, want) {
				return fmt.Errorf("health.check.limit of %s, %s is %v (%v); the model says %v (%v)", name, edge, got, ok, want, is)
			}
		}
		got, ok := exported["health.check.value "+name]
		if !strings.HasPrefix(name, "quantile") && (ok == (c.value != c.value) || ok && !near(got, c.value)) {
			return fmt.Errorf("health.check.value of %s is %v (%v); the model says %v", name, got, ok, c.value)
		}
	}
	return w.verdictDiffers(want)
}

// verdictDiffers compares the verdict.
func (w *world) verdictDiffers(want answer) error {
	v := w.monitor.Verdict()
	if v.Phase != want.lifecycle {
		return fmt.Errorf("the verdict says %s; the model says %s", v.Phase, want.lifecycle)
	}
	for _, p := range []verdict.Result{v.Liveness, v.Readiness, v.Startup} {
		if string(p.State) != want.probes[p.Name] || !strings.HasPrefix(p.Reason, want.cause[p.Name]) {
			return fmt.Errorf("the verdict says that %s is %s (%s); the model says %s, because of %q", p.Name, p.State, p.Reason, want.probes[p.Name], want.cause[p.Name])
		}
	}
	if len(v.Results) != len(want.checks) {
		return fmt.Errorf("the verdict has %d results; the model has %d", len(v.Results), len(want.checks))
	}
	for _, r := range v.Results {
		c := want.checks[r.Name]
		if string(r.State) != c.state || string(r.OnFail) != c.effect || r.Overridden != (c.override != "") {
			return fmt.Errorf("the verdict says that %s is %s, %s (overridden: %v); the model says %s, %s", r.Name, r.State, r.OnFail, r.Overridden, c.state, c.effect)
		}
		if c.rule != nil && c.rule.kind != "quantile" && (r.Value == nil) != (c.value != c.value) {
			return fmt.Errorf("the verdict has the value %v of %s; the model says %v", r.Value, r.Name, c.value)
		}
		if (r.Reason == "") != (r.State == verdict.Pass) && r.State != verdict.Pass {
			return fmt.Errorf("the verdict says that %s is %s, and not why", r.Name, r.State)
		}
	}
	return nil
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Max(1, math.Abs(b)) }

// probeDiffers requests one probe and compares the answer.
func (w *world) probeDiffers(path, probe string, want answer) error {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	var body struct {
		Status, Output, Lifecycle, Until string
		Checks                           map[string][]struct {
			Status, Override, Role, ObservedUnit     string
			ObservedValue                            *float64
			Limit, WarnLimit, MinLimit, MinWarnLimit *float64
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
	if name := want.cause[probe]; !strings.HasPrefix(body.Output, name) || (name == "" && body.Output != "" && probe != "startup") {
		return fmt.Errorf("output %q; the model expects %q in it", body.Output, name)
	}
	if verbose := strings.HasSuffix(path, "verbose"); probe == "readiness" && len(body.Checks)+body.Omitted != len(want.checks) || verbose && body.Omitted > 0 {
		return fmt.Errorf("%d checks and %d omitted of %d", len(body.Checks), body.Omitted, len(want.checks))
	}
	for name, entries := range body.Checks {
		got, c := entries[0], want.checks[name]
		if got.Status != c.state || got.Override != c.override || got.Role != c.role {
			return fmt.Errorf("%s is %s, %s, override %q; the model says %s, %s, %q", name, got.Status, got.Role, got.Override, c.state, c.role, c.override)
		}
		for edge, got := range map[string]*float64{"min.fail": got.MinLimit, "min.warn": got.MinWarnLimit, "max.warn": got.WarnLimit, "max.fail": got.Limit} {
			if want, is := c.limits[edge]; is != (got != nil) || is && !near(*got, want) {
				return fmt.Errorf("%s of %s is %v; the model says %v", edge, name, got, want)
			}
		}
		if c.rule != nil && got.ObservedValue != nil && got.ObservedUnit != c.unit {
			return fmt.Errorf("%s has the unit %q; the model says %q", name, got.ObservedUnit, c.unit)
		}
		if c.value == c.value && (got.ObservedValue == nil || !near(*got.ObservedValue, c.value)) {
			seen := "none"
			if got.ObservedValue != nil {
				seen = fmt.Sprint(*got.ObservedValue)
			}
			return fmt.Errorf("%s has the value %s; the model says %v", name, seen, c.value)
		}
	}
	return nil
}

// exported returns every gauge health.* by its name and the values of its attributes health.*.
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
