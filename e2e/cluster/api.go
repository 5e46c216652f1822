package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// api asks the API server as an administrator.
type api struct{ client *http.Client }

func newAPI() (*api, error) {
	config, err := adminTLS()
	if err != nil {
		return nil, err
	}
	return &api{&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}}, nil
}

// do sends a request, and decodes the answer into v unless that is nil.
func (a *api) do(method, path string, body, v any) (status int, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(method, "https://"+first.Addr+":6443"+path, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, err
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode, fmt.Errorf("%s %s: %s: %.300s", method, path, res.Status, answer)
	}
	if v == nil {
		return res.StatusCode, nil
	}
	return res.StatusCode, json.Unmarshal(answer, v)
}

func (a *api) get(path string, v any) error {
	_, err := a.do(http.MethodGet, path, nil, v)
	return err
}

// pod is the part of a Pod that the tests read.
type pod struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp *time.Time
		Labels            map[string]string
	}
	Spec   struct{ NodeName string }
	Status struct {
		Phase, PodIP string
		StartTime    time.Time
		Conditions   []struct {
			Type, Status       string
			LastTransitionTime time.Time
		}
		ContainerStatuses []struct {
			ContainerID  string
			Ready        bool
			RestartCount int
			LastState    struct {
				Terminated *struct {
					ExitCode int
					Reason   string
					Message  string
				}
			}
		}
	}
}

func (p pod) ready() bool {
	return p.Metadata.DeletionTimestamp == nil && len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready
}

func (p pod) restarts() int { return p.Status.ContainerStatuses[0].RestartCount }

// pods returns the pods of a namespace with this app.kubernetes.io/name that are not being deleted.
func (a *api) pods(namespace, name string) ([]pod, error) {
	var list struct{ Items []pod }
	if err := a.get("/api/v1/namespaces/"+namespace+"/pods?labelSelector=app.kubernetes.io/name%3D"+name, &list); err != nil {
		return nil, err
	}
	var live []pod
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == nil && p.Status.Phase != "Failed" && p.Status.Phase != "Succeeded" {
			live = append(live, p)
		}
	}
	return live, nil
}

// endpoints returns the addresses of a Service's ready endpoints.
func (a *api) endpoints(namespace, service string) (map[string]bool, error) {
	var list struct {
		Items []struct {
			Endpoints []struct {
				Addresses  []string
				Conditions struct{ Ready *bool }
			}
		}
	}
	if err := a.get("/apis/discovery.k8s.io/v1/namespaces/"+namespace+"/endpointslices?labelSelector=kubernetes.io/service-name%3D"+service, &list); err != nil {
		return nil, err
	}
	ready := map[string]bool{}
	for _, s := range list.Items {
		for _, e := range s.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ready[e.Addresses[0]] = true
			}
		}
	}
	return ready, nil
}

// clusterIP returns the address of a Service.
func (a *api) clusterIP(namespace, service string) (string, error) {
	var s struct{ Spec struct{ ClusterIP string } }
	err := a.get("/api/v1/namespaces/"+namespace+"/services/"+service, &s)
	return s.Spec.ClusterIP, err
}

// kubectl runs kubectl as an administrator and returns its output.
func kubectl(args ...string) (string, error) {
	cmd := exec.Command(bin+"/kubectl", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+keys+"/admin.conf", "KUBECACHEDIR="+work+"/cache") // no kinds of an earlier cluster
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
