package browser

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// demo is a running demo.
type demo struct {
	*servers.Process
	t          *testing.T
	app, admin string // addresses
	env        []string
}

func startDemo(t *testing.T, env []string, args ...string) *demo {
	t.Helper()
	addrs := servers.FreeAddrs(t, 2)
	d := startDemoAt(t, addrs[0], addrs[1], env, args...)
	d.WaitOK("http://" + d.app + "/ready")
	return d
}

func startDemoAt(t *testing.T, app, admin string, env []string, args ...string) *demo {
	t.Helper()
	args = append([]string{"-addr", app, "-admin-addr", admin, "-drain", "0s"}, args...)
	d := &demo{Process: servers.Start(t, servers.Demo(t, root), env, args...), t: t, app: app, admin: admin, env: env}
	d.WaitOK("http://" + app + "/health")
	return d
}

func (d *demo) status() string { return "http://" + d.admin + "/status" }

// fault turns a fault on or off with the command of the README.
func (d *demo) fault(args ...string) {
	d.t.Helper()
	cmd := exec.Command(servers.Demo(d.t, root), append([]string{"fault", "-admin-addr", d.admin}, args...)...)
	cmd.Env = append(os.Environ(), d.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("demo fault: %v %s", err, out)
	}
}

// ready returns /ready's code and the status in its body.
func (d *demo) ready() (code int, body string, err error) {
	res, err := servers.Client.Get("http://" + d.app + "/ready")
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), errors.Join(err, res.Body.Close())
}

// until waits for a status in the body of /ready.
func (d *demo) until(status string) {
	d.t.Helper()
	servers.Poll(d.t, "/ready says "+status, func() error {
		code, body, err := d.ready()
		if err != nil || (code == http.StatusOK) != (status != "fail") || !strings.HasPrefix(body, `{"status":"`+status+`"`) {
			return errors.Join(err, errors.New(body))
		}
		return nil
	})
}

// end stops the demo. It must exit with 0. A data race is exit code 66.
func (d *demo) end() {
	d.t.Helper()
	servers.Client.CloseIdleConnections()
	if code := d.Stop(); code != 0 {
		d.t.Errorf("exit code %d after SIGTERM", code)
	}
}
