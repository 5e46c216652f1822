package healthcheck

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"
)

var fleetSize = flag.Int("fleetsize", 24, "instances of TestFleetCost; docs/peers.md has the figures of 50")

// TestFleetCost: in a large failing fleet an instance asks 20 questions a second and answers about as many. An
// answer has less than 256 bytes. docs/peers.md has the figures of
//
//	go test -run TestFleetCost -fleetsize 50 -v .
func TestFleetCost(t *testing.T) {
	const lasts = 3 * time.Second
	// measure returns the questions and the CPU time of an instance per second, and the bytes of an answer.
	measure := func(withPeers bool) (asked, served, size float64, used time.Duration) {
		n := float64(*fleetSize)
		synctest.Test(t, func(t *testing.T) {
			f := newPeerFleet(t, world{n: *fleetSize, fails: first(*fleetSize, 0)}, 1, withPeers)
			time.Sleep(11 * time.Second)
			count := func() (asked, served, bytes int64) {
				for _, m := range f.members {
					if withPeers {
						asked += m.running.peers.Questions()
					}
					served += m.served.Load()
					bytes += m.bytes.Load()
				}
				return asked, served, bytes
			}
			began, a, s, b := cpu(), int64(0), int64(0), int64(0)
			a, s, b = count()
			time.Sleep(lasts)
			a2, s2, b2 := count()
			used = time.Duration(float64(cpu()-began) / n / lasts.Seconds())
			asked, served, size = float64(a2-a)/n/lasts.Seconds(), float64(s2-s)/n/lasts.Seconds(), float64(b2-b)/max(1, float64(s2-s))
			for _, m := range f.members {
				m.kill()
			}
			time.Sleep(2 * time.Second)
		})
		return asked, served, size, used
	}
	asked, served, size, used := measure(true)
	t.Logf("%.1f questions a second of an instance, %.1f answers, %.0f bytes of an answer", asked, served, size)
	if asked < 18 || asked > 21 || served < 18 || served > 21 || size > 256 {
		t.Error("want about 20 of 256 bytes at most")
	}
	if testing.Verbose() {
		_, _, _, alone := measure(false)
		t.Logf("CPU: %v in a second of an instance, %v without peers", used, alone)
	}
}
