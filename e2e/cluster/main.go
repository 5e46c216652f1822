// Command cluster runs Kubernetes on this machine: one node, in namespaces of its own, with the demo
// as shipped. It needs root on Linux, and the Debian packages of README.md. In the root of the
// repository:
//
//	go -C e2e/cluster run .
//
// The first run builds Kubernetes. This takes half an hour on two cores. Ctrl-C ends everything.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/otelhealth/otelhealth/e2e/cluster/machine"
)

func main() {
	machine.Main()
	log.SetFlags(0)
	log.SetPrefix("cluster: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	switch machine.Name() {
	case "":
		return outside()
	case second.Name:
		p, err := build()
		if err != nil {
			return err
		}
		return runSecond(p)
	}
	p, err := build()
	if err != nil {
		return err
	}
	if _, err := start(p); err != nil {
		return err
	}
	log.Print("the node is ready; the manifests are applied")
	if err := apply(p); err != nil {
		return err
	}
	if err := rolledOut(); err != nil {
		return err
	}
	fmt.Printf(`everything is ready. A shell in it, as root:

  nsenter --all -t %s env KUBECONFIG=%s/admin.conf PATH=%s:$PATH bash

Try there:

  kubectl get pods -A -o wide
  kubectl exec deploy/demo -- /demo fault database-down   # one of three leaves the Service
  kubectl get endpointslices -l kubernetes.io/service-name=demo -o yaml | grep -A 3 conditions
  curl -s $(kubectl get svc demo -o jsonpath={.spec.clusterIP})/ready
  kubectl apply -k deploy/kubernetes/load                 # ten jobs a second for five minutes
  kubectl rollout restart deploy/demo

Ctrl-C ends all of it.
`, machine.PID(), keys, bin)
	select {}
}

// outside starts the machine, and waits until it or this process is ended.
func outside() error {
	if err := machine.Unavailable(); err != nil {
		return err
	}
	if err := missing(); err != nil {
		return err
	}
	log.Print("building, if this is the first time")
	if _, err := build(); err != nil {
		return err
	}
	m, err := machine.Start(first.Name, first.Addr+"/24")
	if err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ended := make(chan error, 1)
	go func() {
		code, err := m.Wait()
		if err == nil && code != 0 {
			err = fmt.Errorf("the machine ended with code %d", code)
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-end:
		m.Kill()
		<-ended
		return nil
	}
}

// missing returns which of Debian's programs are not installed.
func missing() error {
	var names []string
	for program, pkg := range map[string]string{"etcd": "etcd-server", "containerd": "containerd", "runc": "runc",
		"/usr/lib/cni/bridge": "containernetworking-plugins", "iptables": "iptables", "ip": "iproute2"} {
		if _, err := exec.LookPath(program); err != nil {
			names = append(names, pkg)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("apt-get install --no-install-recommends %s", strings.Join(names, " "))
}
