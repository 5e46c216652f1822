package main

import (
	"embed"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"github.com/otelhealth/otelhealth/e2e/cluster/image"
	"github.com/otelhealth/otelhealth/e2e/cluster/machine"
)

// node is a machine of the cluster.
type node struct{ Name, Addr, Pods string }

// All addresses are of the range for benchmarks, and wired to nothing.
var (
	first  = node{Name: "node1", Addr: "198.18.255.1", Pods: "198.18.0.0/24"}
	second = node{Name: "node2", Addr: "198.18.254.2", Pods: "198.18.1.0/24"}
)

const (
	services = "198.19.0.0/16"
	work     = "/run/kubernetes" // the node's own files
	logs     = "/run/shared/log" // of all nodes
)

//go:embed config
var configs embed.FS

// configure writes the files of config with the node's values.
func (n node) configure() error {
	for name, path := range map[string]string{
		"containerd.toml": "containerd.toml", "cni.conflist": "cni/10-pods.conflist", "kubelet.yaml": "kubelet.yaml",
		"proxy.yaml": "proxy.yaml", "Corefile": "Corefile",
	} {
		t, err := template.ParseFS(configs, "config/"+name)
		if err != nil {
			return err
		}
		path = filepath.Join(work, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		err = t.Execute(f, map[string]string{"Name": n.Name, "Pods": n.Pods, "Keys": keys, "DNS": first.Addr})
		if err := f.Close(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return os.WriteFile(work+"/resolv.conf", []byte("nameserver "+first.Addr+"\n"), 0o644)
}

// daemon starts a server, and writes what it says to a file. It ends with the machine.
func (n node) daemon(name string, args ...string) error {
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(logs, n.Name+"-"+name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		fmt.Fprintf(os.Stderr, "%s: %s ended: %v\n%s", n.Name, name, cmd.Wait(), tail(log.Name()))
	}()
	return nil
}

// tail returns the end of a file.
func tail(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return []byte(err.Error())
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, end-4000), io.SeekStart)
	}
	text, _ := io.ReadAll(f)
	return text
}

// join starts what every node has: containerd with the images, kubelet and kube-proxy.
func (n node) join(kubernetes string) error {
	if err := n.configure(); err != nil {
		return err
	}
	if err := n.daemon("containerd", "containerd", "--config", work+"/containerd.toml"); err != nil {
		return err
	}
	if err := listening("unix", "/run/containerd/containerd.sock"); err != nil {
		return err
	}
	archives, err := filepath.Glob(images + "/*.tar")
	if err != nil {
		return err
	}
	for _, path := range archives {
		if err := machine.Run("ctr", "-n", "k8s.io", "images", "import", path); err != nil {
			return err
		}
	}
	if err := n.daemon("kubelet", kubernetes, "kubelet", "--config="+work+"/kubelet.yaml", "--kubeconfig="+keys+"/"+n.Name+".conf",
		"--hostname-override="+n.Name, "--node-ip="+n.Addr); err != nil {
		return err
	}
	return n.daemon("proxy", kubernetes, "proxy", "--config="+work+"/proxy.yaml", "--hostname-override="+n.Name)
}

// control starts the control plane.
func (n node) control(programs programs) error {
	a, err := newAuthority()
	if err != nil {
		return err
	}
	for _, user := range []struct{ file, name, group string }{
		{"apiserver", "kube-apiserver", ""},
		{"admin", "admin", "system:masters"},
		{"controllers", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
		{first.Name, "system:node:" + first.Name, "system:nodes"},
		{second.Name, "system:node:" + second.Name, "system:nodes"},
		{"proxy-" + first.Name, "system:kube-proxy", ""},
		{"proxy-" + second.Name, "system:kube-proxy", ""},
	} {
		if err := a.issue(user.file, user.name, user.group, "localhost", "kubernetes", first.Name, second.Name, "127.0.0.1", first.Addr, second.Addr, "198.19.0.1"); err != nil {
			return err
		}
	}
	const etcd = "http://127.0.0.1:2379"
	if err := n.daemon("etcd", "etcd", "--data-dir=/run/etcd", "--unsafe-no-fsync", "--listen-client-urls="+etcd, "--advertise-client-urls="+etcd); err != nil {
		return err
	}
	if err := listening("tcp", "127.0.0.1:2379"); err != nil {
		return err
	}
	if err := n.daemon("apiserver", programs.kubernetes, "apiserver", "--etcd-servers="+etcd,
		"--bind-address=0.0.0.0", "--secure-port=6443", "--advertise-address="+n.Addr,
		"--tls-cert-file="+keys+"/apiserver.crt", "--tls-private-key-file="+keys+"/apiserver.key", "--client-ca-file="+keys+"/ca.crt",
		"--kubelet-client-certificate="+keys+"/admin.crt", "--kubelet-client-key="+keys+"/admin.key", "--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+keys+"/sa.pub", "--service-account-signing-key-file="+keys+"/sa.key",
		"--service-cluster-ip-range="+services, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction,PodNodeSelector", "--profiling=false"); err != nil {
		return err
	}
	if err := listening("tcp", n.Addr+":6443"); err != nil {
		return err
	}
	if err := n.daemon("controllers", programs.kubernetes, "controller-manager", "--kubeconfig="+keys+"/controllers.conf", "--use-service-account-credentials",
		"--service-account-private-key-file="+keys+"/sa.key", "--root-ca-file="+keys+"/ca.crt", "--leader-elect=false",
		"--controllers=*,-nodeipam", "--allocate-node-cidrs=false", "--bind-address=127.0.0.1"); err != nil {
		return err
	}
	return n.daemon("scheduler", programs.kubernetes, "scheduler", "--kubeconfig="+keys+"/scheduler.conf", "--leader-elect=false", "--bind-address=127.0.0.1")
}

// patience is the limit of every wait. Only a failing test waits that long.
const patience = 3 * time.Minute

// until calls f until it returns nil.
func until(what string, f func() error) error {
	var err error
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("after %v not yet: %s: %w", patience, what, err)
}

func listening(network, addr string) error {
	return until(addr+" listens", func() error {
		c, err := net.Dial(network, addr)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// images is the directory of the images that every node imports.
const images = "/run/shared/images"

// makeImages writes the images of the programs under the tags that the manifests name.
func makeImages(p programs) error {
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	tmp := image.Dir{Path: "/tmp", Mode: 0o1777}
	all := map[string]image.Image{
		"pause": {Tag: "localhost/pause:1", Files: map[string]string{"/pause": p.pause}, Entrypoint: []string{"/pause"}},
		"calls": {Tag: "localhost/calls:1", Files: map[string]string{"/calls": p.calls}, User: "65532", Entrypoint: []string{"/calls"}},
		// As the Dockerfile's last stage, without the certificates and time zones of its base.
		"demo": {Tag: "otelhealth-demo:dev", Files: map[string]string{"/demo": p.demo}, User: "65532:65532", Entrypoint: []string{"/demo"},
			Cmd: []string{"-addr=:8000", "-admin-addr=:8001", "-data=/data"}, Dirs: []image.Dir{tmp, {Path: "/data", Mode: 0o755, Owner: 65532}}},
		"collector": {Tag: "otel/opentelemetry-collector-contrib:" + p.collectorTag, Files: map[string]string{"/otelcol-contrib": p.collector},
			User: "10001", Entrypoint: []string{"/otelcol-contrib"}, Dirs: []image.Dir{tmp}},
		"prometheus": {Tag: "prom/prometheus:" + p.prometheusTag, Files: map[string]string{"/bin/prometheus": p.prometheus},
			User: "65534:65534", Entrypoint: []string{"/bin/prometheus"}, Dirs: []image.Dir{tmp, {Path: "/prometheus", Mode: 0o755, Owner: 65534}}},
	}
	if postgres, err := image.PostgreSQL("localhost/postgres:1"); err == nil { // only the tests need it
		all["postgres"] = postgres
	}
	for name, i := range all {
		if err := i.Write(filepath.Join(images, name+".tar")); err != nil {
			return err
		}
	}
	return nil
}
