package history

// A restart finds out whether a process restarted: its counters are reset together, or all of them
// are replaced by others, or its start time changes. A reset of one counter is no restart.
type restart struct {
	began  float64 // process start time; 0 if it is not known
	moved  bool    // the start time changed
	less   int     // counters that decreased
	more   int     // counters that increased
	idle   int     // counters above zero that did not change
	kept   int     // counters that were in the last collection too
	fresh  int     // new counters
	others bool    // the metric of a new counter had other series before
}

// begin begins a collection.
func (r *restart) begin() { *r = restart{began: r.began, moved: r.moved} }

// process notes the process's start time, in seconds.
func (r *restart) process(began float64) {
	r.moved = r.moved || r.began != 0 && (began > r.began+1 || began < r.began-1)
	r.began = began
}

// count notes a counter.
func (r *restart) count(t *track, v float64, number int64) {
	switch {
	case t.seen == 0:
		r.fresh++
		r.others = r.others || t.of.counted
	case v < t.before:
		r.less, r.kept = r.less+1, r.kept+1
	case v > t.before:
		r.more, r.kept = r.more+1, r.kept+1
	default:
		r.kept++
		if v > 0 {
			r.idle++
		}
	}
	t.before, t.seen = v, number
}

// end reports whether the process restarted. It looks only at the metrics of this collection.
func (r *restart) end() bool {
	moved := r.moved
	r.moved = false
	most := r.less > r.more+r.idle || r.less == r.kept // most counters decreased; a tie is no restart
	return moved || r.less > 0 && most || r.kept == 0 && r.fresh > 0 && r.others
}
