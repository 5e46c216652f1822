package e2e

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// client sends jobs to a demo at a steady rate, over several connections, until it stops.
type client struct {
	t   *testing.T
	end func()
	wg  sync.WaitGroup

	mu   sync.Mutex
	took []time.Duration // duration of every answered request
}

// startClient starts senders. Each sends a request at the given interval.
func startClient(d *demo, every time.Duration) *client {
	quit := make(chan struct{})
	c := &client{t: d.t, end: sync.OnceFunc(func() { close(quit) })}
	for range senders {
		c.wg.Go(func() { c.send(d.app+"/jobs", every, quit) })
	}
	d.t.Cleanup(func() { c.stop() }) // if the test ends early
	return c
}

func (c *client) send(url string, every time.Duration, quit <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		began := time.Now()
		code, _, body, err := ask(http.MethodPost, url, `{"input":"steady"}`)
		if err != nil || code != http.StatusAccepted {
			c.t.Errorf("POST %s: %d %s %v", url, code, body, err)
			return
		}
		c.mu.Lock()
		c.took = append(c.took, time.Since(began))
		c.mu.Unlock()
	}
}

// stop waits for all answers and returns the durations.
func (c *client) stop() []time.Duration {
	c.end()
	c.wg.Wait()
	return c.took
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// interval is a 95 % confidence interval of the median, for any distribution. Of n values it
// leaves out the k smallest and the k largest.
func interval(list []time.Duration) string {
	n, k := len(list), 0
	for tail, term := 0.0, math.Pow(.5, float64(n)); k < n/2; k++ { // term is P(Binomial(n, 1/2) = k)
		if tail += term; 2*tail > .05 {
			break
		}
		term *= float64(n-k) / float64(k+1)
	}
	if k == 0 {
		return fmt.Sprintf("too few values for an interval (%d)", n)
	}
	sorted := slices.Sorted(slices.Values(list))
	return fmt.Sprintf("%v to %v", sorted[k-1], sorted[n-k])
}
