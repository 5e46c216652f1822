package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSecurity reads from the running process what the manifest asks for. Its namespace admits only
// restricted pods.
func TestSecurity(t *testing.T) {
	needs(t)
	must(t, "label", "namespace", "default", "pod-security.kubernetes.io/enforce=restricted")
	if out, err := kubectl("run", "root", "--image=otelhealth-demo:dev"); err == nil || !strings.Contains(out, "violates PodSecurity") {
		t.Errorf("the namespace admits a pod without a security context: %v %s", err, out)
	}
	p := demo(t, "default")[0]
	pid := process(t, p)
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Uid": "65532\t65532\t65532\t65532", "Gid": "65532\t65532\t65532\t65532", "NoNewPrivs": "1", "Seccomp": "2",
		"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
	} {
		m := regexp.MustCompile(`(?m)^` + name + `:\s*(.*)$`).FindSubmatch(status)
		if m == nil || string(m[1]) != want {
			t.Errorf("%s is %q, want %q", name, m, want)
		}
	}
	mounts, err := os.ReadFile("/proc/" + pid + "/mounts")
	if err != nil {
		t.Fatal(err)
	}
	options := map[string]string{}
	for line := range lines(string(mounts)) {
		if part := strings.Fields(line); len(part) > 3 {
			options[part[1]] = part[3]
		}
	}
	for path, want := range map[string]string{"/": "ro", "/data": "rw", "/etc/demo": "ro"} {
		if got, _, _ := strings.Cut(options[path], ","); got != want {
			t.Errorf("%s is mounted %q, want %s", path, options[path], want)
		}
	}
	if _, mounted := options["/var/run/secrets/kubernetes.io/serviceaccount"]; mounted {
		t.Error("it has a token of the API server")
	}
}

// none is a set of no capabilities.
const none = "0000000000000000"
