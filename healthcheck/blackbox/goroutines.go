package blackbox

import (
	"bufio"
	"cmp"
	"io"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
)

const (
	// censusLimit is the number of goroutines above which there is no census. BenchmarkCost measures it.
	censusLimit = 100_000

	// distinctLimit is how many groups are kept, and workerLimit is how many including those of workers.
	distinctLimit = 2_000
	workerLimit   = 10_000
)

// A group is a number of goroutines with the same stack and the same labels.
type group struct {
	count  int
	labels map[string]string
	frames []runtime.Frame // the innermost comes first
}

// ofWorker reports whether the goroutines are of a worker, or were started by its work.
func (g *group) ofWorker() bool { return g.labels[workerLabel] != "" }

// A census has the goroutines in groups, the largest first.
type census struct {
	total  int // goroutines
	groups []group
	rest   int  // groups that are not kept
	taken  bool // false if there are too many goroutines
}

// takeCensus looks at all goroutines. It stops the process for some milliseconds at most, because a
// goroutine profile reads one stack after the other.
func takeCensus() census {
	total := runtime.NumGoroutine()
	if total > censusLimit {
		return census{total: total}
	}
	r, w := io.Pipe() // with 100,000 different stacks the text has 100 MB
	go func() { w.CloseWithError(pprof.Lookup("goroutine").WriteTo(w, 1)) }()
	defer r.Close()
	c := parseCensus(r)
	c.total, c.taken = total, true
	return c
}

// parseCensus reads the text form of a goroutine profile. It takes the program counters and not the names.
// The text leaves out the frames of the runtime, and these show what a goroutine waits for.
func parseCensus(r io.Reader) (c census) {
	var next group
	var stack string // of next
	add := func() {
		if next.count == 0 {
			return
		}
		if len(c.groups) >= workerLimit || len(c.groups) >= distinctLimit && !next.ofWorker() {
			c.rest++
		} else {
			next.frames = framesOf(stack)
			c.groups = append(c.groups, next)
		}
		next = group{}
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		text, long, err := lines.ReadLine()
		if err != nil {
			break
		}
		line := string(text)
		for long && err == nil { // labels of megabytes
			_, long, err = lines.ReadLine()
		}
		if labels, ok := strings.CutPrefix(line, "# labels: "); ok {
			next.labels = parseLabels(labels)
			continue
		}
		count, rest, ok := strings.Cut(line, " @ ")
		if n, err := strconv.Atoi(count); ok && err == nil {
			add()
			next.count, stack = n, rest
		}
	}
	add()
	slices.SortStableFunc(c.groups, func(a, b group) int { return cmp.Compare(b.count, a.count) })
	return c
}

// framesOf returns the frames of the program counters in a line.
func framesOf(stack string) (list []runtime.Frame) {
	var counters []uintptr
	for field := range strings.FieldsSeq(stack) {
		if pc, err := strconv.ParseUint(field, 0, 64); err == nil {
			counters = append(counters, uintptr(pc))
		}
	}
	if len(counters) == 0 {
		return nil
	}
	for frames := runtime.CallersFrames(counters); ; {
		f, more := frames.Next()
		if f.Function != "" {
			list = append(list, f)
		}
		if !more {
			return list
		}
	}
}

// parseLabels reads {"key":"value", "other":"value"}, with Go's quoting.
func parseLabels(text string) map[string]string {
	labels := map[string]string{}
	rest := strings.TrimPrefix(text, "{")
	for {
		key, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return labels
		}
		rest = strings.TrimPrefix(rest[len(key):], ":")
		value, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return labels
		}
		rest = strings.TrimLeft(rest[len(value):], ", ")
		k, _ := strconv.Unquote(key)
		labels[k], _ = strconv.Unquote(value)
	}
}
