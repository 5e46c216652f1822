package healthcheck

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// peerFleet is several instances of a service: a Monitor and a server each, on a network in memory, in
// virtual time. Its world decides what fails.
type peerFleet struct {
	t       *testing.T
	world   world
	random  *rand.Rand
	seed    uint64
	peers   bool // they ask each other
	began   time.Time
	members []*member // including ended ones
	dns     []netip.Addr
	dnsAt   time.Duration
	mu      sync.Mutex // guards random in dials and checks, and dns
}

// world has the settings and faults of one story. A nil function means that this kind of fault does not happen.
type world struct {
	n        int
	interval time.Duration // of the checks; 5 s if zero
	checks   []string      // "database" if empty
	lasts    time.Duration // of the story, after the faults begin

	// fails decides whether a run fails, and how long it takes. at is the time since the faults may begin.
	fails func(m *member, check string, at time.Duration) (took time.Duration, err error)
	// dial decides about a connection: nil opens it, errSilent leaves it without an answer.
	dial func(from, to *member, at time.Duration) error
	// handle answers in place of an instance; false if it does not.
	handle func(m *member, at time.Duration, w http.ResponseWriter, r *http.Request) bool
	// lookup returns the error of DNS, and names returns the addresses of DNS.
	lookup func(at time.Duration) error
	names  func(m *member, at time.Duration, all []netip.Addr) []netip.Addr
	// life starts and ends instances, once a second.
	life func(f *peerFleet, at time.Duration)
	// configure changes the configuration of an instance before its start.
	configure func(m *member, c *Config)
}

// settling is the time until the checks of all instances have their usual phase.
func (w *world) settling() time.Duration { return 20*time.Second + w.interval }

func newPeerFleet(t *testing.T, w world, seed uint64, withPeers bool) *peerFleet {
	if w.interval == 0 {
		w.interval = 5 * time.Second
	}
	if w.checks == nil {
		w.checks = []string{"database"}
	}
	f := &peerFleet{t: t, world: w, seed: seed, random: rand.New(rand.NewPCG(seed, 1)), peers: withPeers, began: time.Now(), dnsAt: -time.Hour}
	for range w.n {
		f.start(0)
		time.Sleep(time.Duration(f.random.Int64N(int64(15*time.Second) / int64(w.n))))
	}
	time.Sleep(time.Until(f.began.Add(w.settling())))
	return f
}

// at is the time since the faults may begin; negative before.
func (f *peerFleet) at() time.Duration { return time.Since(f.began) - f.world.settling() }
