package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestNotOneRequest: clients of four kinds send requests while pods are replaced, deleted and
// evicted, and while a node is drained. None fails. Then a node dies.
func TestNotOneRequest(t *testing.T) {
	needs(t)
	t.Parallel()
	demo(t, "default")
	c := startClients(t, "default", 20, newConnections, keepAlive, byEndpoint, grpcCalls)
	step := func(name string, f func(t *testing.T)) {
		before, failedBefore := c.sent()
		began := time.Now()
		t.Run(name, f)
		all, failed := c.sent()
		t.Logf("%s: %v, %d of %d requests failed", name, time.Since(began).Round(100*time.Millisecond), failed-failedBefore, all-before)
	}
	step("rollout", func(t *testing.T) {
		must(t, "rollout", "restart", "deploy/demo", "deploy/calls")
		must(t, "rollout", "status", "--timeout=3m", "deploy/demo")
		must(t, "rollout", "status", "--timeout=3m", "deploy/calls")
		settled(t)
	})
	step("delete", func(t *testing.T) {
		must(t, "delete", "pod", demo(t, "default")[0].Metadata.Name, "--wait=false")
		settled(t)
	})
	step("evict", func(t *testing.T) {
		pods := demo(t, "default")
		for n, p := range pods {
			body := map[string]any{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]string{"name": p.Metadata.Name, "namespace": "default"}}
			status, err := cluster.do(http.MethodPost, "/api/v1/namespaces/default/pods/"+p.Metadata.Name+"/eviction", body, nil)
			if want := []int{201, 429, 429}[n]; status != want {
				t.Errorf("eviction %d: %d %v, want %d", n+1, status, err, want)
			}
		}
		settled(t)
	})
	node, err := addNode(cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Stop() })
	step("rollout over two nodes", func(t *testing.T) {
		must(t, "rollout", "restart", "deploy/demo")
		must(t, "rollout", "status", "--timeout=3m", "deploy/demo")
		settled(t)
		if len(on(t, second.Name)) == 0 {
			t.Error("no pod is on the second node")
		}
	})
	step("drain", func(t *testing.T) {
		must(t, "drain", second.Name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=3m")
		settled(t)
		if left := on(t, second.Name); len(left) != 0 {
			t.Errorf("%d pods are still on the node", len(left))
		}
		must(t, "uncordon", second.Name)
	})
	step("rollout back to two nodes", func(t *testing.T) {
		must(t, "rollout", "restart", "deploy/demo")
		must(t, "rollout", "status", "--timeout=3m", "deploy/demo")
		settled(t)
	})
	c.end()
	all, failed := c.sent()
	t.Logf("%d requests, %d failed: %v", all, failed, c)
	if failed != 0 {
		t.Errorf("%d of %d requests failed", failed, all)
	}

	t.Run("death of a node", func(t *testing.T) {
		lost := on(t, second.Name)
		if len(lost) == 0 {
			t.Fatal("no pod is on the second node")
		}
		began := time.Now()
		if err := node.Stop(); err != nil {
			t.Logf("the machine ended: %v", err)
		}
		for _, p := range lost {
			leaves(t, "default", p)
		}
		left := time.Since(began)
		wait(t, "three pods serve on the first node", func() error {
			ready, err := cluster.endpoints("default", "demo")
			if err == nil && len(ready) != 3 {
				err = fmt.Errorf("%d endpoints", len(ready))
			}
			return err
		})
		t.Logf("%d of 3 pods were on it; their endpoints left after %v, and three served again after %v", len(lost),
			left.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	})
}

// on returns the demo's pods on a node.
func on(t *testing.T, node string) []pod {
	t.Helper()
	pods, err := cluster.pods("default", "demo")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(pods, func(p pod) bool { return p.Spec.NodeName != node })
}

// settled waits until there are three pods, all ready, and no other is ending.
func settled(t *testing.T) {
	t.Helper()
	wait(t, "no pod is ending", func() error {
		var list struct{ Items []pod }
		if err := cluster.get("/api/v1/namespaces/default/pods?labelSelector=app.kubernetes.io/name%3Ddemo", &list); err != nil {
			return err
		}
		for _, p := range list.Items {
			if p.Metadata.DeletionTimestamp != nil {
				return fmt.Errorf("%s is ending", p.Metadata.Name)
			}
		}
		return nil
	})
	demo(t, "default")
}
