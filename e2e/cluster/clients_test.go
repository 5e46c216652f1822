package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// clients send requests at a steady rate until they stop, and count the answers.
type clients struct {
	mu      sync.Mutex
	results map[string]int // by kind of client and result
	fails   []failure
	stop    chan struct{}
	running sync.WaitGroup
}

type failure struct {
	at    time.Time
	kind  string
	cause string
}

// kinds of clients.
const (
	newConnections = "new connections" // to the Service, one for every request
	keepAlive      = "keep-alive"      // to the Service, on open connections
	byEndpoint     = "by endpoint"     // to the pods themselves, as an Ingress does
	grpcCalls      = "gRPC"            // to another Service, on connections that stay open
)

// startClients starts clients of all kinds, each with this many requests a second. They post jobs.
func startClients(t *testing.T, namespace string, rate int, kinds ...string) *clients {
	t.Helper()
	return startClientsOf(t, post, namespace, rate, kinds...)
}

func startClientsOf(t *testing.T, request func(*http.Client, string) error, namespace string, rate int, kinds ...string) *clients {
	t.Helper()
	ip, err := cluster.clusterIP(namespace, "demo")
	if err != nil {
		t.Fatal(err)
	}
	c := &clients{results: map[string]int{}, stop: make(chan struct{})}
	for _, kind := range kinds {
		if kind == grpcCalls {
			each := dial(t)
			c.running.Go(func() { c.run(kind, rate, each) })
			continue
		}
		target := func() (string, error) { return "http://" + ip, nil }
		if kind == byEndpoint {
			target = c.follow(t, namespace)
		}
		each := senders(kind, target, request)
		c.running.Go(func() { c.run(kind, rate, each) })
	}
	t.Cleanup(func() { c.end() })
	return c
}

// follow returns a function that goes through the ready endpoints in turn.
func (c *clients) follow(t *testing.T, namespace string) func() (string, error) {
	var mu sync.Mutex
	var ready []string
	look := func() {
		found, err := cluster.endpoints(namespace, "demo")
		if err != nil {
			return // the last ones stay, as in a proxy
		}
		mu.Lock()
		defer mu.Unlock()
		ready = slices.Sorted(maps.Keys(found))
	}
	look()
	c.running.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-tick.C:
				look()
			}
		}
	})
	n := 0
	return func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(ready) == 0 {
			return "", fmt.Errorf("no endpoint of %s is ready", namespace)
		}
		n++
		return "http://" + ready[n%len(ready)] + ":8000", nil
	}
}

// senders returns functions that send one request each, on connections of their own. There are
// several, so that connections stay open to all pods.
func senders(kind string, target func() (string, error), request func(*http.Client, string) error) (each []func() error) {
	for range 12 {
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: kind == newConnections, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		}}
		each = append(each, func() error {
			url, err := target()
			if err != nil {
				return err
			}
			return request(client, url)
		})
	}
	return each
}

// dial is senders for gRPC. A call that fails is not repeated, except what gRPC repeats by itself.
func dial(t *testing.T) (each []func() error) {
	t.Helper()
	ip, err := cluster.clusterIP("default", "calls")
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		conn, err := grpc.NewClient("passthrough:///"+ip+":9000", grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		each = append(each, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
			return err
		})
	}
	return each
}

func (c *clients) run(kind string, rate int, each []func() error) {
	var open sync.WaitGroup
	defer open.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		open.Go(func() { c.count(kind, each[n%len(each)]()) })
	}
}

func post(client *http.Client, url string) error {
	res, err := client.Post(url+"/jobs", "application/json", bytes.NewReader([]byte(`{"input":"test"}`)))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %.200s", res.Status, body)
	}
	return err
}

// light sends a request that needs only the process: it is answered 404.
func light(client *http.Client, url string) error {
	res, err := client.Get(url + "/light")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%s %.200s", res.Status, body)
	}
	return err
}

func (c *clients) count(kind string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.results[kind]++
		return
	}
	c.results[kind+", failed"]++
	c.fails = append(c.fails, failure{time.Now(), kind, err.Error()})
}

// end stops the clients and waits for the requests under way.
func (c *clients) end() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.running.Wait()
}

// count returns how many requests were sent so far, and how many have failed.
func (c *clients) sent() (all, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.results {
		all += n
	}
	return all, len(c.fails)
}

// between returns the failures between two times.
func (c *clients) between(from, to time.Time) (list []failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.fails {
		if f.at.After(from) && f.at.Before(to) {
			list = append(list, f)
		}
	}
	return list
}

// String lists the results, and the first failures.
func (c *clients) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(c.results)) {
		fmt.Fprintf(&b, "%s: %d; ", k, c.results[k])
	}
	for n, f := range c.fails {
		if n == 10 {
			break
		}
		fmt.Fprintf(&b, "\n%s %s: %s", f.at.Format("15:04:05.0"), f.kind, f.cause)
	}
	return b.String()
}
