package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestFault: the database of one pod is down. The pod leaves the Service, because its peers work, and
// returns. Nobody's requests fail.
func TestFault(t *testing.T) {
	needs(t)
	t.Parallel()
	pods := demo(t, "fault")
	c := startClients(t, "fault", 10, newConnections, keepAlive, byEndpoint)
	fault(t, "fault", pods[0], "database-down")
	left := leaves(t, "fault", pods[0])
	fault(t, "fault", pods[0], "-off", "database-down")
	back := returns(t, "fault", pods[0])
	t.Logf("the endpoint left %v after the fault, and was back %v after its end", left.Round(100*time.Millisecond), back.Round(100*time.Millisecond))
	c.end()
	all, failed := c.sent()
	t.Logf("%d requests, %d failed: %v", all, failed, c)
	if failed != 0 { // a job is stored after its answer, so the fault fails no request
		t.Errorf("%d of %d requests failed", failed, all)
	}
	for _, p := range demo(t, "fault") {
		if p.restarts() != 0 {
			t.Errorf("%s was restarted", p.Metadata.Name)
		}
	}
}

// fires returns nil if an alert fires for a namespace, or does not.
func fires(namespace, alert string, want bool) error {
	names, err := alerts(namespace)
	if err != nil {
		return err
	}
	if strings.Contains(names, alert) != want {
		return errors.New("firing: " + names)
	}
	return nil
}

// TestWedged: a worker is stuck in one pod. Its queue fills, it leaves the Service, and its answers
// send clients with open connections elsewhere. Liveness restarts it, and no other.
func TestWedged(t *testing.T) {
	needs(t)
	t.Parallel()
	pods := demo(t, "wedge")
	c := startClients(t, "wedge", 40, keepAlive)
	wedged := pods[0]
	fault(t, "wedge", wedged, "wedged-worker")
	began := time.Now()
	left := leaves(t, "wedge", wedged)
	gone := time.Now()
	sentThen, _ := c.sent()
	restarted := wait(t, "liveness restarts the pod", func() error {
		pods, err := cluster.pods("wedge", "demo")
		for _, p := range pods {
			if p.Metadata.Name == wedged.Metadata.Name && p.restarts() == 1 {
				return nil
			}
		}
		return errors.Join(errors.New("not restarted"), err)
	})
	back := returns(t, "wedge", wedged)
	c.end()
	all, failed := c.sent()
	after := len(c.between(gone, time.Now()))
	sent := all - sentThen
	t.Logf("the endpoint left after %v, the restart came %v later, and the endpoint was back after %v more", left.Round(100*time.Millisecond),
		restarted.Round(100*time.Millisecond), back.Round(100*time.Millisecond))
	t.Logf("%d of %d requests failed from %s on, %d of %d from the moment the endpoint left: %v", failed, all, began.Format("15:04:05"), after, sent, c)
	if sent < 1000 || after*100 > sent {
		t.Errorf("%d of %d requests failed after the endpoint left, want at most 1 %% of at least 1000", after, sent)
	}
	for _, p := range demo(t, "wedge") {
		want := 0
		if p.Metadata.Name == wedged.Metadata.Name {
			want = 1
		}
		if p.restarts() != want {
			t.Errorf("%s was restarted %d times, want %d", p.Metadata.Name, p.restarts(), want)
		}
	}
}
