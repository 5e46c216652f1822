package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/cluster/machine"
)

const fleet = 10 // instances of the demo in TestPeers

// TestPeers: ten instances with one PostgreSQL, and each asks its peers. Without PostgreSQL all stay in the
// Service, requests that need no database are served, HealthPanic fires, and a rollout completes. If only one
// instance has lost PostgreSQL, that one leaves. So does one that has lost its peers too.
func TestPeers(t *testing.T) {
	needs(t)
	t.Parallel()
	pods := startFleet(t)
	c := startClientsOf(t, light, "peers", 10, newConnections, keepAlive, byEndpoint)
	must(t, "-n", "peers", "scale", "deploy/postgres", "--replicas=0")
	watch := watchEndpoints(t)
	began := time.Now()
	const alert = "HealthPanic critical"
	fired := wait(t, alert+" fires", func() error { return fires("peers", alert, true) })
	for _, p := range pods {
		status, body, err := page(p, 8000, "/ready")
		if err != nil || status != 200 || !strings.Contains(body, "stays in, ") {
			t.Errorf("%s: %d %v %s", p.Metadata.Name, status, err, body)
		}
		status, body, err = page(p, 8001, "/status")
		if err != nil || status != 200 || !strings.Contains(body, "stays in, ") {
			t.Errorf("the page of %s does not say why it stays in: %d %v", p.Metadata.Name, status, err)
		}
	}
	if names, err := alerts("peers"); err != nil || strings.Contains(names, "HealthNoReadyInstance") {
		t.Errorf("firing: %s %v", names, err)
	}
	fewest := watch()
	t.Logf("PostgreSQL away for %v: %d of %d endpoints at least; %s fired after %v", time.Since(began).Round(time.Second), fewest, fleet, alert, fired.Round(time.Second))
	if fewest < fleet-1 {
		t.Errorf("%d endpoints, want %d at least", fewest, fleet-1)
	}

	watch = watchEndpoints(t)
	began = time.Now()
	must(t, "-n", "peers", "rollout", "restart", "deploy/demo")
	must(t, "-n", "peers", "rollout", "status", "--timeout=5m", "deploy/demo")
	fewest = watch()
	t.Logf("a rollout without PostgreSQL took %v: %d endpoints at least", time.Since(began).Round(time.Second), fewest)
	if fewest < fleet-1 {
		t.Errorf("%d endpoints during the rollout, want %d at least", fewest, fleet-1)
	}

	must(t, "-n", "peers", "scale", "deploy/postgres", "--replicas=1")
	must(t, "-n", "peers", "rollout", "status", "--timeout=2m", "deploy/postgres")
	pods = fleetOf(t, fleet)
	passes := wait(t, "all pass", func() error {
		for _, p := range pods {
			status, body, err := page(p, 8000, "/ready")
			if err != nil || status != 200 || !strings.HasPrefix(body, `{"status":"pass"`) {
				return fmt.Errorf("%s: %d %v %s", p.Metadata.Name, status, err, body)
			}
		}
		return nil
	})
	resolved := wait(t, alert+" resolves", func() error { return fires("peers", alert, false) })
	t.Logf("PostgreSQL is back: all pass after %v, and %s has resolved after %v", passes.Round(100*time.Millisecond), alert, resolved.Round(time.Second))
	c.end()
	all, failed := c.sent()
	t.Logf("%d requests, %d failed: %v", all, failed, c)
	if failed != 0 {
		t.Errorf("%d of %d requests failed", failed, all)
	}

	alone := pods[0]
	cut(t, alone, 5432)
	left := leaves(t, "peers", alone)
	others(t, fleet-1)
	cut(t, pods[1], 5432, 8000) // its peers are silent too
	leftSilent := leaves(t, "peers", pods[1])
	others(t, fleet-2)
	t.Logf("cut off from PostgreSQL alone: out after %v; from its peers too: %v", left.Round(100*time.Millisecond), leftSilent.Round(100*time.Millisecond))
	for _, p := range fleetPods(t) {
		if p.restarts() != 0 {
			t.Errorf("%s was restarted", p.Metadata.Name)
		}
	}
}

// fleetOf returns the pods of the fleet once there are n and all are endpoints.
func fleetOf(t *testing.T, n int) (pods []pod) {
	t.Helper()
	wait(t, fmt.Sprintf("%d pods are ready in peers", n), func() error {
		pods = fleetPods(t)
		ready, err := cluster.endpoints("peers", "demo")
		if err == nil && (len(pods) != n || len(ready) != n) {
			err = fmt.Errorf("%d pods and %d endpoints", len(pods), len(ready))
		}
		return err
	})
	return pods
}

func fleetPods(t *testing.T) []pod {
	t.Helper()
	pods, err := cluster.pods("peers", "demo")
	if err != nil {
		t.Fatal(err)
	}
	return pods
}

// others fails if the Service has not n endpoints now.
func others(t *testing.T, n int) {
	t.Helper()
	ready, err := cluster.endpoints("peers", "demo")
	if err != nil || len(ready) != n {
		t.Errorf("%d endpoints, %v; want %d", len(ready), err, n)
	}
}

// watchEndpoints counts the endpoints five times a second. The function that it returns ends that, and
// returns the lowest number.
func watchEndpoints(t *testing.T) func() int {
	var fewest, polls, missed atomic.Int64
	fewest.Store(fleet)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			if ready, err := cluster.endpoints("peers", "demo"); err == nil {
				polls.Add(1)
				fewest.Store(min(fewest.Load(), int64(len(ready))))
			} else {
				missed.Add(1)
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	end := func() int {
		select {
		case <-stop:
		default:
			close(stop)
		}
		<-ended
		if n, all := missed.Load(), polls.Load(); n*20 > all { // too many polls failed to know the lowest number
			t.Errorf("%d polls of the endpoints failed, and %d did not", n, all)
		}
		return int(fewest.Load())
	}
	t.Cleanup(func() { end() })
	return end
}

// cut drops what a pod sends to ports of others, as a NetworkPolicy or a broken route does.
func cut(t *testing.T, p pod, ports ...int) {
	t.Helper()
	for _, port := range ports {
		if err := machine.Run("nsenter", "-t", process(t, p), "-n", "iptables", "-w", "-A", "OUTPUT", "-p", "tcp", "--dport", fmt.Sprint(port), "-j", "DROP"); err != nil {
			t.Fatal(err)
		}
	}
}

// startFleet starts PostgreSQL, and the demo as shipped, with more instances.
func startFleet(t *testing.T) []pod {
	t.Helper()
	must(t, "create", "namespace", "peers")
	must(t, "-n", "peers", "apply", "-f", "testdata/postgres.yaml")
	if err := another("peers", "otlp"); err != nil {
		t.Fatal(err)
	}
	must(t, "-n", "peers", "set", "resources", "deploy/demo", "--requests=cpu=5m,memory=20Mi") // the node is small
	must(t, "-n", "peers", "scale", "deploy/demo", fmt.Sprintf("--replicas=%d", fleet))
	must(t, "-n", "peers", "rollout", "status", "--timeout=5m", "deploy/demo")
	return fleetOf(t, fleet)
}
