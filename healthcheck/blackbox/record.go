package blackbox

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const (
	recordLimit = 1 << 20 // bytes of a record; its sections have less
	shortLimit  = 32 << 10
	groupLimit  = 300 // groups of goroutines in a record
	heapLimit   = 20  // places of allocations in a record
	placeLimit  = 3   // places of a worker in the summary
	labelLimit  = 256 // bytes of all labels of a goroutine
)

// An incident is what a record tells.
type incident struct {
	probe   verdict.Result
	failure int // number of the message's
	verdict *verdict.Verdict
	history *seconds
	begun   time.Time // of the Box
	census  census
	places  map[string][]place
}

// look takes the census. It is the slow part.
func (i *incident) look() {
	i.census = takeCensus()
	i.places = map[string][]place{}
	for _, r := range i.failing() {
		if p := placesOf(i.census.groups, r.Name); p != nil {
			i.places[r.Name] = p
		}
	}
}

// summary is the verdict in a line, and a line for each place of a stuck worker. It has bounded
// classes and names of functions only.
func (i *incident) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s since %s", i.probe.Name, i.probe.State, i.probe.Since.UTC().Format("15:04:05Z"))
	if i.probe.Reason != "" {
		fmt.Fprintf(&b, ": %s", i.probe.Reason)
	}
	fmt.Fprintln(&b)
	for _, r := range i.failing() {
		places := i.places[r.Name]
		for _, p := range places[:min(placeLimit, len(places))] {
			fmt.Fprintf(&b, "  %s: %s\n", r.Name, p)
		}
		if rest := len(places) - placeLimit; rest > 0 {
			fmt.Fprintf(&b, "  %s: %d more places\n", r.Name, rest)
		}
		if strings.Contains(r.Reason, "no beat") && i.census.taken && places == nil {
			fmt.Fprintf(&b, "  %s: unknown function; the goroutines of a blackbox.Worker have names\n", r.Name)
		}
	}
	return b.String()
}

// failing are the failing checks, first those that liveness counts.
func (i *incident) failing() (list []verdict.Result) {
	for _, r := range i.verdict.Results {
		if r.State == verdict.Fail || r.State == verdict.Stale {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b verdict.Result) int {
		switch restart := healthcheck.Restart; {
		case a.OnFail == restart && b.OnFail != restart:
			return -1
		case b.OnFail == restart && a.OnFail != restart:
			return 1
		}
		return 0
	})
	return list
}

// text is the whole record. The summary comes first, and "end" last.
func (i *incident) text() []byte {
	var w bytes.Buffer
	w.WriteString(i.summary())
	section(&w, "process", 16<<10, i.writeProcess)
	section(&w, "verdict of "+i.verdict.Time.UTC().Format(time.RFC3339Nano), 256<<10, i.writeVerdict)
	section(&w, fmt.Sprintf("%d goroutines", i.census.total), 320<<10, i.writeGoroutines)
	section(&w, "the last ten minutes", 256<<10, func(w *bounded) { i.history.write(w) })
	section(&w, "runtime", 32<<10, writeRuntime)
	section(&w, "heap: objects in use, bytes, and where they were allocated; a sample", 128<<10, writeHeap)
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

// writeVerdict writes the probes, then what fails, then the rest.
func (i *incident) writeVerdict(w *bounded) {
	v := i.verdict
	fmt.Fprintf(w, "phase %s\n", v.Phase)
	for _, r := range []verdict.Result{v.Liveness, v.Readiness, v.Startup} {
		r.Name += " (probe)"
		writeResult(w, r, nil)
	}
	all := i.failing()
	for _, r := range v.Results {
		if r.State != verdict.Fail && r.State != verdict.Stale {
			all = append(all, r)
		}
	}
	texts := errorTexts{patience: 3}
	for _, r := range all {
		if w.over {
			return
		}
		writeResult(w, r, &texts)
	}
}

func writeResult(w *bounded, r verdict.Result, texts *errorTexts) {
	fmt.Fprintf(w, "%s: %s since %s", r.Name, r.State, r.Since.UTC().Format(time.RFC3339))
	if r.OnFail != "" {
		fmt.Fprintf(w, ", on failure %s", r.OnFail)
	}
	if r.Overridden {
		fmt.Fprint(w, " (overridden)")
	}
	if r.Value != nil {
		fmt.Fprintf(w, ", %.4g %s", *r.Value, r.Unit)
	}
	if r.TraceID != "" {
		fmt.Fprintf(w, ", trace %s", r.TraceID)
	}
	if r.Reason != "" {
		fmt.Fprintf(w, "\n  %s", r.Reason)
	}
	if r.Err != nil {
		fmt.Fprintf(w, "\n  %q", texts.of(r.Err))
	}
	fmt.Fprintln(w)
}

// errorTexts asks errors for their texts. Each may block for as long as package guard waits, so only a
// few may.
type errorTexts struct{ patience int }

func (t *errorTexts) of(err error) string {
	if t.patience == 0 {
		return "not asked, because other errors did not answer"
	}
	began := time.Now()
	text := guard.Text(err)
	if time.Since(began) >= guard.Limit {
		t.patience--
	}
	return text
}

func (i *incident) writeGoroutines(w *bounded) {
	if !i.census.taken {
		fmt.Fprintf(w, "more than %d are not looked at\n", censusLimit)
		return
	}
	for _, g := range i.census.groups[:min(groupLimit, len(i.census.groups))] {
		wait := waitOf(g.frames)
		if wait == "" {
			wait = "running"
		}
		fmt.Fprintf(w, "\n%d (%s)", g.count, wait)
		if len(g.labels) > 0 {
			fmt.Fprintf(w, " %s", cut(fmt.Sprintf("%q", g.labels), labelLimit))
		}
		fmt.Fprintln(w)
		for _, f := range g.frames {
			if packageOf(f.Function) != "runtime" {
				fmt.Fprintf(w, "  %s %s:%d\n", f.Function, f.File, f.Line)
			}
		}
	}
	if rest := len(i.census.groups) + i.census.rest - groupLimit; rest > 0 {
		fmt.Fprintf(w, "\n%d smaller groups are left out\n", rest)
	}
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// writeRuntime writes the runtime's numbers that are not zero.
func writeRuntime(w *bounded) {
	var samples []metrics.Sample
	for _, d := range metrics.All() {
		if d.Kind == metrics.KindUint64 || d.Kind == metrics.KindFloat64 {
			samples = append(samples, metrics.Sample{Name: d.Name})
		}
	}
	metrics.Read(samples)
	for _, s := range samples {
		switch s.Value.Kind() {
		case metrics.KindUint64:
			if n := s.Value.Uint64(); n != 0 {
				fmt.Fprintf(w, "%s %d\n", s.Name, n)
			}
		case metrics.KindFloat64:
			if n := s.Value.Float64(); n != 0 {
				fmt.Fprintf(w, "%s %.6g\n", s.Name, n)
			}
		}
	}
}

// writeHeap writes the places whose allocations hold most memory.
func writeHeap(w *bounded) {
	profile := &bounded{limit: 256 << 10}
	if pprof.Lookup("heap").WriteTo(profile, 1) != nil {
		return
	}
	for n, entry := range bytes.SplitN(profile.text, []byte("\n\n"), heapLimit+1) {
		if n == heapLimit {
			return
		}
		for line := range bytes.Lines(entry) {
			if !bytes.HasPrefix(line, []byte("heap profile:")) {
				_, _ = w.Write(line) // of a bounded
			}
		}
		fmt.Fprintln(w)
	}
}

// bounded drops what is too much.
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
