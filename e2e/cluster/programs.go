package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/otelhealth/otelhealth/e2e/cluster/machine"
	"github.com/otelhealth/otelhealth/e2e/servers"
)

// root is the repository.
const root = "../.."

// bin has kubectl and the other programs under the names that a person types.
const bin = "/run/shared/bin"

// programs are the paths of the binaries, and the tags under which the manifests name them.
type programs struct {
	kubernetes, coredns, collector, prometheus, demo, calls, pause string
	collectorTag, prometheusTag                                    string
}

// build builds the programs. It runs outside of the machine first, where Go can fetch modules, and
// inside again, where it finds everything built and writes the two small ones into memory.
func build() (p programs, err error) {
	for name, path := range map[string]*string{"kubernetes": &p.kubernetes, "coredns": &p.coredns, "collector": &p.collector, "prometheus": &p.prometheus} {
		if *path, err = servers.Prepare(root, name, nil); err != nil {
			return p, err
		}
	}
	if p.demo, err = static(root, "./cmd/demo"); err != nil {
		return p, err
	}
	for pkg, path := range map[string]*string{"./calls": &p.calls, "./pause": &p.pause} {
		if *path, err = static(".", pkg); err != nil {
			return p, err
		}
	}
	if p.collectorTag, err = tag("collector", "otel/opentelemetry-collector-contrib"); err != nil {
		return p, err
	}
	p.prometheusTag, err = tag("prometheus", "prom/prometheus")
	return p, err
}

// static builds a program for an image.
func static(dir, pkg string) (path string, err error) {
	path = os.DevNull
	if machine.Name() != "" {
		path = filepath.Join(bin, filepath.Base(pkg))
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// tag returns the tag that a kustomization pins for an image.
func tag(dir, image string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes", dir, "kustomization.yaml"))
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(regexp.QuoteMeta(image) + `\n\s+newTag: (\S+)`).FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("deploy/kubernetes/%s pins no tag of %s", dir, image)
	}
	return string(m[1]), nil
}
