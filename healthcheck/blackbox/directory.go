package blackbox

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// directory has the records of this process and of those before it. Only one goroutine writes.
type directory struct {
	path  string
	keep  int
	owner string // of the records of this process
	first string // the first record of this process, which stays
}

// A Record is a file in the directory.
type Record struct {
	Name    string // of the file
	Probe   string // that failed
	Time    time.Time
	Size    int64
	Summary string // its first lines: the reason, and the functions of stuck workers; no texts of errors
}

var (
	recordName = regexp.MustCompile(`^(\d{8}T\d{6}\.\d{3}Z)-(liveness|readiness)-([0-9a-z]+)\.txt$`)
	timeOfName = "20060102T150405.000Z"
)

const (
	tempPrefix = ".unfinished-"
	toldFile   = ".told" // names the record that was logged last
)

// prepare makes the directory, and removes incomplete files of a killed process.
func (d *directory) prepare() error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.path)
	for _, e := range entries {
		info, err := e.Info()
		// Another process may write there now: during an update two pods can share a volume.
		if err == nil && strings.HasPrefix(e.Name(), tempPrefix) && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(filepath.Join(d.path, e.Name())) // the next start tries again
		}
	}
	return err
}

// Records lists the records in the directory of a Box, the newest first. It needs no running Box. If the
// directory does not exist, there are none.
func Records(dir string) ([]Record, error) { return (&directory{path: dir}).records() }

// records lists all, the newest first.
func (d *directory) records() ([]Record, error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // write makes it
	}
	var list []Record
	for _, e := range entries {
		parts := recordName.FindStringSubmatch(e.Name())
		if parts == nil || !e.Type().IsRegular() {
			continue
		}
		at, err := time.Parse(timeOfName, parts[1])
		info, gone := e.Info()
		if err == nil && gone == nil {
			list = append(list, Record{Name: e.Name(), Probe: parts[2], Time: at, Size: info.Size(), Summary: d.summaryOf(e.Name())})
		}
	}
	slices.SortFunc(list, func(a, b Record) int { return cmp.Or(b.Time.Compare(a.Time), strings.Compare(b.Name, a.Name)) })
	return list, err
}

// summaryOf reads the first lines of a record, up to the empty line. It is empty if the file can't be
// read.
func (d *directory) summaryOf(name string) string {
	f, err := os.Open(filepath.Join(d.path, name))
	if err != nil {
		return ""
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, messageLimit))
	head, _, _ = bytes.Cut(head, []byte("\n\n"))
	return strings.ToValidUTF8(strings.TrimSuffix(string(head), "\n"), "")
}

// write writes a record whole or not at all: it writes and syncs a file of another name and renames it. If
// the disk is full, it removes older records, except the most valuable one. If that is not enough, it
// writes a short record.
func (d *directory) write(probe string, at time.Time, text, short []byte) (name string, err error) {
	name = fmt.Sprintf("%s-%s-%s.txt", at.UTC().Format(timeOfName), probe, d.owner)
	if err := os.MkdirAll(d.path, 0o700); err != nil { // somebody may have removed it
		return "", err
	}
	d.shrink(d.keep - 1)
	for {
		err = d.writeFile(name, text)
		if err == nil {
			d.first = cmp.Or(d.first, name)
			return name, nil
		}
		if !noRoom(err) {
			return "", err
		}
		all, _ := d.records()
		switch {
		case len(all) > 1 && d.shrink(len(all)-1):
		case len(text) > len(short):
			text = short
		default:
			return "", err
		}
	}
}

func (d *directory) writeFile(name string, text []byte) (err error) {
	temp := filepath.Join(d.path, tempPrefix+name)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // never another's file, or a link
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, filepath.Join(d.path, name))
	}
	if err != nil {
		_ = os.Remove(temp) // if this fails, prepare removes it
	}
	return err
}

// shrink removes records until n are left, and reports whether it has removed one. Older records are
// removed first, but those on readiness before those on liveness, and the first of this process last.
func (d *directory) shrink(n int) (removed bool) {
	all, _ := d.records()
	worth := func(r Record) int {
		switch {
		case r.Name == d.first:
			return 2
		case r.Probe == "liveness":
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b Record) int { return worth(b) - worth(a) })
	for len(all) > max(0, n) {
		last := all[len(all)-1]
		all = all[:len(all)-1]
		if os.Remove(filepath.Join(d.path, last.Name)) == nil {
			removed = true
		}
	}
	return removed
}

// read returns the text of a record.
func (d *directory) read(name string) ([]byte, error) {
	if !recordName.MatchString(name) {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(filepath.Join(d.path, name))
}

// untold returns the newest record of another process, and whether no process has logged it yet.
func (d *directory) untold() (Record, bool) {
	all, _ := d.records()
	told, _ := os.ReadFile(filepath.Join(d.path, toldFile))
	for _, r := range all {
		if !strings.HasSuffix(r.Name, "-"+d.owner+".txt") {
			return r, r.Name != string(told)
		}
	}
	return Record{}, false
}

// tell notes that a record was logged.
func (d *directory) tell(r Record) {
	_ = os.WriteFile(filepath.Join(d.path, toldFile), []byte(r.Name), 0o600) // if this fails, the next process logs the record again
}
