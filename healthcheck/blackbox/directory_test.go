//go:build unix

package blackbox

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test runs itself as a process that writes records until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BLACKBOX_DIR"); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

func writeForEver(dir string) {
	d := &directory{path: dir, keep: 5, owner: fmt.Sprint(os.Getpid())}
	if err := d.prepare(); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	for n := 0; ; n++ {
		text := []byte(strings.Repeat(fmt.Sprintf("process %d, record %d\n", os.Getpid(), n), 1000) + "== end ==\n")
		if _, err := d.write("liveness", time.Now(), text, text[:100]); err != nil {
			panic(err)
		}
	}
}

// TestKilled: of processes that are killed while they write, each record is whole and of one process.
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

// TestFullDisk: at each byte at which the disk is full, a record is whole, or its summary, or there is
// none and an error says so.
func TestFullDisk(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)
	text := []byte(strings.Repeat("0123456789\n", 30) + "== end ==\n")
	summary := []byte("summary\n== end ==\n")
	for full := range uint64(len(text) + 2) {
		d := &directory{path: t.TempDir(), keep: 3, owner: "test"}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: full, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		name, err := d.write("readiness", time.Now(), text, summary)
		syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)
		got, _ := d.read(name)
		entries, _ := os.ReadDir(d.path)
		switch n := int(full); {
		case n >= len(text) && bytes.Equal(got, text) && err == nil && len(entries) == 1:
		case n >= len(summary) && n < len(text) && bytes.Equal(got, summary) && err == nil && len(entries) == 1:
		case n < len(summary) && err != nil && len(entries) == 0:
		default:
			t.Errorf("full at %d bytes: %q, %v, %d files", n, got, err, len(entries))
		}
	}
}

// TestKeep: the oldest go first, those on liveness last, and the first of this process stays.
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
