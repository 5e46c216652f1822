package adopt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/examples/internal/faultdb"
)

// patience limits a wait that should take seconds.
const patience = time.Minute

// token is the operators' token.
const token = "of-the-operators"

// program is a running program.
type program struct {
	t      *testing.T
	file   string // breaks the database, or makes its queries wait
	client *http.Client
	cmd    *exec.Cmd
	said   output
	ended  chan struct{}
}

// start builds a program and runs it on free loopback ports.
func start(t *testing.T, folder string, env ...string) *program {
	t.Helper()
	home := t.TempDir()
	binary := filepath.Join(home, "orders")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, "./"+folder).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p := &program{
		t: t, file: filepath.Join(home, "database"), ended: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}, // as a kubelet
	}
	p.cmd = exec.CommandContext(t.Context(), binary)
	p.cmd.Env = append(os.Environ(), "ADDR=127.0.0.1:0", "DATABASE_URL="+p.file, "METRICS_TOKEN="+token)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = io.MultiWriter(t.Output(), &p.said)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState has the result
		close(p.ended)
	}()
	t.Cleanup(func() { <-p.ended }) // the test's context has ended, so it is killed
	return p
}

// address waits until a listener logs its address.
func (p *program) address(listener string) string {
	p.t.Helper()
	at := regexp.MustCompile(" " + listener + `: listening on (\S+)\n`)
	var found []string
	p.until(listener+" does not listen", func() bool {
		found = at.FindStringSubmatch(p.said.String())
		return found != nil || p.over()
	})
	if found == nil {
		p.t.Fatal("it ended at once")
	}
	return found[1]
}

// until polls until f is true.
func (p *program) until(problem string, f func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal(problem)
		}
	}
}

func (p *program) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// answer is the answer of a probe or of the application.
type answer struct {
	code int
	text string
	body struct {
		Status, Output string
		Checks         map[string][]struct{ Limit float64 }
	}
}

// ask sends a request. A refused connection is code 0.
func (p *program) ask(method, url string) (a answer) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, nil)
	if err != nil {
		p.t.Error(err)
		return a
	}
	if strings.HasSuffix(url, "/metrics") {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return answer{text: err.Error()}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{text: err.Error()}
	}
	a.code, a.text = res.StatusCode, string(text)
	if strings.HasSuffix(res.Header.Get("Content-Type"), "+json") {
		if err := json.Unmarshal(text, &a.body); err != nil {
			p.t.Errorf("%s: %v: %s", url, err, text)
		}
	}
	return a
}

// answers polls until an address has a code and a text in its answer.
func (p *program) answers(url string, code int, text string) {
	p.t.Helper()
	var a answer
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if a = p.ask(http.MethodGet, url); a.code == code && strings.Contains(a.text, text) {
			return
		}
	}
	p.t.Fatalf("%s: %d %s; want %d and %q", url, a.code, a.text, code, text)
}

// refuses waits until nobody listens.
func (p *program) refuses(addr string) {
	p.t.Helper()
	p.until("it goes on listening", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

// The next three take effect at the next ping or query.

func (p *program) breakDatabase() { p.write("broken") }

// holdDatabase makes queries wait until mendDatabase.
func (p *program) holdDatabase() { p.write(faultdb.Hold) }

func (p *program) mendDatabase() {
	p.t.Helper()
	if err := os.Remove(p.file); err != nil {
		p.t.Fatal(err)
	}
}

// write writes the file in one piece, because the program may read it at any time.
func (p *program) write(text string) {
	p.t.Helper()
	if err := os.WriteFile(p.file+".new", []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(p.file+".new", p.file); err != nil {
		p.t.Fatal(err)
	}
}

// held waits until n queries wait.
func (p *program) held(n int64) {
	p.t.Helper()
	p.until("the queries do not come to the database", func() bool {
		f, err := os.Stat(p.file + ".held")
		return err == nil && f.Size() == n
	})
}

func (p *program) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// exits waits for the orderly end.
func (p *program) exits() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("it does not end")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("code %d", code)
	}
}

// output is the text that a program has written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
