package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// phrases make sentences hard to read. CONTRIBUTING.md has the reasons. Each begins with a literal, because a
// search for that is faster than the expression.
var phrases = []struct{ what, instead string }{
	{`whatever`, "name the thing, or write \"any\""},
	{`whoever`, "name who acts: somebody, a client, the reader"},
	{`those (that|which|who)`, "use a noun: instances that …"},
	{`that which`, "use a noun"},
	{`each (\d+ )?(s|seconds?|minutes?)`, "every 15 s"},
	{`anew`, "again"},
	{`in earnest`, "say when"},
	{`all the same`, "leave it out"},
	{`lest`, "so that … not"},
	{`hence`, "so"},
	{`thereby`, "so"},
	{`whereby`, "so"},
	{`thus`, "so"},
	{`upon`, "on, after"},
	{`utili[sz]e`, "use"},
	{`in order to`, "to"},
	{`some of which`, "a sentence of its own"},
	{`none of which`, "a sentence of its own"},
	{`all of which`, "a sentence of its own"},
	{`any of which`, "a sentence of its own"},
	{`most of which`, "a sentence of its own"},
}

// TestWords: no text has a phrase of the list.
func TestWords(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files", "*.md", "*.go", "*.yaml", "*.html", "*.js").Output()
	if err != nil {
		t.Fatal(err)
	}
	type phrase struct {
		begin   string
		whole   *regexp.Regexp
		instead string
	}
	var bad []phrase
	for _, p := range phrases {
		begin, _ := regexp.MustCompile(p.what).LiteralPrefix()
		if begin == "" {
			t.Fatalf("%s begins with no literal", p.what)
		}
		bad = append(bad, phrase{begin, regexp.MustCompile(`(?i)\b(` + p.what + `)\b`), p.instead})
	}
	files := strings.Fields(string(out))
	for _, file := range files {
		if file == "CONTRIBUTING.md" || file == "docs/words_test.go" { // they have examples
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", file))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		} else if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			small := strings.ToLower(line)
			for _, p := range bad {
				if strings.Contains(small, p.begin) && p.whole.MatchString(line) {
					t.Errorf("%s:%d: %q: write %s: %s", file, n, p.whole.FindString(line), p.instead, strings.TrimSpace(line))
				}
			}
		}
	}
	if len(files) < 300 {
		t.Errorf("only %d files", len(files))
	}
}
