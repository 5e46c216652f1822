package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/kubelet/prober"
	"k8s.io/kubernetes/pkg/kubelet/prober/results"
	"k8s.io/kubernetes/pkg/kubelet/status"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

func TestMain(m *testing.M) {
	klog.LogToStderr(false) // the events say the same
	klog.SetOutput(io.Discard)
	code := m.Run()
	servers.Clean()
	os.Exit(code)
}

// objects returns the base's objects of one kind.
func objects[T runtime.Object](t *testing.T) (list []T) {
	t.Helper()
	for _, text := range documents(mustRender(t, "base")) {
		o, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if o, ok := o.(T); ok {
			legacyscheme.Scheme.Default(o)
			list = append(list, o)
		}
	}
	return list
}

// node is the part of a kubelet that runs probes. The prober with its workers, thresholds and
// events is the kubelet's own code. A process stands for the container.
type node struct {
	status.Manager // the prober calls only GetPodStatus
	t              *testing.T
	pod            *v1.Pod
	prober         prober.Manager
	readiness      results.Manager
	liveness       results.Manager
	startup        results.Manager
	events         *record.FakeRecorder

	mu     sync.Mutex
	state  v1.PodStatus
	killed []string // probes for which the kubelet would kill the container
	seen   []string // events
}

const containerID = "containerd://1"

// newNode runs the Deployment's pod on its own loopback address, so it can use the ports of the
// manifest.
func newNode(t *testing.T) *node {
	t.Helper()
	d := objects[*appsv1.Deployment](t)
	if len(d) != 1 {
		t.Fatalf("%d Deployments, want 1", len(d))
	}
	pod := &v1.Pod{ObjectMeta: d[0].Spec.Template.ObjectMeta, Spec: d[0].Spec.Template.Spec}
	pod.Name, pod.Namespace, pod.UID = "demo-1", "shop", types.UID(fmt.Sprintf("uid-%d", rand.Uint64()))
	ip := fmt.Sprintf("127.77.%d.%d", 1+rand.IntN(250), 1+rand.IntN(250))
	n := &node{
		t: t, pod: pod, events: record.NewFakeRecorder(10000),
		readiness: results.NewManager(), liveness: results.NewManager(), startup: results.NewManager(),
		state: v1.PodStatus{Phase: v1.PodPending, PodIP: ip},
	}
	n.prober = prober.NewManager(n, n.liveness, n.readiness, n.startup, nil, n.events)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go n.sync(ctx, ended)
	t.Cleanup(func() {
		n.prober.RemovePod(n.pod)
		cancel()
		<-ended
	})
	return n
}

// GetPodStatus is for the prober's workers.
func (n *node) GetPodStatus(types.UID) (v1.PodStatus, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *n.state.DeepCopy(), true
}

// sync is the kubelet's loop. It copies results into the pod's status, and records kills.
func (n *node) sync(ctx context.Context, ended chan<- struct{}) {
	defer close(ended)
	tick := time.NewTicker(time.Second) // the kubelet also syncs for other reasons
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-n.liveness.Updates():
			n.judged("liveness", u.Result)
		case u := <-n.startup.Updates():
			n.judged("startup", u.Result)
		case <-n.readiness.Updates():
		case <-tick.C:
		case e := <-n.events.Events:
			n.mu.Lock()
			n.seen = append(n.seen, e)
			n.mu.Unlock()
			continue
		}
		n.mu.Lock()
		n.prober.UpdatePodStatus(ctx, n.pod, &n.state)
		n.mu.Unlock()
	}
}

func (n *node) judged(probe string, r results.Result) {
	if r == results.Failure {
		n.mu.Lock()
		n.killed = append(n.killed, probe)
		n.mu.Unlock()
	}
}

// run marks the container as running. Its process may start later.
func (n *node) run() {
	n.mu.Lock()
	no := false
	n.state.Phase = v1.PodRunning
	n.state.ContainerStatuses = []v1.ContainerStatus{{
		Name: n.container().Name, ContainerID: containerID, Started: &no,
		State: v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.Now()}},
	}}
	n.mu.Unlock()
	n.prober.AddPod(context.Background(), n.pod)
}

func (n *node) container() v1.Container { return n.pod.Spec.Containers[0] }

// process starts the demo with the manifest's arguments and variables. Only addresses and paths
// differ.
func (n *node) process(more ...string) *servers.Process {
	n.t.Helper()
	dir := n.t.TempDir()
	for _, m := range objects[*v1.ConfigMap](n.t) {
		for name, text := range m.Data {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				n.t.Fatal(err)
			}
		}
	}
	ip := n.state.PodIP
	var args []string
	for _, a := range n.container().Args {
		a = strings.Replace(a, "addr=:", "addr="+ip+":", 1)
		a = strings.Replace(a, "=/data", "="+filepath.Join(dir, "data"), 1)
		args = append(args, strings.Replace(a, "=/etc/demo/", "="+dir+"/", 1))
	}
	var env []string
	values := map[string]string{}
	expand := expansion.MappingFuncFor(values)
	for _, e := range n.container().Env {
		if from := e.ValueFrom; from != nil && from.FieldRef != nil {
			e.Value = map[string]string{
				"metadata.name": n.pod.Name, "metadata.uid": string(n.pod.UID), "metadata.namespace": n.pod.Namespace,
				"spec.nodeName": "node-1", "status.hostIP": ip,
			}[from.FieldRef.FieldPath]
			if e.Value == "" {
				n.t.Errorf("%s: this test has no %s", e.Name, from.FieldRef.FieldPath)
			}
		} else if from != nil {
			continue // optional Secrets
		}
		values[e.Name] = expansion.Expand(e.Value, expand)
		env = append(env, e.Name+"="+values[e.Name])
	}
	return servers.Start(n.t, servers.Demo(n.t, root), env, append(args, more...)...)
}

func (n *node) url(port int, path string) string {
	return fmt.Sprintf("http://%s:%d%s", n.state.PodIP, port, path)
}

func (n *node) fault(method, name string) {
	n.t.Helper()
	if code, err := ask(method, n.url(8001, "/faults/"+name)); err != nil || code != http.StatusNoContent {
		n.t.Fatalf("%s %s: %d %v", method, name, code, err)
	}
}

func ask(method, url string) (int, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(`{"input":"x"}`))
	if err != nil {
		return 0, err
	}
	res, err := servers.Client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}

// ready returns the container's state as the API server gets it.
func (n *node) ready() (started, ready bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.state.ContainerStatuses[0]
	return *c.Started, c.Ready
}

// until waits until the container's readiness is want.
func (n *node) until(what string, want bool) {
	n.t.Helper()
	begun := time.Now()
	servers.Poll(n.t, what, func() error {
		if _, ready := n.ready(); ready != want {
			return fmt.Errorf("ready is %v; events %q", ready, n.happened(0))
		}
		return nil
	})
	n.t.Logf("%s after %v", what, time.Since(begun).Round(time.Millisecond))
}

// happened returns the events from the nth on, without the timeouts of a busy machine. The kubelet ignores a few
// of these too.
func (n *node) happened(from int) (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.seen[from:] {
		if !strings.Contains(e, "Client.Timeout exceeded") {
			list = append(list, e)
		}
	}
	return list
}

func (n *node) eventCount() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.seen)
}

// only fails if there is no event, or one with another prefix.
func (n *node) only(when string, events []string, prefix string) {
	n.t.Helper()
	if len(events) == 0 {
		n.t.Errorf("%s: no event, want %q", when, prefix)
	}
	for _, e := range events {
		if !strings.HasPrefix(e, prefix) {
			n.t.Errorf("%s: event %q, want %q", when, e, prefix)
		}
	}
}

const notReady = "Warning Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 503"

// TestPod runs a pod's life: start, a fault, recovery, termination. The kubelet behaves as the
// manifest's comments say, and never restarts the pod.
func TestPod(t *testing.T) {
	t.Parallel()
	servers.Demo(t, root) // don't count the build as start time
	n := newNode(t)
	c := n.container()
	begun := time.Now()
	n.run()

	// The process has not started, so only the startup probe runs.
	servers.Poll(t, "two startup probes have failed", func() error {
		if e := n.happened(0); len(e) < 2 {
			return fmt.Errorf("events %q", e)
		}
		return nil
	})
	n.only("before the process starts", n.happened(0), "Warning Unhealthy Startup probe failed: Get \""+n.url(8000, "/startup"))
	p := n.process()
	n.until("ready", true)
	if took, least := time.Since(begun), time.Duration(c.ReadinessProbe.InitialDelaySeconds)*time.Second; took < least {
		t.Errorf("ready %v after the start, but the first readiness probe comes after %v", took, least)
	}
	for _, e := range n.happened(0) {
		if !strings.Contains(e, "Startup probe failed") {
			t.Errorf("while starting: event %q", e)
		}
	}
	metrics, err := servers.Client.Get(n.url(8001, "/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(metrics.Body)
	if err := errors.Join(err, metrics.Body.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`service_instance_id="` + string(n.pod.UID) + `.demo"`, `k8s_pod_name="demo-1"`, `service_namespace="shop"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the resource has no %s", want)
		}
	}

	before := n.eventCount()
	n.fault(http.MethodPut, "database-down")
	n.until("not ready without its database", false)
	n.fault(http.MethodDelete, "database-down")
	n.until("ready again", true)
	n.only("without the database", n.happened(before), notReady)

	// The termination, in the kubelet's order.
	before = n.eventCount()
	ended := time.Now()
	n.prober.StopLivenessAndStartup(n.pod)
	sleep := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	for time.Since(ended) < sleep { // some clients don't know yet
		if code, err := ask(http.MethodPost, n.url(8000, "/jobs")); err != nil || code != http.StatusAccepted {
			t.Errorf("a request during preStop: %d %v", code, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	exit := make(chan int)
	go func() { exit <- p.Stop() }()
	// The kubelet may need as long as the drain takes, so the process is asked whether it drains.
	servers.Poll(t, "the drain", func() error {
		if code, err := ask(http.MethodGet, n.url(8000, "/ready")); err != nil || code != http.StatusServiceUnavailable {
			return fmt.Errorf("/ready is %d %v", code, err)
		}
		return nil
	})
	if code, err := ask(http.MethodPost, n.url(8000, "/jobs")); err != nil || code != http.StatusAccepted {
		t.Errorf("a request while draining: %d %v", code, err)
	}
	if code, err := ask(http.MethodGet, n.url(8000, "/health")); err != nil || code != http.StatusOK {
		t.Errorf("/health while draining: %d %v", code, err)
	}
	n.until("not ready while draining", false)
	servers.Client.CloseIdleConnections()
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d", code)
	}
	took, grace := time.Since(ended), time.Duration(*n.pod.Spec.TerminationGracePeriodSeconds)*time.Second
	t.Logf("ended after %v; the grace period is %v", took.Round(time.Millisecond), grace)
	if took > grace {
		t.Errorf("the kubelet would have killed it")
	}
	for _, e := range n.happened(before) { // 503 during the drain, connection refused after the exit
		if !strings.HasPrefix(e, "Warning Unhealthy Readiness probe failed: ") {
			t.Errorf("during the termination: event %q", e)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.killed) > 0 {
		t.Errorf("the kubelet would have restarted it for %q", n.killed)
	}
}

// TestStuckPod: the kubelet restarts a pod with blocked workers, because liveness fails.
func TestStuckPod(t *testing.T) {
	t.Parallel()
	servers.Demo(t, root)
	n := newNode(t)
	n.run()
	n.process("-stall=5s", "-load=10") // instead of a minute, and of no jobs
	n.until("ready", true)
	n.fault(http.MethodPut, "wedged-worker")
	begun := time.Now()
	servers.Poll(t, "the kubelet restarts it", func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.killed) == 0 {
			return fmt.Errorf("events %q", n.seen)
		}
		return nil
	})
	l := n.container().LivenessProbe
	if took, least := time.Since(begun), time.Duration((l.FailureThreshold-1)*l.PeriodSeconds)*time.Second; took < least {
		t.Errorf("restarted after %v, but %d probes take %v", took, l.FailureThreshold, least)
	}
	if n.killed[0] != "liveness" {
		t.Errorf("killed for %q", n.killed)
	}
	if _, ready := n.ready(); ready {
		t.Error("restarted while it was ready")
	}
}
