package healthcheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms has the packages of this module, with their imports of each other. A package imports only packages
// above it in this list. The names leave out internal/.
var rooms = []struct{ name, imports string }{
	// Words. They are data.
	{"verdict", ""},
	{"cfgerrors", ""},
	{"conventions", ""},
	{"states", "verdict"},
	{"query", ""},
	{"rule", "query verdict"},
	{"text", ""},
	{"buildinfo", ""},
	// Evidence.
	{"guard", "conventions"},
	{"evidence", "conventions query text"},
	{"collect", "conventions evidence guard"},
	{"history", "conventions evidence query"},
	{"suggest", "evidence query"},
	{"run", "conventions guard text"},
	// Memory, and requests of people.
	{"memory", "evidence verdict"},
	{"lifecycle", "states"},
	{"operator", "lifecycle states verdict"},
	{"votes", "memory states verdict"},
	{"peers", "guard states verdict votes"},
	// Judge.
	{"judge", "evidence lifecycle memory query run states text verdict votes"},
	{"replay", "evidence judge lifecycle memory query states verdict"},
	// Answer.
	{"answer", "conventions judge query states text verdict votes"},
	{"export", "conventions guard judge query run states verdict votes"},
	{"", "answer buildinfo cfgerrors collect conventions evidence export guard judge lifecycle operator peers query rule run states verdict votes"},
	// Packages that users add.
	{"checks", "run"},
	{"statuspage", "healthcheck verdict"},
	{"healthtest", "healthcheck query rule verdict"},
	{"backtest", "cfgerrors healthcheck history query replay rule states suggest verdict"},
	{"blackbox", "cfgerrors collect conventions export guard healthcheck verdict"},
	{"grpchealth", "checks healthcheck verdict"},
	{"promhealth", "buildinfo cfgerrors conventions guard healthcheck"},
	// Packages that only tests use.
	{"leaktest", ""},
}

// still has the packages without a clock, a goroutine and a lock. Their results depend only on their input, so
// they can also judge recorded history.
var still = []string{"verdict", "states", "query", "rule", "evidence", "memory", "votes", "judge", "replay", "answer", "suggest"}

const modulePath = "github.com/otelhealth/otelhealth/"

// TestRooms compares the imports with the list, which docs/concepts.md draws.
func TestRooms(t *testing.T) {
	want := map[string][]string{}
	var above []string
	for _, r := range rooms {
		all := strings.Fields(r.imports)
		for _, i := range all {
			if !slices.Contains(above, i) {
				t.Errorf("%q imports %q, which does not stand above it in the list", r.name, i)
			}
		}
		want[r.name] = all
		above = append(above, r.name)
		if r.name == "" {
			above = append(above, "healthcheck")
		}
	}
	got := imports(t, ".")
	for name, is := range got {
		if !slices.Equal(is, want[name]) {
			t.Errorf("%q imports %v; the list has %v", name, is, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%q is in the list and not in the folder", name)
	}
}

// imports returns the packages under a folder, with their imports of each other.
func imports(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string]map[string]bool{}
	each(t, root, func(name string, file *ast.File) {
		if found[name] == nil {
			found[name] = map[string]bool{}
		}
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if rest, ours := strings.CutPrefix(p, modulePath+"healthcheck"); ours {
				found[name][short(rest)] = true
			}
		}
	})
	all := map[string][]string{}
	for name, set := range found {
		all[name] = slices.Sorted(maps.Keys(set))
	}
	return all
}

func short(rest string) string {
	if rest == "" {
		return "healthcheck"
	}
	return strings.TrimPrefix(strings.TrimPrefix(rest, "/"), "internal/")
}

// each visits the files of a folder that are not tests, for every platform.
func each(t *testing.T, root string, visit func(name string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(p))
		if dir == "." {
			dir = ""
		}
		visit(strings.TrimPrefix(dir, "internal/"), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStillRooms: a package in still has no clock, no goroutine and no lock, and reads no metrics.
func TestStillRooms(t *testing.T) {
	seen := map[string]bool{}
	each(t, ".", func(name string, file *ast.File) {
		if !slices.Contains(still, name) {
			return
		}
		seen[name] = true
		for _, i := range file.Imports {
			switch p := strings.Trim(i.Path.Value, `"`); p {
			case "sync", "os", "log/slog", "go.opentelemetry.io/otel", "go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/sdk/metric":
				t.Errorf("%s: %s imports %s", name, file.Name.Name, p)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: starts a goroutine", name)
			case *ast.SendStmt, *ast.SelectStmt:
				t.Errorf("%s: uses a channel", name)
			case *ast.SelectorExpr:
				if x, is := n.X.(*ast.Ident); is && x.Name == "time" {
					switch n.Sel.Name {
					case "Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Sleep", "Tick":
						t.Errorf("%s: has a clock: time.%s", name, n.Sel.Name)
					}
				}
			}
			return true
		})
	})
	for _, name := range still {
		if !seen[name] {
			t.Errorf("%s: has no file", name)
		}
	}
}

// TestEachRoomHasAContract: the package comment has three lines or more.
func TestEachRoomHasAContract(t *testing.T) {
	docs := map[string]string{}
	each(t, "internal", func(name string, file *ast.File) {
		docs[name] += file.Doc.Text()
	})
	for name, doc := range docs {
		if len(doc) < 60 {
			t.Errorf("%s: the package comment is %q", name, doc)
		}
	}
}

// TestRoot: the root package stays small: the public types, the wiring and the loops.
func TestRoot(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			n++
		}
	}
	if n > 25 {
		t.Errorf("%d files; at most 25", n)
	}
}
