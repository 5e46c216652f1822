package servers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"
)

// Patience is how long anything may take before the test gives it up. It is far
// more than what a busy machine needs: only a failing test waits that long.
const Patience = 3 * time.Minute

// Client talks to servers on this machine: no proxy, no redirects.
var Client = &http.Client{
	Timeout:       30 * time.Second, // of a busy machine
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Poll calls f until it returns nil.
func Poll(t testing.TB, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s: %v", Patience, what, err)
		}
		<-tick.C
	}
}

// FreeAddrs returns n loopback addresses that nobody listens on.
func FreeAddrs(t testing.TB, n int) []string {
	t.Helper()
	addrs, err := Free(n)
	if err != nil {
		t.Fatal(err)
	}
	return addrs
}

// Free is FreeAddrs without a test.
func Free(n int) (addrs []string, err error) {
	// Not those that the system gives to clients: one of them could take a port between
	// our looking and the server's start.
	const first, last = 12000, 32000
	for tries := 0; len(addrs) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first)))
		if err != nil && tries < 100 {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at the end, so that they differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
