package e2e

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

var update = flag.Bool("update", false, "draw the recording in docs/images again")

const recordingFile = "../docs/images/recording.svg"

// TestRecording runs the session of the recording against the real demo, and compares each line. A wait of ten
// seconds takes two in the recording. Numbers may differ from run to run, except status codes. With -update it
// draws the recording.
func TestRecording(t *testing.T) {
	d := startDemo(t, nil, "-drain", "0s")
	d.until("all pass", passing)
	address := func(url string) string { return strings.TrimPrefix(url, "http://") }
	places := strings.NewReplacer("localhost:8000", address(d.app), "localhost:8001", address(d.admin),
		"demo fault", "demo fault -admin-addr "+address(d.admin))
	bin := t.TempDir()
	for name, path := range map[string]string{"demo": servers.Demo(t, ".."), "otelhealth": servers.Command(t, "..")} {
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	var s session
	run := func(after time.Duration, line string) {
		t.Helper()
		cmd := exec.Command("sh", "-c", places.Replace(line))
		cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if _, exited := err.(*exec.ExitError); errs.Len() > 0 || err != nil && !exited {
			t.Fatalf("%s: %v %s", line, err, errs.String())
		}
		s.add(after, line, string(out))
	}
	const ask = `curl -s -o /dev/null -w '%{http_code}\n' localhost:8000/ready`
	run(0, ask)
	run(time.Second, "demo fault paused-workers")
	d.until("the queue is full", failing("queue:"))
	s.add(time.Second, "sleep 10", "")
	run(2*time.Second, ask)
	run(time.Second, "otelhealth why localhost:8001")
	run(6*time.Second, "demo fault -off paused-workers")
	d.until("the queue is empty again", passing)
	run(time.Second, ask)
	d.end()

	if *update {
		if err := os.WriteFile(filepath.FromSlash(recordingFile), s.draw(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	drawn, err := os.ReadFile(filepath.FromSlash(recordingFile))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := alike(s.text()), alike(textOf(t, drawn)); got != want {
		t.Errorf("the session is\n%s\nand the recording has\n%s\ndraw it again with -update", got, want)
	}
}

var number = regexp.MustCompile(`\d[\d.]*(e-\d+)?|-`)

// alike leaves out the parts that differ from run to run: numbers within a line, and the width of columns.
func alike(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.Join(strings.Fields(line), " "); len(line) != len("200") && !strings.HasPrefix(line, "$") {
			line = number.ReplaceAllString(line, "#")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestAlike: two recordings are different if a code, a check or a reason differs.
func TestAlike(t *testing.T) {
	const was = "$ curl\n503\nqueue   fail  core  2 s   84, at most 80\n"
	for text, want := range map[string]bool{
		"$ curl\n503\nqueue  fail  core  12 s  111, at most 80\n": true,
		"$ curl\n200\nqueue  fail  core  2 s   84, at most 80\n":  false,
		"$ curl\n503\nqueue  pass  core  2 s   84, at most 80\n":  false,
		"$ demo\n503\nqueue  fail  core  2 s   84, at most 80\n":  false,
		"$ curl\n503\n": false,
	} {
		if got := alike(text) == alike(was); got != want {
			t.Errorf("alike: %v, want %v:\n%s", got, want, text)
		}
	}
	s := session{}
	s.add(0, "curl", "503\n")
	s.add(time.Second, "why <you>", "a & b\n\nc")
	if got := textOf(t, s.draw()); got != s.text() {
		t.Errorf("drawn: %q, want %q", got, s.text())
	}
	if s.text() != "$ curl\n503\n$ why <you>\na & b\n\nc\n" {
		t.Errorf("%q", s.text())
	}
	if s.lines[2].at != 1600*time.Millisecond {
		t.Errorf("the second command comes at %v", s.lines[2].at)
	}
}
