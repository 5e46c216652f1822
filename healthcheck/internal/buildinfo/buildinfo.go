// Package buildinfo finds the name and the version of this binary if nobody has configured them.
package buildinfo

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// Name is OTEL_SERVICE_NAME, or the executable's name.
func Name() string {
	if n := strings.TrimSpace(os.Getenv("OTEL_SERVICE_NAME")); IsName(n) {
		return n
	}
	return Executable()
}

// Executable is the executable's name.
func Executable() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") }

// placeholder matches a variable that Kubernetes, a shell, Compose or a template should have replaced.
var placeholder = regexp.MustCompile(`\$\([^)]*\)|\$\{[^}]*\}|%\{[^}]*\}|\{\{[^}]*\}\}`)

// IsName reports whether a text can be a name, a version or an id. It can't if it is empty, or looks like a
// variable that was not replaced: then all services or all instances would have the same one.
func IsName(v string) bool { return strings.TrimSpace(v) != "" && !placeholder.MatchString(v) }

// Version is the main module's version, else the commit it was built from, else
// "devel". Never empty.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	return version(info)
}

func version(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision + dirty
}
