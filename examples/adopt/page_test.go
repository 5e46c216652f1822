package adopt

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the diffs and the table of lines in docs/adopt.md")

// services are the folders, in the order of the page.
var services = []string{"registry", "provider", "rungroup"}

// maxGlue limits the lines of an adoption, without its imports and configuration.
const maxGlue = 12

// TestPage compares the programs with the page's diffs, its middleware and its table of lines.
func TestPage(t *testing.T) {
	const file = "../../docs/adopt.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	table := "| service | lines added | removed | of the added: imports | configuration | glue |\n|---|--:|--:|--:|--:|--:|\n"
	var diffs []string
	for _, name := range services {
		before, after := lines(t, name, "before"), lines(t, name, "after")
		script := edits(before, after)
		c := count(script)
		table += fmt.Sprintf("| [%s](../examples/adopt/%s) | %d | %d | %d | %d | %d |\n", name, name, c.added, c.removed, c.imports, c.configuration, c.glue)
		if c.glue > maxGlue {
			t.Errorf("%s: %d lines of glue, the maximum is %d", name, c.glue, maxGlue)
		}
		diffs = append(diffs, "```diff\n"+unified(script)+"```\n")
	}
	n := -1
	want := regexp.MustCompile("(?s)```diff\n.*?```\n").ReplaceAllStringFunc(page, func(block string) string {
		if n++; n < len(diffs) {
			return diffs[n]
		}
		return block
	})
	if n+1 != len(diffs) {
		t.Fatalf("the page has %d diffs, want %d", n+1, len(diffs))
	}
	want = regexp.MustCompile(`(?m)^\| service \| lines added .*\n(\|.*\n)*`).ReplaceAllLiteralString(want, table)
	if !strings.Contains(want, table) {
		t.Error("the page has no table of lines")
	}
	if m := regexp.MustCompile("(?s)### The middleware for requests\n.*?```go\n(.*?)```").FindStringSubmatch(page); m == nil || !strings.Contains(strings.Join(lines(t, "registry", "after"), "\n"), m[1]) {
		t.Error("the page's middleware is not that of registry/after/main.go")
	}
	if want == page {
		return
	}
	if !*update {
		t.Fatal("the page differs from the programs: run go -C examples test ./adopt -run TestPage -update")
	}
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, service, version string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(service, version, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// edit is a line of a diff: ' ' is unchanged, '-' is removed, '+' is added.
type edit struct {
	op   byte
	line string
}

// edits turns a into b with the fewest lines, as diff does.
func edits(a, b []string) (script []edit) {
	rest := make([][]int, len(a)+1) // the longest common subsequence of a[i:] and b[j:]
	for i := range rest {
		rest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if rest[i][j] = max(rest[i+1][j], rest[i][j+1]); a[i] == b[j] {
				rest[i][j] = 1 + rest[i+1][j+1]
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			script = append(script, edit{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && rest[i+1][j] >= rest[i][j+1]:
			script = append(script, edit{'-', a[i]})
			i++
		default:
			script = append(script, edit{'+', b[j]})
			j++
		}
	}
	return script
}

// unified writes a script as diff -u does.
func unified(script []edit) string {
	const context = 3
	shown := make([]bool, len(script))
	for n, e := range script {
		if e.op != ' ' {
			for k := max(0, n-context); k <= min(len(script)-1, n+context); k++ {
				shown[k] = true
			}
		}
	}
	var out strings.Builder
	out.WriteString("--- before/main.go\n+++ after/main.go\n")
	old, now := 1, 1
	for n := 0; n < len(script); {
		end := n
		for end < len(script) && shown[end] == shown[n] {
			end++
		}
		hunk := script[n:end]
		var text strings.Builder
		came, went := 0, 0
		for _, e := range hunk {
			fmt.Fprintf(&text, "%c%s\n", e.op, e.line)
			if e.op != '+' {
				went++
			}
			if e.op != '-' {
				came++
			}
		}
		if shown[n] {
			fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n%s", old, went, now, came, text.String())
		}
		n, old, now = end, old+went, now+came
	}
	return out.String()
}

type counts struct{ added, removed, imports, configuration, glue int }

// count sorts the added lines. What is in healthcheck.Config, and the indicators before it, are
// configuration. Everything else but imports and blank lines is glue.
func count(script []edit) (c counts) {
	importing, configuring := false, false
	for _, e := range script {
		if e.op == '-' {
			c.removed++
			continue
		}
		line := strings.TrimSpace(e.line)
		switch line {
		case "import (":
			importing = true
		case ")":
			importing = false
		case "})":
			configuring = false
		}
		if e.op == '+' {
			c.added++
			switch {
			case line == "":
			case importing:
				c.imports++
			case configuring || strings.Contains(line, "rule."):
				c.configuration++
			default:
				c.glue++
			}
		}
		if strings.HasSuffix(line, "healthcheck.Config{") {
			configuring = true
		}
	}
	return c
}

// TestUnified compares with what diff -u writes.
func TestUnified(t *testing.T) {
	a := strings.Split("a b c d e f g h i j k l m n", " ")
	b := strings.Split("a B c d e f g h i j k l m n o", " ")
	want := "--- before/main.go\n+++ after/main.go\n@@ -1,5 +1,5 @@\n a\n-b\n+B\n c\n d\n e\n@@ -12,3 +12,4 @@\n l\n m\n n\n+o\n"
	if got := unified(edits(a, b)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if script := edits(a, a); len(script) != len(a) || slices.ContainsFunc(script, func(e edit) bool { return e.op != ' ' }) {
		t.Errorf("no difference is %v", script)
	}
}
