package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// system is all that has to agree. The types have what is looked at; whether the rest
// is right is for the API server to say.
type system struct {
	workloads  []workload
	services   []service
	policies   []policy
	configMaps []configMap
	budgets    []budget
	scalers    []scaler
	monitors   []monitor
	alerts     []alert
	checks     []check
}

type meta struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

func (s selector) selects(labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

type workload struct {
	Kind     string
	Metadata meta
	Spec     struct {
		Replicas *int
		Template struct {
			Metadata meta
			Spec     struct {
				Grace    *int `yaml:"terminationGracePeriodSeconds"`
				Security struct {
					NonRoot bool `yaml:"runAsNonRoot"`
					User    int  `yaml:"runAsUser"`
					Group   int  `yaml:"fsGroup"`
				} `yaml:"securityContext"`
				Containers []container
				Volumes    []volume
			}
		}
		Claims []struct{ Metadata meta } `yaml:"volumeClaimTemplates"`
	}
}

type volume struct {
	Name      string
	ConfigMap *struct {
		Name  string
		Items []struct{ Key string }
	} `yaml:"configMap"`
	Claim *struct{} `yaml:"persistentVolumeClaim"`
}

// replicas is one where nothing is said.
func (w workload) replicas() int {
	if w.Spec.Replicas == nil {
		return 1
	}
	return *w.Spec.Replicas
}

type container struct {
	Name  string
	Args  []string
	Env   []struct{ Name, Value string }
	From  []any `yaml:"envFrom"`
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Startup   *probe `yaml:"startupProbe"`
	Liveness  *probe `yaml:"livenessProbe"`
	Readiness *probe `yaml:"readinessProbe"`
	Lifecycle struct {
		PreStop struct {
			Sleep struct{ Seconds int }
			Exec  struct{ Command []string }
		} `yaml:"preStop"`
	}
	Resources struct{ Requests, Limits map[string]string }
	Security  struct {
		ReadOnly bool `yaml:"readOnlyRootFilesystem"`
	} `yaml:"securityContext"`
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

var sleeps = regexp.MustCompile(`(^|[ /])sleep (\d+)s?($|[ ;&])`)

// preStop is how long a container is left before it gets the signal.
func (c container) preStop() time.Duration {
	seconds := c.Lifecycle.PreStop.Sleep.Seconds
	if m := sleeps.FindStringSubmatch(strings.Join(c.Lifecycle.PreStop.Exec.Command, " ")); m != nil {
		seconds, _ = strconv.Atoi(m[2])
	}
	return time.Duration(seconds) * time.Second
}

// arg returns the value of a flag, however it is written.
func (c container) arg(name string) (string, bool) {
	for i, a := range c.Args {
		key, value, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
		switch {
		case !strings.HasPrefix(a, "-") || key != name:
		case given:
			return value, true
		case i+1 < len(c.Args):
			return c.Args[i+1], true
		}
	}
	return "", false
}

func (c container) env(name string) (string, bool) {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value, true
		}
	}
	return "", false
}

type probe struct {
	HTTPGet *struct {
		Path string
		Port any
	} `yaml:"httpGet"`
	Period    int `yaml:"periodSeconds"`
	Timeout   int `yaml:"timeoutSeconds"`
	Failures  int `yaml:"failureThreshold"`
	Successes int `yaml:"successThreshold"`
}

// defaults are the API server's.
func (p *probe) defaults() {
	if p == nil {
		return
	}
	for field, value := range map[*int]int{&p.Period: 10, &p.Timeout: 1, &p.Failures: 3} {
		if *field == 0 {
			*field = value
		}
	}
}

type budget struct {
	Metadata meta
	Spec     struct {
		MinAvailable   any    `yaml:"minAvailable"`
		MaxUnavailable any    `yaml:"maxUnavailable"`
		Unhealthy      string `yaml:"unhealthyPodEvictionPolicy"`
		Selector       selector
	}
}

type scaler struct {
	Metadata meta
	Spec     struct {
		Target  struct{ Kind, Name string } `yaml:"scaleTargetRef"`
		Min     *int                        `yaml:"minReplicas"`
		Max     int                         `yaml:"maxReplicas"`
		Metrics []struct {
			Resource struct {
				Name   string
				Target struct{ Type string }
			}
		}
	}
}

func (s scaler) min() int {
	if s.Spec.Min == nil {
		return 1
	}
	return *s.Spec.Min
}

// monitor is a PodMonitor, or a ServiceMonitor, whose Service is taken to have the
// labels of its pods.
type monitor struct {
	Kind     string
	Metadata meta
	Spec     struct {
		Selector  selector
		Pods      []struct{ Port string } `yaml:"podMetricsEndpoints"`
		Endpoints []struct{ Port string }
	}
}

type alert struct {
	Alert, Expr string
	For         string
	Labels      map[string]string
}

// wait is the alert's for.
func (a alert) wait() (time.Duration, error) { return prometheusDuration(a.For) }

// prometheusDuration reads 1h30m as Prometheus does; days are its longest here.
func prometheusDuration(s string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(s, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		if err != nil || rest != "" {
			return 0, fmt.Errorf("%q is no duration", s)
		}
		return 24 * d, nil
	}
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}

type ruleGroups struct {
	Groups []struct{ Rules []alert }
}

func (s *system) readManifests(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return s.documents(path, text)
	}
	if _, err := os.Stat(filepath.Join(path, "kustomization.yaml")); err == nil {
		resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
		if err != nil {
			return err
		}
		text, err := resources.AsYaml()
		if err != nil {
			return err
		}
		return s.documents(path, text)
	}
	return filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || (filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return s.documents(path, text)
	})
}

func (s *system) documents(path string, text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.document(&n)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

func (s *system) document(n *yaml.Node) error {
	var head struct{ Kind string }
	if err := n.Decode(&head); err != nil {
		return nil // no object: not ours
	}
	switch head.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return keep(n, &s.workloads, func(w *workload) {
			for i := range w.Spec.Template.Spec.Containers {
				c := &w.Spec.Template.Spec.Containers[i]
				for _, p := range []*probe{c.Startup, c.Liveness, c.Readiness} {
					p.defaults()
				}
			}
		})
	case "Service":
		return keep(n, &s.services, nil)
	case "NetworkPolicy":
		return keep(n, &s.policies, nil)
	case "ConfigMap":
		return keep(n, &s.configMaps, nil)
	case "PodDisruptionBudget":
		return keep(n, &s.budgets, nil)
	case "HorizontalPodAutoscaler":
		return keep(n, &s.scalers, nil)
	case "PodMonitor", "ServiceMonitor":
		return keep(n, &s.monitors, nil)
	case "PrometheusRule":
		var r struct{ Spec ruleGroups }
		if err := n.Decode(&r); err != nil {
			return err
		}
		s.addAlerts(r.Spec)
	}
	return nil
}

func keep[T any](n *yaml.Node, list *[]T, fix func(*T)) error {
	var v T
	if err := n.Decode(&v); err != nil {
		return err
	}
	if fix != nil {
		fix(&v)
	}
	*list = append(*list, v)
	return nil
}

func (s *system) readAlerts(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var g ruleGroups
	if err := yaml.Unmarshal(text, &g); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !s.addAlerts(g) {
		return fmt.Errorf("no alert in %s", path)
	}
	return nil
}

func (s *system) addAlerts(g ruleGroups) (any bool) {
	for _, group := range g.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				s.alerts = append(s.alerts, r)
				any = true
			}
		}
	}
	return any
}
