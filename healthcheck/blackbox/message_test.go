package blackbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestMessage: the file has the text of the present failure, in 2 KiB, and nothing of an earlier process. A
// longer text that comes after the failure is not written.
func TestMessage(t *testing.T) {
	m := message{path: filepath.Join(t.TempDir(), "message")}
	if err := m.empty(); err == nil {
		t.Error("a missing file is no error")
	}
	if err := os.WriteFile(m.path, []byte("of another process"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(m.path); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	none := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	none(m.empty())
	want("")
	none(m.fail("reason\n"))
	first := m.failure()
	none(m.refine(first, "reason\n  place\n"))
	want("reason\n    place")
	m.pass()
	want("")
	none(m.refine(first, "late"))
	want("")
	none(m.fail("second"))
	none(m.refine(first, "late"))
	want("second")
	none(m.refine(m.failure(), strings.Repeat("é\n", 2000)))
	if got, err := os.ReadFile(m.path); err != nil || len(got) > messageLimit || !utf8.Valid(got) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
