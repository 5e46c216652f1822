package blackbox

import (
	"fmt"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// A place is where goroutines of a worker are.
type place struct {
	function string // of the service's own code, with its package
	callee   string // what it has called; empty if it is in its own code
	wait     string // what it waits for; empty if it runs
	count    int
}

func (p place) String() string {
	text := p.function
	if p.callee != "" {
		text += ", in " + p.callee
	}
	if p.wait == "" {
		text += " (running)"
	} else {
		text += " (" + p.wait + ")"
	}
	if p.count > 1 {
		text += fmt.Sprintf(", %d goroutines", p.count)
	}
	return text
}

// placesOf returns where the goroutines of a worker are, most of them first. Only those count that
// do its work: they have its label, and Worker.Do on their stack. Goroutines that the work has
// started have the label alone: net/http's connections have that of whoever dialled.
func placesOf(groups []group, worker string) (places []place) {
	for _, g := range groups {
		work := slices.IndexFunc(g.frames, func(f runtime.Frame) bool {
			return strings.HasSuffix(f.Function, "/blackbox.(*Worker).Do")
		})
		if g.labels[workerLabel] != worker || work < 0 {
			continue
		}
		p, ok := placeOf(g.frames[:work])
		if !ok {
			continue
		}
		p.count = g.count
		if n := slices.IndexFunc(places, func(q place) bool { q.count = p.count; return q == p }); n >= 0 {
			places[n].count += p.count
			continue
		}
		places = append(places, p)
	}
	slices.SortStableFunc(places, func(a, b place) int { return b.count - a.count })
	return places
}

// placeOf finds the service's innermost own function on a stack. Without one there is no place: a
// wrong name would cost more than none.
func placeOf(frames []runtime.Frame) (p place, ok bool) {
	own := slices.IndexFunc(frames, isOwn)
	if own < 0 {
		return p, false
	}
	p.function = short(frames[own].Function)
	p.wait = waitOf(frames[:own])
	if own > 0 && !isRuntime(frames[own-1].Function) {
		p.callee = short(frames[own-1].Function)
	}
	return p, true
}

// build is the service's own module and its dependencies.
var build = sync.OnceValue(func() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{}
})

// isOwn tells the service's code from that of its dependencies and of Go. A function of a library
// that the compiler has put into main has main's name, but not main's file.
func isOwn(f runtime.Frame) bool {
	pkg := packageOf(f.Function)
	info := build()
	if pkg != "main" && pkg != info.Main.Path && !strings.HasPrefix(pkg, info.Main.Path+"/") || pkg != "main" && info.Main.Path == "" {
		return false
	}
	return !strings.Contains(f.File, "/pkg/mod/") && !strings.Contains(f.File, "@v") && !strings.HasPrefix(f.File, runtime.GOROOT()+"/src/")
}

// packageOf returns the package of a function such as example.com/shop/orders.(*Store).Get.
func packageOf(function string) string {
	dir, name := path.Split(function)
	pkg, _, _ := strings.Cut(name, ".")
	return strings.ReplaceAll(dir+pkg, "%2e", ".")
}

// short leaves out the directory of the package.
func short(function string) string { return path.Base(function) }

func isRuntime(function string) bool { return packageOf(function) == "runtime" }

// waits tell by a function on the stack what a goroutine waits for. The first one that is found
// counts, so what says more comes first.
var waits = []struct{ function, what string }{
	{"database/sql.(*DB).conn", "a free connection of database/sql"},
	{"net/http.(*Transport).getConn", "a connection of net/http"},
	{"sync.(*RWMutex).Lock", "sync.RWMutex"},
	{"sync.(*RWMutex).RLock", "sync.RWMutex, to read"},
	{"sync.(*Mutex).Lock", "sync.Mutex"},
	{"sync.(*WaitGroup).Wait", "sync.WaitGroup"},
	{"sync.(*Cond).Wait", "sync.Cond"},
	{"sync.(*Once).doSlow", "sync.Once"},
	{"internal/poll.runtime_pollWait", "the network or a file"},
	{"time.Sleep", "time.Sleep"},
	{"runtime.chansend", "chan send"},
	{"runtime.chanrecv", "chan receive"},
	{"runtime.selectgo", "select"},
	{"runtime.block", "select without cases"},
	{"runtime.semacquire1", "a semaphore"},
	{"syscall.Syscall", "a system call"},
	{"syscall.RawSyscall6", "a system call"},
	{"runtime.gopark", "the runtime"},
}

func waitOf(frames []runtime.Frame) string {
	for _, w := range waits {
		if slices.ContainsFunc(frames, func(f runtime.Frame) bool { return f.Function == w.function }) {
			return w.what
		}
	}
	return ""
}
