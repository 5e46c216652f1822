package servers

import (
	"path/filepath"
	"testing"
)

// PrometheusArgs returns Prometheus' arguments for the shipped configuration of the repository in
// root.
func PrometheusArgs(root, addr, dir string) []string {
	return []string{
		"--config.file=" + filepath.Join(root, "prometheus.yaml"),
		"--web.listen-address=" + addr,
		"--storage.tsdb.path=" + dir,
		"--web.enable-otlp-receiver",
		"--enable-feature=exemplar-storage",
	}
}

// Prometheus starts Prometheus at addr with the shipped configuration of the repository in root. It
// keeps its data in dir, also for the next start.
func Prometheus(t testing.TB, root, addr, dir string) *Process {
	t.Helper()
	return PrometheusWith(t, root, filepath.Join(root, "prometheus.yaml"), addr, dir)
}

// PrometheusWith is Prometheus with another configuration and more flags.
func PrometheusWith(t testing.TB, root, config, addr, dir string, flags ...string) *Process {
	t.Helper()
	args := PrometheusArgs(absolute(t, root), addr, dir)
	args[0] = "--config.file=" + absolute(t, config)
	p := Start(t, Server(t, root, "prometheus"), nil, append(args, flags...)...)
	p.WaitOK("http://" + addr + "/-/ready")
	return p
}

// absolute is for a process in another working directory.
func absolute(t testing.TB, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
