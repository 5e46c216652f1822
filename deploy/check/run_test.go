package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

func TestMain(m *testing.M) {
	code := m.Run()
	servers.Clean()
	os.Exit(code)
}

// engine stands for a container engine. A service is a process on its own loopback address. This
// address replaces the service's name, and a directory holds its mounts.
type engine struct {
	t       *testing.T
	project *types.Project
	ips     map[string]string
	volumes map[string]string // directory of each named volume
}

func newEngine(t *testing.T) *engine {
	e := &engine{t: t, project: compose(t), ips: map[string]string{}, volumes: map[string]string{}}
	for i, name := range slices.Sorted(maps.Keys(e.project.Services)) {
		e.ips[name] = fmt.Sprintf("127.78.%d.%d", os.Getpid()%250+1, i+1)
	}
	for name := range e.project.Volumes {
		e.volumes[name] = t.TempDir()
	}
	return e
}

var (
	anyAddress = regexp.MustCompile(`(^|=)(0\.0\.0\.0|localhost)?(:\d+$|$)`)
	service    = regexp.MustCompile(`(//|@)([a-z]+)([:/]|$)`)
	absolute   = regexp.MustCompile(`(^|=)(/[^/\s][^\s]*)$`)
)

// start starts a service with the file's arguments and variables. more are the image's own
// arguments.
func (e *engine) start(name, binary string, more ...string) *servers.Process {
	e.t.Helper()
	s := e.project.Services[name]
	tree := e.mount(s)
	env := []string{}
	for key, value := range s.Environment {
		env = append(env, key+"="+e.translate(name, tree, *value))
	}
	args := []string{}
	for _, a := range s.Command {
		args = append(args, e.translate(name, tree, a))
	}
	return servers.Start(e.t, binary, env, append(args, more...)...)
}

// mount creates a service's mounts as symbolic links.
func (e *engine) mount(s types.ServiceConfig) (tree string) {
	e.t.Helper()
	tree = e.t.TempDir()
	for _, v := range s.Volumes {
		source := v.Source
		if v.Type == types.VolumeTypeVolume {
			source = e.volumes[v.Source]
		}
		target := filepath.Join(tree, v.Target)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.Symlink(source, target)); err != nil {
			e.t.Fatal(err)
		}
	}
	return tree
}

// translate replaces a container's addresses and paths with those on this machine.
func (e *engine) translate(name, tree, value string) string {
	e.t.Helper()
	if value == "0.0.0.0" || strings.Contains(value, ":") {
		value = anyAddress.ReplaceAllString(value, "${1}"+e.ips[name]+"${3}")
	}
	value = service.ReplaceAllStringFunc(value, func(m string) string {
		part := service.FindStringSubmatch(m)
		if ip := e.ips[part[2]]; ip != "" {
			return part[1] + ip + part[3]
		}
		return m
	})
	return absolute.ReplaceAllStringFunc(value, func(m string) string {
		part := absolute.FindStringSubmatch(m)
		if !slices.ContainsFunc(e.project.Services[name].Volumes, func(v types.ServiceVolumeConfig) bool {
			return strings.HasPrefix(part[2]+"/", v.Target+"/")
		}) {
			e.t.Errorf("%s: %s is not mounted, so it is lost with the container or not writable", name, part[2])
		}
		return part[1] + tree + part[2]
	})
}

func (e *engine) url(name string, port int, path string) string {
	return fmt.Sprintf("http://%s:%d%s", e.ips[name], port, path)
}

// TestComposeRuns starts the services that this repository can build, with the file's arguments,
// variables and mounts. It follows a verdict from the demo to Prometheus. The demo runs without
// PostgreSQL and Valkey.
func TestComposeRuns(t *testing.T) {
	collector, prometheus := servers.Server(t, root, "collector"), servers.Server(t, root, "prometheus")
	e := newEngine(t)
	for _, name := range []string{"DATABASE_URL", "CACHE_URL"} {
		delete(e.project.Services["demo"].Environment, name)
	}
	e.start("prometheus", prometheus, "--web.listen-address="+e.ips["prometheus"]+":9090").WaitOK(e.url("prometheus", 9090, "/-/ready"))
	e.start("collector", collector).WaitOK(e.url("collector", 13133, "/"))
	binary := servers.LeanDemo(t, root)
	demo := e.start("demo", binary)
	demo.WaitOK(e.url("demo", 8000, "/ready"))

	s := e.project.Services["demo"]
	if test := s.HealthCheck.Test; len(test) < 2 || test[0] != "CMD" || test[1] != "/demo" {
		t.Errorf("the health check %q does not run /demo, the only program in the image", test)
	} else {
		args := slices.Clone(test[2:])
		for i := range args {
			args[i] = strings.Replace(args[i], "//localhost:", "//"+e.ips["demo"]+":", 1)
		}
		if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
			t.Errorf("the demo's health check: %v %s", err, out)
		}
	}
	for _, query := range []string{
		`sum by (job) (health_probe_status{job="laptop/demo",deployment_environment_name="laptop",health_probe_name="readiness",health_probe_state="pass"}) == 1`,
		`otelcol_exporter_queue_capacity{job="otel-collector"}`,
		`job:health_instances_ready:count{job="laptop/demo"} == 1`, // from a recording rule; the rule of the ratio takes a minute longer
	} {
		servers.Poll(t, query, func() error { return e.answers("query?query="+url.QueryEscape(query), `"metric":{`) })
	}
	if err := e.answers("alertmanagers", `alertmanager:9093`); err != nil {
		t.Error(err)
	}
	if err := e.answers("status/flags", `exemplar-storage`); err != nil {
		t.Error(err)
	}

	asked := time.Now()
	if code := demo.Stop(); code != 0 {
		t.Errorf("the demo: exit code %d", code)
	}
	if took, grace := time.Since(asked), time.Duration(*s.StopGracePeriod); took > grace {
		t.Errorf("the demo ended after %v; the engine kills it after %v", took, grace)
	}
}

// answers asks Prometheus and looks for want in the answer.
func (e *engine) answers(path, want string) error {
	res, err := servers.Client.Get(e.url("prometheus", 9090, "/api/v1/"+path))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !json.Valid(body) || !strings.Contains(string(body), want) {
		return fmt.Errorf("%s: %s without %s: %s", path, res.Status, want, body)
	}
	return nil
}
