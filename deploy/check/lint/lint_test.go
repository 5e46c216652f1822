package main

import (
	"bytes"
	"cmp"
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

const root = "../../.."

// TestShipped is what the repository ships: it agrees with itself, and there is
// something in it to agree.
func TestShipped(t *testing.T) {
	for _, dir := range []string{"overlays/otlp", "overlays/scrape", "collector"} {
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
			t.Errorf("%s: %s is not read", c.name, c.unreadable)
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

// stateful keeps something.
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

// scraped is what the scrape overlay adds.
const scraped = `
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: { name: demo }
spec:
  selector: { matchLabels: { app.kubernetes.io/name: demo } }
  podMetricsEndpoints: [{ port: admin }]
`

// good is the otlp overlay, with a HorizontalPodAutoscaler and alerts beside it.
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
	return strings.Replace(string(text), "  replicas: 3\n", "", 1) + extra // the autoscaler's business
}

// export puts a variable before that of the exporter.
func export(ms string) string {
	return "- name: OTEL_METRIC_EXPORT_INTERVAL\n          value: \"" + ms + "\"\n        - name: OTEL_EXPORTER"
}

// TestBroken breaks one thing at a time. Each finding is asked for by its words, and
// nothing else may be found.
func TestBroken(t *testing.T) {
	const code = "package p\n\nvar _ = []healthcheck.Check{{Name: \"database\", Func: f, Interval: 2 * time.Second, FailureThreshold: 2}}\n"
	tests := []struct {
		name, old, new string // in the manifests, or
		code           string // instead of code
		want           []string
	}{
		{name: "nothing"},
		{name: "a drain over the grace", old: "-drain=10s", new: "-drain=25s",
			want: []string{"Deployment demo: demo is killed while it ends: preStop 5s, drain 25s and 14s for requests, jobs and telemetry are 44s, and terminationGracePeriodSeconds is 35s"}},
		{name: "a preStop over the grace", old: "seconds: 5\n", new: "seconds: 20\n", want: []string{"are 44s"}},
		{name: "a grace under the drain", old: "terminationGracePeriodSeconds: 35", new: "terminationGracePeriodSeconds: 20", want: []string{"is 20s"}},
		{name: "the default grace", old: "terminationGracePeriodSeconds: 35", new: "hostNetwork: false"}, // 30: still enough
		{name: "no duration", old: "-drain=10s", new: "-drain=10", want: []string{"missing unit"}},
		{name: "a drain that no probe sees", old: "-drain=10s", new: "-drain=0s"}, // preStop is one
		{name: "an unknown port", old: "path: /ready\n            port: http", new: "path: /ready\n            port: htpp",
			want: []string{"the readiness probe's port htpp is no port"}},
		{name: "a port that nobody listens on", old: "containerPort: 8000", new: "containerPort: 8080",
			want: []string{"the startup probe asks port 8080", "the liveness probe asks port 8080", "the readiness probe asks port 8080, and it listens on [8000 8001]"}},
		{name: "a listener elsewhere", old: "-addr=:8000", new: "-addr=:9000",
			want: []string{"listens on [9000 8001]", "listens on [9000 8001]", "listens on [9000 8001]"}},
		{name: "the wrong probe", old: "path: /health", new: "path: /ready", want: []string{"the liveness probe asks /ready"}},
		{name: "an impatient probe", old: "failureThreshold: 3\n", new: "failureThreshold: 1\n", want: []string{"one liveness probe that is lost restarts it"}},
		{name: "a timeout over the period", old: "periodSeconds: 5", new: "periodSeconds: 2", want: []string{"the readiness probe's timeout of 3 s is longer than its period of 2 s"}},
		{name: "memory", old: "value: 230MiB", new: "value: 1GiB", want: []string{"GOMEMLIMIT 1GiB does not keep it under its limit of 256Mi"}},
		{name: "both", old: "---\napiVersion: autoscaling/v2", new: strings.TrimPrefix(scraped, "\n") + "---\napiVersion: autoscaling/v2",
			want: []string{"Deployment demo: is scraped by PodMonitor demo and pushes by OTEL_EXPORTER_OTLP_ENDPOINT"}},
		{name: "both by annotation", old: "  template:\n    metadata:\n", new: "  template:\n    metadata:\n      annotations: { prometheus.io/scrape: \"true\" }\n",
			want: []string{"is scraped by its annotation"}},
		{name: "a budget of none", old: "maxUnavailable: 1\n  selector", new: "maxUnavailable: 0\n  selector", want: []string{"no pod of Deployment demo can ever be evicted"}},
		{name: "a budget over the autoscaler's least", old: "maxUnavailable: 1\n  selector", new: "minAvailable: 2\n  selector",
			want: []string{"minAvailable 2 of Deployment demo, which may have 2"}},
		{name: "a budget that holds nodes", old: "unhealthyPodEvictionPolicy: AlwaysAllow", new: "unhealthyPodEvictionPolicy: IfHealthyBudget",
			want: []string{"unhealthyPodEvictionPolicy is not AlwaysAllow"}},
		{name: "a budget of nothing", old: "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: demo", new: "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: dmeo",
			want: []string{"PodDisruptionBudget demo: selects nothing"}},
		{name: "a budget of a share", old: "maxUnavailable: 1\n  selector", new: "minAvailable: 80%\n  selector",
			want: []string{"minAvailable 80% of Deployment demo, which may have 2"}},
		{name: "a budget of half", old: "maxUnavailable: 1\n  selector", new: "minAvailable: 50%\n  selector"},
		{name: "a Service of others", old: "  selector:\n    app.kubernetes.io/name: demo\n", new: "  selector:\n    app.kubernetes.io/name: dmeo\n",
			want: []string{"Service demo: selects nothing"}},
		{name: "a Service to no port", old: "targetPort: http", new: "targetPort: web",
			want: []string{"sends to the port web of Deployment demo", "opens web to nobody"}},
		{name: "a policy for others", old: "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: demo\n", new: "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: dmeo\n",
			want: []string{"NetworkPolicy demo: selects nothing", "opens the port http", "opens the port admin"}},
		{name: "a policy for no port", old: "- port: admin\n", new: "- port: metrics\n", want: []string{"opens the port metrics, which what it selects does not have"}},
		{name: "a policy that keeps the Service out", old: "    - port: http\n", new: "    - port: admin\n", want: []string{"NetworkPolicy demo: opens http to nobody, to which Service demo sends"}},
		{name: "a policy for nobody", old: "  - from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: monitoring\n", new: "  - from:\n    - podSelector:\n        matchLabels:\n          app: prometheus\n",
			want: []string{"lets in pods with map[app:prometheus], of which there are none"}},
		{name: "a path that can't be written", old: "-data=/data", new: "-data=/var/lib/demo", want: []string{"/var/lib/demo is on no volume"}},
		{name: "no volume", old: "        - mountPath: /data\n          name: data\n", new: "", want: []string{"/data is on no volume"}},
		{name: "a file that is not there", old: "kind: ConfigMap\n", new: "kind: ConfigMap\ndata:\n  maintenance: \"\"\n  override: \"\"\n",
			want: []string{"/etc/demo/overrides is not in ConfigMap demo-operators, which has [maintenance override]"}},
		{name: "another ConfigMap", old: "name: demo-operators\n          optional", new: "name: demo-operator\n          optional",
			want: []string{"there is no ConfigMap demo-operator", "there is no ConfigMap demo-operator"}},
		{name: "a variable that is set later", old: "- name: POD_UID\n", new: "- name: POD_ID\n", want: []string{"OTEL_RESOURCE_ATTRIBUTES names $(POD_UID), which is not set before it"}},
		{name: "memory in Kubernetes' units", old: "value: 230MiB", new: "value: 230Mi", want: []string{"GOMEMLIMIT 230Mi is none"}},
		{name: "a preStop by sleep", old: "sleep:\n              seconds: 5\n", new: "exec:\n              command: [/bin/sleep, \"20\"]\n", want: []string{"preStop 20s"}},
		{name: "a volume that is root's", old: "---\napiVersion: autoscaling/v2", new: stateful + "---\napiVersion: autoscaling/v2",
			want: []string{"StatefulSet store: is not root and has no fsGroup: kept is root's"}},
		{name: "a volume of its own", old: "---\napiVersion: autoscaling/v2", new: strings.Replace(stateful, "runAsNonRoot: true", "runAsNonRoot: true, fsGroup: 1", 1) + "---\napiVersion: autoscaling/v2"},
		{name: "replicas twice", old: "spec:\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: demo\n  strategy", new: "spec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: demo\n  strategy",
			want: []string{"Deployment demo says replicas too"}},
		{name: "scaling nothing", old: "kind: Deployment, name: demo", new: "kind: Deployment, name: dmeo", want: []string{"scales Deployment dmeo, which is not there"}},
		{name: "scaling by nothing", old: "            cpu: 50m\n", new: "", want: []string{"goes by the utilization of cpu, of which demo requests none"}},
		{name: "less than least", old: "minReplicas: 2", new: "minReplicas: 6", want: []string{"minReplicas 6 are more than maxReplicas 5"}},
		{name: "an alert before the detection", old: "for: 1m", new: "for: 15s",
			want: []string{`alert DatabaseDown: for 15s is shorter than what a verdict takes to be seen: 6.5s of the check "database" and 15s until the next export`}},
		{name: "a slow check", code: "package p\n\nvar _ = healthcheck.Check{Name: \"database\", Func: f, Interval: time.Minute}\n", want: []string{`1m7s of the check "database"`}},
		{name: "the SDK's interval of export", old: "- name: OTEL_EXPORTER", new: export("60000"), want: []string{"for 1m0s is shorter"}},
		{name: "a rare export", old: "- name: OTEL_EXPORTER", new: export("90000"), want: []string{"looks back 2m0s, which is less than two exports of 1m30s", "is shorter"}},
		{name: "a check that is gone", code: "package p\n\nvar _ = healthcheck.Check{Name: \"store\", Func: f}\n", want: []string{`is about the check "database", which the code does not have`}},
		{name: "a check that can't be read", code: "package p\n\nvar _ = healthcheck.Check{Name: \"database\", Func: f, Interval: *interval}\n", want: []string{"check database: Interval is no constant"}},
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
			rc := command([]string{"-code", dir, dir}, &out, &errs)
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

// TestPage: what docs/choosing-limits.md tells people to run finds nothing wrong here.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/choosing-limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^go -C deploy/check run \./lint (.*)$`).FindSubmatch(text)
	if line == nil {
		t.Fatal("there is no such line")
	}
	t.Chdir("..")
	var out, errs bytes.Buffer
	if rc := command(strings.Fields(string(line[1])), &out, &errs); rc != 0 {
		t.Errorf("exit code %d: %s%s", rc, out.String(), errs.String())
	}
}

// TestNothing refuses to find nothing where there is nothing.
func TestNothing(t *testing.T) {
	empty := t.TempDir()
	overlay := filepath.Join(root, "deploy/kubernetes/overlays/otlp")
	for _, args := range [][]string{{}, {"-x", overlay}, {empty}, {filepath.Join(empty, "none")}, {"-code", empty, overlay}, {"-alerts", filepath.Join(root, "prometheus.yaml"), overlay}} {
		var out, errs bytes.Buffer
		if rc := command(args, &out, &errs); rc != 2 || errs.Len() == 0 {
			t.Errorf("%q: exit code %d, %s", args, rc, errs.String())
		}
	}
}

// TestEnding holds what a process takes to end after its drain to the code's own
// limits.
func TestEnding(t *testing.T) {
	var all time.Duration
	for file, limit := range map[string]string{
		"healthcheck/config.go":  `defaultShutdownTimeout = (\d+) \* time\.Second`,
		"cmd/demo/jobs.go":       `deadline := time\.Now\(\)\.Add\((\d*)(?: \* )?time\.Second\)`,
		"telemetry/telemetry.go": `const closeLimit = (\d+) \* time\.Second`,
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
		t.Errorf("the code ends within %v, the lint counts %v", all, ending)
	}
}
