package lint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const root = "../../../.."

// command runs the command, and returns its exit code.
func command(args []string, stdout, stderr io.Writer) int {
	c := Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetOut(stdout)
	switch err := c.Execute(); {
	case err == nil:
		return 0
	case errors.Is(err, ErrFound):
		return 1
	default:
		fmt.Fprintln(stderr, err)
		return 2
	}
}

// TestShipped: the lint finds nothing in this repository, and it has read enough to find something.
func TestShipped(t *testing.T) {
	for _, dir := range []string{"overlays/otlp", "overlays/scrape", "overlays/podmonitor", "collector"} {
		t.Run(dir, func(t *testing.T) {
			rules := filepath.Join(root, "grafana/alerts/otelhealth.yaml")
			s, err := read(filepath.Join(root, "cmd/demo"), rules, []string{filepath.Join(root, "deploy/kubernetes", dir)})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range s.lint() {
				t.Error(f)
			}
			if len(s.checks) < 6 || len(s.budgets) != 1 {
				t.Errorf("read only %d checks and %d budgets", len(s.checks), len(s.budgets))
			}
			if len(s.alerts) < 10 {
				t.Errorf("read only %d alerts", len(s.alerts))
			}
		})
	}
}

func TestReadChecks(t *testing.T) {
	checks, err := readChecks(filepath.Join(root, "cmd/demo"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range checks {
		if c.unreadable != "" {
			t.Errorf("%s: %s was not read", c.name, c.unreadable)
		}
		got[c.name] = c.detection().String()
	}
	for name, want := range map[string]string{"database": "12s", "latency": "1s", "queue": "1s"} {
		if got[name] != want {
			t.Errorf("%s is detected after %q, want %s", name, got[name], want)
		}
	}
}

const extra = `
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: demo }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: demo }
  minReplicas: 2
  maxReplicas: 5
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: 60 } }
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: { name: rules }
spec:
  groups:
    - name: health
      rules:
        - record: job:health_ready:count
          expr: count by (job) (health_probe_status)
        - alert: DatabaseDown
          expr: last_over_time(health_check_status{health_check_name="database",health_check_state="fail"}[2m]) == 1
          for: 1m
          labels: { severity: critical }
`

// stateful has a persistent volume.
const stateful = `---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: store }
spec:
  template:
    metadata: { labels: { app.kubernetes.io/name: store } }
    spec:
      securityContext: { runAsNonRoot: true }
      containers: [{ name: store, image: store }]
  volumeClaimTemplates: [{ metadata: { name: kept } }]
`

// scraped is the PodMonitor of its overlay.
const scraped = `
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: { name: demo }
spec:
  selector: { matchLabels: { app.kubernetes.io/name: demo } }
  podMetricsEndpoints: [{ port: admin, interval: 5s }]
`

// good is the otlp overlay with a HorizontalPodAutoscaler and alerts.
func good(t *testing.T) string {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy/kubernetes/overlays/otlp"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(text), "  replicas: 3\n", "", 1) + extra // replicas belong to the autoscaler
}

// export sets the export interval, before the exporter's variable.
func export(ms string) string {
	return "- name: OTEL_METRIC_EXPORT_INTERVAL\n          value: \"" + ms + "\"\n        - name: OTEL_EXPORTER"
}

// TestBroken breaks one thing at a time. The lint must report exactly the wanted findings.
func TestBroken(t *testing.T) {
	const code = "package p\n\nvar _ = []healthcheck.Check{{Name: \"database\", Func: f, Interval: 2 * time.Second, FailureThreshold: 2}}\n"
	tests := []struct {
		name, old, new string // text to replace in the manifests
		code           string // other code, or the usual code
		want           []string
	}{
		{name: "nothing"},
		{name: "a drain over the grace period", old: "-drain=10s", new: "-drain=25s",
			want: []string{"Deployment demo: the kubelet kills demo during its shutdown: preStop 5s, drain 25s and 14s for requests, jobs and telemetry make 44s, but terminationGracePeriodSeconds is 35s"}},
		{name: "a preStop over the grace period", old: "seconds: 5\n", new: "seconds: 20\n", want: []string{"make 44s"}},
		{name: "a grace period under the drain", old: "terminationGracePeriodSeconds: 35", new: "terminationGracePeriodSeconds: 20", want: []string{"is 20s"}},
		{name: "the default grace period", old: "terminationGracePeriodSeconds: 35", new: "hostNetwork: false"}, // the default is 30 s, still enough
		{name: "a bad duration", old: "-drain=10s", new: "-drain=10", want: []string{"missing unit"}},
		{name: "no drain", old: "-drain=10s", new: "-drain=0s"}, // preStop serves as the drain
		{name: "an unknown port", old: "path: /ready\n            port: http", new: "path: /ready\n            port: htpp",
			want: []string{"the readiness probe's port htpp is not a port of the container"}},
		{name: "a port without a listener", old: "containerPort: 8000", new: "containerPort: 8080",
			want: []string{"the startup probe asks port 8080", "the liveness probe asks port 8080", "the readiness probe asks port 8080, but it listens only on [8000 8001]", "asks its peers at port 8000, but has no such port"}},
		{name: "a listener on another port", old: "-addr=:8000", new: "-addr=:9000",
			want: []string{"listens only on [9000 8001]", "listens only on [9000 8001]", "listens only on [9000 8001]"}},
		{name: "the wrong probe", old: "path: /health", new: "path: /ready", want: []string{"the liveness probe asks /ready", "asks /ready as the readiness probe does: if that judges a dependency, its outage restarts every instance"}},
		{name: "a failure threshold of one", old: "failureThreshold: 3\n", new: "failureThreshold: 1\n", want: []string{"one lost liveness probe restarts it"}},
		{name: "a timeout over the period", old: "periodSeconds: 3\n", new: "periodSeconds: 2\n", want: []string{"the readiness probe's timeout of 3 s is longer than its period of 2 s"}},
		{name: "memory", old: "value: 230MiB", new: "value: 1GiB", want: []string{"GOMEMLIMIT 1GiB is not below the memory limit of 256Mi"}},
		{name: "both", old: "---\napiVersion: autoscaling/v2", new: strings.TrimPrefix(scraped, "\n") + "---\napiVersion: autoscaling/v2",
			want: []string{"Deployment demo: exports twice: PodMonitor demo scrapes it, and OTEL_EXPORTER_OTLP_ENDPOINT makes it push"}},
		{name: "a drain that a scrape can miss", old: "---\napiVersion: autoscaling/v2", new: strings.Replace(strings.TrimPrefix(scraped, "\n"), "5s", "15s", 1) + "---\napiVersion: autoscaling/v2",
			want: []string{"exports twice", "demo drains for 10s, less than two scrapes of PodMonitor demo (15s each): its end may look like a kill"}},
		{name: "both, with an annotation", old: "  template:\n    metadata:\n", new: "  template:\n    metadata:\n      annotations: { prometheus.io/scrape: \"true\" }\n",
			want: []string{"its annotation asks for scrapes"}},
		{name: "a budget of zero", old: "maxUnavailable: 1\n  selector", new: "maxUnavailable: 0\n  selector", want: []string{"no pod of Deployment demo can ever be evicted"}},
		{name: "a budget over the autoscaler's minimum", old: "maxUnavailable: 1\n  selector", new: "minAvailable: 2\n  selector",
			want: []string{"minAvailable is 2, but Deployment demo may have only 2"}},
		{name: "a budget that blocks the drain of nodes", old: "unhealthyPodEvictionPolicy: AlwaysAllow", new: "unhealthyPodEvictionPolicy: IfHealthyBudget",
			want: []string{"unhealthyPodEvictionPolicy is not AlwaysAllow"}},
		{name: "a budget without pods", old: "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: demo", new: "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: dmeo",
			want: []string{"PodDisruptionBudget demo: selects no pods"}},
		{name: "a budget of 80 %", old: "maxUnavailable: 1\n  selector", new: "minAvailable: 80%\n  selector",
			want: []string{"minAvailable is 80%, but Deployment demo may have only 2"}},
		{name: "a budget of 50 %", old: "maxUnavailable: 1\n  selector", new: "minAvailable: 50%\n  selector"},
		{name: "a Service for other pods", old: "  selector:\n    app.kubernetes.io/name: demo\n", new: "  selector:\n    app.kubernetes.io/name: dmeo\n",
			want: []string{"Service demo: selects no pods"}},
		{name: "a Service to an unknown port", old: "targetPort: http", new: "targetPort: web",
			want: []string{"sends to the port web, but Deployment demo has", "opens the port web to nobody"}},
		{name: "a policy for other pods", old: "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: demo\n", new: "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: dmeo\n",
			want: []string{"NetworkPolicy demo: selects no pods", "opens the port http", "opens the port admin"}},
		{name: "a policy for an unknown port", old: "- port: admin\n", new: "- port: metrics\n", want: []string{"opens the port metrics, but its pods have no such port"}},
		{name: "a policy that blocks the Service", old: "    - port: http\n", new: "    - port: admin\n", want: []string{"does not let its own pods in", "NetworkPolicy demo: opens the port http to nobody, but Service demo sends there", "but Service demo-peers sends there"}},
		{name: "a policy for nobody", old: "  - from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: monitoring\n", new: "  - from:\n    - podSelector:\n        matchLabels:\n          app: prometheus\n",
			want: []string{"lets in pods with map[app:prometheus], but there are none"}},
		{name: "a path on the read-only file system", old: "-data=/data", new: "-data=/var/lib/demo", want: []string{"/var/lib/demo is not on a volume"}},
		{name: "no volume", old: "        - mountPath: /data\n          name: data\n", new: "", want: []string{"/data is not on a volume", "/data/blackbox is not on a volume"}},
		{name: "a missing file", old: "kind: ConfigMap\n", new: "kind: ConfigMap\ndata:\n  maintenance: \"\"\n  override: \"\"\n",
			want: []string{"/etc/demo/overrides is not in ConfigMap demo-operators, only [maintenance override]"}},
		{name: "an unknown ConfigMap", old: "name: demo-operators\n          optional", new: "name: demo-operator\n          optional",
			want: []string{"there is no ConfigMap demo-operator", "there is no ConfigMap demo-operator"}},
		{name: "a variable set too late", old: "- name: POD_UID\n", new: "- name: POD_ID\n", want: []string{"OTEL_RESOURCE_ATTRIBUTES names $(POD_UID), but that is not set before it"}},
		{name: "memory in Kubernetes' units", old: "value: 230MiB", new: "value: 230Mi", want: []string{"GOMEMLIMIT 230Mi is invalid"}},
		{name: "a preStop that runs sleep", old: "sleep:\n              seconds: 5\n", new: "exec:\n              command: [/bin/sleep, \"20\"]\n", want: []string{"preStop 20s"}},
		{name: "a volume of root", old: "---\napiVersion: autoscaling/v2", new: stateful + "---\napiVersion: autoscaling/v2",
			want: []string{"StatefulSet store: runs without root and has no fsGroup, so it can't write to: kept"}},
		{name: "a volume with fsGroup", old: "---\napiVersion: autoscaling/v2", new: strings.Replace(stateful, "runAsNonRoot: true", "runAsNonRoot: true, fsGroup: 1", 1) + "---\napiVersion: autoscaling/v2"},
		{name: "replicas twice", old: "spec:\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: demo\n  strategy", new: "spec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: demo\n  strategy",
			want: []string{"Deployment demo sets replicas"}},
		{name: "a scaler without a target", old: "kind: Deployment, name: demo", new: "kind: Deployment, name: dmeo", want: []string{"scales Deployment dmeo, but that does not exist"}},
		{name: "a scaler without requests", old: "            cpu: 50m\n", new: "", want: []string{"scales by the utilization of cpu, but demo has no request for it"}},
		{name: "a maximum below the minimum", old: "minReplicas: 2", new: "minReplicas: 6", want: []string{"minReplicas 6 is more than maxReplicas 5"}},
		{name: "an alert before the detection", old: "for: 1m", new: "for: 15s",
			want: []string{`alert DatabaseDown: for 15s is too short, because a verdict is visible only after 6.5s of the check "database" and 15s until the next export`}},
		{name: "a slow check", code: "package p\n\nvar _ = healthcheck.Check{Name: \"database\", Func: f, Interval: time.Minute}\n", want: []string{`1m7s of the check "database"`}},
		{name: "the SDK's export interval", old: "- name: OTEL_EXPORTER", new: export("60000"), want: []string{"for 1m0s is too short"}},
		{name: "a rare export", old: "- name: OTEL_EXPORTER", new: export("90000"), want: []string{"looks back 2m0s, less than two export intervals of 1m30s", "is too short"}},
		{name: "a missing check", code: "package p\n\nvar _ = healthcheck.Check{Name: \"store\", Func: f}\n", want: []string{`names the check "database", but the code has no such check`}},
		{name: "a field that is not a constant", code: "package p\n\nvar _ = healthcheck.Check{Name: \"database\", Func: f, Interval: *interval}\n", want: []string{"check database: Interval is not a constant"}},
		{name: "no Service of peers", old: "-peers=demo-peers:8000", new: "-peers=demo-pears:8000", want: []string{"Deployment demo: demo asks its peers at demo-pears, but there is no Service demo-pears"}},
		{name: "peers by a name with dots", old: "-peers=demo-peers:8000", new: "-peers=demo-peers.shop.svc:8000/ready"},
		{name: "peers at the port of the Service", old: "-peers=demo-peers:8000", new: "-peers=demo-peers:80", want: []string{"asks its peers at port 80, but has no such port"}},
		{name: "peers behind one address", old: "  clusterIP: None\n", new: "", want: []string{"Service demo-peers is not headless"}},
		{name: "hidden peers", old: "  publishNotReadyAddresses: true\n", new: "", want: []string{"hides instances that are not ready: set publishNotReadyAddresses: true"}},
		{name: "a policy that keeps peers out", old: "  - ports:\n    - port: http\n", new: "  - ports:\n    - port: http\n    from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: ingress\n",
			want: []string{"asks its peers at port 8000, but NetworkPolicy demo does not let its own pods in"}},
		{name: "peers in the code", old: "        - -peers=demo-peers:8000\n", new: "", code: "package p\n\nimport \"github.com/otelhealth/otelhealth/healthcheck\"\n\nvar _ = healthcheck.Config{Peers: \"orders-peers:8000\", Checks: []healthcheck.Check{{Name: \"database\", Func: f}}}\n",
			want: []string{"but there is no Service orders-peers"}},
		{name: "bad for", old: "for: 1m", new: "for: a minute", want: []string{"for: "}},
	}
	whole := good(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(whole, tt.old, tt.new, 1)
			if tt.old != "" && text == whole {
				t.Fatalf("%q is not in\n%s", tt.old, whole)
			}
			dir := t.TempDir()
			source := code
			if tt.code != "" {
				source = tt.code
			}
			for name, text := range map[string]string{"all.yaml": text, "p.go": source} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out, errs bytes.Buffer
			rc := command([]string{"--code", dir, dir}, &out, &errs)
			if errs.Len() > 0 || rc == 2 {
				t.Fatal(rc, errs.String())
			}
			found := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if out.Len() == 0 {
				found = nil
			}
			if len(found) != len(tt.want) || (rc == 1) != (len(tt.want) > 0) {
				t.Fatalf("exit code %d, %d findings, want %d:\n%s", rc, len(found), len(tt.want), out.String())
			}
			for i, want := range tt.want {
				if !strings.Contains(found[i], want) {
					t.Errorf("found %q, want %q", found[i], want)
				}
			}
		})
	}
}

// TestPage: the command on docs/choosing-limits.md finds nothing in this repository.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/choosing-limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^go -C cmd/otelhealth run \. lint (.*)$`).FindSubmatch(text)
	if line == nil {
		t.Fatal("the page has no such command")
	}
	t.Chdir("../..")
	var out, errs bytes.Buffer
	if rc := command(strings.Fields(string(line[1])), &out, &errs); rc != 0 {
		t.Errorf("exit code %d: %s%s", rc, out.String(), errs.String())
	}
}

// TestNothing: the lint fails if its arguments contain nothing to check.
func TestNothing(t *testing.T) {
	empty := t.TempDir()
	overlay := filepath.Join(root, "deploy/kubernetes/overlays/otlp")
	for _, args := range [][]string{{}, {"-x", overlay}, {empty}, {filepath.Join(empty, "none")}, {"--code", empty, overlay}, {"--alerts", filepath.Join(root, "prometheus.yaml"), overlay}} {
		var out, errs bytes.Buffer
		if rc := command(args, &out, &errs); rc != 2 || errs.Len() == 0 {
			t.Errorf("%q: exit code %d, %s", args, rc, errs.String())
		}
	}
}

// TestEnding compares the lint's time for a shutdown after the drain with the limits in the code.
func TestEnding(t *testing.T) {
	var all time.Duration
	for file, limit := range map[string]string{
		"healthcheck/config.go": `defaultShutdownTimeout = (\d+) \* time\.Second`,
		"cmd/demo/jobs.go":      `deadline := time\.Now\(\)\.Add\((\d*)(?: \* )?time\.Second\)`,
		"telemetry/shutdown.go": `const closeLimit = (\d+) \* time\.Second`,
	} {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(limit).FindSubmatch(text)
		if found == nil {
			t.Fatalf("%s has no %s", file, limit)
		}
		n, err := strconv.Atoi(cmp.Or(string(found[1]), "1"))
		if err != nil {
			t.Fatal(err)
		}
		all += time.Duration(n) * time.Second
	}
	if all != ending {
		t.Errorf("the code allows %v, the lint counts %v", all, ending)
	}
}

// TestReadPeers: only the Config of this library has Peers, by any name, and perhaps as a constant.
func TestReadPeers(t *testing.T) {
	const path = `"github.com/otelhealth/otelhealth/healthcheck"`
	for code, want := range map[string]string{
		"import " + path + "\nvar _ = healthcheck.Config{Peers: \"a:1\"}":                        "a:1",
		"import h " + path + "\nvar _ = h.New(h.Config{Terse: true, Peers: \"a:1\"})":            "a:1",
		"import " + path + "\nconst peers = \"a:1\"\nvar _ = healthcheck.Config{Peers: peers}":   "a:1",
		"import " + path + "\nvar _ = healthcheck.Config{Peers: *flag}":                          "",
		"import " + path + "\nvar _ = healthcheck.Config{}\nvar _ = raft.Config{Peers: \"b:2\"}": "",
		"type Config struct { Peers string }\nvar _ = Config{Peers: \"b:2\"}":                    "",
		"import healthcheck \"example.com/other\"\nvar _ = healthcheck.Config{Peers: \"b:2\"}":   "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte("package p\n\n"+code+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPeers(dir); got != want || err != nil {
			t.Errorf("%s\n%q, %v; want %q", code, got, err, want)
		}
	}
}
