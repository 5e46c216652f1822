package blackbox

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

const (
	recordLimit = 1 << 20 // bytes of a record; its sections have less
	shortLimit  = 32 << 10
)

// text is the whole record. The summary comes first, and "end" last.
func (i *incident) text() []byte {
	var w bytes.Buffer
	w.WriteString(i.summary())
	section(&w, "process", 16<<10, i.writeProcess)
	section(&w, "verdict of "+i.verdict.Time.UTC().Format(time.RFC3339Nano), 256<<10, i.writeVerdict)
	section(&w, fmt.Sprintf("%d goroutines", i.census.total), 320<<10, i.writeGoroutines)
	section(&w, "the last ten minutes", 256<<10, func(w *bounded) { i.history.write(w) })
	if i.exemplars != nil || i.untraced != "" {
		section(&w, "exemplars: the largest of each series of histograms", 64<<10, i.writeExemplars)
	}
	section(&w, "runtime", 32<<10, writeRuntime)
	section(&w, "heap: objects in use, bytes, and where they were allocated; a sample", 64<<10, writeHeap)
	w.WriteString("\n== end ==\n")
	return w.Bytes()
}

// shortText is for a disk that is nearly full.
func (i *incident) shortText() []byte {
	var w bytes.Buffer
	w.WriteString(i.summary())
	section(&w, "verdict of "+i.verdict.Time.UTC().Format(time.RFC3339Nano), shortLimit, i.writeVerdict)
	w.WriteString("\nThe disk is full, so the rest is left out.\n\n== end ==\n")
	return w.Bytes()
}

// section writes a title and a text of at most so many bytes.
func section(w *bytes.Buffer, title string, limit int, text func(*bounded)) {
	fmt.Fprintf(w, "\n== %s ==\n", title)
	b := &bounded{limit: limit}
	text(b)
	w.Write(b.text)
	if b.over {
		fmt.Fprint(w, "…\nThe rest of this section is left out.\n")
	}
}

func (i *incident) writeProcess(w *bounded) {
	host, _ := os.Hostname()
	fmt.Fprintf(w, "host %s, pid %d, watched since %s, written %s\n", host, os.Getpid(), i.begun.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339Nano))
	info := build()
	fmt.Fprintf(w, "%s %s, %s %s/%s\n", info.Main.Path, info.Main.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "vcs.") {
			fmt.Fprintf(w, "%s %s\n", s.Key, s.Value)
		}
	}
}

// bounded drops the text beyond its limit.
type bounded struct {
	text  []byte
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := max(0, b.limit-len(b.text))
	b.over = b.over || len(p) > room
	b.text = append(b.text, p[:min(room, len(p))]...)
	return len(p), nil
}
