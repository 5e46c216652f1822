package blackbox

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const (
	recordLimit = 1 << 20 // bytes of a record
	groupLimit  = 300     // groups of goroutines in a record
	heapLimit   = 20      // places of allocations in a record
)

// An incident is what a record tells.
type incident struct {
	probe   verdict.Result
	verdict *verdict.Verdict
	history *history
	begun   time.Time // of the process
	groups  []group
	total   int // goroutines
	places  map[string][]place
}

// look takes the census. It is the slow part.
func (i *incident) look() {
	i.total = runtime.NumGoroutine()
	i.groups = census()
	i.places = map[string][]place{}
	for _, r := range i.verdict.Results {
		if p := placesOf(i.groups, r.Name); p != nil {
			i.places[r.Name] = p
		}
	}
}

// summary is the verdict in a line, and a line for each place of a stuck worker. It has bounded
// classes and names of functions only.
func (i *incident) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s fail since %s: %s\n", i.probe.Name, i.probe.Since.UTC().Format("15:04:05Z"), orUnsaid(i.probe.Reason))
	for _, r := range i.failing() {
		places := i.places[r.Name]
		for _, p := range places[:min(3, len(places))] {
			fmt.Fprintf(&b, "  %s: %s\n", r.Name, p)
		}
		if i.groups != nil && places == nil && strings.Contains(r.Reason, "no beat") {
			fmt.Fprintf(&b, "  %s: unknown; blackbox.Worker names its goroutines\n", r.Name)
		}
	}
	return b.String()
}

// failing are the failing members, those first that the probe counts.
func (i *incident) failing() (list []verdict.Result) {
	for _, r := range i.verdict.Results {
		if r.State == verdict.Fail || r.State == verdict.Stale {
			list = append(list, r)
		}
	}
	effect := verdict.Effect("restart")
	slices.SortStableFunc(list, func(a, b verdict.Result) int {
		switch {
		case a.OnFail == effect && b.OnFail != effect:
			return -1
		case b.OnFail == effect && a.OnFail != effect:
			return 1
		}
		return 0
	})
	return list
}

func orUnsaid(reason string) string {
	if reason == "" {
		return "no reason"
	}
	return reason
}

// text is the whole record. The summary comes first, and "end" last.
func (i *incident) text() []byte {
	w := &bounded{limit: recordLimit}
	fmt.Fprint(w, i.summary())
	i.writeProcess(w)
	i.writeVerdict(w)
	fmt.Fprint(w, "\n== the last ten minutes ==\n")
	i.history.write(w)
	i.writeGoroutines(w)
	writeRuntime(w)
	writeHeap(w)
	w.limit += 10
	fmt.Fprint(w, "\n== end ==\n")
	return w.Bytes()
}

func (i *incident) writeProcess(w io.Writer) {
	host, _ := os.Hostname()
	fmt.Fprintf(w, "\n== process ==\nhost %s, pid %d, since %s, written %s\n", host, os.Getpid(), i.begun.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339Nano))
	info := build()
	fmt.Fprintf(w, "%s %s, %s %s/%s\n", info.Main.Path, info.Main.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "vcs.") {
			fmt.Fprintf(w, "%s %s\n", s.Key, s.Value)
		}
	}
}

func (i *incident) writeVerdict(w io.Writer) {
	v := i.verdict
	fmt.Fprintf(w, "\n== verdict of %s ==\nphase %s\n", v.Time.UTC().Format(time.RFC3339Nano), v.Phase)
	for _, r := range append([]verdict.Result{v.Liveness, v.Readiness, v.Startup}, v.Results...) {
		fmt.Fprintf(w, "%s: %s since %s", r.Name, r.State, r.Since.UTC().Format(time.RFC3339))
		if r.OnFail != "" {
			fmt.Fprintf(w, ", on failure %s", r.OnFail)
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
			fmt.Fprintf(w, "\n  %q", errorText(r.Err))
		}
		fmt.Fprintln(w)
	}
}

// errorText is at most 1 KiB of an error. An error may panic.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "its text panics"
		}
	}()
	text = err.Error()
	return text[:min(len(text), 1024)]
}

func (i *incident) writeGoroutines(w io.Writer) {
	fmt.Fprintf(w, "\n== %d goroutines ==\n", i.total)
	if i.groups == nil {
		fmt.Fprintf(w, "more than %d are not looked at\n", censusLimit)
	}
	for _, g := range i.groups[:min(groupLimit, len(i.groups))] {
		wait := waitOf(g.frames)
		if wait == "" {
			wait = "running"
		}
		fmt.Fprintf(w, "\n%d (%s)", g.count, wait)
		if len(g.labels) > 0 {
			fmt.Fprintf(w, " %q", g.labels)
		}
		fmt.Fprintln(w)
		for _, f := range g.frames {
			if !isRuntime(f.Function) {
				fmt.Fprintf(w, "  %s %s:%d\n", f.Function, f.File, f.Line)
			}
		}
	}
	if rest := len(i.groups) - groupLimit; rest > 0 {
		fmt.Fprintf(w, "\n%d smaller groups are left out\n", rest)
	}
}

// writeRuntime writes the runtime's numbers that are not zero.
func writeRuntime(w io.Writer) {
	fmt.Fprint(w, "\n== runtime ==\n")
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
	fmt.Fprintf(w, "GOMEMLIMIT %d\n", debug.SetMemoryLimit(-1))
}

// writeHeap writes the places whose allocations hold most memory.
func writeHeap(w io.Writer) {
	fmt.Fprint(w, "\n== heap: objects in use, bytes, and where they were allocated; a sample ==\n")
	var profile bytes.Buffer
	if pprof.Lookup("heap").WriteTo(&profile, 1) != nil {
		return
	}
	for n, entry := range bytes.SplitN(profile.Bytes(), []byte("\n\n"), heapLimit+1) {
		if n == heapLimit {
			return
		}
		for line := range bytes.Lines(entry) {
			if !bytes.HasPrefix(line, []byte("heap profile:")) {
				w.Write(line)
			}
		}
		fmt.Fprintln(w)
	}
}

// bounded drops what is too much.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	room := max(0, b.limit-b.Len())
	b.Buffer.Write(p[:min(room, len(p))])
	return len(p), nil
}
