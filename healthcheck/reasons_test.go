package healthcheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// noReasons has declarations, in small letters, whose texts are never a reason in a verdict. It
// also has single texts that are not reasons.
var noReasons = map[string]string{
	"check.validate":           "configuration",
	"check.validatetimes":      "configuration",
	"entry.validate":           "configuration",
	"badname":                  "configuration",
	"badduration":              "configuration",
	"readerof":                 "a part of one",
	"monitor.heartbeatof":      "the caller's mistake",
	"indicator.validate":       "configuration",
	"indicator.validateseries": "configuration",
	"indicator.pointless":      "configuration",
	"rule.validate":            "configuration",
	"monitor.validate":         "configuration",
	"monitor.validatepaths":    "configuration",
	"needsreader":              "configuration",
	"monitor.mismatch":         "configuration",
	"monitor.startwith":        "the caller's error",
	"monitor.add":              "the caller's error",
	"monitor.latemistakes":     "the caller's error",
	"monitor.setup":            "the caller's error",
	"running.cumulative":       "the caller's error",
	"queue.problem":            "the caller's mistake",
	"monitor.queue":            "the caller's mistake",
	"newmaintenance":           "the caller's mistake",
	"monitor.maintain":         "the caller's mistake",
	"monitor.checkservers":     "the caller's error",
	"monitor.serveall":         "the caller's error",
	"monitor.shutdown":         "the caller's error",
	"readonly":                 "405",
	"monitor.listenandserve":   "the caller's error",
	"monitor.connect":          "the caller's error",
	"monitor.await":            "the caller's error",
	"notcollected":             "the caller's error",
	"errothermonitor":          "the caller's error",
	"instruments.create":       "descriptions",
	"errors.describe":          "for operators",
	"fault.error":              "for operators",
	"site.text":                "for operators",
	"writer.took":              "log",
	"queue.ask":                "log",
	"monitor.tracerof":         "log",
	"monitor.startclaimed":     "log",
	"monitor.override":         "log",
	"monitor.logunknown":       "log",
	"sources":                  "log",
	"log.maintenance":          "log",
	"log.maintenanceend":       "log",
	"file.load":                "log",
	"file.read":                "log",
	"file.watch":               "the log",
	"file.log":                 "the log",
	"errnotregular":            "the log",
	"parsemaintenance":         "log",
	"parseoverrides":           "log",
	"collector.collect":        "log",
	"log.change":               "log",
	"queue.export":             "descriptions",
	"monitor.peersat":          "configuration",
	"asker.look":               "log",
	"records":                  "descriptions",
	"contactor.try":            "log",
	"contactor.judge":          "log",
	"up-down counter":          "a kind of instrument",
	"exponential histogram":    "a kind of instrument",
	"count":                    "a part of a reason",
}

// noVerdicts are packages without texts of verdicts: those of the backtest, which is a program of its own,
// and of tests.
var noVerdicts = []string{"history", "replay", "suggest", "leaktest"}

// TestReasonsAreExplained: every possible output of a verdict has a row in docs/not-ready.md, and
// every row has such a text.
func TestReasonsAreExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/not-ready.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(string(page), -1)
	explained := map[string]bool{}
	for _, r := range rows {
		explained[r[1]] = false
	}
	unused := map[string]bool{}
	for f := range noReasons {
		unused[f] = true
	}
	for text, where := range reasons(t, unused) {
		expr := verbs.ReplaceAllString(regexp.QuoteMeta(text), ".+")
		if text == strings.TrimSpace(text) {
			expr = "^(.+: |.+; )?" + expr + "$" // after the metric, or the crossing
		}
		pattern := regexp.MustCompile(expr)
		found := false
		for row := range explained {
			if pattern.MatchString(row) {
				explained[row], found = true, true
			}
		}
		if !found {
			t.Errorf("%s: docs/not-ready.md has no row for %q", where, text)
		}
	}
	for row, found := range explained {
		if !found {
			t.Errorf("docs/not-ready.md explains %q, which no code says", row)
		}
	}
	for f := range unused {
		t.Errorf("noReasons has %q, which no code has", f)
	}
}

var (
	verbs = regexp.MustCompile(`%(\\?\.1)?[a-zA-Z]`) // %.1f, quoted or not
	word  = regexp.MustCompile(`[a-z]{2}`)
)

// reasons returns the texts of two words or more and the texts of phase.reason, with their
// positions.
func reasons(t *testing.T, unused map[string]bool) map[string]string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.go", "internal/*/*.go", "rule/*.go", "verdict/*.go"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	set, all := token.NewFileSet(), map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(noVerdicts, filepath.Base(filepath.Dir(name))) {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			in := strings.ToLower(nameOf(d))
			ast.Inspect(d, func(n ast.Node) bool {
				lit, is := n.(*ast.BasicLit)
				if !is || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil || !strings.Contains(strings.TrimSpace(text), " ") && in != "phase.reason" {
					return true
				}
				key := in
				if _, not := noReasons[text]; not {
					key = text
				}
				if _, not := noReasons[key]; not {
					delete(unused, key)
				} else if word.MatchString(verbs.ReplaceAllString(text, "")) {
					all[text] = set.Position(lit.Pos()).String() + ", " + in
				}
				return true
			})
		}
	}
	return all
}

// nameOf returns "file.load" for a method, and the name of a variable's declaration.
func nameOf(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.GenDecl:
		if v, is := d.Specs[0].(*ast.ValueSpec); is {
			return v.Names[0].Name
		}
	case *ast.FuncDecl:
		if d.Recv == nil {
			return d.Name.Name
		}
		recv := d.Recv.List[0].Type
		if p, is := recv.(*ast.StarExpr); is {
			recv = p.X
		}
		if generic, is := recv.(*ast.IndexExpr); is {
			recv = generic.X
		}
		return recv.(*ast.Ident).Name + "." + d.Name.Name
	}
	return ""
}
