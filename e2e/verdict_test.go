package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// patients are a healthy demo and one demo for each fault, with its expected states.
var patients = []struct {
	fault, readiness, liveness string
	failing                    []string // checks that fail or are stale
	evidence                   string   // another condition in Prometheus
}{
	{"none", "pass", "pass", nil, ""},
	{"database-down", "fail", "pass", []string{"database"}, `health_check_duration_seconds_count{health_check_name="database", error_type="database-down"}`},
	{"cache-down", "warn", "pass", []string{"cache"}, `health_check_duration_seconds_count{health_check_name="cache", error_type="cache-down"}`},
	{"paused-workers", "fail", "pass", []string{"queue"}, `queue_length > 80`},
	{"wedged-worker", "fail", "fail", []string{"queue", "worker"}, `health_heartbeat_active == 4`}, // new jobs keep coming
	{"slow-requests", "warn", "pass", []string{"latency"}, `health_check_value{health_check_name="latency"} > 0.5`},
	{"failing-requests", "warn", "pass", []string{"errors"}, `http_server_request_duration_seconds_count{http_response_status_code="500"}`},
	{"hung-requests", "warn", "pass", []string{"request-age"}, `http_server_oldest_request_age_seconds > 10`},
	{"hung-check", "fail", "pass", []string{"database"}, `health_check_status{health_check_name="database", health_check_state="stale"} == 1`},
	{"panicking-check", "fail", "pass", []string{"database"}, `health_check_duration_seconds_count{health_check_name="database", error_type="panic"}`},
}

// enough is the number of samples of each demo, with the fault and without it.
const enough = 5

// TestSameVerdict breaks ten demos in ten ways. For every judgement it compares the probes,
// /metrics and Prometheus: the states, the numbers, and for latency the share from the raw buckets.
func TestSameVerdict(t *testing.T) {
	p, endpoint, _ := startPipeline(t)
	lean := servers.LeanDemo(t, "..") // without the race detector, because ten of them would overload the machine
	witnesses := map[string]*witness{}
	quit := make(chan struct{})
	var traffic, watch sync.WaitGroup
	stop := sync.OnceFunc(func() {
		close(quit)
		traffic.Wait()
		watch.Wait()
	})
	defer stop()
	for _, who := range patients {
		d := start(t, lean, []string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint,
			"OTEL_METRIC_EXPORT_INTERVAL=1000",
			"OTEL_SERVICE_NAME=patient",
			"OTEL_RESOURCE_ATTRIBUTES=service.instance.id=" + who.fault,
		}, "-load", "0", "-queue", "100", "-stall", "5s", "-drain", "0s")
		d.WaitOK(d.app + "/ready")
		w := &witness{demo: d, name: who.fault, seen: map[string]*sight{}}
		witnesses[who.fault] = w
		traffic.Go(func() { d.bursts(quit) })
		watch.Go(func() { w.watch(quit) })
	}
	// wait polls until Prometheus has the expected states of every demo.
	wait := func(when string, sick bool) {
		t.Helper()
		servers.Poll(t, when, func() error {
			time.Sleep(200 * time.Millisecond) // Prometheus is busy with other queries
			now, err := p.look(), error(nil)
			for _, who := range patients {
				if sick {
					err = errors.Join(err, now.differs(who.fault, who.readiness, who.liveness, who.failing))
				} else {
					err = errors.Join(err, now.differs(who.fault, "pass", "pass", nil))
				}
			}
			return err
		})
	}
	// stay checks for a time, and until every demo has enough samples, that the states don't
	// change.
	stay := func(d time.Duration) {
		t.Helper()
		before := map[string]int64{}
		for name, w := range witnesses {
			before[name] = w.count.Load()
		}
		time.Sleep(d)
		servers.Poll(t, "every demo has enough samples", func() (err error) {
			for name, w := range witnesses {
				if n := w.count.Load() - before[name]; n < enough {
					err = errors.Join(err, fmt.Errorf("%s has only %d samples", name, n))
				}
			}
			return err
		})
	}
	wait("all demos are healthy", false)
	for _, who := range patients[1:] {
		witnesses[who.fault].fault(http.MethodPut, who.fault)
	}
	wait("every demo shows its fault", true)
	stay(lasting(30*time.Second, 5*time.Minute))
	wait("every demo still shows its fault", true)
	for _, who := range patients[1:] {
		if !slices.ContainsFunc(p.query(who.evidence), func(s sample) bool { return s.labels["instance"] == who.fault }) {
			t.Errorf("%s: Prometheus has no %s", who.fault, who.evidence)
		}
	}
	for _, who := range patients[1:] {
		witnesses[who.fault].fault(http.MethodDelete, who.fault)
	}
	stay(lasting(35*time.Second, 2*time.Minute)) // the rules latency and errors have a window of 30 s
	wait("all demos are healthy again", false)
	stop()

	shares := shares{p: p}
	for _, who := range patients {
		w := witnesses[who.fault]
		w.compare(p.exports(t, who.fault))
		shares.compare(w)
	}
	t.Logf("%d shares match the buckets, %d of them between 0 and 1; %d match an earlier reading", shares.same, shares.mixed, shares.late)
	if shares.same == 0 || shares.late*10 > shares.same {
		t.Error("too few shares to compare")
	}
	for _, w := range witnesses {
		w.end()
	}
	p.eventually("the last state of every demo is draining", `health_lifecycle_status{job="patient", health_lifecycle_state="draining"} == 1`,
		func(got []sample) bool { return len(got) == len(patients) })
	end := p.look()
	for _, who := range patients {
		if err := end.differs(who.fault, "fail", "pass", nil); err != nil {
			t.Errorf("after the end: %v", err)
		}
	}
}

// look returns the newest states of each instance in Prometheus.
func (p prometheus) look() outlook {
	p.t.Helper()
	now := outlook{map[string]string{}, map[string][]string{}}
	for _, s := range p.query(`health_probe_status{job="patient"} == 1`) {
		now.probes[s.labels["instance"]+" "+s.labels["health_probe_name"]] += s.labels["health_probe_state"]
	}
	for _, s := range p.query(`health_check_status{job="patient", health_check_state=~"fail|stale"} == 1`) {
		now.failing[s.labels["instance"]] = append(now.failing[s.labels["instance"]], s.labels["health_check_name"])
	}
	return now
}

type outlook struct {
	probes  map[string]string   // the key is "instance probe", the value its states
	failing map[string][]string // the key is the instance
}

// differs compares one instance with its expected states.
func (o outlook) differs(instance, readiness, liveness string, failing []string) (err error) {
	got := slices.Sorted(slices.Values(o.failing[instance]))
	if slices.Contains(got, "latency") && !slices.Contains(failing, "latency") { // the machine is too busy, and the check shows it
		got = slices.DeleteFunc(got, func(name string) bool { return name == "latency" })
		if readiness == "pass" {
			readiness = "warn"
		}
	}
	if !slices.Equal(got, failing) {
		err = fmt.Errorf("%s: %v fail, want %v", instance, got, failing)
	}
	for probe, want := range map[string]string{"readiness": readiness, "liveness": liveness, "startup": "pass"} {
		if got := o.probes[instance+" "+probe]; got != want {
			err = errors.Join(err, fmt.Errorf("%s: %s is %q, want %q", instance, probe, got, want))
		}
	}
	return err
}

// The traffic comes in bursts. Between two bursts the counts don't change, so two readers get the
// same numbers at different times.
const (
	burst  = 50
	atOnce = 10
	period = 10 * time.Second // the window of latency is three periods
)

func (d *demo) bursts(quit <-chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for tick := time.NewTicker(period); ; {
		for range atOnce {
			wg.Go(func() {
				for range burst / atOnce {
					_, _, _, _ = ask(http.MethodPost, d.app+"/jobs", `{"input":"burst"}`) // the faults change these answers
				}
			})
		}
		select {
		case <-quit:
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

// sight is one judgement, as one side shows it: the probes, /metrics or Prometheus.
type sight struct {
	judgement string // time in each state of readiness; it is different in every judgement
	age       float64
	states    map[string]string // of the checks; readiness has the key "", liveness "/health"
	values    map[string]string // of the rules
	at        time.Time         // time of the probe's answer or of the export
	share     string            // share of latency; only the body has it
}

// faces are the metrics of a judgement, in the order of their collection.
var faces = []string{"health_check_status", "health_check_value", "health_probe_status", "health_probe_state_duration_seconds_total"}

// see makes a sight from samples of /metrics or of Prometheus.
func see(t *testing.T, samples []sample) *sight {
	s := &sight{states: states(t, samples), values: map[string]string{}}
	s.judgement, s.age = judged(samples)
	for _, m := range samples {
		switch {
		case m.name == "health_probe_status" && m.labels["health_probe_name"] == "liveness" && m.value == "1":
			s.states["/health"] = m.labels["health_probe_state"]
		case m.name == "health_check_value":
			s.values[m.labels["health_check_name"]] = digits(m.value, 6)
		}
	}
	return s
}

func judged(samples []sample) (judgement string, age float64) {
	var spent []string
	for _, m := range samples {
		if m.name == "health_probe_state_duration_seconds_total" && m.labels["health_probe_name"] == "readiness" {
			spent = append(spent, m.labels["health_probe_state"]+"="+digits(m.value, -1))
			v, _ := strconv.ParseFloat(m.value, 64)
			age += v
		}
	}
	slices.Sort(spent)
	return strings.Join(spent, " "), age
}

// only keeps the lines of some metrics, because parsing all of them needs too much CPU.
func only(body []byte, names ...string) (kept []byte) {
	for line := range bytes.Lines(body) {
		if name, _, _ := bytes.Cut(line, []byte("{")); slices.Contains(names, string(name)) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// digits formats a number with n significant digits, as bodies do.
func digits(number string, n int) string {
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return number
	}
	return strconv.FormatFloat(v, 'g', n, 64)
}

// differs returns an error if two sights of one judgement differ.
func (s *sight) differs(o *sight) error {
	if maps.Equal(s.states, o.states) && maps.Equal(s.values, o.values) {
		return nil
	}
	return fmt.Errorf("%v %v\n%v %v", s.states, s.values, o.states, o.values)
}

// witness watches one demo through its probes and /metrics.
type witness struct {
	*demo
	name  string
	seen  map[string]*sight // the key is the judgement
	order []*sight
	last  []byte // last answer
	count atomic.Int64
}

// watch looks at every judgement once. A busy machine may miss some.
func (w *witness) watch(quit <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := w.look(); err != nil {
			w.t.Errorf("%s: %v", w.name, err)
		}
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
}

// look asks the other probes and /metrics between two answers of /ready. If both answers are equal,
// with the same time and numbers, everything in between belongs to the same judgement.
func (w *witness) look() error {
	var long, short, health probe
	if ok, err := w.answer("/ready?verbose", &long); !ok || bytes.Equal(long.body, w.last) {
		return err
	}
	w.last = long.body // the judgement is new, so there is time until the next one
	at := time.Now()
	for path, p := range map[string]*probe{"/ready": &short, "/health": &health} {
		if ok, err := w.answer(path, p); !ok {
			return err
		}
	}
	_, _, metrics, err1 := ask(http.MethodGet, w.admin+"/metrics", "")
	_, _, after, err2 := ask(http.MethodGet, w.app+"/ready?verbose", "")
	if err1 != nil || err2 != nil || !bytes.Equal(long.body, after) {
		return nil // another judgement; the next look sees it
	}
	shown := see(w.t, parse(only(metrics, faces...)))
	s := &sight{judgement: shown.judgement, age: shown.age, at: at, states: long.states(), values: map[string]string{}}
	s.states["/health"] = health.Status
	for name, list := range long.Checks {
		if c := list[0]; isNumber(c.Limit) && isNumber(c.ObservedValue) {
			s.values[name] = digits(string(c.ObservedValue), 6)
		}
		s.share += string(list[0].Share) // only latency is a quantile, so only it has a share
	}
	if err := s.differs(shown); err != nil || short.Status != long.Status {
		return fmt.Errorf("the probes (/ready is %s) and /metrics differ at %v:\n%w", short.Status, at, err)
	}
	if w.seen[s.judgement] == nil {
		w.seen[s.judgement] = s
		w.order = append(w.order, s)
		w.count.Add(1)
	}
	return nil
}

// answer asks a probe. Its code and status must agree. No answer is not an error, because the
// machine may be busy.
func (w *witness) answer(path string, p *probe) (ok bool, err error) {
	code, _, body, err := ask(http.MethodGet, w.app+path, "")
	if err != nil {
		return false, nil
	}
	if err := json.Unmarshal(body, p); err != nil {
		return false, fmt.Errorf("%w in %s", err, body)
	}
	p.code, p.body = code, body
	if want := map[string]int{"pass": 200, "warn": 200, "fail": 503}[p.Status]; code != want {
		return false, fmt.Errorf("%s answers %d %s", path, code, body)
	}
	return true, nil
}

// exports returns the sights in Prometheus, one for each export.
func (p prometheus) exports(t *testing.T, instance string) (list []*sight) {
	type point struct {
		series string
		sample
		datum
	}
	var all []point
	for _, h := range p.raw(fmt.Sprintf(`{__name__=~%q, instance=%q}[1h]`, strings.Join(faces, "|"), instance)) {
		for _, d := range h.points {
			all = append(all, point{fmt.Sprint(h.labels), sample{h.name, h.labels, d.value}, d})
		}
	}
	// Each instrument has its own timestamp. If a series appears again, it belongs to the next
	// export.
	slices.SortStableFunc(all, func(a, b point) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return slices.Index(faces, a.name) - slices.Index(faces, b.name)
	})
	var samples []sample
	in := map[string]bool{}
	for n, one := range all {
		samples, in[one.series] = append(samples, one.sample), true
		if n+1 < len(all) && !in[all[n+1].series] {
			continue
		}
		s := see(t, samples)
		s.at = one.at
		list = append(list, s)
		samples, in = nil, map[string]bool{}
	}
	return list
}

// compare checks that each export shows the judgement that the witness saw. The witness may miss a
// judgement, if the next one follows at once or the machine is busy. Then every check must have its
// state of shortly before or shortly after.
func (w *witness) compare(exports []*sight) {
	w.t.Helper()
	const shortly = 2.5 // s
	same, unseen, blind, gap := 0, 0, 0, 0.0
	for n, e := range exports {
		if n > 0 {
			gap = max(gap, e.age-exports[n-1].age)
		}
		if s := w.seen[e.judgement]; s != nil {
			same++
			if err := s.differs(e); err != nil {
				w.t.Errorf("the probes and Prometheus differ at %v:\n%v", e.at, err)
			}
			continue
		}
		next, _ := slices.BinarySearchFunc(w.order, e.age, func(s *sight, age float64) int {
			if s.age < age {
				return -1
			}
			return 1
		})
		if next == 0 || next == len(w.order) {
			continue // before or after the watch
		}
		if w.order[next].age-w.order[next-1].age > shortly {
			blind++
			continue
		}
		unseen++
		for name, state := range e.states {
			if a, b := w.order[next-1].states[name], w.order[next].states[name]; state != a && state != b {
				w.t.Errorf("%q is %s in Prometheus at %v, but in the probes %s before and %s after", name, state, e.at, a, b)
			}
		}
	}
	w.t.Logf("%s: %d judgements seen; of %[4]d exports %[3]d are equal, %[5]d belong to a missed judgement, %[6]d to a gap in the watch; at most %.1[7]f s between two",
		w.name, len(w.order), same, len(exports), unseen, blind, gap)
	if same < enough {
		w.t.Errorf("%s: too few exports to compare", w.name)
	}
}

// shares compares the share in the bodies with PromQL's share of the buckets.
type shares struct {
	p                 prometheus
	same, late, mixed int
}

// window and minCount are the demo's latency rule.
const (
	window   = 30 * time.Second
	minCount = 100
)

// A judgement uses a reading up to lag old, and one from before the window, up to lag older. On a
// busy machine the age may reach slack, because readings pause for at most 10 s.
const (
	lag   = 2 * time.Second
	slack = 11 * time.Second
)

func (s *shares) compare(w *witness) {
	total := s.p.counts(fmt.Sprintf(`http_server_request_duration_seconds_count{instance=%q}[1h]`, w.name))
	within := s.p.counts(fmt.Sprintf(`http_server_request_duration_seconds_bucket{instance=%q, le="0.5"}[1h]`, w.name))
	for _, seen := range w.order {
		// The counts at the reading and one window before. They are known if two exports around the
		// time have the same count.
		now, ok1 := total.still(seen.at.Add(-lag), seen.at)
		then, ok2 := total.still(seen.at.Add(-window-2*lag), seen.at.Add(-window))
		if !ok1 || !ok2 {
			continue
		}
		at := func(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1e3) }
		grown := func(series string) string {
			return fmt.Sprintf(`(sum(%[1]s @ %[2]s) - sum(%[1]s @ %[3]s))`, series, at(now), at(then))
		}
		all := grown(fmt.Sprintf(`http_server_request_duration_seconds_count{instance=%q}`, w.name))
		fast := grown(fmt.Sprintf(`http_server_request_duration_seconds_bucket{instance=%q, le="0.5"}`, w.name))
		want := ""
		if got := s.p.query(all + fmt.Sprintf(" >= %d", minCount)); len(got) == 1 {
			want = digits(s.p.query(fmt.Sprintf("(%s - %s) / %s", all, fast, all))[0].value, 6)
		}
		got := digits(seen.share, 6)
		switch {
		case got == want:
			s.same++
			if want != "" && want != "0" && want != "1" {
				s.mixed++
			}
		case slices.Contains(total.shares(within, seen.at), got):
			s.late++
		default:
			w.t.Errorf("%s: at %[3]v the body's share is %[2]q, but the buckets give %[4]q", w.name, got, seen.at, want)
		}
	}
}

// counts has the total count at each export.
type counts struct {
	at []time.Time
	n  map[time.Time]float64
}

func (p prometheus) counts(selector string) counts {
	p.t.Helper()
	c := counts{n: map[time.Time]float64{}}
	for _, h := range p.raw(selector) {
		for _, d := range h.points {
			v, err := strconv.ParseFloat(d.value, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			if _, ok := c.n[d.at]; !ok {
				c.at = append(c.at, d.at)
			}
			c.n[d.at] += v
		}
	}
	slices.SortFunc(c.at, time.Time.Compare)
	return c
}

// still returns the first export from to on, if the last export before from has the same count.
func (c counts) still(from, to time.Time) (at time.Time, ok bool) {
	before, exact := slices.BinarySearchFunc(c.at, from, time.Time.Compare)
	if !exact {
		before--
	}
	after, _ := slices.BinarySearchFunc(c.at, to, time.Time.Compare)
	if before < 0 || after == len(c.at) {
		return at, false
	}
	return c.at[after], c.n[c.at[before]] == c.n[c.at[after]]
}

// shares returns the shares of all readings within the allowed delay.
func (c counts) shares(within counts, t time.Time) (list []string) {
	between := func(from, to time.Time) (some []time.Time) {
		for _, at := range c.at {
			if !at.Before(from) && !at.After(to) {
				some = append(some, at)
			}
		}
		return some
	}
	for _, now := range between(t.Add(-slack), t) {
		for _, then := range between(t.Add(-window-2*slack), t.Add(-window)) {
			n, fast := c.n[now]-c.n[then], within.n[now]-within.n[then]
			if n < minCount {
				list = append(list, "")
			} else {
				list = append(list, strconv.FormatFloat((n-fast)/n, 'g', 6, 64))
			}
		}
	}
	return list
}
