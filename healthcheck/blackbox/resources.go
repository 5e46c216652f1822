package blackbox

import (
	"bytes"
	"fmt"
	"runtime/metrics"
	"runtime/pprof"
)

const heapLimit = 20 // places of allocations in a record

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
	_, entries, _ := bytes.Cut(profile.text, []byte("\n"))
	n := 0
	for entry := range bytes.SplitSeq(entries, []byte("\n\n")) {
		if n == heapLimit {
			return
		}
		if bytes.HasPrefix(entry, []byte("0: 0 [")) {
			continue // no object of it is in use
		}
		n++
		_, _ = w.Write(entry) // of a bounded
		fmt.Fprintln(w)
	}
	if n == 0 {
		fmt.Fprintln(w, "no sample is in use since the last garbage collection")
	}
}
