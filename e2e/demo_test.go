// Package e2e tests the demo as a process, with real servers.
//
// Run it with -count=1. It builds the demo from the module above, and the test cache does not see
// changes there.
package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

func TestMain(m *testing.M) {
	code := m.Run()
	servers.Clean()
	os.Exit(code)
}

// demo is a running demo.
type demo struct {
	*servers.Process
	t          *testing.T
	app, admin string // URLs
}

var banner = regexp.MustCompile(`(?m)^(service|admin) +(http://\S+)`)

func startDemo(t *testing.T, env []string, args ...string) *demo {
	t.Helper()
	return start(t, servers.Demo(t, ".."), env, args...)
}

// start starts a build of the demo.
func start(t *testing.T, path string, env []string, args ...string) *demo {
	t.Helper()
	args = append([]string{"-addr", "127.0.0.1:0", "-admin-addr", "127.0.0.1:0"}, args...)
	d := &demo{Process: servers.Start(t, path, env, args...), t: t}
	servers.Poll(t, "the demo prints its addresses", func() error {
		if d.Ended() {
			t.Fatal("the demo has exited")
		}
		for _, m := range banner.FindAllStringSubmatch(d.Output(), -1) {
			if m[1] == "service" {
				d.app = m[2]
			} else {
				d.admin = m[2]
			}
		}
		if d.app == "" || d.admin == "" {
			return errors.New(d.Output())
		}
		return nil
	})
	servers.Poll(t, "the demo has started", func() error { // as a startup probe asks, before the others do
		if d.Ended() {
			t.Fatal("the demo has ended")
		}
		if p := d.probe("/startup"); p.code != http.StatusOK {
			return fmt.Errorf("/startup answers %d: %s", p.code, p.Output)
		}
		return nil
	})
	return d
}

// end stops the demo. It must exit with 0.
func (d *demo) end() {
	d.t.Helper()
	servers.Client.CloseIdleConnections() // an unused connection would delay the shutdown by 5 s
	started := time.Now()
	if code := d.Stop(); code != 0 {
		d.t.Errorf("exit code %d after SIGTERM", code)
	}
	d.t.Logf("the demo exited %v after SIGTERM", time.Since(started).Round(time.Millisecond))
}

// ask sends a request and returns the answer. Any goroutine may call it.
func ask(method, url, body string) (code int, header http.Header, answer []byte, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // compression costs more than loopback
	res, err := servers.Client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, res.Header, answer, errors.Join(err, res.Body.Close())
}

func (d *demo) ask(method, url, body string) (int, http.Header, []byte) {
	d.t.Helper()
	code, header, answer, err := ask(method, url, body)
	if err != nil {
		d.t.Fatal(err)
	}
	return code, header, answer
}

// fault turns a fault on with PUT and off with DELETE.
func (d *demo) fault(method, name string) {
	d.t.Helper()
	if code, _, body := d.ask(method, d.admin+"/faults/"+name, ""); code != http.StatusNoContent {
		d.t.Fatalf("%s %s: %d %s", method, name, code, body)
	}
}

// probe is the answer of a probe. A RawMessage can tell null from a missing field.
type probe struct {
	code   int
	body   []byte
	Status string
	Output string
	Checks map[string][]struct {
		Status        string
		ObservedValue json.RawMessage
		Limit         json.RawMessage
		Share         json.RawMessage
	}
}

func (d *demo) probe(path string) (p probe) {
	d.t.Helper()
	code, header, body := d.ask(http.MethodGet, d.app+path, "")
	if got := header.Get("Content-Type"); got != "application/health+json" {
		d.t.Errorf("%s: Content-Type %q", path, got)
	}
	if err := json.Unmarshal(body, &p); err != nil {
		d.t.Fatalf("%s: %v in %s", path, err, body)
	}
	p.code, p.body = code, body
	return p
}
