package tasks

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/examples/internal/story"
)

// patience limits a wait that should take seconds.
const patience = 60 * time.Second

// program is a running program.
type program struct {
	t      *testing.T
	broken string      // the file that breaks the database
	tls    *tls.Config // of the client; nil for a server without TLS
	env    []string    // more variables
	listen []string    // variables with more addresses
	stderr *os.File    // in place of the test's output

	// These are set by the preparations of some tasks.
	release   func()           // lets the worker go on
	down      atomic.Bool      // the other service fails
	asked     atomic.Int64     // number of requests to the other service
	file      string           // the maintenance file
	collector *story.Collector // receives its exports

	addr  string
	more  map[string]string // addresses by the names in listen
	cmd   *exec.Cmd
	said  output
	ended chan struct{}
}

// run starts it on loopback ports, and waits until it listens.
func (p *program) run(binary string) {
	p.t.Helper()
	p.broken = filepath.Join(p.t.TempDir(), "broken")
	for range 3 { // a port that was free may be taken a moment later
		p.launch(binary)
		if p.accepts() {
			return
		}
		if !strings.Contains(p.said.String(), "address already in use") {
			break
		}
	}
	p.t.Fatalf("it ended at once: %v", p.cmd.ProcessState)
}

func (p *program) launch(binary string) {
	p.t.Helper()
	p.addr, p.more = p.free(), map[string]string{}
	p.cmd = exec.CommandContext(p.t.Context(), binary)
	p.cmd.Env = append(os.Environ(), "ADDR="+p.addr, "DATABASE_URL="+p.broken)
	for _, name := range p.listen {
		p.more[name] = p.free()
		p.cmd.Env = append(p.cmd.Env, name+"="+p.more[name])
	}
	p.cmd.Env = append(p.cmd.Env, p.env...)
	p.said = output{}
	p.cmd.Stderr = io.MultiWriter(p.t.Output(), &p.said)
	if p.stderr != nil {
		p.cmd.Stderr = p.stderr
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // ProcessState has the result
		close(ended)
	}()
	p.ended = ended
	p.t.Cleanup(func() { <-ended }) // the test's context has ended, so it is killed
}

func (p *program) free() string {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// accepts waits until it accepts connections, and reports false if it ends before.
func (p *program) accepts() bool {
	p.t.Helper()
	ok := false
	p.wait("it does not listen", func() bool {
		select {
		case <-p.ended:
			return true
		default:
			ok = !refused(p.addr)
			return ok
		}
	})
	return ok
}

// wait polls until f is true.
func (p *program) wait(problem string, f func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal(problem)
		}
	}
}

func refused(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// answer is the answer of a probe or of the application.
type answer struct {
	code   int
	header http.Header
	text   string
	body   struct {
		Status, Output string
		Checks         map[string][]struct {
			Status, Role, Output string
			Limit                float64
		}
	}
}

// get asks a path of an address. A refused connection is code 0.
func (p *program) get(addr, path string) (a answer) {
	p.t.Helper()
	transport := &http.Transport{TLSClientConfig: p.tls, DisableKeepAlives: true} // as a kubelet
	client := &http.Client{Transport: transport, Timeout: patience}
	scheme := "http://"
	if p.tls != nil {
		scheme = "https://"
	}
	res, err := client.Get(scheme + addr + path)
	if err != nil {
		a.text = err.Error()
		return a
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a.code, a.header, a.text = res.StatusCode, res.Header, string(text)
	if strings.HasSuffix(res.Header.Get("Content-Type"), "+json") {
		if err := json.Unmarshal(text, &a.body); err != nil {
			p.t.Fatalf("%s: %v: %s", path, err, text)
		}
	}
	return a
}

// until asks a probe until it has a code, a status, and a reason that contains a text.
func (p *program) until(path string, code int, status, reason string) answer {
	p.t.Helper()
	return p.untilAt(p.addr, path, code, status, reason)
}

func (p *program) untilAt(addr, path string, code int, status, reason string) (a answer) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		a = p.get(addr, path)
		if a.code == code && a.body.Status == status && strings.Contains(a.body.Output, reason) {
			return a
		}
	}
	p.t.Fatalf("%s: %d %s; want %d %s %q", path, a.code, a.text, code, status, reason)
	return a
}

// has wants GET path to be 200 with a text in it.
func (p *program) has(path, text string) {
	p.t.Helper()
	if a := p.get(p.addr, path); a.code != http.StatusOK || !strings.Contains(a.text, text) {
		p.t.Errorf("%s: %d %q, want 200 and %q", path, a.code, a.text, text)
	}
}

// breakDatabase and mendDatabase are for the next ping.
func (p *program) breakDatabase() {
	p.t.Helper()
	p.write(p.broken, "")
}

func (p *program) mendDatabase() {
	p.t.Helper()
	if err := os.Remove(p.broken); err != nil {
		p.t.Fatal(err)
	}
}

// write writes a file in one piece, because the program may read it at any time.
func (p *program) write(file, text string) {
	p.t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// exits waits for the end and returns the code, or -1 for a signal.
func (p *program) exits() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("it does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// request is a request in flight. The last byte of its body is not sent yet. A server reads the
// whole of a short body before it answers, even if the handler does not.
type request struct {
	p    *program
	conn net.Conn
	in   *bufio.Reader
}

// hold begins a request. The server has received it, because it has answered the request before it,
// and both were sent in one piece.
func (p *program) hold() *request {
	p.t.Helper()
	r := p.dial("GET /?id=7 HTTP/1.1\r\nHost: orders\r\n\r\nGET /?id=7 HTTP/1.1\r\nHost: orders\r\nContent-Length: 1\r\n\r\n")
	r.read(http.StatusOK)
	return r
}

// slow begins a request to a handler that reads the body, and waits until it reads.
func (p *program) slow() *request {
	p.t.Helper()
	r := p.dial("GET / HTTP/1.1\r\nHost: orders\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
	r.read(http.StatusContinue)
	return r
}

func (p *program) dial(text string) *request {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.tls != nil {
		conn = tls.Client(conn, p.tls)
	}
	p.t.Cleanup(func() { conn.Close() })
	r := &request{p, conn, bufio.NewReader(conn)}
	r.write(text)
	return r
}

func (r *request) write(text string) {
	r.p.t.Helper()
	if err := r.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.p.t.Fatal(err)
	}
	if _, err := io.WriteString(r.conn, text); err != nil {
		r.p.t.Fatal(err)
	}
}

func (r *request) read(code int) {
	r.p.t.Helper()
	res, err := http.ReadResponse(r.in, nil)
	if err != nil {
		r.p.t.Fatalf("a request under way: %v", err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		r.p.t.Fatalf("a request under way: %v", err)
	}
	if res.StatusCode != code {
		r.p.t.Fatalf("a request under way: %s, want %d", res.Status, code)
	}
}

// finish ends the request, which must succeed.
func (r *request) finish() {
	r.p.t.Helper()
	r.write("x")
	r.read(http.StatusOK)
	r.conn.Close()
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

// blocked gives the program a standard error that nobody reads before release is called. Until then
// a goroutine that logs more than a pipe holds hangs.
func (p *program) blocked() {
	p.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.stderr = w
	read := make(chan struct{})
	p.release = sync.OnceFunc(func() {
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, r) // until the program has ended
		}()
	})
	p.t.Cleanup(func() {
		w.Close()
		p.release()
		<-read
		r.Close()
	})
}

// long is a path with more bytes than a pipe holds.
func long() string { return "/" + strings.Repeat("x", 1<<17) }
