package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestShell runs the commands of quick-start.md in an empty directory beside the clone. Each must
// print the output on the page, with other numbers. The test repeats a question instead of sleeping,
// because a busy machine may need longer.
func TestShell(t *testing.T) {
	page, err := os.ReadFile("../../docs/quick-start.md")
	if err != nil {
		t.Fatal(err)
	}
	clone, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	parent := t.TempDir()
	if err := os.Symlink(clone, filepath.Join(parent, "otelhealth")); err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: parent, port: port}
	t.Cleanup(s.end)
	for _, block := range strings.Split(string(page), "\n```sh\n") {
		commands, text, isBlock := strings.Cut(block, "```\n")
		if !isBlock || strings.HasPrefix(block, "# ") { // the text before the first block
			continue
		}
		text, _, _ = strings.Cut(text, "\n```") // up to the program
		var shown []string
		for line := range strings.Lines(text) {
			if out, is := strings.CutPrefix(line, "    "); is {
				shown = append(shown, strings.TrimSpace(out))
			}
		}
		s.run(strings.Split(strings.TrimSpace(commands), "\n"), shown)
		if strings.Contains(text, "Press Ctrl-C") {
			s.interrupt()
		}
	}
	if s.ran < 15 {
		t.Errorf("the page has %d commands only", s.ran)
	}
	s.wait()
}

// shell runs the commands of both terminals.
type shell struct {
	t         *testing.T
	dir, port string
	ran       int
	service   *exec.Cmd
	printed   *os.File // its output
}

// run runs the commands of a block. shown is what the page shows of their output.
func (s *shell) run(commands, shown []string) {
	s.t.Helper()
	for _, line := range commands {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "sleep ") {
			continue
		}
		s.ran++
		if line == "go run ." {
			s.start()
			shown = s.expect(line, shown)
			continue
		}
		shown = s.expect(line, shown)
		if _, dir, is := strings.Cut(line, "cd "); is {
			s.dir = filepath.Join(s.dir, dir)
			s.copyProgram()
		}
	}
	if len(shown) != 0 {
		s.t.Errorf("the page shows more than %q prints: %q", commands, shown)
	}
}

// expect runs a command until it prints the next output on the page, and returns the rest of the
// output. Only a command that asks may run twice.
func (s *shell) expect(line string, shown []string) (rest []string) {
	s.t.Helper()
	asks := regexp.MustCompile(`^curl -s localhost:8000/(ready|health|metrics)|^go run \.$`).MatchString(line)
	var out string
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if line == "go run ." {
			text, err := os.ReadFile(s.printed.Name())
			if err != nil {
				s.t.Fatal(err)
			}
			out = string(text)
		} else {
			cmd := exec.Command("sh", "-c", strings.ReplaceAll(line, "localhost:8000", "localhost:"+s.port))
			cmd.Dir = s.dir
			text, err := cmd.CombinedOutput()
			if out = string(text); err != nil && !asks {
				s.t.Fatalf("%s: %v\n%s", line, err, out)
			}
		}
		if !asks {
			return shown
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) <= len(shown) && alike(lines, shown[:len(lines)]) {
			return shown[len(lines):]
		}
		if time.Since(began) > 2*time.Minute {
			s.t.Fatalf("%s prints\n%s\nand the page shows\n%s", line, out, strings.Join(shown, "\n"))
		}
	}
}

// alike compares lines without their numbers, times and release.
func alike(a, b []string) bool {
	mask := func(lines []string) string {
		text := regexp.MustCompile(`"releaseId":"[^"]*"`).ReplaceAllString(strings.Join(lines, "\n"), `"releaseId":""`)
		text = regexp.MustCompile(`[0-9]+(\.[0-9]+)?(e-?[0-9]+)?`).ReplaceAllString(text, "0")
		return text
	}
	return mask(a) == mask(b)
}

// copyProgram copies the program of the page.
func (s *shell) copyProgram() {
	s.t.Helper()
	text, err := os.ReadFile("main.go")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "main.go"), bytes.Replace(text, []byte(":8000"), []byte(":"+s.port), 1), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the program of the page.
func (s *shell) start() {
	s.t.Helper()
	var err error
	if s.printed, err = os.Create(filepath.Join(s.t.TempDir(), "printed")); err != nil {
		s.t.Fatal(err)
	}
	s.service = exec.Command("go", "run", ".")
	s.service.Dir, s.service.Stdout = s.dir, s.printed
	s.service.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.service.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shell) interrupt() { _ = syscall.Kill(-s.service.Process.Pid, syscall.SIGINT) }

// wait waits for the end of the program after Ctrl-C.
func (s *shell) wait() {
	err := s.service.Wait()
	if code := s.service.ProcessState.ExitCode(); code > 1 { // go run exits with 1 after an interrupt
		s.t.Errorf("it ended with %d: %v", code, err)
	}
	s.service = nil
}

func (s *shell) end() {
	if s.service != nil && s.service.Process != nil {
		_ = syscall.Kill(-s.service.Process.Pid, syscall.SIGKILL)
		_ = s.service.Wait()
	}
}
