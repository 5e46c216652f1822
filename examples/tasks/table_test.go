package tasks

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table in README.md")

// rows are the rows of the table. before is the number of lines in the API of commit d47c0f7.
var rows = []struct {
	name, what string
	before     int
}{
	{"01-ping", "a check of the database, liveness and readiness", 38},
	{"02-latency", "and a rule: p99 of the requests under 500 ms", 44},
	{"03-errors", "a rule: fewer than 5 % errors", 45},
	{"04-queue", "a rule: a queue that fills takes the instance out", 48},
	{"05-heartbeat", "a worker that hangs restarts the process", 50},
	{"06-warns-only", "a check that only warns", 42},
	{"07-interval", "an interval and a timeout of a check's own", 42},
	{"08-maintenance", "maintenance by a file", 41},
	{"09-own-tls-server", "drain of a server of your own, with TLS", 54},
	{"10-listeners", "three listeners, one for probes alone", 62},
	{"11-grpc", "`grpc.health.v1`", 48},
	{"12-prometheus-registry", "your own Prometheus registry and histogram", 56},
	{"13-own-provider", "your own MeterProvider, OTLP over HTTP", 48},
	{"14-test-of-a-rule", "a unit test of a rule", 45},
	{"15-add-and-remove", "a check that comes and goes at run time", 54},
}

// TestTable counts the lines and names of the programs, and compares the counts with the table in
// README.md and with limits.
func TestTable(t *testing.T) {
	c := newCounter(t)
	var table strings.Builder
	table.WriteString("| program | task | lines | more than base | identifiers | lines before |\n|---|---|--:|--:|--:|--:|\n")
	row := func(name, what, before string) (lines, added, identifiers int) {
		lines, added, identifiers = c.count(name)
		file := "main.go"
		if name == "14-test-of-a-rule" {
			file = "rules_test.go"
		}
		fmt.Fprintf(&table, "| [%s](%s/%s) | %s | %d | %d | %d | %s |\n", name, name, file, what, lines, added, identifiers, before)
		return lines, added, identifiers
	}
	row("base", "the service without health", "19")
	if _, added, _ := row("01-min", "01-ping without a drain", "31"); added > 7 {
		t.Errorf("01-min adds %d lines, want 7 at most", added)
	}
	lines, before := 0, 0
	for _, r := range rows {
		n, _, _ := row(r.name, r.what, fmt.Sprint(r.before))
		lines, before = lines+n, before+r.before
	}
	if lines > 580 {
		t.Errorf("the tasks take %d lines, want 580 at most", lines)
	}
	fmt.Fprintf(&table, "| | 01-ping to 15 | %d | | | %d |\n", lines, before)
	compare(t, table.String())
}

// compare compares a table with the only one in README.md.
func compare(t *testing.T, table string) {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	from := bytes.Index(page, []byte("| program |"))
	to := bytes.LastIndex(page, []byte("|\n")) + len("|\n")
	if from < 0 || to < from {
		t.Fatal("README.md has no table")
	}
	if got := string(page[from:to]); got == table {
		return
	} else if !*update {
		t.Fatalf("README.md has\n%s\nand the programs have\n%s\nIf that is right, run go -C examples test ./tasks -run TestTable -update", got, table)
	}
	if err := os.WriteFile("README.md", []byte(string(page[:from])+table+string(page[to:])), 0o644); err != nil {
		t.Fatal(err)
	}
}

// counter counts the lines and names of programs.
type counter struct {
	t       *testing.T
	files   *token.FileSet
	imports types.Importer
	base    []string
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	exports := map[string]string{} // files with the types of packages, by import path
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-test", "-f", "{{if not .ForTest}}{{.ImportPath}}\t{{.Export}}{{end}}", "./...")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	c := &counter{t: t, files: token.NewFileSet()}
	c.imports = importer.ForCompiler(c.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	c.base = c.lines("base")
	return c
}

// count returns the lines of a program that are not blank, how many of them are not in base, and how
// many different identifiers of otelhealth and of the OpenTelemetry SDK it uses. Keys of composite
// literals do not count.
func (c *counter) count(name string) (lines, added, identifiers int) {
	c.t.Helper()
	all := c.lines(name)
	return len(all), len(all) - common(c.base, all), len(c.identifiers(name))
}

func (c *counter) lines(name string) (lines []string) {
	c.t.Helper()
	for _, file := range c.sources(name) {
		text, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func (c *counter) sources(name string) []string {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(name, "*.go"))
	if err != nil || len(files) == 0 {
		c.t.Fatalf("%s: no program: %v", name, err)
	}
	return files
}

// common is the length of the longest common subsequence, as diff finds it.
func common(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for i, y := range b {
			above := row[i+1]
			if x == y {
				row[i+1] = diagonal + 1
			} else {
				row[i+1] = max(above, row[i])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

func (c *counter) identifiers(name string) map[types.Object]bool {
	c.t.Helper()
	var files []*ast.File
	for _, file := range c.sources(name) {
		f, err := parser.ParseFile(c.files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			c.t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: c.imports}
	if _, err := config.Check(name, c.files, files, info); err != nil {
		c.t.Fatal(err)
	}
	found := map[types.Object]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if o := info.Uses[s.Sel]; o != nil && o.Pkg() != nil && counts(o.Pkg().Path()) {
					found[o] = true
				}
			}
			return true
		})
	}
	return found
}

func counts(path string) bool {
	return strings.HasPrefix(path, "github.com/otelhealth/otelhealth/") || strings.HasPrefix(path, "go.opentelemetry.io/otel/")
}
