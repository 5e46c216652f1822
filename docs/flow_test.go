package docs

import (
	"encoding/xml"
	"os"
	"strings"
	"testing"
)

// TestFlow: README, concepts and the package show one picture. The package has it in letters.
func TestFlow(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, page := range []string{"../README.md", "concepts.md"} {
		if !strings.Contains(read(page), "images/flow.svg)") {
			t.Errorf("%s does not show images/flow.svg", page)
		}
	}
	var picture struct {
		Texts []struct {
			Class string `xml:"class,attr"`
			Text  string `xml:",chardata"`
		} `xml:"text"`
	}
	if err := xml.Unmarshal([]byte(read("images/flow.svg")), &picture); err != nil {
		t.Fatal(err)
	}
	drawn, labels := read("../healthcheck/doc.go"), 0
	for _, text := range picture.Texts {
		if text.Class == "s" {
			continue // details
		}
		if labels++; !strings.Contains(drawn, text.Text) {
			t.Errorf("the package's picture has no %q", text.Text)
		}
	}
	if labels != 16 {
		t.Errorf("%d labels, want 16", labels)
	}
}
