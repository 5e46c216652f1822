package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/otelhealth/otelhealth/e2e/cluster/machine"
)

// start starts a cluster of one node in this machine, and returns when the node is ready.
func start(p programs) (*api, error) {
	if err := makeImages(p); err != nil {
		return nil, err
	}
	if err := first.control(p); err != nil {
		return nil, err
	}
	if err := first.join(p.kubernetes); err != nil {
		return nil, err
	}
	if err := first.daemon("coredns", p.coredns, "-conf", work+"/Corefile"); err != nil {
		return nil, err
	}
	a, err := newAPI()
	if err != nil {
		return nil, err
	}
	if err := machine.Run("ln", "-sf", p.kubernetes, bin+"/kubectl"); err != nil {
		return nil, err
	}
	return a, a.nodeReady(first.Name)
}

// nodeReady waits until the node takes pods.
func (a *api) nodeReady(name string) error {
	return until(name+" is ready", func() error {
		ready, err := a.nodeCondition(name)
		if err == nil && ready != "True" {
			err = errors.New("Ready is " + ready)
		}
		return err
	})
}

// nodeCondition returns the status of the node's condition Ready.
func (a *api) nodeCondition(name string) (string, error) {
	var n struct {
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if err := a.get("/api/v1/nodes/"+name, &n); err != nil {
		return "", err
	}
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status, nil
		}
	}
	return "", nil
}

// addNode starts a second node in a machine of its own, and wires it to the first.
func addNode(a *api) (*machine.Machine, error) {
	m, err := machine.Start(second.Name, second.Addr+"/32")
	if err != nil {
		return nil, err
	}
	pid := fmt.Sprint(m.PID)
	for _, args := range [][]string{
		{"ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", pid},
		{"ip", "addr", "add", "198.18.254.1/30", "dev", "wire"},
		{"ip", "link", "set", "wire", "up"},
		{"ip", "route", "add", second.Pods, "via", second.Addr},
		{"nsenter", "-t", pid, "-n", "ip", "addr", "add", second.Addr + "/30", "dev", "wire"},
		{"nsenter", "-t", pid, "-n", "ip", "link", "set", "wire", "up"},
		{"nsenter", "-t", pid, "-n", "ip", "route", "replace", "default", "via", "198.18.254.1"},
	} {
		if err := machine.Run(args[0], args[1:]...); err != nil {
			return nil, errors.Join(err, m.Stop())
		}
	}
	if err := a.nodeReady(second.Name); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

// runSecond is the program of the second node. It runs until its machine ends.
func runSecond(p programs) error {
	if err := listening("tcp", net.JoinHostPort(first.Addr, "6443")); err != nil {
		return err
	}
	if err := second.join(p.kubernetes); err != nil {
		return err
	}
	for {
		time.Sleep(time.Hour)
	}
}

// apply applies everything as the README says, and what the manifests expect in a cluster: a Secret, volumes, and
// a store for traces.
func apply(p programs) error {
	around, err := os.ReadFile("testdata/around.yaml")
	if err != nil {
		return err
	}
	path := filepath.Join(work, "around.yaml")
	if err := os.WriteFile(path, bytes.ReplaceAll(around, []byte("COLLECTOR"), []byte(p.collectorTag)), 0o644); err != nil {
		return err
	}
	for _, dir := range []string{"gateway-0", "gateway-1"} {
		if err := os.MkdirAll(filepath.Join("/var/lib/volumes", dir), 0o777); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"create", "namespace", "monitoring"},
		{"create", "secret", "generic", "demo-admin", "--from-literal=token=tests"},
		{"apply", "-f", path},
		{"apply", "-k", filepath.Join(root, "deploy/kubernetes/prometheus")},
		{"apply", "-k", filepath.Join(root, "deploy/kubernetes/collector")},
		{"apply", "-k", filepath.Join(root, "deploy/kubernetes/overlays/otlp")},
	} {
		if _, err := kubectl(args...); err != nil {
			return err
		}
	}
	return nil
}

// rolledOut waits until everything that apply has made is ready.
func rolledOut() error {
	for _, what := range [][]string{
		{"-n", "default", "deploy/demo"}, {"-n", "monitoring", "daemonset/otel-agent"},
		{"-n", "monitoring", "statefulset/otel-gateway"}, {"-n", "monitoring", "deploy/prometheus"},
	} {
		if _, err := kubectl(append([]string{"rollout", "status", "--timeout=3m"}, what...)...); err != nil {
			return err
		}
	}
	return nil
}
