package blackbox

import (
	"fmt"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// A place is where goroutines of a worker are.
type place struct {
	function string // of the service, with its package
	callee   string // what it has called; empty if it is in its own code
	caller   string // a function of the service that has called it; empty if none has
	wait     string // what the goroutine waits for; empty if it runs
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
	if p.caller != "" {
		text += ", called by " + p.caller
	}
	if p.count > 1 {
		text += fmt.Sprintf(", %d goroutines", p.count)
	}
	return text
}

// placesOf returns where the goroutines of a worker are, the most common place first. It counts only
// goroutines that do the work: they have the worker's label and Worker.Do on their stack. Goroutines that
// the work has started, such as net/http's connections, have only the label.
func placesOf(groups []group, worker string) (places []place) {
	for _, g := range groups {
		if g.labels[workerLabel] != worker {
			continue
		}
		work := slices.IndexFunc(g.frames, func(f runtime.Frame) bool {
			return strings.HasSuffix(f.Function, "/blackbox.(*Worker).Do")
		})
		if work < 0 {
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

// placeOf finds the innermost function of the main module on a stack, or else the function that was
// given to Do, if it is not Go's own. Without either it returns no place, because a wrong name is worse
// than none.
func placeOf(frames []runtime.Frame) (p place, ok bool) {
	own := slices.IndexFunc(frames, isOwn)
	if own < 0 {
		for own = len(frames) - 1; own >= 0 && packageOf(frames[own].Function) == "runtime/pprof"; own-- {
		}
		if own < 0 || isGo(frames[own].Function) {
			return p, false
		}
	}
	p.function = short(frames[own].Function)
	p.wait = waitOf(frames[:own])
	if own > 0 && packageOf(frames[own-1].Function) != "runtime" {
		p.callee = short(frames[own-1].Function)
	}
	if n := slices.IndexFunc(frames[own+1:], isOwn); n >= 0 {
		p.caller = short(frames[own+1+n].Function)
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

// isOwn reports whether a frame is the service's own code, and not of a dependency or of Go. It looks at
// the file too: a library's function that the compiler has inlined into the service's code can have a name
// in the service's package.
func isOwn(f runtime.Frame) bool {
	pkg, module := packageOf(f.Function), build().Main.Path
	if pkg != "main" && (module == "" || pkg != module && !strings.HasPrefix(pkg, module+"/")) {
		return false
	}
	switch file := f.File; {
	case strings.Contains(file, "@v") || strings.Contains(file, "/vendor/") || goRoot() != "" && strings.HasPrefix(file, goRoot()):
		return false
	case file == "" || filepath.IsAbs(file):
		return true
	default: // -trimpath
		dir := path.Dir(file)
		return dir == "command-line-arguments" || module != "" && (dir == module || strings.HasPrefix(dir, module+"/"))
	}
}

// goRoot is the directory of Go's own packages; empty after -trimpath.
var goRoot = sync.OnceValue(func() string {
	f := runtime.FuncForPC(reflect.ValueOf(path.Base).Pointer())
	file, _ := f.FileLine(f.Entry())
	root, _ := strings.CutSuffix(file, "path/path.go")
	return root
})

// isGo reports whether a function is in a package of Go, whose path has no domain.
func isGo(function string) bool {
	first, _, _ := strings.Cut(packageOf(function), "/")
	return first != "main" && !strings.Contains(first, ".")
}

// packageOf returns the package of a function such as example.com/shop/orders.(*Store).Get.
func packageOf(function string) string {
	dir, name := path.Split(function)
	pkg, _, _ := strings.Cut(name, ".")
	return strings.ReplaceAll(dir+pkg, "%2e", ".")
}

// short leaves out the directory of the package.
func short(function string) string { return path.Base(function) }

// waits says by a function on the stack what a goroutine waits for. The first match counts, so the more
// precise ones come first.
var waits = []struct{ function, what string }{
	{"database/sql.(*DB).conn", "a free connection of database/sql"},
	{"net/http.(*Transport).getConn", "a connection of net/http"},
	{"sync.(*RWMutex).Lock", "sync.RWMutex"},
	{"sync.(*RWMutex).RLock", "sync.RWMutex, to read"},
	{"sync.(*Once).doSlow", "sync.Once"},
	{"sync.(*Mutex).Lock", "sync.Mutex"},
	{"sync.(*WaitGroup).Wait", "sync.WaitGroup"},
	{"sync.(*Cond).Wait", "sync.Cond"},
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

// waitOf looks at the frames that park a goroutine, and at their caller. Functions further out prove
// nothing: sync.Once, for example, runs a function that may wait for anything.
func waitOf(frames []runtime.Frame) string {
	if n := slices.IndexFunc(frames, func(f runtime.Frame) bool { return !parks(packageOf(f.Function)) }); n >= 0 {
		frames = frames[:n+1]
	}
	for _, w := range waits {
		if slices.ContainsFunc(frames, func(f runtime.Frame) bool { return f.Function == w.function }) {
			return w.what
		}
	}
	return ""
}

func parks(pkg string) bool {
	return pkg == "runtime" || pkg == "sync" || pkg == "syscall" || strings.HasPrefix(pkg, "internal/")
}
