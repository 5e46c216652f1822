package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is the limit for every wait. It is far more than a busy machine needs, so only a failing
// test waits that long.
const Patience = 3 * time.Minute

// Client is for servers on this machine: no proxy, no redirects.
var Client = &http.Client{
	Timeout:       30 * time.Second, // for a busy machine
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
			t.Fatalf("timeout after %v while waiting until %s: %v", Patience, what, err)
		}
		<-tick.C
	}
}

// FreeAddrs returns n free loopback addresses. No other test gets them before this test ends.
func FreeAddrs(t testing.TB, n int) []string {
	t.Helper()
	addrs, err := Free(n)
	t.Cleanup(func() { // runs after the cleanups of the servers, because those start later
		for _, addr := range addrs {
			release(addr)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return addrs
}

// Free is FreeAddrs without a test. No other process gets the addresses before this process ends.
func Free(n int) (addrs []string, err error) {
	// Avoid the kernel's range of client ports. A client could take the port before the server
	// starts.
	const first, last = 12000, 32000
	for tries := 0; len(addrs) < n; tries++ {
		addr := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first))
		ok, err := reserve(addr)
		if err != nil {
			return addrs, err
		}
		if !ok {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			release(addr)
			if tries < 100 {
				continue
			}
			return addrs, err
		}
		addrs = append(addrs, addr)
		if err := l.Close(); err != nil {
			return addrs, err
		}
	}
	return addrs, nil
}

// reserved holds the addresses given away. A free port is not enough, because its server may not
// run yet, or may be down for a while.
var reserved struct {
	sync.Mutex
	addrs map[string]bool // addresses of this process
	file  *os.File        // each process locks the bytes at the offsets of its ports
}

// reserve takes an address, unless this process or another one of the same user has it.
func reserve(addr string) (ok bool, err error) {
	reserved.Lock()
	defer reserved.Unlock()
	if reserved.file == nil {
		cache, err := os.UserCacheDir()
		if err != nil {
			return false, err
		}
		cache = filepath.Join(cache, "otelhealth")
		if err := os.MkdirAll(cache, 0o755); err != nil {
			return false, err
		}
		if reserved.file, err = os.OpenFile(filepath.Join(cache, "ports.lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			return false, err
		}
		reserved.addrs = map[string]bool{}
	}
	if reserved.addrs[addr] {
		return false, nil
	}
	err = lockPort(addr, syscall.F_WRLCK)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return false, nil
	}
	reserved.addrs[addr] = err == nil
	return err == nil, err
}

// release gives a reserved address back.
func release(addr string) {
	reserved.Lock()
	defer reserved.Unlock()
	delete(reserved.addrs, addr)
	_ = lockPort(addr, syscall.F_UNLCK) // the lock ends with the process anyway
}

func lockPort(addr string, kind int16) error {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	return syscall.FcntlFlock(reserved.file.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: kind, Start: port, Len: 1})
}
