package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// series is one result of a query.
type series struct {
	Metric map[string]string
	Value  [2]any
}

// ask sends a GET request to the cluster's Prometheus.
func ask(path string, v any) error {
	ip, err := cluster.clusterIP("monitoring", "prometheus")
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Get("http://" + ip + ":9090/api/v1/" + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(path + ": " + res.Status)
	}
	return json.NewDecoder(res.Body).Decode(v)
}

func query(expression string) ([]series, error) {
	var answer struct{ Data struct{ Result []series } }
	err := ask("query?query="+url.QueryEscape(expression), &answer)
	return answer.Data.Result, err
}

// TestReady: everything as shipped gets ready, from nothing.
func TestReady(t *testing.T) {
	needs(t)
	demo(t, "default")
	t.Logf("the node was ready after %v, and everything %v after kubectl apply", tookNode.Round(100*time.Millisecond), tookReady.Round(100*time.Millisecond))
}

// TestVerdictInPrometheus: each pod's verdict arrives by agent and gateway, under the pod's name, and
// all rules evaluate.
func TestVerdictInPrometheus(t *testing.T) {
	needs(t)
	pods := demo(t, "default")
	wait(t, "Prometheus has the verdict of each pod", func() error {
		for _, p := range pods {
			found, err := query(fmt.Sprintf(`health_probe_status{health_probe_name="readiness",health_probe_state="pass",k8s_pod_name=%q} == 1`, p.Metadata.Name))
			if err != nil {
				return err
			}
			if len(found) != 1 {
				return fmt.Errorf("%s: %v", p.Metadata.Name, found)
			}
			if m := found[0].Metric; m["job"] != "default/demo" || m["instance"] != p.Metadata.UID+".demo" || m["k8s_node_name"] != first.Name {
				return fmt.Errorf("%s: %v", p.Metadata.Name, m)
			}
		}
		return nil
	})
	wait(t, "all rules are healthy", func() error {
		var answer struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		if err := ask("rules", &answer); err != nil {
			return err
		}
		n := 0
		for _, g := range answer.Data.Groups {
			for _, r := range g.Rules {
				n++
				if r.Health != "ok" {
					return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
				}
			}
		}
		if n < 30 {
			return fmt.Errorf("only %d rules", n)
		}
		return nil
	})
}

// alerts returns the names of the alerts that fire for a namespace.
func alerts(namespace string) (string, error) {
	found, err := query(fmt.Sprintf(`ALERTS{alertstate="firing",job="%s/demo"}`, namespace))
	var names []string
	for _, s := range found {
		names = append(names, s.Metric["alertname"]+" "+s.Metric["severity"])
	}
	return strings.Join(names, ", "), err
}
