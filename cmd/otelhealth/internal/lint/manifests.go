package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

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
		return nil // not a Kubernetes object
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
