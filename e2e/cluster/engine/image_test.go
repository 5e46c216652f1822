package engine

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// build builds the image by the Dockerfile of the repository, once.
func build(t *testing.T) {
	t.Helper()
	needs(t)
	if built {
		return
	}
	loadBases(t)
	began := time.Now()
	must(t, "build", "--tag", "otelhealth-demo:dev", ".")
	t.Logf("docker build took %v", time.Since(began).Round(time.Second))
	built = true
}

var built bool

// TestImage: BuildKit builds the Dockerfile, and the image has one program, an empty /data and no
// root.
func TestImage(t *testing.T) {
	build(t)
	var inspected []struct {
		Size   int64
		Config struct {
			User        string
			Entrypoint  []string
			Cmd         []string
			Volumes     map[string]any
			Healthcheck struct{ Test []string }
		}
	}
	if err := json.Unmarshal([]byte(must(t, "image", "inspect", "otelhealth-demo:dev")), &inspected); err != nil {
		t.Fatal(err)
	}
	c := inspected[0].Config
	t.Logf("%.1f MB", float64(inspected[0].Size)/1e6)
	if inspected[0].Size > 50e6 {
		t.Errorf("%d bytes, want at most 50 MB", inspected[0].Size)
	}
	if c.User != "65532" || !slices.Equal(c.Entrypoint, []string{"/demo"}) || c.Volumes["/data"] == nil || len(c.Healthcheck.Test) == 0 {
		t.Errorf("%+v", c)
	}
	id := must(t, "create", "otelhealth-demo:dev")
	defer must(t, "rm", id)
	cmd := exec.Command(docker, "export", id)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var programs []string
	owner := 0
	for archive := tar.NewReader(out); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == "data/" {
			owner = h.Uid
		}
		if h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0 && h.Size > 0 && !strings.HasPrefix(h.Name, "etc/") {
			programs = append(programs, h.Name)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(programs, []string{"demo"}) || owner != 65532 {
		t.Errorf("programs %v, /data belongs to %d; want only demo, and 65532", programs, owner)
	}
}

// TestHealthcheck: the image runs read-only and not as root. Its HEALTHCHECK is healthy, unhealthy
// while a worker is stuck, and healthy again.
func TestHealthcheck(t *testing.T) {
	build(t)
	id := must(t, "run", "--detach", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--volume=demo:/data", "--env=ADMIN_TOKEN=tests",
		"otelhealth-demo:dev", "-addr=:8000", "-admin-addr=:8001", "-data=/data", "-stall=2s", "-drain=0s")
	defer func() {
		if code := must(t, "wait", id); code != "0" {
			t.Errorf("the demo ended with %s", code)
		}
	}()
	defer must(t, "stop", id)
	turns := func(want string) {
		t.Helper()
		took := wait(t, "the container is "+want, func() error {
			got := must(t, "inspect", "--format={{.State.Health.Status}}", id)
			if got != want {
				return errors.New(got)
			}
			return nil
		})
		t.Logf("%s after %v", want, took.Round(time.Second))
	}
	turns("healthy")
	must(t, "exec", id, "/demo", "fault", "wedged-worker")
	turns("unhealthy")
	must(t, "exec", id, "/demo", "fault", "-off", "wedged-worker")
	turns("healthy")
}
