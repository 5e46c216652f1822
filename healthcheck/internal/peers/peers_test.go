package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestProtocol: an answer comes back as it was, in milliseconds, and the question has every name.
func TestProtocol(t *testing.T) {
	a := &votes.Answer{Instance: "a", Service: `<"orders">`, Phase: states.Running, State: verdict.Fail, Admitted: true, Checks: map[string]votes.Check{
		"database": {Worked: 1500 * time.Millisecond, Began: -1}, `&"<`: {Worked: -1, Began: 0}}}
	back := decode(Encode(a))
	if back == nil || back.Service != a.Service || back.Phase != a.Phase || back.State != a.State || !back.Admitted || !maps.Equal(back.Checks, a.Checks) {
		t.Errorf("%+v", back)
	}
	names := []string{"database", "a&check=b", "ü <", ""}
	if got, is := Asked(Question(names)); !is || !slices.Equal(got, names) {
		t.Errorf("%q %v", got, is)
	}
	if got, is := Asked("verbose&check=database"); is {
		t.Errorf("another query is a question about %q", got)
	}
	many := make([]string, 100)
	if got, _ := Asked(Question(many)); len(got) != maxChecks {
		t.Errorf("a question about %d checks", len(got))
	}
	if got, _ := Asked("peers&" + strings.Repeat("check=a&", 100)); len(got) != maxChecks {
		t.Errorf("a question of others about %d checks", len(got))
	}
}

// TestSize: an answer about the most checks of a question, with the longest names, is within the limit. A usual answer
// is under 1 KiB.
func TestSize(t *testing.T) {
	answer := func(n int, name string) int {
		a := &votes.Answer{Instance: strings.Repeat("a", 26), Service: strings.Repeat("<", 64), Phase: states.Maintenance, State: verdict.Unknown, Checks: map[string]votes.Check{}}
		for k := range n {
			a.Checks[fmt.Sprintf("%s%02d", name, k)] = votes.Check{Worked: math.MaxInt64, Began: math.MaxInt64}
		}
		return len(Encode(a))
	}
	if n := answer(maxChecks, strings.Repeat("<", 62)); n > maxAnswer {
		t.Errorf("%d bytes, and a peer reads %d", n, maxAnswer)
	}
	if n := answer(4, "database-of-orders"); n > 1<<10 {
		t.Errorf("%d bytes for four checks", n)
	}
}

// TestForeignAnswers: an answer of another kind or version has no vote. A large number does not overflow.
func TestForeignAnswers(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "ok", `{"status":"pass"}`, `{"peers":2,"instance":"a"}`, `{"peers":1}`, `{"peers":"1","instance":"a"}`,
		`{"peers":1,"instance":"a","checks":[]}`, `{"peers":1,"instance":"a","checks":{"b":{"worked":1e300}}}`,
		`{"peers":1,"instance":"` + strings.Repeat("a", maxInstance+1) + `"}`} {
		if a := decode([]byte(body)); a != nil {
			t.Errorf("%s: %+v", body, a)
		}
	}
	a := decode([]byte(`{"peers":1,"instance":"a","new":{},"checks":{"b":{"worked":-5,"began":9223372036854775807}}}`))
	if a == nil || a.Checks["b"].Worked != -1 || a.Checks["b"].Began < 0 {
		t.Errorf("%+v", a)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"peers":1,"instance":"a","checks":{"b":{"worked":5}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if a := decode(body); a != nil {
			for _, c := range a.Checks {
				if c.Worked < -1 || c.Began < -1 {
					t.Errorf("%+v", c)
				}
			}
			if decode(Encode(a)) == nil {
				t.Error("what was read can't be written")
			}
		}
	})
}

// TestChoice: an instance asks the same 20 addresses every time. A new address changes at most one of them. Each
// address is asked by about the same number of instances.
func TestChoice(t *testing.T) {
	var all []string
	for n := range 200 {
		all = append(all, fmt.Sprintf("10.0.%d.%d", n/100, n%100+1))
	}
	if few := chosenBy("a", all[:20]); !slices.Equal(few, slices.Sorted(slices.Values(all[:20]))) {
		t.Errorf("of 20: %v", few)
	}
	asked := map[string]int{}
	for n := range 200 {
		id := fmt.Sprintf("pod-%d", n)
		chosen := chosenBy(id, all)
		if len(chosen) != maxPeers || !slices.Equal(chosen, chosenBy(id, slices.Clone(all))) {
			t.Fatalf("%s: %v", id, chosen)
		}
		same := 0
		for _, a := range chosenBy(id, all[:199]) {
			asked[a]++
			if slices.Contains(chosen, a) {
				same++
			}
		}
		if same < maxPeers-1 {
			t.Errorf("%s: one address less changes %d", id, maxPeers-same)
		}
	}
	for _, a := range all[:199] {
		if n := asked[a]; n < 4 || n > 45 {
			t.Errorf("%d of 200 ask %s", n, a)
		}
	}
}

func chosenBy(id string, all []string) []string {
	return choose(rank(id, all), func(string) bool { return false })
}

// TestForeignNames: the peers are found among many addresses of another service, with few questions.
func TestForeignNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handlers := map[string]http.HandlerFunc{}
		for n := range 2000 {
			a := votes.Answer{Instance: fmt.Sprint(n), Service: "billing", Phase: states.Running}
			if n%400 == 0 {
				a.Service = "orders"
			}
			handlers[fmt.Sprintf("10.0.%d.%d", n/250, n%250+1)] = says(a)
		}
		r := newRig(t, handlers)
		chosen := r.choose()
		foreign := votes.Answer{Instance: "other", Service: "billing", Phase: states.Running}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, address := range chosen {
			r.heard(address, votes.Peer{Address: address, Heard: time.Now(), Answer: &foreign})
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / maxPeers; n > 16<<10 {
			t.Errorf("%d bytes for an answer", n)
		}
		r.Want([]string{"database"})
		time.Sleep(130 * time.Second) // 2000 addresses, 20 in a second, and one again
		synctest.Wait()
		if n := len(r.Peers()); n != 5 {
			t.Errorf("%d peers of 5", n)
		}
	})
}

// TestFamily: a pod with two addresses is asked once.
func TestFamily(t *testing.T) {
	var all []netip.Addr
	for _, a := range []string{"fd00::2", "10.0.0.2", "::ffff:10.0.0.1", "fd00::1", "10.0.0.2"} {
		all = append(all, netip.MustParseAddr(a))
	}
	if got := family(all); !slices.Equal(got, []string{"10.0.0.1", "10.0.0.2"}) {
		t.Errorf("%v", got)
	}
	if got := family(all[:1]); !slices.Equal(got, []string{"fd00::2"}) {
		t.Errorf("%v", got)
	}
}

// rig is an Asker on a network in memory, on which each address has a handler.
type rig struct {
	*Asker
	mu       sync.Mutex
	handlers map[string]http.HandlerFunc // nil is silent, none refuses
	refuses  func() bool                 // nil for never
	lookup   error
	lookups  int
	dials    []string
	open     atomic.Int64 // connections
}

// counted is a connection that is counted while it is open.
type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

func newRig(t *testing.T, handlers map[string]http.HandlerFunc) *rig {
	return (&rig{handlers: handlers}).start(t, slog.New(slog.DiscardHandler))
}

func (r *rig) start(t *testing.T, log *slog.Logger) *rig {
	r.Asker = New(Target{"orders-peers", "8000", "/ready"}, "me", func() string { return "orders" }, Network{Lookup: r.look, Dial: r.dial}, log, func() {})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { r.Look(ctx) })
	all.Go(func() { r.Ask(ctx) })
	t.Cleanup(func() {
		cancel()
		all.Wait()
		time.Sleep(time.Minute) // handlers that wait
	})
	synctest.Wait()
	return r
}

func (r *rig) look(context.Context, string) (all []netip.Addr, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookups++
	for a := range r.handlers {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, r.lookup
}

func (r *rig) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.dials = append(r.dials, address)
	h, there := r.handlers[host]
	r.mu.Unlock()
	if !there || r.refuses != nil && r.refuses() {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	if h == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	mine, theirs := net.Pipe()
	l := &once{conns: make(chan net.Conn, 1)}
	l.conns <- theirs
	go func() { _ = (&http.Server{Handler: h, ReadHeaderTimeout: time.Minute}).Serve(l) }()
	r.open.Add(1)
	return &counted{Conn: mine, open: &r.open}, nil
}

// once is a listener of one connection.
type once struct{ conns chan net.Conn }

func (l *once) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	default:
		return nil, net.ErrClosed
	}
}
func (l *once) Close() error   { return nil }
func (l *once) Addr() net.Addr { return &net.TCPAddr{} }

// TestOldConnections: no connection stays open to an address that the name no longer has.
func TestOldConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := says(votes.Answer{Instance: "other", Service: "orders", Phase: states.Running})
		r := newRig(t, map[string]http.HandlerFunc{"10.0.0.1": h})
		r.Want([]string{"database"})
		for n := range 20 {
			time.Sleep(10 * time.Second)
			r.mu.Lock()
			r.handlers = map[string]http.HandlerFunc{fmt.Sprintf("10.0.1.%d", n): h}
			r.mu.Unlock()
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if n := r.open.Load(); n != 1 {
			t.Errorf("%d connections for one peer", n)
		}
	})
}

// TestAgain: an address without a vote is asked again after a while: a container may restart at the address of a
// drained one, and a process may learn its service's name late. The instance's own address is not asked again. No peer
// loses its vote meanwhile.
func TestAgain(t *testing.T) {
	good := votes.Answer{Instance: "other", Service: "orders", Phase: states.Running, State: verdict.Fail, Admitted: true}
	for what, first := range map[string]votes.Answer{
		"it drains":       {Instance: "old", Service: "orders", Phase: states.Draining, State: verdict.Fail},
		"another service": {Instance: "old", Service: "billing", Phase: states.Running, State: verdict.Fail},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var other, me atomic.Int64
				r := newRig(t, map[string]http.HandlerFunc{
					"10.0.0.1": func(w http.ResponseWriter, q *http.Request) {
						other.Add(1)
						if time.Since(began) < 20*time.Second {
							says(first)(w, q)
							return
						}
						says(good)(w, q)
					},
					"10.0.0.2": func(w http.ResponseWriter, q *http.Request) {
						me.Add(1)
						says(votes.Answer{Instance: "me", Service: "orders", Phase: states.Running})(w, q)
					},
				})
				r.Want([]string{"database"})
				time.Sleep(15 * time.Second)
				synctest.Wait()
				if n := len(r.Peers()); n != 0 || other.Load() > 4 {
					t.Errorf("%d peers, and %d questions", n, other.Load())
				}
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if all := r.Peers(); len(all) != 1 || all[0].Answer == nil || all[0].Answer.Instance != "other" || other.Load() < 5 {
					t.Errorf("%+v, %d questions", all, other.Load())
				}
				if n := me.Load(); n != 1 {
					t.Errorf("%d questions to oneself", n)
				}
			})
		})
	}
}

func says(a votes.Answer) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(Encode(&a)) }
}

// TestAsking: there are questions only while a check fails, and one at the start. Names are looked up all the time. If
// DNS fails, the addresses stay.
func TestAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var questions []string
		a := votes.Answer{Instance: "other", Service: "orders", Phase: states.Running, State: verdict.Pass}
		r := newRig(t, map[string]http.HandlerFunc{"10.0.0.1": func(w http.ResponseWriter, q *http.Request) {
			questions = append(questions, q.Host+q.URL.String())
			says(a)(w, q)
		}})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.Questions(); n != 1 || r.lookups < 6 || r.lookups > 7 {
			t.Errorf("%d questions and %d lookups in a healthy minute", n, r.lookups)
		}
		if all := r.Peers(); len(all) != 1 || !all[0].Heard.IsZero() {
			t.Errorf("the judge can't tell whom it may ask: %+v", all)
		}
		questions = nil // the first one, which only looks whether there is a way
		r.mu.Lock()
		r.lookup, r.dials = errors.New("no DNS"), nil
		r.mu.Unlock()
		r.Want([]string{"database", "a&b"})
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		if n := len(questions); n != 30 || questions[0] != "orders-peers:8000/ready?check=database&check=a%26b&peers=1" {
			t.Errorf("%d questions, the first %s", n, questions[0])
		}
		if all := r.Peers(); len(all) != 1 || all[0].Answer.Instance != "other" || time.Since(all[0].Heard) > time.Second {
			t.Errorf("%+v", all)
		}
		if len(r.dials) > 1 {
			t.Errorf("%d connections for one peer", len(r.dials))
		}
		r.Want(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.Questions(); n > 32 {
			t.Errorf("%d questions, also after the failure", n)
		}
		if all := r.Peers(); len(all) != 1 || all[0].Answer != nil {
			t.Errorf("the last failure is remembered: %+v", all)
		}
	})
}

// TestAnswers: the result for each kind of peer. The own address, other services and draining peers are not asked
// again.
func TestAnswers(t *testing.T) {
	good := votes.Answer{Instance: "other", Service: "orders", Phase: states.Running, State: verdict.Pass}
	with := func(change func(*votes.Answer)) http.HandlerFunc {
		a := good
		change(&a)
		return says(a)
	}
	for what, c := range map[string]struct {
		h     http.HandlerFunc
		check func(votes.Peer, bool) bool // there is such a peer
	}{
		"good":            {says(good), func(p votes.Peer, there bool) bool { return there && p.Answer != nil }},
		"oneself":         {with(func(a *votes.Answer) { a.Instance = "me" }), func(_ votes.Peer, there bool) bool { return !there }},
		"another service": {with(func(a *votes.Answer) { a.Service = "billing" }), func(_ votes.Peer, there bool) bool { return !there }},
		"drains":          {with(func(a *votes.Answer) { a.Phase = states.Draining }), func(_ votes.Peer, there bool) bool { return !there }},
		"silent":          {nil, func(p votes.Peer, there bool) bool { return there && p.Heard.IsZero() }},
		"slow": {func(w http.ResponseWriter, q *http.Request) { time.Sleep(3 * time.Second); says(good)(w, q) },
			func(p votes.Peer, there bool) bool { return there && p.Heard.IsZero() }},
		"never ends": {func(w http.ResponseWriter, q *http.Request) {
			says(good)(w, q)
			w.(http.Flusher).Flush()
			time.Sleep(30 * time.Second)
		}, func(p votes.Peer, there bool) bool { return there && p.Heard.IsZero() }},
		"redirects": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "http://10.9.9.9:8000/", http.StatusFound)
		},
			func(p votes.Peer, there bool) bool { return there && p.Answer == nil && !p.Heard.IsZero() }},
		"has no peers": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"pass"}`) },
			func(p votes.Peer, there bool) bool { return there && p.Answer == nil && !p.Heard.IsZero() }},
		"is not ready":  {http.NotFound, func(p votes.Peer, there bool) bool { return there && p.Answer == nil && !p.Heard.IsZero() }},
		"has 10 MB":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10<<20)) }, func(p votes.Peer, there bool) bool { return there && p.Answer == nil && !p.Heard.IsZero() }},
		"has no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, func(p votes.Peer, there bool) bool { return there && p.Heard.IsZero() }},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, map[string]http.HandlerFunc{"10.0.0.1": c.h})
				r.Want([]string{"database"})
				time.Sleep(2500 * time.Millisecond)
				synctest.Wait()
				var p votes.Peer
				there := len(r.Peers()) == 1
				if there {
					p = r.Peers()[0]
				}
				if !c.check(p, there) {
					t.Errorf("%+v", p)
				}
				for _, d := range r.dials {
					if d != "10.0.0.1:8000" {
						t.Errorf("it went to %s", d)
					}
				}
			})
		})
	}
	t.Run("refuses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, map[string]http.HandlerFunc{"10.0.0.1": says(good)})
			r.mu.Lock()
			r.handlers = map[string]http.HandlerFunc{}
			r.lookup = errors.New("no DNS")
			r.mu.Unlock()
			r.Want([]string{"database"})
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if p := r.Peers()[0]; !p.Refused && guard.Refused(syscall.ECONNREFUSED) {
				t.Errorf("%+v", p)
			}
		})
	})
}
