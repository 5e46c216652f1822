package guard

import (
	"bytes"
	"flag"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ours are the calls whose target the compiler does not know, but that need no guard: the target is ours, or it runs on
// the goroutine of the user who gave it to us. All other calls go through package guard.
var ours = map[string]string{
	// Loggers of guard.Writer, which ask a foreign handler on their own goroutine.
	"healthcheck: log.Info": "a Writer's", "healthcheck: log.Warn": "a Writer's",
	"healthcheck: r.logger.Error": "a Writer's", "healthcheck: r.logger.Warn": "a Writer's", "collect: c.log.Warn": "a Writer's", "operator: log.Error": "a Writer's", "peers: a.log.Warn": "a Writer's", "peers: c.of.log.Warn": "a Writer's",

	// The MeterProvider, on the goroutine that Start leaves behind, or on the user's.
	"export: mp.Meter": "connect", "export: meter.RegisterCallback": "connect", "export: r.Unregister": "of a failed Start",
	"export: m.Meter.Float64Histogram": "connect", "export: m.Meter.Float64ObservableCounter": "connect", "export: m.Meter.Float64ObservableGauge": "connect",
	"export: m.Meter.Int64Counter": "connect", "export: m.Meter.Int64ObservableCounter": "connect", "export: m.Meter.Int64ObservableGauge": "connect",
	"export: m.Meter.Int64ObservableUpDownCounter": "connect", "healthcheck: m.Meter.RegisterCallback": "exportQueues",
	"healthcheck: r.pipeline.MeterProvider.Meter": "exportQueues", "healthcheck: (*wait).Record": "the user's goroutine",

	// Reservoirs of exemplars, on the goroutine that records, or inside a collection, which package guard runs.
	"collect: r.provider": "the SDK's, or of a view of the user", "collect: r.all.Offer": "the same", "collect: r.all.Collect": "the same",

	// Functions of package export, which its callers run by package guard.
	"export: i.checkDuration.Record": "Runner.record", "export: i.checkTransitions.Add": "Monitor.judgeNow", "export: i.probeTransitions.Add": "Monitor.judgeNow",
	"export: o.ObserveFloat64": "Monitor.observe", "export: o.ObserveInt64": "Monitor.observe",

	// Errors and texts of our own, or of Go.
	"healthcheck: sdkmetric.ErrReaderNotRegistered.Error": "the SDK's", "healthcheck: err.Error": "ours, or of package guard", "healthcheck: fmt.Errorf": "ours, or of Go", "healthcheck: fmt.Sprint": "of overrides", "healthcheck: fmt.Sprintf": "of validateTimes",
	"healthcheck: errors.AsType[*query.Mistake]": "of package query", "healthcheck: errors.Is": "net/http's, on the caller's goroutine",
	"operator: err.Error": "of files", "operator: errors.Is": "of files", "operator: fmt.Errorf": "of files",
	"cfgerrors: wrapper.Unwrap": "the caller's goroutine", "checks: fmt.Errorf": "inside a check", "checks: c.err.Error": "inside an error of a check",
	"conventions: fmt.Sprint": "of an attribute's value", "conventions: v.Emit": "an attribute's value", "conventions: v.String": "an attribute's value",

	// Package blackbox: errors of files, the counter, which report.written runs by package guard, and functions of its own in variables.
	"blackbox: errors.Is": "of files", "blackbox: b.end": "of a context", "blackbox: end": "of a context",
	"blackbox: build": "of place", "blackbox: goRoot": "of place", "blackbox: text": "of a section",

	// Users' functions on the goroutine of the user who calls us.
	"healthcheck: next.ServeHTTP": "the handler in Wrap", "healthcheck: yield": "the loop over Watch", "cfgerrors: yield": "the loop over All",
	"checks: clientOf": "inside a check", "checks: conn.Close": "inside a check", "checks: resp.Body.Close": "inside a check", "checks: end": "inside a check",

	// Go's hash, and its connections to peers. Tests alone have others.
	"peers: h.Write": "Go's hash", "peers: c.network.Dial": "net.Dialer", "peers: conn.Close": "of net.Dialer", "peers: conn.SetDeadline": "of net.Dialer",

	// Functions of ours in variables.
	"checks: f": "inside a check", "healthcheck: c.Subject.Hurry": "Runner.Hurry", "peers: a.changed": "Monitor.askJudge", "peers: a.service": "of meet", "peers: c.of.service": "of meet", "peers: out": "of Asker", "peers: cancel": "of a context", "peers: end": "of a context",
	"collect: c.done": "Monitor.collected", "collect: f": "of connect and cumulative", "collect: limits": "Monitor.boundaries", "healthcheck: apply": "of start", "healthcheck: before": "of a queue",
	"healthcheck: cancel": "of a context", "healthcheck: e.end": "of bind", "healthcheck: end": "of a queue", "healthcheck: f": "of observe",
	"healthcheck: h.remove": "of Heartbeat", "healthcheck: m.drain": "of New", "healthcheck: m.stop": "of New", "healthcheck: r.cancel": "of a context",
	"healthcheck: r.release": "of claim", "healthcheck: release": "of claim", "healthcheck: stay": "of a context", "healthcheck: undo": "of package lifecycle",
	"healthcheck: unobserve": "of package export", "healthcheck: use": "of a file", "operator: cancel": "of a context", "operator: f.parse": "of loadFiles",
	"operator: known": "Monitor.has", "run: cancel": "of a context", "run: r.changed": "Monitor.askJudge", "statuspage: cancel": "of a context",
	"statuspage: d.handler.ServeHTTP": "DetailsHandler",
}

// known are types whose methods are Go's, or work on the goroutine of our caller.
var known = []string{"context.Context", "reflect.Type", "hash.Hash32", "hash.Hash64", "net.Listener", "net/http.ResponseWriter", "io/fs.FileInfo", "io/fs.DirEntry"}

const modulePath = "github.com/otelhealth/otelhealth/"

// unread are packages without foreign code: those with only data and functions of ours, the guard itself, packages for
// tests, and packages that run in programs of their own and not in services.
var unread = []string{"history", "replay", "suggest", "backtest", "verdict", "states", "query", "rule", "evidence", "memory", "judge", "answer", "guard", "leaktest", "healthtest"}

// TestForeignCode finds the calls of foreign code in all packages that users import, by their types: calls of functions
// in variables, of methods of interfaces, of loggers, and of functions that call the methods of an error. Each must be
// in a function that package guard runs, or in the list of ours. A line of that list may stand for many calls, so
// testdata/calls.txt lists every call without a guard: each new one is a line to review.
func TestForeignCode(t *testing.T) {
	ours := maps.Clone(ours)
	maps.Copy(ours, oursElsewhere)
	unused, unguarded := maps.Clone(ours), map[string]bool{}
	for _, c := range dynamicCalls(t) {
		if _, is := ours[c.key]; is {
			delete(unused, c.key)
		} else if _, is := ours[c.typed]; is {
			delete(unused, c.typed)
		} else if !c.guarded {
			t.Errorf("%s: %s (%s) may be foreign code: run it by package guard, or say in the list why it is ours", c.at, c.key, c.typed)
		}
		if !c.guarded {
			unguarded[c.in+" calls "+c.key[strings.Index(c.key, ": ")+2:]+"\n"] = true
		}
	}
	for key := range unused {
		t.Errorf("the list has %q, which no code calls", key)
	}
	const file = "testdata/calls.txt"
	got := strings.Join(slices.Sorted(maps.Keys(unguarded)), "")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.SplitAfter(string(want), "\n")
	for line := range unguarded {
		if !slices.Contains(known, line) {
			t.Errorf("a new call without package guard: %sIf it can't hurt, go test -run TestForeignCode -update", line)
		}
	}
	for _, line := range known {
		if line != "" && !unguarded[line] {
			t.Errorf("%s has a call that is gone: %sgo test -run TestForeignCode -update", file, line)
		}
	}
}

var update = flag.Bool("update", false, "write the golden files")

// dynamicCall is a call of a function that the compiler does not know.
type dynamicCall struct {
	key     string // package and expression
	in      string // package and function
	typed   string // package and type of the interface or of the function
	at      token.Position
	guarded bool
}

func dynamicCalls(t *testing.T) (all []dynamicCall) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}\t{{.Dir}}\t{{join .GoFiles \" \"}}",
		modulePath+"telemetry/...", modulePath+"healthcheck/...")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports, folders := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		exports[f[0]] = f[1]
		if strings.HasPrefix(f[0], modulePath+"telemetry") || strings.HasPrefix(f[0], modulePath+"healthcheck") {
			for _, name := range strings.Fields(f[3]) {
				folders[f[0]] = append(folders[f[0]], filepath.Join(f[2], name))
			}
		}
	}
	for _, name := range []string{"telemetry", "telemetry/grpctelemetry", "healthcheck", "healthcheck/promhealth", "healthcheck/grpchealth"} {
		if folders[modulePath+name] == nil {
			t.Errorf("%s is not read", name)
		}
	}
	files := token.NewFileSet()
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, importPath := range slices.Sorted(maps.Keys(folders)) {
		name := path.Base(importPath)
		if slices.Contains(unread, name) {
			continue
		}
		var parsed []*ast.File
		for _, file := range folders[importPath] {
			f, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
		if _, err := (&types.Config{Importer: imports}).Check(importPath, files, parsed, info); err != nil {
			t.Fatal(err)
		}
		all = append(all, callsIn(name, files, info, parsed)...)
	}
	return all
}

// callsIn lists the calls of one package.
func callsIn(name string, files *token.FileSet, info *types.Info, parsed []*ast.File) (all []dynamicCall) {
	literals, guards := literalsIn(info, parsed), guardsIn(info, parsed)
	for _, f := range parsed {
		guarded := map[*ast.FuncLit]bool{}
		var depth []ast.Node
		ast.Inspect(f, func(n ast.Node) bool {
			if n == nil {
				depth = depth[:len(depth)-1]
				return true
			}
			depth = append(depth, n)
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			for _, n := range guardedArguments(info, call, guards) {
				if f, is := call.Args[n].(*ast.FuncLit); is {
					guarded[f] = true
				}
			}
			if !foreign(info, call, literals) {
				return true
			}
			c := dynamicCall{key: name + ": " + source(files, call.Fun), typed: name + ": " + typeOf(info, call), at: files.Position(call.Pos())}
			c.in = name
			for _, outer := range depth {
				if f, is := outer.(*ast.FuncDecl); is {
					if f.Recv != nil {
						c.in += ".(" + source(files, f.Recv.List[0].Type) + ")"
					}
					c.in += "." + f.Name.Name
				}
				if f, is := outer.(*ast.FuncLit); is && guarded[f] {
					c.guarded = true
				}
			}
			all = append(all, c)
			return true
		})
	}
	return all
}

// guardsIn returns the functions of a package that run a parameter by package guard, or by another one
// of them, and the positions of these parameters.
func guardsIn(info *types.Info, parsed []*ast.File) map[types.Object][]int {
	all := map[types.Object][]int{}
	for grows := true; grows; {
		grows = false
		for _, f := range parsed {
			for _, d := range f.Decls {
				f, is := d.(*ast.FuncDecl)
				if !is || f.Body == nil {
					continue
				}
				own := info.Defs[f.Name]
				ast.Inspect(f.Body, func(n ast.Node) bool {
					call, is := n.(*ast.CallExpr)
					if !is {
						return true
					}
					for _, n := range guardedArguments(info, call, all) {
						for _, p := range parametersIn(info, own, call.Args[n]) {
							if !slices.Contains(all[own], p) {
								all[own], grows = append(all[own], p), true
							}
						}
					}
					return true
				})
			}
		}
	}
	return all
}

// parametersIn returns the positions of the parameters of a function that are functions, and which an
// expression is or calls.
func parametersIn(info *types.Info, of types.Object, expr ast.Expr) (positions []int) {
	parameters := of.(*types.Func).Signature().Params()
	ast.Inspect(expr, func(n ast.Node) bool {
		if name, is := n.(*ast.Ident); is {
			for p := range parameters.Len() {
				if _, function := parameters.At(p).Type().Underlying().(*types.Signature); function && info.Uses[name] == parameters.At(p) {
					positions = append(positions, p)
				}
			}
		}
		return true
	})
	return positions
}

// literalsIn returns the variables that are only function literals.
func literalsIn(info *types.Info, parsed []*ast.File) map[types.Object]bool {
	all := map[types.Object]bool{}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			a, is := n.(*ast.AssignStmt)
			if !is || len(a.Lhs) != len(a.Rhs) {
				return true
			}
			for i, left := range a.Lhs {
				name, is := left.(*ast.Ident)
				if !is {
					continue
				}
				_, literal := a.Rhs[i].(*ast.FuncLit)
				of := info.Defs[name]
				if of == nil {
					of = info.Uses[name]
				}
				if before, seen := all[of]; !seen || before {
					all[of] = literal
				}
			}
			return true
		})
	}
	return all
}

// callee returns the function of a call as far as the compiler knows it; nil otherwise.
func callee(info *types.Info, call *ast.CallExpr) *types.Func {
	fun := ast.Unparen(call.Fun)
	if generic, is := fun.(*ast.IndexExpr); is {
		fun = generic.X
	}
	switch fun := fun.(type) {
	case *ast.Ident:
		f, _ := info.Uses[fun].(*types.Func)
		return f
	case *ast.SelectorExpr:
		f, _ := info.Uses[fun.Sel].(*types.Func)
		return f
	}
	return nil
}

// guardedArguments returns the positions of the arguments that a call runs by package guard. Of its own
// functions it is the first function, because the second one of Do is ours.
func guardedArguments(info *types.Info, call *ast.CallExpr, guards map[types.Object][]int) []int {
	f := callee(info, call)
	switch {
	case f == nil:
		return nil
	case f.Pkg() == nil || !strings.HasSuffix(f.Pkg().Path(), "internal/guard"):
		return guards[f.Origin()]
	}
	for n, arg := range call.Args {
		if _, function := info.TypeOf(arg).Underlying().(*types.Signature); function {
			return []int{n}
		}
	}
	return nil
}

// typeOf returns the type of an interface whose method is called, or of a function in a variable.
func typeOf(info *types.Info, call *ast.CallExpr) string {
	if f := callee(info, call); f != nil {
		if recv := f.Signature().Recv(); recv != nil {
			return types.TypeString(recv.Type(), nil)
		}
		return f.FullName()
	}
	return types.TypeString(info.TypeOf(call.Fun), nil)
}

// foreign reports whether a call may call foreign code.
func foreign(info *types.Info, call *ast.CallExpr, literals map[types.Object]bool) bool {
	if tv := info.Types[call.Fun]; tv.IsType() || tv.IsBuiltin() {
		return false
	}
	if _, literal := ast.Unparen(call.Fun).(*ast.FuncLit); literal {
		return false
	}
	f := callee(info, call)
	if f == nil { // of a variable
		name, is := ast.Unparen(call.Fun).(*ast.Ident)
		return !is || !literals[info.Uses[name]]
	}
	if recv := f.Signature().Recv(); recv != nil {
		if types.IsInterface(recv.Type()) {
			named := types.TypeString(recv.Type(), nil)
			return !slices.Contains(known, named) && !strings.HasPrefix(named, "github.com/otelhealth/")
		}
		if strings.HasSuffix(types.TypeString(recv.Type(), nil), "log/slog.Logger") {
			return f.Name() != "Handler"
		}
		return false
	}
	switch name := f.FullName(); {
	case name == "errors.Is", name == "errors.As", name == "errors.AsType", name == "errors.Unwrap":
		return true
	case strings.HasPrefix(name, "fmt.Sprint"), strings.HasPrefix(name, "fmt.Errorf"), strings.HasPrefix(name, "fmt.Append"):
		return printsForeign(info, call)
	}
	return false
}

// printsForeign reports whether a function of fmt may call a method of an argument. %T does not.
func printsForeign(info *types.Info, call *ast.CallExpr) bool {
	args, verbs := call.Args, []string(nil)
	if f := callee(info, call); strings.HasSuffix(f.Name(), "f") {
		for n, arg := range args {
			if v := info.Types[arg].Value; v != nil && v.Kind() == constant.String {
				verbs = verb.FindAllString(strings.ReplaceAll(constant.StringVal(v), "%%", ""), -1)
				args = args[n+1:]
				break
			}
		}
	}
	for n, arg := range args {
		t := info.TypeOf(arg)
		if list, is := t.Underlying().(*types.Slice); is && call.Ellipsis.IsValid() {
			t = list.Elem()
		}
		if types.IsInterface(t) && (n >= len(verbs) || verbs[n] != "%T") {
			return true
		}
	}
	return false
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

func source(files *token.FileSet, n ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, files, n); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
