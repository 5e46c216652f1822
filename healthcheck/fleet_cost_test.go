package healthcheck

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestFleetCost: in a failing fleet of 50 an instance asks 20 questions a second, answers about as many,
// and an answer has under 256 bytes. docs/peers.md has the figures.
func TestFleetCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPeerFleet(t, world{n: 50, fails: first(50, 0)}, 1, true)
		time.Sleep(15 * time.Second)
		count := func() (asked, served, bytes int64) {
			for _, m := range f.members {
				asked += m.running.peers.Questions()
				served += m.served.Load()
				bytes += m.bytes.Load()
			}
			return asked, served, bytes
		}
		asked, served, bytes := count()
		time.Sleep(5 * time.Second)
		asked2, served2, bytes2 := count()
		perPod := float64(asked2-asked) / 50 / 5
		size := float64(bytes2-bytes) / float64(served2-served)
		t.Logf("%.1f questions a second of an instance, %.0f bytes of an answer", perPod, size)
		if perPod < 18 || perPod > 21 || size > 256 {
			t.Error("want about 20 of 256 bytes at most")
		}
		for _, m := range f.members {
			m.kill()
		}
		time.Sleep(2 * time.Second)
	})
}
