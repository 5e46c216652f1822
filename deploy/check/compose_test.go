package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

const root = "../.."

func loadCompose(text []byte) (*types.Project, error) {
	dir, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	return loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "docker-compose.yaml"), Content: text}},
		Environment: types.Mapping{}, // no variables of the developer's shell
	}, func(o *loader.Options) { o.SetProjectName("otelhealth", true) })
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func compose(t *testing.T) *types.Project {
	t.Helper()
	p, err := loadCompose(readFile(t, filepath.Join(root, "docker-compose.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeRefused(t *testing.T) {
	good := string(readFile(t, filepath.Join(root, "docker-compose.yaml")))
	tests := []struct{ name, old, new, want string }{
		{"unknown field", "mem_limit: 1g", "memory_limit: 1g", "memory_limit"},
		{"unknown service", "owners: { condition", "owner: { condition", "owner"},
		{"unknown condition", "condition: service_healthy", "condition: service_ready", "condition"},
		{"undefined volume", "grafana:/var/lib/grafana", "grafanas:/var/lib/grafana", "grafanas"},
		{"bad duration", "interval: 5s", "interval: 5 seconds", "duration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatalf("%q is not in the file", tt.old)
			}
			if _, err := loadCompose([]byte(bad)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s", err, tt.want)
			}
		})
	}
}

// TestComposeServices checks what every service needs. A new service easily misses one of these.
func TestComposeServices(t *testing.T) {
	p := compose(t)
	tag := regexp.MustCompile(`^[\w./-]+:v?\d+\.\d+(\.\d+)?[\w.-]*$`)
	for name, s := range p.Services {
		if s.MemLimit == 0 {
			t.Errorf("%s: no memory limit", name)
		}
		if s.Build == nil && !tag.MatchString(s.Image) {
			t.Errorf("%s: %s is not a fixed version", name, s.Image)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is published on %q", name, port.Published, port.HostIP)
			}
		}
		for to, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionHealthy && p.Services[to].HealthCheck == nil {
				t.Errorf("%s waits until %s is healthy, but %[2]s has no health check", name, to)
			}
		}
		if s.NetworkMode != "" && len(s.Ports) > 0 {
			t.Errorf("%s: has ports but no network", name)
		}
	}
	demo := p.Services["demo"]
	if !demo.ReadOnly || !slices.Equal(demo.CapDrop, []string{"ALL"}) || !slices.Contains(demo.SecurityOpt, "no-new-privileges:true") || strings.HasPrefix(demo.User, "0") {
		t.Errorf("the demo has more privileges than it needs: read_only %v, cap_drop %v, security_opt %v, user %q", demo.ReadOnly, demo.CapDrop, demo.SecurityOpt, demo.User)
	}
	grafana := p.Services["grafana"].Environment
	for name, want := range map[string]string{
		"GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer", "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true", "GF_AUTH_DISABLE_LOGIN_FORM": "true",
	} {
		if v := grafana[name]; v == nil || *v != want {
			t.Errorf("grafana: %s is not %s, so every visitor can change things", name, want)
		}
	}
	if v := grafana["GF_PLUGINS_PREINSTALL_DISABLED"]; v == nil || *v != "true" {
		t.Error("grafana updates its data sources at start, and loses them if the update fails")
	}
}

// TestComposeOwners checks that services without root own their volumes. A new volume belongs to
// root, unless the image has this directory with another owner.
func TestComposeOwners(t *testing.T) {
	p := compose(t)
	users := map[string]string{"tempo": "10001:10001"} // the user in the image; the service's own user wins
	for name, s := range p.Services {
		if s.User != "" {
			users[name] = s.User
		}
	}
	owned, dockerfile := 0, string(readFile(t, filepath.Join(root, "Dockerfile")))
	for name, user := range users {
		for _, v := range p.Services[name].Volumes {
			if v.Type != types.VolumeTypeVolume {
				continue
			}
			owned++
			if name == "demo" && strings.Contains(dockerfile, "--chown="+user+" "+v.Target+" "+v.Target+"\n") {
				continue // the image has the directory
			}
			if err := chowned(p, name, v.Source, user); err != nil {
				t.Errorf("%s can't write to %s: %v", name, v.Source, err)
			}
		}
	}
	if owned < 2 {
		t.Errorf("only %d volumes belong to services without root", owned)
	}
}

// chowned returns nil if the service waits for another service, and that one gives the volume to
// the user.
func chowned(p *types.Project, waits, volume, user string) error {
	for name, condition := range p.Services[waits].DependsOn {
		s := p.Services[name]
		if condition.Condition != types.ServiceConditionCompletedSuccessfully || len(s.Command) < 3 || s.Command[0] != "chown" {
			continue
		}
		for _, v := range s.Volumes {
			if v.Source == volume && slices.Contains(s.Command[2:], v.Target) {
				if s.Command[1] != user {
					return fmt.Errorf("%s gives it to %s, want %s", name, s.Command[1], user)
				}
				return nil
			}
		}
	}
	return errors.New("it waits for no service that runs chown on it")
}

// TestComposeDatabase checks that the demo logs in with the user that PostgreSQL creates.
func TestComposeDatabase(t *testing.T) {
	p := compose(t)
	u, err := url.Parse(*p.Services["demo"].Environment["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	env := p.Services["postgres"].Environment
	for name, got := range map[string]string{"POSTGRES_USER": u.User.Username(), "POSTGRES_PASSWORD": password, "POSTGRES_DB": strings.TrimPrefix(u.Path, "/")} {
		if want := env[name]; want == nil || *want != got {
			t.Errorf("the demo's DATABASE_URL differs from %s", name)
		}
	}
	// A laptop often has its own servers on these ports. Then compose up would fail.
	for _, name := range []string{"postgres", "valkey"} {
		if ports := p.Services[name].Ports; len(ports) > 0 {
			t.Errorf("%s: the port %s is published, but nobody needs it", name, ports[0].Published)
		}
	}
}

// TestCollectorVersion checks that compose and the manifests run the collector version of the
// tests.
func TestCollectorVersion(t *testing.T) {
	m := regexp.MustCompile(`go.opentelemetry.io/collector/otelcol v(\S+)`).FindSubmatch(readFile(t, filepath.Join(root, "e2e/collector/go.mod")))
	if m == nil {
		t.Fatal("no collector in e2e/collector")
	}
	if _, tag, _ := strings.Cut(compose(t).Services["collector"].Image, ":"); tag != string(m[1]) {
		t.Errorf("compose runs %s, the tests %s", tag, m[1])
	}
	if text := readFile(t, filepath.Join(root, "deploy/kubernetes/collector/kustomization.yaml")); !strings.Contains(string(text), "newTag: "+string(m[1])+" ") {
		t.Errorf("the manifests don't run %s", m[1])
	}
}

// TestComposeMounts checks that every mounted file and directory exists. If one is missing, the
// engine creates an empty directory instead.
func TestComposeMounts(t *testing.T) {
	p := compose(t)
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			info, err := os.Stat(v.Source)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if file := filepath.Ext(v.Target) != ""; file == info.IsDir() {
				t.Errorf("%s: %s is mounted as %s", name, v.Source, v.Target)
			}
			if !v.ReadOnly {
				t.Errorf("%s can write to %s", name, v.Source)
			}
		}
	}
	// Arguments and other files name these files, so they must be mounted.
	named := map[string][]string{}
	for name, s := range p.Services {
		for _, arg := range s.Command {
			if _, path, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(path, "/etc/") {
				named[name] = append(named[name], path)
			}
		}
	}
	for _, path := range prometheusFiles(t) {
		named["prometheus"] = append(named["prometheus"], filepath.Join("/etc/prometheus", path))
	}
	for _, name := range []string{"collector", "prometheus", "alertmanager", "tempo"} {
		if len(named[name]) == 0 {
			t.Errorf("no argument of %s names its configuration", name)
		}
		for _, path := range named[name] {
			if _, err := mounted(p.Services[name], path); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// prometheusFiles returns the paths of other files in prometheus.yaml.
func prometheusFiles(t *testing.T) (paths []string) {
	var c struct {
		RuleFiles []string `yaml:"rule_files"`
		Alerting  struct {
			Alertmanagers []struct {
				FileSDConfigs []struct{ Files []string } `yaml:"file_sd_configs"`
			}
		}
	}
	if err := yaml.Unmarshal(readFile(t, filepath.Join(root, "prometheus.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	paths = c.RuleFiles
	for _, a := range c.Alerting.Alertmanagers {
		for _, f := range a.FileSDConfigs {
			paths = append(paths, f.Files...)
		}
	}
	return paths
}

// mounted returns the files on this machine for a path or a pattern in the container.
func mounted(s types.ServiceConfig, path string) ([]string, error) {
	for _, v := range s.Volumes {
		rest, ok := strings.CutPrefix(path, v.Target)
		if !ok || (rest != "" && rest[0] != '/') {
			continue
		}
		files, err := filepath.Glob(v.Source + rest)
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("%s is %s, but that does not exist", path, v.Source+rest)
		}
		return files, err
	}
	return nil, fmt.Errorf("%s is not mounted", path)
}

// TestComposePrometheus checks prometheus.yaml and its files with promtool, in the layout of the
// mounts.
func TestComposePrometheus(t *testing.T) {
	promtool := servers.Server(t, root, "promtool")
	etc := t.TempDir()
	for _, v := range compose(t).Services["prometheus"].Volumes {
		rest, ok := strings.CutPrefix(v.Target, "/etc/prometheus/")
		if !ok {
			continue
		}
		target := filepath.Join(etc, rest)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.Symlink(v.Source, target)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(promtool, "check", "config", filepath.Join(etc, "prometheus.yaml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "rules found") {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// listening returns the ports of each service that other services can reach.
func listening(t *testing.T, p *types.Project) map[string][]int {
	t.Helper()
	ports := map[string][]int{ // the images' defaults, unchanged here
		"postgres": {5432}, "valkey": {6379}, "prometheus": {9090}, "alertmanager": {9093}, "grafana": {3000},
	}
	add := func(service, addr string) {
		host, port, err := net.SplitHostPort(addr)
		n, err2 := strconv.Atoi(port)
		if err := errors.Join(err, err2); err != nil {
			t.Errorf("%s: %v", service, err)
		}
		if host != "" && host != "0.0.0.0" {
			t.Errorf("%s listens on %s, and other containers can't reach that", service, addr)
		}
		ports[service] = append(ports[service], n)
	}
	for _, arg := range p.Services["demo"].Command {
		if name, addr, _ := strings.Cut(arg, "="); strings.HasSuffix(name, "addr") {
			add("demo", addr)
		}
	}
	// A variable works only if the collector's files name it.
	config := string(readFile(t, filepath.Join(root, "otel-collector-config.yaml"))) + string(readFile(t, filepath.Join(root, "otel-collector-traces.yaml")))
	env := p.Services["collector"].Environment
	for name, value := range env {
		if !strings.Contains(config, "${env:"+name+":-") {
			t.Errorf("collector: no file has ${env:%s}", name)
		}
		if strings.HasSuffix(name, "_ADDR") {
			add("collector", *value)
		}
	}
	add("collector", *env["COLLECTOR_METRICS_HOST"]+":"+*env["COLLECTOR_METRICS_PORT"])
	var tempo struct {
		Server struct {
			Port int `yaml:"http_listen_port"`
		}
		Distributor struct {
			Receivers struct {
				OTLP struct {
					Protocols map[string]struct{ Endpoint string }
				}
			}
		}
	}
	if err := yaml.Unmarshal(readFile(t, filepath.Join(root, "deploy/compose/tempo.yaml")), &tempo); err != nil {
		t.Fatal(err)
	}
	ports["tempo"] = append(ports["tempo"], tempo.Server.Port)
	for _, protocol := range tempo.Distributor.Receivers.OTLP.Protocols {
		add("tempo", protocol.Endpoint)
	}
	return ports
}

// TestComposePorts checks every address in the file and in the mounted files: a service must listen
// there.
func TestComposePorts(t *testing.T) {
	p := compose(t)
	ports := listening(t, p)
	check := func(where, service, port string) {
		if n, err := strconv.Atoi(port); err != nil || !slices.Contains(ports[service], n) {
			t.Errorf("%s: %s does not listen on %s, only on %v", where, service, port, ports[service])
		}
	}
	seen := 0
	for name, s := range p.Services {
		for _, port := range s.Ports {
			check(name+".ports", name, strconv.Itoa(int(port.Target)))
		}
		for variable, value := range s.Environment {
			u, err := url.Parse(*value)
			if err != nil || u.Host == "" {
				continue
			}
			seen++
			if _, ok := p.Services[u.Hostname()]; !ok {
				t.Errorf("%s.%s: there is no service %s", name, variable, u.Hostname())
			}
			check(name+"."+variable, u.Hostname(), u.Port())
		}
		if s.HealthCheck != nil {
			for _, arg := range s.HealthCheck.Test {
				if u, err := url.Parse(arg); err == nil && u.Hostname() == "localhost" {
					seen++
					check(name+".healthcheck", name, u.Port())
				}
			}
		}
	}
	var groups []struct{ Targets []string }
	if err := yaml.Unmarshal(readFile(t, filepath.Join(root, "deploy/compose/alertmanagers.yaml")), &groups); err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		for _, target := range g.Targets {
			seen++
			host, port, _ := net.SplitHostPort(target)
			check("alertmanagers.yaml", host, port)
		}
	}
	if seen < 9 {
		t.Errorf("found only %d addresses", seen)
	}
}

// TestComposeVariables checks that Grafana gets every variable of its files. A missing one gives an
// empty address.
func TestComposeVariables(t *testing.T) {
	env := compose(t).Services["grafana"].Environment
	files, err := filepath.Glob(filepath.Join(root, "grafana/provisioning/*/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Error("grafana has no provisioning files")
	}
	variable := regexp.MustCompile(`(^|[^$])\$\{?([A-Z_]+)`)
	for _, file := range files {
		for line := range strings.Lines(string(readFile(t, file))) {
			code, _, _ := strings.Cut(line, "#")
			for _, m := range variable.FindAllStringSubmatch(code, -1) {
				if env[m[2]] == nil {
					t.Errorf("%s: grafana has no variable %s", file, m[2])
				}
			}
		}
	}
}
