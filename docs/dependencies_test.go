package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDependencies: dependencies.md has each direct dependency of the modules that users import.
func TestDependencies(t *testing.T) {
	page, err := os.ReadFile("dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, dir := range []string{".", "healthcheck", "healthcheck/promhealth", "healthcheck/grpchealth", "telemetry/grpctelemetry", "cmd/demo"} {
		mod, err := os.ReadFile(filepath.Join("..", dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
			if !strings.HasPrefix(m[1], "github.com/otelhealth/") && !listed(string(page), m[1]) {
				t.Errorf("%s requires %s, and dependencies.md has no reason for it", dir, m[1])
			}
			n++
		}
	}
	if n < 30 {
		t.Errorf("only %d dependencies", n)
	}
}

// listed reports whether the page has a path in code, whole or with its begin left out.
func listed(page, path string) bool {
	if strings.Contains(page, "`"+path+"`") {
		return true
	}
	for rest := path; ; {
		_, after, more := strings.Cut(rest, "/")
		if !more {
			return false
		}
		if strings.Contains(page, "`…/"+after+"`") || strings.Contains(page, "`/"+after+"`") {
			return true
		}
		rest = after
	}
}
