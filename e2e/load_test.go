package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
)

const senders = 8

// send sends n random requests with probes in between, and returns the number of answers by status
// code.
func send(t *testing.T, d *demo, n int, seed uint64) map[int]int {
	t.Helper()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		sent = map[int]int{}
	)
	for s := range senders {
		share := n / senders
		if s < n%senders {
			share++
		}
		wg.Go(func() {
			codes := sender{t, d.app, rand.New(rand.NewPCG(seed, uint64(s)+1)), ""}.run(share)
			mu.Lock()
			defer mu.Unlock()
			for code, times := range codes {
				sent[code] += times
			}
		})
	}
	wg.Wait()
	return sent
}

type sender struct {
	t    *testing.T
	app  string
	rand *rand.Rand
	job  string // path of the last created job
}

func (s sender) run(n int) map[int]int {
	codes := map[int]int{}
	for i := range n {
		if i%20 == 0 { // probes must not be counted
			for _, path := range []string{"/health", "/ready", "/startup"} {
				if code, _, body, err := ask(http.MethodGet, s.app+path, ""); err != nil || code != http.StatusOK {
					s.t.Errorf("%s: %d %s %v", path, code, body, err)
				}
			}
		}
		k := kinds[s.rand.IntN(len(kinds))]
		if k.path == "" && s.job == "" {
			k = kinds[0]
		}
		path := k.path
		if path == "" {
			path = s.job
		}
		code, header, body, err := ask(k.method, s.app+path, k.body)
		if err != nil || code != k.code || (code != http.StatusNotFound && code != http.StatusInternalServerError && !json.Valid(body)) {
			s.t.Errorf("%s %s: %d %s %v, want %d", k.method, path, code, body, err, k.code)
		}
		if code == http.StatusAccepted {
			s.job = header.Get("Location")
		}
		codes[code]++
	}
	return codes
}
