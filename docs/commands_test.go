package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goCommand is a go command in a page that takes a directory, a test or a benchmark of this repository.
var goCommand = regexp.MustCompile("\\bgo (-C \\S+ )?(test|run|build|generate) [^`\\n#&)]*")

// TestCommands: each go command of a page names a directory, tests, benchmarks and flags that exist. What
// these commands print is tested where they run: in examples/quickstart, cmd/demo, cmd/otelhealth and e2e.
func TestCommands(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files", "*.md").Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range strings.Fields(string(out)) {
		text, err := os.ReadFile(filepath.Join("..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range goCommand.FindAllString(spans(string(text)), -1) {
			if problem := wrong(module(page), command); problem != "" {
				t.Errorf("%s: %s: %s", page, command, problem)
			}
			n++
		}
	}
	if n < 30 {
		t.Errorf("only %d commands", n)
	}
}

// spans puts each piece of code that is broken over two lines into one.
func spans(text string) string {
	return regexp.MustCompile("`[^`]+`").ReplaceAllStringFunc(text, func(code string) string {
		if strings.Count(code, "\n") == 1 {
			return strings.Join(strings.Fields(code), " ")
		}
		return code
	})
}

// module returns the directory in which a page's commands run: that of the nearest go.mod.
func module(page string) string {
	dir := filepath.Dir(filepath.Join("..", page))
	for dir != ".." {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// wrong says what of a command does not exist.
func wrong(dir, command string) string {
	words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(command))[1:]
	if words[0] == "-C" {
		if dir, words = filepath.Join("..", strings.TrimPrefix(words[1], "../otelhealth/")), words[2:]; strings.HasSuffix(dir, "DIR") {
			return ""
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			return err.Error()
		}
	}
	verb, words := words[0], words[1:]
	if verb != "test" {
		if len(words) > 0 && strings.HasPrefix(words[0], "./") && words[0] != "./..." {
			if files, _ := filepath.Glob(filepath.Join(dir, words[0], "*.go")); files == nil && words[0] != "./cmd/backtest" { // the reader's
				return "no program is in " + words[0]
			}
		}
		return ""
	}
	var packages, flags, names []string
	for n := 0; n < len(words); n++ {
		switch word := words[n]; {
		case strings.HasPrefix(word, "./") || word == ".":
			packages = append(packages, word)
		case (word == "-run" || word == "-bench") && n+1 < len(words):
			n++
			names = append(names, strings.Split(strings.Trim(words[n], "^$"), "|")...)
		case strings.HasPrefix(word, "-"):
			flags = append(flags, strings.TrimPrefix(word, "-"))
		}
	}
	tests := testsOf(dir, packages)
	if tests == "" {
		return "no tests are there"
	}
	for _, name := range names {
		if name != "" && !regexp.MustCompile(`(?m)^func (Test|Benchmark|Fuzz)?`+name+`\w*\(`).MatchString(tests) {
			return "there is no " + name
		}
	}
	for _, name := range flags {
		name, _, _ = strings.Cut(name, "=")
		usual := []string{"v", "race", "count", "timeout", "short", "cpu", "benchtime", "benchmem", "parallel", "fuzz", "fuzztime"}
		if !slices.Contains(usual, name) && !regexp.MustCompile(`flag\.\w+\((&\w+, )?"`+name+`"`).MatchString(tests) {
			return "no test has the flag -" + name
		}
	}
	return ""
}

// testsOf returns the tests of packages; without packages, of the directory's own, or of all modules that
// users import.
func testsOf(dir string, packages []string) string {
	key := fmt.Sprint(dir, packages)
	if known, is := read[key]; is {
		return known
	}
	if len(packages) == 0 {
		packages = []string{"."}
	}
	var all strings.Builder
	for _, p := range packages {
		if p == "./..." || dir == ".." && p == "." {
			_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
				if err == nil && strings.HasSuffix(path, "_test.go") {
					text, _ := os.ReadFile(path)
					all.Write(text)
				}
				return nil
			})
			continue
		}
		files, _ := filepath.Glob(filepath.Join(dir, p, "*_test.go"))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			all.Write(text)
		}
	}
	read[key] = all.String()
	return read[key]
}

var read = map[string]string{}

// TestWrong: a command that cannot work is found.
func TestWrong(t *testing.T) {
	for command, want := range map[string]string{
		"go -C nowhere test ./...":                        "no such file",
		"go run ./cmd/dome":                               "no program",
		"go test ./nowhere":                               "no tests",
		"go test ./docs -run TestPubic -update":           "no TestPubic",
		"go test ./docs -run TestPublic -updat":           "the flag -updat",
		"go test ./docs -run 'TestPublic|TestWord' -v":    "",
		"go test ./docs -run 'TestPublic|TestSentences'":  "no TestSentences",
		"go -C healthcheck test . -run TestBodies -updat": "the flag -updat",
		"go -C healthcheck test -bench BenchmarkProbe .":  "",
	} {
		if got := wrong("..", command); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	if got := spans("a `go\ntest ./docs` b"); got != "a `go test ./docs` b" {
		t.Errorf("%q", got)
	}
}
