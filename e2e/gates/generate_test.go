package gates

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	job       = "shop/orders"
	namespace = "shop"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gates")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "otelhealth")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "../../cmd/otelhealth"
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// generate runs the command, and returns its manifests.
func generate(t *testing.T, args ...string) (manifests [][]byte) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"generate", "--job", job, "--name", "orders", "--namespace", namespace}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v, %s", args, err, &errs)
	}
	for _, text := range strings.Split(string(out), "\n---\n") {
		manifests = append(manifests, []byte(text))
	}
	return manifests
}

// read reads a manifest into the project's own type. An unknown field is an error.
func read[T any](t *testing.T, text []byte) *T {
	t.Helper()
	v := new(T)
	if err := yaml.UnmarshalStrict(text, v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}
