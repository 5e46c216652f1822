package healthcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// ask asks an instance as a peer does.
func ask(t *testing.T, h http.Handler, target string) (code int, body map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v: %s", target, err, w.Body)
	}
	return w.Code, body
}

// withPeers makes a Monitor with peers. All addresses of their name give the same answer.
func withPeers(t *testing.T, c Config, answers ...string) *kit {
	c.Peers = "orders-peers:8000"
	k := newKit(t, c)
	f := &peerFleet{t: t, began: time.Now().Add(-time.Hour)}
	for n, text := range answers {
		m := &member{f: f, n: n, address: netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}), closed: make(chan struct{})}
		m.accepted = make(chan net.Conn)
		m.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })}
		go func() { _ = m.server.Serve(listener{m}) }()
		t.Cleanup(func() { close(m.closed); _ = m.server.Close() })
		f.members = append(f.members, m)
	}
	me := &member{f: f}
	k.network = peers.Network{Lookup: f.lookup, Dial: me.dial}
	return k
}

// said is a peer's answer. worked is the age of its last success in milliseconds.
func said(n int, state string, worked int) string {
	return fmt.Sprintf(`{"peers":1,"instance":"peer-%d","service":"orders","lifecycle":"running","state":%q,"admitted":true,"checks":{"database":{"worked":%d},"queue":{"worked":%d}}}`, n, state, worked, worked)
}

func failingPeers(n int) (all []string) {
	for k := range n {
		all = append(all, said(k, "fail", 0))
	}
	return all
}

// broken returns a check that fails from the second run on.
func brokenCheck(name string) Check {
	runs := 0
	return Check{Name: name, Interval: time.Second, FailureThreshold: 1, SuccessThreshold: 1, Func: func(context.Context) error {
		if runs++; runs > 1 {
			return errDown
		}
		return nil
	}}
}

// TestStaysIn: the instance is ready with a warning although its check fails. Body, page, metrics and log say why.
// Liveness does not change.
func TestStaysIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := withPeers(t, ofChecks(brokenCheck("database")), append(failingPeers(8), said(8, "pass", 60e3))...)
		var log bytes.Buffer
		k.pipeline.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		k.start()
		wait(3500 * time.Millisecond)
		const why = "database: 3 failures in a row, the last: *errors.errorString; stays in, 8 of 9 peers fail too"
		body := k.want("/ready", 200, verdict.Warn)
		if body["output"] != why {
			t.Errorf("%v", body["output"])
		}
		k.want("/health", 200, verdict.Pass)
		k.state("database", verdict.Fail)
		entry := body["checks"].(map[string]any)["database"].([]any)[0].(map[string]any)
		if got := fmt.Sprint(entry["peers"]); got != "map[cutOff:0 fails:8 pending:1 stays:true works:0]" {
			t.Error(got)
		}
		name := conventions.CheckName.String("database")
		for vote, want := range map[string]float64{"works": 0, "cut_off": 0, "fails": 8, "pending": 1, "abstains": 0} {
			if got := k.metric("health.peers", name, conventions.PeerVote.String(vote)); got != want {
				t.Errorf("%s: %v, want %v", vote, got, want)
			}
		}
		if got := k.metric("health.panic"); got != 1 {
			t.Errorf("health.panic is %v", got)
		}
		if got := k.metric("health.peers.addresses"); got != 9 {
			t.Errorf("%v addresses", got)
		}
		if got := k.metric("health.peers.status", conventions.PeerState.String("reached")); got != 1 {
			t.Errorf("reached is %v", got)
		}
		if got := k.metric("health.peers.stay.duration"); got < 2 || got > 3 {
			t.Errorf("it has stayed for %v s", got)
		}
		synctest.Wait()
		if text := log.String(); !strings.Contains(text, `"event.name":"health.peers.decided","health.check.name":"database","health.peers.decision":"stay"`) {
			t.Error(text)
		}
	})
}

// TestTerseVotes: /ready of a terse instance has no votes. The details have them, for the runbook.
func TestTerseVotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ofChecks(brokenCheck("database"))
		c.Terse = true
		k := withPeers(t, c, failingPeers(9)...).start()
		wait(3500 * time.Millisecond)
		if body := k.want("/ready", 200, verdict.Warn); len(body) != 1 {
			t.Errorf("%v", body)
		}
		if _, body := ask(t, k.DetailsHandler(), "/status.json"); !strings.HasSuffix(fmt.Sprint(body["output"]), "; stays in, 9 of 9 peers fail too") {
			t.Errorf("%v", body)
		}
	})
}

// TestNoPanic: while an instance only waits for its peers, health.panic is 0, because no peer fails.
func TestNoPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := withPeers(t, ofChecks(brokenCheck("database")), said(0, "pass", 60e3), said(1, "pass", 60e3), said(2, "pass", 60e3)).start()
		wait(3500 * time.Millisecond)
		if body := k.want("/ready", 200, verdict.Warn); !strings.HasSuffix(body["output"].(string), "; stays in until 3 of 3 peers have checked it too") {
			t.Errorf("%v", body["output"])
		}
		if got := k.metric("health.panic"); got != 0 {
			t.Errorf("health.panic is %v", got)
		}
	})
}

// TestPendingLimit: peers that stay pending, because they have no traffic, don't keep a broken instance ready for
// ever. After the time in which they would have noticed an outage, the instance goes out and stays out.
func TestPendingLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := brokenCheck("database") // from 1 s on
		c.Timeout = time.Second
		k := withPeers(t, ofChecks(c), said(0, "pass", 1e12), said(1, "pass", 1e12), said(2, "pass", 1e12)).start()
		wait(15 * time.Second)
		k.want("/ready", 200, verdict.Warn)
		wait(3 * time.Second)
		for range 60 {
			if body := k.want("/ready", 503, verdict.Fail); !strings.HasSuffix(body["output"].(string), "; out until 3 of 3 peers have checked it too") {
				t.Fatalf("%v", body["output"])
			}
			wait(5 * time.Second)
		}
	})
}

// TestRuleWithoutTraffic: a rule on traffic fails on the only instance with traffic. The instance is out during
// each ejection, except for the first 15 s.
func TestRuleWithoutTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "http.server.request.duration"
		k := withPeers(t, ofRules(rule.Rule{Name: "latency", OnFail: NotReady, Value: rule.Quantile(.99, name), Fail: rule.Above(500 * time.Millisecond)}),
			said(0, "pass", 1e12), said(1, "pass", 1e12))
		requests, err := k.provider.Meter("test").Float64Histogram(name, metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(500 * time.Millisecond)
		ejected, in, longest := 0, 0, 0 // seconds
		for s := range 600 {
			for range 20 {
				requests.Record(t.Context(), map[bool]float64{true: .1, false: 2}[s < 35])
			}
			wait(time.Second)
			code, _ := k.get("/ready")
			if k.Monitor.current.Load().Checks[0].State != verdict.Fail {
				in = 0
				continue
			}
			if ejected++; code == 200 {
				in++
			}
			longest = max(longest, in)
		}
		if ejected < 400 || longest < 10 || longest > 16 {
			t.Errorf("ejected for %d s, and in for up to %d s of each ejection; want 15 s", ejected, longest)
		}
	})
}

// TestEjectedPeer: an ejected instance answers its peers that it fails, also when its traffic has ended because it
// is out. Otherwise the others would count it as working and go out too. On probation it passes, but its success
// does not count yet.
func TestEjectedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "http.server.request.duration"
		k := withPeers(t, ofRules(rule.Rule{Name: "latency", OnFail: NotReady, Value: rule.Quantile(.99, name), Fail: rule.Above(500 * time.Millisecond)}))
		requests, err := k.provider.Meter("test").Float64Histogram(name, metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(500 * time.Millisecond)
		began := time.Now()
		for s, code := 0, 200; code == 200 && s < 120; s++ {
			for range 20 {
				requests.Record(t.Context(), map[bool]float64{true: .1, false: 2}[s < 35])
			}
			wait(time.Second)
			code, _ = k.get("/ready")
		}
		wait(20 * time.Second) // the window has no traffic any more
		k.want("/ready", 503, verdict.Fail)
		if _, body := ask(t, k.handler, "/ready?peers=1&check=latency"); body["state"] != "fail" || body["admitted"] != true {
			t.Errorf("ejected: %v", body)
		}
		wait(20 * time.Second)
		k.want("/ready", 200, verdict.Warn)
		_, body := ask(t, k.handler, "/ready?peers=1&check=latency")
		worked := time.Duration(body["checks"].(map[string]any)["latency"].(map[string]any)["worked"].(float64)) * time.Millisecond
		if last := time.Since(began.Add(36 * time.Second)); body["state"] != "pass" || worked < last {
			t.Errorf("on probation: %v, and the last good second was %v ago", body, last)
		}
	})
}

// TestLeaves: the instance goes out if its peers work, with a log line. Then it comes back.
func TestLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := withPeers(t, ofChecks(brokenCheck("database")), said(0, "pass", 0), said(1, "pass", 0), said(2, "fail", 0))
		var log bytes.Buffer
		k.pipeline.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		k.start()
		wait(5500 * time.Millisecond)
		if body := k.want("/ready", 503, verdict.Fail); !strings.HasSuffix(body["output"].(string), "; out, 2 of 3 peers work") {
			t.Errorf("%v", body["output"])
		}
		if got := k.metric("health.panic"); got != 0 {
			t.Errorf("health.panic is %v", got)
		}
		synctest.Wait()
		if text := log.String(); !strings.Contains(text, `"health.peers.decision":"leave"`) {
			t.Error(text)
		}
	})
}

// TestWithoutPeers: if no peer has a vote, the instance goes out as without Config.Peers.
func TestWithoutPeers(t *testing.T) {
	for what, answers := range map[string][]string{
		"no peers":        nil,
		"another version": {`{"peers":2,"instance":"peer-0"}`},
		"old releases":    {`{"status":"pass"}`, `{"status":"pass"}`},
		"they drain":      {strings.Replace(said(0, "pass", 0), "running", "draining", 1)},
		"another service": {strings.Replace(said(0, "fail", 0), "orders", "billing", 1)},
		"never ready":     {strings.Replace(said(0, "fail", 0), `"admitted":true`, `"admitted":false`, 1)},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := withPeers(t, ofChecks(brokenCheck("database")), answers...).start()
				wait(3500 * time.Millisecond)
				if body := k.want("/ready", 503, verdict.Fail); !strings.HasSuffix(body["output"].(string), "; no peer has a vote") {
					t.Errorf("%v", body["output"])
				}
			})
		})
	}
}

// TestIgnorePeers: a check with IgnorePeers takes the instance out although the peers fail too. So do a vital check
// and maintenance.
func TestIgnorePeers(t *testing.T) {
	alone := brokenCheck("database")
	alone.Func = checks.IgnorePeers(alone.Func)
	vital := brokenCheck("database")
	vital.OnFail = Restart
	late := brokenCheck("database")
	late.Func = checks.IgnorePeers(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	late.Timeout = 100 * time.Millisecond
	t.Setenv("HEALTH_OVERRIDES", "worker=not-ready")
	for what, c := range map[string]Config{
		"a check":             ofChecks(alone),
		"a check times out":   ofChecks(late),
		"a vital check":       ofChecks(vital),
		"a rule":              ofRules(rule.Rule{Name: "queue", Value: rule.Last("health.check.interval"), Fail: rule.Above(time.Millisecond), OnFail: NotReady, IgnorePeers: true}),
		"a heartbeat":         ofChecks(),
		"beside one that may": ofChecks(alone, brokenCheck("queue")),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if len(c.Checks) == 0 {
					c.Checks = []Check{{Name: "shown", Func: ok, OnFail: ShowOnly}}
				}
				k := withPeers(t, c, failingPeers(9)...)
				if what == "a heartbeat" {
					k.Heartbeat("worker", 3*time.Second).Begin()
				}
				k.start()
				wait(5500 * time.Millisecond)
				if body := k.want("/ready", 503, verdict.Fail); strings.Contains(body["output"].(string), "peer") {
					t.Errorf("%v", body["output"])
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		k := withPeers(t, ofChecks(brokenCheck("database")), failingPeers(9)...).start()
		wait(3500 * time.Millisecond)
		lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		wait(10 * time.Second)
		k.want("/ready", 503, verdict.Fail)
		asked := k.running.peers.Questions()
		wait(10 * time.Second)
		if n := k.running.peers.Questions() - asked; n != 0 {
			t.Errorf("%d questions in maintenance", n)
		}
		lift()
		wait(1500 * time.Millisecond)
		k.want("/ready", 200, verdict.Warn)
	})
}

// TestOverriddenVote: for an overridden check, the effect of the override counts.
func TestOverriddenVote(t *testing.T) {
	t.Setenv("HEALTH_OVERRIDES", "database=not-ready")
	synctest.Test(t, func(t *testing.T) {
		c := brokenCheck("database")
		c.OnFail = WarnOnly
		k := withPeers(t, ofChecks(c), failingPeers(9)...).start()
		wait(3500 * time.Millisecond)
		k.want("/ready", 200, verdict.Warn)
		if got := k.metric("health.panic"); got != 1 {
			t.Errorf("health.panic is %v", got)
		}
	})
}

// TestRuleStays: peers also keep an instance ready if a rule fails, on a gauge or on traffic.
func TestRuleStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ofRules(rule.Rule{Name: "queue", Value: rule.Last("the.gauge"), Fail: rule.Above(5), OnFail: NotReady})
		k := withPeers(t, c, failingPeers(9)...)
		gauge, err := k.provider.Meter("test").Int64Gauge("the.gauge")
		if err != nil {
			t.Fatal(err)
		}
		gauge.Record(t.Context(), 1)
		k.start()
		wait(1500 * time.Millisecond)
		gauge.Record(t.Context(), 9)
		wait(3 * time.Second)
		if body := k.want("/ready", 200, verdict.Warn); body["output"] != "queue: 9 of at most 5; stays in, 9 of 9 peers fail too" {
			t.Errorf("%v", body["output"])
		}
		s := k.Monitor.current.Load().Checks[0].Finding.Starts
		if s.Row.IsZero() || time.Since(s.Failure) > time.Second || time.Since(s.Success) < 2*time.Second {
			t.Errorf("%+v", s)
		}
		gauge.Record(t.Context(), 1)
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Pass)
		if s := k.Monitor.current.Load().Checks[0].Finding.Starts; !s.Row.IsZero() || time.Since(s.Success) > time.Second {
			t.Errorf("%+v", s)
		}
	})
}

// TestQuestion: a peer's question gets a small answer and brings the next run forward. It does not count as a probe
// request. Without Peers the path gives the usual answer.
func TestQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		c := ofChecks(Check{Name: "database", Interval: time.Minute, Func: func(context.Context) error { runs.Add(1); return nil }})
		k := withPeers(t, c).start()
		wait(10500 * time.Millisecond)
		code, body := ask(t, k.handler, "/ready?peers=1&check=database&check=unknown")
		want := map[string]any{"peers": 1., "instance": k.instance, "service": "orders", "lifecycle": "running", "state": "pass", "admitted": true,
			"checks": map[string]any{"database": map[string]any{"worked": 10500.}}}
		if code != 200 || fmt.Sprint(body) != fmt.Sprint(want) {
			t.Errorf("%d %v", code, body)
		}
		wait(time.Second)
		if n := runs.Load(); n != 2 {
			t.Errorf("%d runs", n)
		}
		if n := k.metric("health.probe.requests", conventions.ProbeName.String("readiness"), conventions.StatusCode.Int(200)); n != 0 {
			t.Errorf("%v requests of the probe", n)
		}
		if _, body := ask(t, k.handler, "/health?peers=1"); body["status"] != "pass" {
			t.Errorf("liveness answers %v", body)
		}
		if _, body := ask(t, k.ReadinessHandler(), "/any?peers=1"); body["peers"] != 1. {
			t.Errorf("ReadinessHandler answers %v", body)
		}
		k.halt()
		wait(20 * time.Second)
		if _, body := ask(t, k.handler, "/ready?peers=1"); body["state"] != "fail" {
			t.Errorf("an instance that judges no more says %v", body)
		}
		without := newKit(t, ofChecks(brokenCheck("database"))).start()
		if _, body := ask(t, without.handler, "/ready?peers=1&check=database"); body["status"] == nil {
			t.Errorf("without Peers: %v", body)
		}
	})
}

// TestHurriesCoreOnly: a question brings only those checks forward that peers vote on. More runs of a vital check
// would restart the process sooner, and anybody who can reach /ready can ask.
func TestHurriesCoreOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []Check
		runs := map[string]*atomic.Int64{}
		for _, name := range []string{"core", "vital", "auxiliary", "shown", "alone"} {
			n := new(atomic.Int64)
			runs[name] = n
			all = append(all, Check{Name: name, Interval: time.Minute, Func: func(context.Context) error { n.Add(1); return nil }})
		}
		all[1].OnFail, all[2].OnFail, all[3].OnFail = Restart, WarnOnly, ShowOnly
		all[4].Func = checks.IgnorePeers(all[4].Func)
		k := withPeers(t, ofChecks(all...)).start()
		wait(10500 * time.Millisecond)
		if _, body := ask(t, k.handler, "/ready?peers=1&check=core&check=vital&check=auxiliary&check=shown&check=alone"); len(body["checks"].(map[string]any)) != 5 {
			t.Errorf("%v", body)
		}
		wait(2 * time.Second)
		for name, n := range runs {
			if want := map[bool]int64{true: 2, false: 1}[name == "core"]; n.Load() != want {
				t.Errorf("%s: %d runs, want %d", name, n.Load(), want)
			}
		}
	})
}

// TestOwnVerdict: an instance that peers keep ready answers its peers that it fails, because votes must not depend
// on votes.
func TestOwnVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := withPeers(t, ofChecks(brokenCheck("database"), Check{Name: "queue", Func: ok}), failingPeers(9)...).start()
		wait(3500 * time.Millisecond)
		_, body := ask(t, k.handler, "/ready?peers=1&check=queue")
		if body["state"] != "fail" || body["admitted"] != true {
			t.Errorf("%v", body)
		}
		lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		defer lift()
		wait(time.Second)
		if _, body := ask(t, k.handler, "/ready?peers=1"); body["lifecycle"] != "maintenance" {
			t.Errorf("%v", body)
		}
	})
}

// TestHealthyFleet: while all checks pass, there are no questions. Only after its start each instance asks one
// other, to find out whether it can be reached, and perhaps itself.
func TestHealthyFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPeerFleet(t, world{n: 5}, 1, true)
		first := map[*member]int64{}
		for _, m := range f.members {
			if first[m] = m.running.peers.Questions(); first[m] < 1 || first[m] > 3 || m.running.peers.Contact() != states.Reached {
				t.Errorf("%d questions after the start: %v", first[m], m.running.peers.Contact())
			}
			m.served.Store(0)
		}
		wait(10 * time.Minute)
		for _, m := range f.members {
			if n, sent := m.served.Load(), m.running.peers.Questions()-first[m]; n != 0 || sent != 0 {
				t.Errorf("%d questions were answered, and %d asked", n, sent)
			}
			m.kill()
		}
		wait(2 * time.Second)
	})
}

// TestPeersOf: mistakes in Config.Peers are errors of Start.
func TestPeersOf(t *testing.T) {
	for value, good := range map[string]bool{
		"orders-peers:8000": true, "orders-peers.shop.svc.cluster.local:8000/healthz/ready": true, "[fd00::1]:8000": true, "10.0.0.1:1": true,
		"orders-peers": false, ":8000": false, "orders-peers:": false, "orders-peers:http": false, "orders-peers:0": false, "orders-peers:70000": false,
		"http://orders-peers:8000": false, "a b:80": false, "orders-peers:8000/ready?x": false, "user@orders-peers:8000": false,
	} {
		m := New(Config{Peers: value})
		errs := m.validate(quiet(nil, nil))
		if (len(errs) == 0) != good {
			t.Errorf("%q: %v", value, errs)
		}
		for _, err := range errs {
			if e, is := err.(*cfgerrors.Error); !is || e.Field != "Peers" {
				t.Errorf("%q: %v", value, err)
			}
		}
	}
	m := New(Config{Peers: "orders-peers:8000", ReadinessPath: "-"})
	if errs := m.validate(quiet(nil, nil)); len(errs) != 1 || !strings.Contains(errs[0].Error(), "path of ReadinessHandler") {
		t.Errorf("%v", errs)
	}
	m = New(Config{Peers: "orders-peers:8000", ReadinessPath: "/readyz"})
	if at, err := m.peersAt(); err != nil || at != (peers.Target{Host: "orders-peers", Port: "8000", Path: "/readyz"}) {
		t.Errorf("%+v %v", at, err)
	}
}
