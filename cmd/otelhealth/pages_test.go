package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// line is a command in a page, up to its comment.
var line = regexp.MustCompile("(?m)(?:^|`|; )(?:go -C cmd/otelhealth run \\.|(?:\\./cmd/otelhealth/)?otelhealth) ((?:why|probe|backtest|suggest|generate|lint)\\b[^`\n#]*)")

// TestPages: each otelhealth command of a page has flags that exist. It runs the ones without a server.
func TestPages(t *testing.T) {
	const root = "../.."
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/runbooks/*.md", "examples/*.md", "examples/*/*.md", "deploy/*/*.md"} {
		some, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, some...)
	}
	n := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range line.FindAllStringSubmatch(strings.ReplaceAll(string(text), "\\\n", " "), -1) {
			n++
			args := words(found[1])
			c, rest, err := rootCommand().Find(twoHyphens(args))
			if err == nil {
				err = c.ParseFlags(rest)
			}
			named := err != nil && strings.HasPrefix(err.Error(), "flag needs an argument: ") // in a sentence
			if err != nil && !named && err.Error() != "pflag: help requested" {
				t.Errorf("%s: %s: %v", page, found[1], err)
			}
			if args[0] == "generate" && strings.Contains(found[1], " --job ") {
				var stdout, stderr bytes.Buffer
				if code := command(args, &stdout, &stderr); code != well || stdout.Len() == 0 {
					t.Errorf("%s: %s: %d, %s", page, found[1], code, stderr.String())
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d commands", n)
	}
}

// words splits a line as a shell does, with single quotes.
func words(text string) (all []string) {
	for n, part := range strings.Split(text, "'") {
		if n%2 == 1 {
			all = append(all, part)
			continue
		}
		all = append(all, strings.Fields(part)...)
	}
	return all
}
