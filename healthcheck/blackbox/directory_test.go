//go:build unix

package blackbox

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
)

// The test runs itself as a process that writes records until it is killed, or on a full disk.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BLACKBOX_DIR"); dir != "" {
		writeForEver(dir)
	}
	if dir := os.Getenv("BLACKBOX_FULL"); dir != "" {
		writeToFullDisks(dir)
		return
	}
	leaktest.Main(m)
}

func writeForEver(dir string) {
	d := &directory{path: dir, keep: 5, owner: fmt.Sprint(os.Getpid())}
	if err := d.prepare(); err != nil {
		panic(err)
	}
	m := message{path: filepath.Join(dir, "message-"+d.owner)}
	if err := os.WriteFile(m.path, []byte("short"), 0o600); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	for n := 0; ; n++ {
		text := []byte(strings.Repeat(fmt.Sprintf("process %d, record %d\n", os.Getpid(), n), 1000) + "== end ==\n")
		if _, err := d.write("liveness", time.Now(), text, text[:100]); err != nil {
			panic(err)
		}
		if err := m.write([]string{"short", "long\n" + strings.Repeat("text", 400)}[n%2]); err != nil {
			panic(err)
		}
	}
}

// TestKilled: if processes are killed while they write, each record is complete and of one process.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for range 25 {
		var pair []*exec.Cmd
		for range 2 { // in one directory
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), "BLACKBOX_DIR="+dir)
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			out.Read(make([]byte, 5)) // it writes
			pair = append(pair, c)
		}
		for _, c := range pair {
			time.Sleep(time.Duration(rand.IntN(5_000)) * time.Microsecond) // a random moment
			c.Process.Kill()
			c.Wait()
		}
	}
	messages, err := filepath.Glob(filepath.Join(dir, "message-*"))
	if err != nil || len(messages) == 0 {
		t.Fatal(messages, err)
	}
	for _, file := range messages {
		text, err := os.ReadFile(file)
		if first, _, _ := strings.Cut(string(text), "\n"); err != nil || !strings.HasPrefix(first, "short") && !strings.HasPrefix(first, "long") {
			t.Errorf("%s has %q, %v", file, first, err)
		}
	}
	d := &directory{path: dir, keep: 5, owner: "reader"}
	all, err := d.records()
	if err != nil || len(all) == 0 {
		t.Fatalf("%d records: %v", len(all), err)
	}
	for _, r := range all {
		text, err := d.read(r.Name)
		if err != nil {
			t.Error(err)
		}
		lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n== end ==\n")), []byte("\n"))
		if len(lines) != 1000 || !bytes.Equal(lines[0], lines[999]) || !bytes.HasSuffix(text, []byte("\n== end ==\n")) {
			t.Errorf("%s has %d bytes, %d lines", r.Name, len(text), len(lines))
		}
	}
}

// TestFullDisk: wherever the disk is full, a record is complete, or short, or there is none and an error
// says why. An earlier record on liveness stays. The test needs its own process, because the limit on the
// size of files applies to a process.
func TestFullDisk(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "BLACKBOX_FULL="+t.TempDir())
	if out, err := c.CombinedOutput(); err != nil || string(out) != "done\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func writeToFullDisks(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	var free syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		panic(err)
	}
	text := []byte(strings.Repeat("0123456789\n", 4) + "== end ==\n")
	short := []byte("summary\n== end ==\n")
	at := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	for full := range len(text) + 2 {
		d := &directory{path: filepath.Join(dir, fmt.Sprint(full)), keep: 9, owner: "test"}
		for n, probe := range []string{"liveness", "readiness"} {
			if _, err := d.write(probe, at.Add(time.Duration(n)*time.Minute), nil, nil); err != nil {
				panic(err)
			}
		}
		d.first = ""
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(full), Max: free.Max}); err != nil {
			panic(err)
		}
		name, err := d.write("readiness", at.Add(time.Hour), text, short)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
			panic(err)
		}
		got, _ := d.read(name)
		entries, _ := os.ReadDir(d.path)
		all, _ := d.records()
		ok := all[len(all)-1].Probe == "liveness" && len(all) == len(entries)
		switch {
		case full >= len(text):
			ok = ok && bytes.Equal(got, text) && err == nil && len(all) == 3
		case full >= len(short):
			ok = ok && bytes.Equal(got, short) && err == nil && len(all) == 2
		default:
			ok = ok && noRoom(err) && len(all) == 1
		}
		if !ok {
			fmt.Printf("full at %d bytes: %q, %v, %v\n", full, got, err, entries)
		}
	}
	fmt.Println("done")
}

// TestGone: if the directory is removed, the next record makes it again.
func TestGone(t *testing.T) {
	d := &directory{path: filepath.Join(t.TempDir(), "a", "b"), keep: 3, owner: "me"}
	if all, err := d.records(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := d.write("liveness", time.Now(), []byte("reason\n  place\n\n== process ==\n"), nil); err != nil {
		t.Fatal(err)
	}
	if all, err := d.records(); err != nil || len(all) != 1 || all[0].Summary != "reason\n  place" {
		t.Errorf("%v, %v", all, err)
	}
}

// TestKeep: older records are removed first, those on liveness last, and the first of this process stays.
func TestKeep(t *testing.T) {
	d := &directory{path: t.TempDir(), keep: 3, owner: "me"}
	at := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	var names []string
	for _, probe := range []string{"readiness", "liveness", "readiness", "readiness", "liveness", "readiness"} {
		at = at.Add(time.Minute)
		name, err := d.write(probe, at, []byte("text"), nil)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	all, err := d.records()
	if err != nil || len(all) != 3 || all[0].Name != names[5] || all[1].Name != names[4] || all[2].Name != names[0] {
		t.Errorf("%v, %v", all, err)
	}
}
