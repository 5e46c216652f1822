package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
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

// TestWedged: a worker is stuck in one pod. The pod's queue fills, the pod leaves the Service, and its answers
// close open connections, so that clients go to other pods. Liveness restarts this pod and no other. The reason
// of the restart can be read afterwards.
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
		if want == 1 {
			explained(t, p)
		}
	}
}

// explained: the pod's last state names the worker, its function and since when it was stuck. The record
// with the same lines is in the volume, and the page of the new process shows them.
func explained(t *testing.T, p pod) {
	const where = "worker: main.(*pause).wait (select), called by main.(*jobs).hash"
	last := p.Status.ContainerStatuses[0].LastState.Terminated
	if last == nil {
		t.Fatalf("%s has no last state", p.Metadata.Name)
	}
	for _, want := range []string{"liveness fail since ", "Z: worker: no beat for ", where, "still so when the process ended, after "} {
		if !strings.Contains(last.Message, want) {
			t.Errorf("the message of the last state lacks %q:\n%s", want, last.Message)
		}
	}
	out, err := kubectl("-n", "wedge", "describe", "pod", p.Metadata.Name)
	if err != nil || !strings.Contains(out, where) {
		t.Errorf("kubectl describe does not name the function: %v\n%s", err, out)
	}
	dir := filepath.Join("/proc", process(t, p), "root", "data", "blackbox")
	var record string
	files, err := filepath.Glob(filepath.Join(dir, "*-liveness-*.txt"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(text), where) && strings.HasSuffix(string(text), "\n== end ==\n") {
			record = filepath.Base(file)
		}
	}
	if err != nil || len(files) != 1 || record == "" {
		t.Fatalf("the volume has %v, %v; want one whole record that names the function", files, err)
	}
	if code, body, err := page(p, 8001, "/status"); err != nil || code != http.StatusOK || !strings.Contains(body, "Before this start") || !strings.Contains(body, where) || !strings.Contains(body, "/blackbox/"+record) {
		t.Errorf("the page of the new process does not show the record: %d, %v\n%s", code, err, body)
	}
	if code, body, err := page(p, 8001, "/blackbox/"+record); err != nil || code != http.StatusOK || !strings.Contains(body, where) {
		t.Errorf("the record is not to be had: %d, %v\n%.500s", code, err, body)
	}
	t.Logf("the message of the last state:\n%s", last.Message)
}
