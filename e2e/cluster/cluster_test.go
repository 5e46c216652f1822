package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/cluster/image"
	"github.com/otelhealth/otelhealth/e2e/cluster/machine"
)

// cluster is the cluster of all tests. TestMain starts it.
var cluster *api

// unavailable is why there is no cluster.
var unavailable error

var tookNode, tookReady time.Duration

// TestMain runs the tests inside of a machine with a cluster. Outside of it, the tests are skipped.
func TestMain(m *testing.M) {
	machine.Main()
	switch machine.Name() {
	case "": // outside
		if unavailable = errors.Join(machine.Unavailable(), missing(), noPostgreSQL()); unavailable != nil {
			os.Exit(m.Run())
		}
		os.Exit(machine.Rerun(first.Name, first.Addr+"/24", func() error { // outside is the network
			_, err := build()
			return err
		}))
	case first.Name:
		if err := inner(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			printLogs()
			os.Exit(1)
		}
		flag.Parse()
		if err := flag.Set("test.parallel", "4"); err != nil { // they wait most of the time
			fmt.Fprintln(os.Stderr, err)
		}
		code := m.Run()
		if code != 0 {
			printLogs()
		}
		os.Exit(code)
	case second.Name:
		p, err := build()
		if err == nil {
			err = runSecond(p)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	default:
		os.Exit(m.Run()) // the test of the machine
	}
}

func noPostgreSQL() error {
	_, err := image.PostgreSQL("")
	return err
}

// inner starts the cluster with everything as shipped.
func inner() error {
	p, err := build()
	if err != nil {
		return err
	}
	began := time.Now()
	if cluster, err = start(p); err != nil {
		return err
	}
	tookNode = time.Since(began)
	began = time.Now()
	if err := apply(p); err != nil {
		return err
	}
	if err := rolledOut(); err != nil {
		return err
	}
	tookReady = time.Since(began)
	if _, err := kubectl("apply", "-f", "testdata/calls.yaml"); err != nil {
		return err
	}
	for _, namespace := range []string{"fault", "wedge", "crash", "operate"} {
		if err := another(namespace, "otlp"); err != nil {
			return err
		}
	}
	return nil
}

func printLogs() {
	paths, _ := filepath.Glob(logs + "/*.log")
	for _, path := range paths {
		fmt.Fprintf(os.Stderr, "--- end of %s\n%s\n", filepath.Base(path), tail(path))
	}
	for _, args := range [][]string{{"get", "pods", "-A", "-o", "wide"}, {"get", "events", "-A", "--sort-by=.lastTimestamp"}} {
		if out, err := kubectl(args...); err == nil {
			fmt.Fprintln(os.Stderr, out)
		}
	}
}

// needs skips the test if there is no cluster. In CI it fails.
func needs(t *testing.T) {
	t.Helper()
	switch {
	case unavailable == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(unavailable)
	default:
		t.Skip(unavailable)
	}
}

// wait polls until f returns nil.
func wait(t *testing.T, what string, f func() error) time.Duration {
	t.Helper()
	began := time.Now()
	if err := until(what, f); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// must runs kubectl.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// demo returns the pods of the demo in a namespace once all of them are ready.
func demo(t *testing.T, namespace string) []pod {
	t.Helper()
	var pods []pod
	wait(t, "three pods of the demo are ready in "+namespace, func() (err error) {
		if pods, err = cluster.pods(namespace, "demo"); err != nil {
			return err
		}
		ready, err := cluster.endpoints(namespace, "demo")
		if err != nil {
			return err
		}
		for _, p := range pods {
			if !p.ready() || !ready[p.Status.PodIP] {
				return fmt.Errorf("%s is not ready", p.Metadata.Name)
			}
		}
		if len(pods) != 3 || len(ready) != 3 {
			return fmt.Errorf("%d pods and %d endpoints", len(pods), len(ready))
		}
		return nil
	})
	return pods
}

// another applies an overlay of the demo to a namespace of its own, where pods must be restricted. They
// are on the first node, because a test kills the second one.
func another(namespace, overlay string) error {
	if _, err := kubectl("create", "namespace", namespace); err != nil && !strings.Contains(err.Error(), "AlreadyExists") {
		return err
	}
	for _, args := range [][]string{
		{"label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"},
		{"annotate", "namespace", namespace, "scheduler.alpha.kubernetes.io/node-selector=kubernetes.io/hostname=" + first.Name},
		{"-n", namespace, "create", "secret", "generic", "demo-admin", "--from-literal=token=tests"},
		{"-n", namespace, "apply", "-k", filepath.Join(root, "deploy/kubernetes/overlays", overlay)},
	} {
		if _, err := kubectl(args...); err != nil {
			return err
		}
	}
	return nil
}

// fault turns a fault of a pod on, or off with -off.
func fault(t *testing.T, namespace string, p pod, args ...string) {
	t.Helper()
	must(t, append([]string{"-n", namespace, "exec", p.Metadata.Name, "--", "/demo", "fault"}, args...)...)
}

// leaves waits until the pod is no endpoint of its Service, and returns how long that took.
func leaves(t *testing.T, namespace string, p pod) time.Duration {
	t.Helper()
	return wait(t, p.Metadata.Name+" leaves the Service", func() error {
		ready, err := cluster.endpoints(namespace, "demo")
		if err == nil && ready[p.Status.PodIP] {
			err = errors.New("it is an endpoint")
		}
		return err
	})
}

// returns waits until the pod is an endpoint of its Service, and returns how long that took.
func returns(t *testing.T, namespace string, p pod) time.Duration {
	t.Helper()
	return wait(t, p.Metadata.Name+" is back in the Service", func() error {
		ready, err := cluster.endpoints(namespace, "demo")
		if err == nil && !ready[p.Status.PodIP] {
			err = errors.New("it is no endpoint")
		}
		return err
	})
}

// process returns the id of the demo's process in a pod.
func process(t *testing.T, p pod) string {
	t.Helper()
	id := p.Status.ContainerStatuses[0].ContainerID[len("containerd://"):]
	out, err := exec.Command("ctr", "-n", "k8s.io", "tasks", "ls").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var pid string
	for line := range lines(string(out)) {
		var task, number, status string
		if n, _ := fmt.Sscan(line, &task, &number, &status); n == 3 && task == id {
			pid = number
		}
	}
	if pid == "" {
		t.Fatalf("no task %s in\n%s", id, out)
	}
	return pid
}

// lines goes through the lines of a text, without their ends.
func lines(text string) func(yield func(string) bool) { return strings.SplitSeq(text, "\n") }
