package healthcheck

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var shadowStories = flag.Int("shadows", 4, "stories of TestShadowIsEnforced")

// TestShadowIsEnforced compares two Monitors every second. One has checks in shadow, and the same checks of its
// twin are enforced. The shadow verdict of the first must equal the verdict of the twin, including reasons,
// ages and the time in each state. The checks in shadow must have no effect. No rule ejects here: the loops of
// two Monitors are some milliseconds apart, and an ejection that begins one judgement later ends with other
// evidence.
func TestShadowIsEnforced(t *testing.T) {
	for seed := range *shadowStories {
		synctest.Test(t, func(t *testing.T) { newTwins(t, uint64(seed)).live() })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// twins are two instances with the same checks and the same evidence. The first has some in shadow.
type twins struct {
	t          *testing.T
	seed       uint64
	random     *rand.Rand
	all        []string // names of everything that is judged
	down       [3]atomic.Bool
	length     atomic.Int64
	took       atomic.Int64 // of a request, in milliseconds; no requests if 0
	shadow     *kit
	enforced   *kit
	heartbeats []*Heartbeat
	requests   []metric.Float64Histogram
}

func newTwins(t *testing.T, seed uint64) *twins {
	w := &twins{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 1)), all: []string{"core", "auxiliary", "shown", "queue", "latency", "worker"}}
	inShadow := map[string]bool{}
	for _, name := range w.all[:5] {
		inShadow[name] = w.random.IntN(2) == 0
	}
	make := func(shadows bool) *kit {
		onFail := func(name string, e verdict.Effect) verdict.Effect {
			if shadows && inShadow[name] {
				return e.InShadow()
			}
			return e
		}
		var c Config
		for n, effect := range []verdict.Effect{NotReady, WarnOnly, ShowOnly} {
			c.Checks = append(c.Checks, Check{Name: w.all[n], OnFail: onFail(w.all[n], effect), Func: func(context.Context) error {
				if w.down[n].Load() {
					return errDown
				}
				return nil
			}})
		}
		c.Rules = []rule.Rule{
			{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), Warn: rule.Above(50), OnFail: onFail("queue", NotReady)},
			{Name: "latency", Value: rule.Quantile(.9, "http.server.request.duration"), Fail: rule.Above(300 * time.Millisecond), OnFail: onFail("latency", WarnOnly)},
		}
		k := newKit(t, c)
		k.Queue("jobs", 100, func() int { return int(w.length.Load()) })
		w.heartbeats = append(w.heartbeats, k.Heartbeat("worker", 10*time.Second))
		h, err := k.provider.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		w.requests = append(w.requests, h)
		return k.start()
	}
	w.shadow, w.enforced = make(true), make(false)
	return w
}

// live changes one thing every few seconds, and compares every second.
func (w *twins) live() {
	wait(500 * time.Millisecond) // change nothing at the moment of a collection, because only one of them might see it
	for range 150 {
		wait(800 * time.Millisecond)
		if w.random.IntN(4) == 0 {
			w.change()
		}
		if ms := w.took.Load(); ms > 0 {
			for range 5 {
				for _, h := range w.requests {
					h.Record(w.t.Context(), float64(ms)/1000)
				}
			}
		}
		wait(200 * time.Millisecond)
		apart := w.differ()
		if apart != "" { // their loops may be some milliseconds apart, so one may cross a bound a judgement earlier
			wait(time.Second)
			apart = w.differ()
		}
		if apart != "" {
			w.t.Error(apart)
			break
		}
	}
	for _, h := range w.heartbeats {
		h.Close()
	}
}

func (w *twins) change() {
	switch w.random.IntN(8) {
	case 0, 1, 2:
		n := w.random.IntN(len(w.down))
		w.down[n].Store(!w.down[n].Load())
	case 3:
		w.length.Store(w.random.Int64N(120))
	case 4:
		w.took.Store([]int64{0, 100, 100, 900}[w.random.IntN(4)])
	case 5:
		for _, h := range w.heartbeats {
			h.Begin()
		}
	case 6:
		for _, h := range w.heartbeats {
			h.End()
		}
	case 7: // an operator changes an override
		o := operator.Overrides{}
		for _, name := range w.all {
			if e := []verdict.Effect{"", states.Shadow, states.Enforce}[w.random.IntN(3)]; e != "" {
				o[name] = e
			}
		}
		w.shadow.overrides.Store(&o)
	}
}

// wholeSeconds matches a number of whole seconds in a reason. The two Monitors reach the next second some
// milliseconds apart.
var wholeSeconds = regexp.MustCompile(`\b(in|for) \d+m?\d*s`)

// differ says how the shadow differs from the twin; empty if it does not.
func (w *twins) differ() string {
	a, b := w.shadow.Verdict(), w.enforced.Verdict()
	would := verdict.Shadow{Liveness: a.Liveness, Readiness: a.Readiness}
	if a.Shadow != nil {
		would = *a.Shadow
	}
	for _, p := range [][2]verdict.Result{{would.Liveness, b.Liveness}, {would.Readiness, b.Readiness}} {
		apart := p[0].Since.Sub(p[1].Since).Abs() > tick+3*minTick
		p[0].Since = p[1].Since
		for n := range p {
			p[n].Reason = wholeSeconds.ReplaceAllString(p[n].Reason, "$1 some s")
		}
		if apart || p[0] != p[1] {
			return fmt.Sprintf("seed %d: it would be %+v\nand is      %+v\nof %v\nand %v", w.seed, p[0], p[1], inShort(a), inShort(b))
		}
	}
	force := verdict.Pass
	for _, r := range a.Results {
		switch bad := r.State != verdict.Pass; {
		case r.Shadow || !bad || r.OnFail == ShowOnly:
		case r.OnFail != WarnOnly && !states.Good(r.State):
			force = verdict.Fail
		case force == verdict.Pass:
			force = verdict.Warn
		}
	}
	if a.Readiness.State != force {
		return fmt.Sprintf("readiness is %s, and by the checks with force %s: %+v", a.Readiness.State, force, a.Results)
	}
	if a.Shadow == nil {
		return ""
	}
	for _, p := range []string{"liveness", "readiness"} {
		for _, s := range states.ProbeStates {
			attrs := []string{"health.probe.shadow.status", "health.probe.status", "health.probe.shadow.state.duration", "health.probe.state.duration"}
			var v []float64
			for n, name := range attrs {
				v = append(v, []*kit{w.shadow, w.enforced}[n%2].metric(name, conventions.ProbeName.String(p), conventions.ProbeState.String(string(s))))
			}
			// Each change may be one judgement apart, and these differences add up.
			if v[0] != v[1] || math.Abs(v[2]-v[3]) > 5 {
				return fmt.Sprintf("%s %s: %v differ from the twin's", p, s, v)
			}
		}
	}
	return ""
}

// TestShadow: what people see of a check in shadow, and how an operator enforces it and puts it back.
func TestShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "search", Func: down, FailureThreshold: 1, OnFail: NotReady.InShadow()}, Check{Name: "database", Func: ok}))
		k.start()
		wait(2 * time.Second)
		k.want("/ready", http.StatusOK, verdict.Pass)
		if _, body := k.get("/ready"); body["shadow"] != nil {
			t.Errorf("the short body has %v", body["shadow"])
		}
		_, body := k.get("/ready?verbose")
		would, _ := body["shadow"].(map[string]any)
		if would["status"] != "fail" || !strings.HasPrefix(would["output"].(string), "search: ") || would["since"] == nil {
			t.Errorf("?verbose has %v", would)
		}
		if e := body["checks"].(map[string]any)["search"].([]any)[0].(map[string]any); e["shadow"] != true || e["role"] != "core" || e["status"] != "fail" {
			t.Errorf("search: %v", e)
		}
		if v := k.metric("health.check.shadow", conventions.CheckName.String("search")); v != 1 {
			t.Errorf("health.check.shadow is %v", v)
		}
		if v := k.metric("health.check.shadow", conventions.CheckName.String("database")); v != -1 {
			t.Errorf("health.check.shadow of the other is %v", v)
		}
		override := func(e verdict.Effect) {
			k.overrides.Store(&operator.Overrides{"search": e})
			wait(2 * time.Second)
		}
		override(states.Enforce)
		k.want("/ready", http.StatusServiceUnavailable, verdict.Fail)
		if v := k.metric("health.check.override", conventions.CheckName.String("search"), conventions.CheckOverride.String("enforce")); v != 1 {
			t.Errorf("health.check.override is %v", v)
		}
		override(WarnOnly) // an override by another effect is enforced too
		k.want("/ready", http.StatusOK, verdict.Warn)
		override(states.Shadow)
		k.want("/ready", http.StatusOK, verdict.Pass)
		if v := k.Verdict(); v.Shadow.Readiness.State != verdict.Fail || !v.Results[0].Shadow || v.Results[0].Overridden || v.Results[0].OnFail != NotReady {
			t.Errorf("%+v", v)
		}
		k.halt() // a stale verdict has no shadow
		wait(time.Minute)
		w := httptest.NewRecorder()
		k.DetailsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if body := w.Body.String(); !strings.Contains(body, "no judgement for more than") || strings.Contains(body, `"shadow":{`) {
			t.Error(body)
		}
	})
}

// TestShadowEjects: a slow instance would be ejected and come back. Its traffic does not change.
func TestShadowEjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "latency", Value: rule.Quantile(.9, "http.server.request.duration"), Fail: rule.Above(300 * time.Millisecond), OnFail: NotReady.InShadow()}))
		h, err := k.provider.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		traffic := func(seconds float64, until func(*verdict.Verdict) bool) {
			t.Helper()
			for range 600 {
				for range 5 {
					h.Record(t.Context(), seconds)
				}
				wait(time.Second)
				v := k.Verdict()
				if v.Readiness.State != verdict.Pass {
					t.Fatalf("readiness is %s: %s", v.Readiness.State, v.Readiness.Reason)
				}
				if until(v) {
					return
				}
			}
			t.Fatalf("it does not come: %+v", k.Verdict().Shadow)
		}
		began := time.Now()
		traffic(.1, func(*verdict.Verdict) bool { return time.Since(began) > 2*time.Minute })
		traffic(.9, func(v *verdict.Verdict) bool { return v.Shadow.Readiness.State == verdict.Fail })
		traffic(.1, func(v *verdict.Verdict) bool { return v.Shadow.Readiness.State == verdict.Pass })
	})
}

// TestShadowHasNoVote: peers are not asked about a check in shadow.
func TestShadowHasNoVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{Peers: "peers:8000", Checks: []Check{{Name: "search", Func: down, FailureThreshold: 1, OnFail: NotReady.InShadow()}}})
		k.start()
		wait(5 * time.Second)
		if names := k.current.Load().Asks(); slices.Contains(names, "search") {
			t.Errorf("peers vote on %v", names)
		}
		k.want("/ready", http.StatusOK, verdict.Pass)
	})
}

// inShort returns the states and reasons of a verdict.
func inShort(v *verdict.Verdict) (text []string) {
	for _, r := range v.Results {
		text = append(text, fmt.Sprintf("%s %s %q since %s shadow %v", r.Name, r.State, r.Reason, r.Since.Format("04:05.000"), r.Shadow))
	}
	return text
}
