package blackbox

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
)

// censusLimit is the number of goroutines above which none is looked at. A profile of 100,000 takes
// half a second and 54 MiB.
const censusLimit = 100_000

// A group is a number of goroutines with the same stack and the same labels.
type group struct {
	count  int
	labels map[string]string
	frames []runtime.Frame // the innermost comes first
}

// census returns all goroutines in groups, the largest first. The world stops for 2 ms at most: a
// goroutine profile reads one stack after the other. It is nil if there are too many.
func census() []group {
	if runtime.NumGoroutine() > censusLimit {
		return nil
	}
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		return nil // a bytes.Buffer takes everything
	}
	return parseCensus(&text)
}

// parseCensus reads the text form of a goroutine profile. It takes the program counters and not
// the names, because the text leaves out the runtime's frames, which say what a goroutine waits for.
func parseCensus(r io.Reader) (groups []group) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if labels, ok := strings.CutPrefix(line, "# labels: "); ok && len(groups) > 0 {
			groups[len(groups)-1].labels = parseLabels(labels)
			continue
		}
		count, stack, ok := strings.Cut(line, " @ ")
		n, err := strconv.Atoi(count)
		if !ok || err != nil {
			continue
		}
		var counters []uintptr
		for _, field := range strings.Fields(stack) {
			if pc, err := strconv.ParseUint(field, 0, 64); err == nil {
				counters = append(counters, uintptr(pc))
			}
		}
		groups = append(groups, group{count: n, frames: framesOf(counters)})
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(b.count, a.count) })
	return groups
}

func framesOf(counters []uintptr) (list []runtime.Frame) {
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

// parseLabels reads {"key":"value", "other":"value"}, in which Go's quoting is used.
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
