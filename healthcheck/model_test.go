package healthcheck_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var modelSeed = flag.Uint64("seed", 0, "replay this one sequence of TestModel")

// TestModel runs the Monitor on the real SDK through random sequences of evidence, faults and
// lifecycle changes. After each step it compares the answers and the exported metrics with a model
// that shares no code with the Monitor. MODEL_SEQUENCES is the number of sequences. A failing
// sequence is shrunk, and -seed replays it.
//
// A bubble has one clock. It can jump ahead, but its wall clock can't step away from the monotonic
// one, and a process in it can't be suspended. Other tests cover these.
func TestModel(t *testing.T) {
	sequences := 16
	if n, err := strconv.Atoi(os.Getenv("MODEL_SEQUENCES")); err == nil {
		sequences = n
	}
	first := uint64(1)
	switch {
	case *modelSeed != 0:
		first, sequences = *modelSeed, 1
	case os.Getenv("MODEL_SEQUENCES") != "":
		first = rand.Uint64() >> 16
	}
	t.Logf("seeds %d to %d", first, first+uint64(sequences)-1)
	dir, steps := t.TempDir(), 0
	for seed := first; seed < first+uint64(sequences); seed++ {
		p := newPlan(seed)
		n, err := play(t, dir, p)
		steps += n
		if err != nil {
			least, last := shrink(p, err, func(p plan) error { _, err := play(t, dir, p); return err })
			t.Fatalf("seed %d (replay with -seed %d): %v\nshrunk from %d to %d operations:\n%s", seed, seed, last, len(p.ops), len(least.ops), least)
		}
	}
	t.Logf("%d steps compared", steps)
}

// shrink removes operations, first in halves and then one by one, as long as the sequence still fails.
func shrink(p plan, err error, run func(plan) error) (plan, error) {
	for size := (len(p.ops) + 1) / 2; size > 0; {
		again := false
		for at := 0; at+size <= len(p.ops); {
			less := p
			less.ops = slices.Delete(slices.Clone(p.ops), at, at+size)
			if e := run(less); e != nil {
				p, err, again = less, e, true
			} else {
				at += size
			}
		}
		if size > 1 || !again {
			size /= 2
		}
	}
	return p, err
}

// Events have scheduled times within a second, so that their order is never a race. Collections, files and
// judgements come at .00, and requested judgements at .01 and .30. A gap in the evidence begins at .01, and not
// at the end of some run. An operation comes at .32, and the comparison at .36. Runs of checks begin between
// .50 and .64, or .00 and .14. They end at once, after 100 ms, or by their timeout of 1 s.
const (
	early    = 10 * time.Millisecond
	poked    = 300 * time.Millisecond
	operated = 320 * time.Millisecond
	compared = 360 * time.Millisecond
)

// play runs one sequence. It returns the number of compared steps and the first difference.
func play(t *testing.T, dir string, p plan) (steps int, err error) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir, p.conf)
		defer w.stop()
		m := newModel(p.conf)
		second := time.Duration(0)
		compare := func() bool {
			w.until(second + compared)
			m.until(second + compared)
			steps++
			if err = w.differs(m); err != nil {
				err = fmt.Errorf("after %v: %w", second+compared, err)
			}
			return err == nil
		}
		if !compare() {
			return
		}
		for n, o := range p.ops {
			for range o.wait {
				second += time.Second
				w.until(second + early)
				w.poke()
				w.until(second + poked)
				w.poke()
				if o.wait <= 4 && !compare() {
					err = fmt.Errorf("before operation %d: %w", n, err)
					return
				}
			}
			if o.wait > 4 && !compare() {
				err = fmt.Errorf("before operation %d: %w", n, err)
				return
			}
			second += time.Second
			w.until(second + early)
			w.poke()
			w.until(second + poked)
			w.poke()
			w.until(second + operated)
			m.until(second + operated)
			w.do(o)
			w.poke()
			m.do(o, second+operated)
			if !compare() {
				err = fmt.Errorf("operation %d, %s: %w", n, o, err)
				return
			}
		}
	})
	return steps, err
}

// plan is one sequence: a configuration and the operations.
type plan struct {
	conf conf
	ops  []op
}

func (p plan) String() string {
	var b strings.Builder
	for _, c := range p.conf.actives {
		fmt.Fprintf(&b, "  %+v\n", c)
	}
	for _, c := range p.conf.rules {
		fmt.Fprintf(&b, "  %+v\n", c)
	}
	fmt.Fprintf(&b, "  stall %v, held %v\n", p.conf.stall, p.conf.held)
	for n, o := range p.ops {
		fmt.Fprintf(&b, "  %3d %s\n", n, o)
	}
	return b.String()
}

// op is one operation after some seconds.
type op struct {
	wait    int
	verb    string
	n       int // index or number
	value   float64
	text    string            // of a file
	effects map[string]string // meaning of the valid pairs in the text
}

func (o op) String() string {
	return fmt.Sprintf("wait %ds, then %s n=%d value=%v %q", o.wait, o.verb, o.n, o.value, o.text)
}

// conf is the configuration of a sequence. A limit that is not set is NaN.
type conf struct {
	actives             []active
	failures, successes int // of the defaults
	rules               []ruled
	stall               time.Duration
	held                bool
}

type active struct {
	name                string
	effect              string // empty for the default
	interval            time.Duration
	failures, successes int
	start               string
}

// limits are, in this order: below it fails, below it warns, above it warns, above it fails. They are on one side.
type limits [4]float64

type ruled struct {
	name, kind, effect string
	unit               string        // of units
	wait, keep         time.Duration // For and KeepFor
	window             int           // seconds
	minEvents          int
	quantile, bound    float64 // the bound in seconds
	limits             limits  // of a quantile in seconds
}

var (
	effects   = []string{"not-ready", "warn", "show", "restart"}
	units     = []string{"", "s", "ms", "_seconds"} // the last is in the name
	latencies = [...]float64{.1, .3, .5, 1}         // in seconds
	nan       = math.NaN()
)

// looksBack reports whether a kind of rule has a window.
func (r ruled) looksBack() bool {
	return slices.Contains([]string{"increase", "traffic", "count", "over", "quantile", "ratio", "flow"}, r.kind)
}
