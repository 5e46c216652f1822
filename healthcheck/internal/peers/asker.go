package peers

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
)

const (
	askInterval    = time.Second      // from one question to the next, while a check fails
	askLimit       = time.Second      // of one question
	againInterval  = 10 * time.Second // from one question to the next, of an address that had no vote
	lookupInterval = 10 * time.Second // from one lookup to the next, also while no check fails
	lookupLimit    = 5 * time.Second  // of one lookup
)

// A Target is where the peers are.
type Target struct {
	Host, Port, Path string
}

// An Asker asks the peers. Its methods may be called from any goroutine, and never wait.
type Asker struct {
	target   Target
	instance string        // of this process
	service  func() string // the name of this service
	network  Network
	changed  func() // there are new answers
	log      *slog.Logger

	contact contactor

	want  atomic.Pointer[[]string] // the failing checks
	kick  chan struct{}            // wakes Ask: a check fails
	board atomic.Pointer[[]votes.Peer]
	asked atomic.Int64

	mu    sync.Mutex             // guards the fields below; never held during a request
	found []string               // the addresses of the last lookup that has succeeded, in this instance's order
	peers map[string]*votes.Peer // asked while a check fails
	out   map[string]time.Time   // addresses without a vote, and when they were asked: other services and draining peers; a zero time is this instance
}

// New makes an Asker, which does nothing before Look and Ask. changed must not block.
func New(target Target, instance string, service func() string, network Network, log *slog.Logger, changed func()) *Asker {
	a := &Asker{target: target, instance: instance, service: service, network: network, log: log, changed: changed,
		kick: make(chan struct{}, 1), peers: map[string]*votes.Peer{}, out: map[string]time.Time{}}
	a.contact.of = a
	a.board.Store(&[]votes.Peer{})
	a.want.Store(&[]string{})
	return a
}

// Peers returns the peers and their last answers. The result is immutable.
func (a *Asker) Peers() []votes.Peer { return *a.board.Load() }

// Known returns how many addresses the name has, including that of this instance.
func (a *Asker) Known() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.found)
}

// Questions returns how many questions were sent.
func (a *Asker) Questions() int64 { return a.asked.Load() }

// Want sets the checks that fail here. While there are none, the Asker asks nothing.
func (a *Asker) Want(checks []string) {
	a.want.Store(&checks)
	if len(checks) > 0 {
		select {
		case a.kick <- struct{}{}:
		default:
		}
	}
}

// Look keeps the addresses up to date until ctx is done. A failed lookup changes nothing, because DNS often
// fails in the same outage.
func (a *Asker) Look(ctx context.Context) {
	last := ""
	for {
		problem := a.lookup(ctx)
		if problem == "" {
			if last == noName {
				a.contact.again()
			}
			a.contact.try(ctx)
		}
		if problem != last && ctx.Err() == nil {
			if last = problem; problem != "" {
				a.log.Warn("the peers can't be looked up, so the last addresses stay in force", "name", a.target.Host, "addresses", a.Known(), "error.type", problem)
			}
		}
		if !pause(ctx, lookupInterval) {
			return
		}
	}
}

// noName is the error.type of a name without an address.
const noName = "name_not_found"

// lookup looks the name up once, and returns why it failed.
func (a *Asker) lookup(ctx context.Context) (problem string) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var found []netip.Addr
	err := guard.Call(ctx, func(ctx context.Context) (err error) {
		found, err = a.network.Lookup(ctx, a.target.Host)
		return err
	})
	if err != nil {
		return new(guard.Errors).Describe(err).Class
	}
	if len(found) == 0 {
		return noName
	}
	all := family(found)
	known := make(map[string]bool, len(all))
	for _, address := range all {
		known[address] = true
	}
	all = rank(a.instance, all)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found = all
	maps.DeleteFunc(a.out, func(address string, _ time.Time) bool { return !known[address] })
	a.choose()
	a.publish()
	return ""
}

// Ask asks every second while there is a failing check, until ctx is done.
func (a *Asker) Ask(ctx context.Context) {
	client := a.network.client()
	defer client.closeOthers(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.kick:
		}
		for checks := *a.want.Load(); len(checks) > 0; checks = *a.want.Load() {
			next := time.NewTimer(askInterval)
			a.round(ctx, client, checks)
			select {
			case <-ctx.Done():
				next.Stop()
				return
			case <-next.C:
			}
		}
		a.forget()
		client.closeOthers(nil)
	}
}

// round asks all chosen peers once, at the same time. The judge sees each answer as it arrives.
func (a *Asker) round(ctx context.Context, client *client, checks []string) {
	a.mu.Lock()
	chosen := slices.Concat(a.choose(), a.again(time.Now()))
	a.publish()
	a.mu.Unlock()
	client.closeOthers(chosen)
	checks = checks[:min(len(checks), maxChecks)]
	var all sync.WaitGroup
	for _, address := range chosen {
		all.Go(func() {
			a.asked.Add(1)
			sent := time.Now()
			if r := client.ask(ctx, a.target, address, checks); r.outcome != silent {
				a.heard(address, votes.Peer{Address: address, Asked: checks, Sent: sent, Heard: time.Now(), Answer: r.answer(), Refused: r.outcome == refused})
			}
		})
	}
	all.Wait()
	a.changed()
}

// mine notes that an address is that of this instance, so it is not asked again.
func (a *Asker) mine(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out[address] = time.Time{}
	a.choose()
	a.publish()
}

// again returns one address without a vote to ask again: the one that was asked longest ago, and not within
// againInterval. A container may have restarted there, or the process may have learned its service's name.
func (a *Asker) again(now time.Time) (address []string) {
	oldest := now.Add(-againInterval)
	for o, asked := range a.out {
		if !asked.IsZero() && !asked.After(oldest) {
			address, oldest = []string{o}, asked
		}
	}
	for _, o := range address {
		a.out[o] = now
	}
	return address
}

// heard keeps the answer of a peer. If the peer has no vote for a longer time, another one is asked in its
// place.
func (a *Asker) heard(address string, p votes.Peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, out := a.out[address]
	if a.peers[address] == nil && !out || p.Answer == nil && out {
		return // a lookup has removed the address, or it still has no vote
	}
	switch {
	case p.Answer != nil && p.Answer.Instance == a.instance:
		a.out[address] = time.Time{}
		a.choose()
	case p.Answer != nil && (p.Answer.Service != a.service() || p.Answer.Phase == states.Draining):
		a.out[address] = time.Now()
		a.choose()
	case out:
		delete(a.out, address)
		a.choose()
		fallthrough
	case p.Answer != nil:
		a.contact.reached()
	}
	if known := a.peers[address]; known != nil {
		p.Since = known.Since
		a.peers[address] = &p
	}
	a.publish()
}

// choose makes a.peers match the addresses to ask. mu is held.
func (a *Asker) choose() []string {
	chosen := choose(a.found, func(address string) bool { _, out := a.out[address]; return out })
	maps.DeleteFunc(a.peers, func(address string, _ *votes.Peer) bool { return !slices.Contains(chosen, address) })
	for _, address := range chosen {
		if a.peers[address] == nil {
			a.peers[address] = &votes.Peer{Address: address, Since: time.Now()}
		}
	}
	return chosen
}

// forget drops the answers, because they don't count for the next failure. The peers themselves stay, so that
// the judge knows whom it can ask.
func (a *Asker) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.peers)
	maps.DeleteFunc(a.out, func(_ string, asked time.Time) bool { return !asked.IsZero() })
	a.choose()
	a.publish()
}

// publish shows the peers to the judge. mu is held.
func (a *Asker) publish() {
	all := make([]votes.Peer, 0, len(a.peers))
	for _, address := range slices.Sorted(maps.Keys(a.peers)) {
		all = append(all, *a.peers[address])
	}
	a.board.Store(&all)
}

// pause waits, and reports whether ctx is not done.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
