package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// words are phrases that make sentences hard to read, with what to write instead. CONTRIBUTING.md has the
// reasons.
var words = map[string]string{
	`whatever`:                          "name the thing, or write \"any\"",
	`whoever`:                           "name who acts: somebody, a client, the reader",
	`those (that|which|who)`:            "use a noun: instances that …",
	`that which`:                        "use a noun",
	`each (\d+ )?(s|seconds?|minutes?)`: "every 15 s",
	`anew`:                              "again",
	`in earnest`:                        "say when",
	`all the same`:                      "leave it out",
	`lest`:                              "so that … not",
	`hence|thereby|whereby|thus`:        "so",
	`upon`:                              "on, after",
	`utili[sz]e`:                        "use",
	`in order to`:                       "to",
	`(some|none|all|any|most) of which`: "a sentence of its own",
}

// TestWords: no text has a phrase of the list.
func TestWords(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files", "*.md", "*.go", "*.yaml", "*.html", "*.js").Output()
	if err != nil {
		t.Fatal(err)
	}
	var phrases []string
	for p := range words {
		phrases = append(phrases, p)
	}
	bad := regexp.MustCompile(`(?i)\b(` + strings.Join(phrases, "|") + `)\b`)
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
			if m := bad.FindString(line); m != "" {
				t.Errorf("%s:%d: %q: write %s: %s", file, n, m, insteadOf(m), strings.TrimSpace(line))
			}
		}
	}
	if len(files) < 300 {
		t.Errorf("only %d files", len(files))
	}
}

func insteadOf(m string) string {
	for p, better := range words {
		if regexp.MustCompile(`(?i)^(` + p + `)$`).MatchString(m) {
			return better
		}
	}
	return "something else"
}
