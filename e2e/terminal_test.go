package e2e

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A session is what a terminal shows, line by line.
type session struct {
	lines []shownLine
	now   time.Duration
}

type shownLine struct {
	at      time.Duration
	text    string
	command bool
}

const (
	typing = 600 * time.Millisecond // from a command to its output
	rest   = 6 * time.Second        // the end of the recording, before it begins again
)

// add appends a command, some time after the output of the last one.
func (s *session) add(after time.Duration, command, output string) {
	s.now += after
	s.lines = append(s.lines, shownLine{s.now, "$ " + command, true})
	s.now += typing
	if output == "" {
		return
	}
	for text := range strings.Lines(strings.TrimRight(output, "\n") + "\n") {
		s.lines = append(s.lines, shownLine{s.now, strings.TrimRight(text, "\n"), false})
	}
}

// text is all that the terminal shows in the end.
func (s *session) text() string {
	var b strings.Builder
	for _, l := range s.lines {
		fmt.Fprintln(&b, l.text)
	}
	return b.String()
}

const (
	margin, lead = 16, 19 // points
	glyph        = 7.83   // width of a character at 13 points
)

// draw makes an SVG of the session. Each line appears at its time. A reader who wants no motion sees the
// end, and the theme is the reader's.
func (s *session) draw() []byte {
	widest := 0
	for _, l := range s.lines {
		widest = max(widest, len(l.text))
	}
	whole := s.now + rest
	width, height := int(float64(widest)*glyph)+2*margin, len(s.lines)*lead+2*margin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="A terminal: the demo is ready, a fault makes /ready 503, otelhealth why says the reason, and it recovers">
<style>
rect { fill: #f6f8fa; stroke: #d0d7de }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; white-space: pre }
.c { fill: #0550ae; font-weight: 600 }
.bad { fill: #cf222e; font-weight: 600 }
.good { fill: #116329; font-weight: 600 }
@media (prefers-color-scheme: dark) {
rect { fill: #0d1117; stroke: #30363d }
text { fill: #e6edf3 }
.c { fill: #79c0ff }
.bad { fill: #ff7b72 }
.good { fill: #7ee787 }
}
`, width, height, width, height)
	var at time.Duration = -1
	for _, l := range s.lines {
		if l.at == at || l.at == 0 {
			continue
		}
		at = l.at
		from := 100 * float64(at) / float64(whole)
		fmt.Fprintf(&b, "@keyframes k%d { 0%%, %.2f%% { opacity: 0 } %.2f%%, 100%% { opacity: 1 } }\n", at.Milliseconds(), from, from+.01)
		fmt.Fprintf(&b, ".t%d { animation: k%d %.1fs infinite }\n", at.Milliseconds(), at.Milliseconds(), whole.Seconds())
	}
	b.WriteString("@media (prefers-reduced-motion: reduce) { text { animation: none !important } }\n</style>\n")
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%d" height="%d" rx="6"/>`+"\n", width-1, height-1)
	for n, l := range s.lines {
		fmt.Fprintf(&b, `<text x="%d" y="%d" class="t%d%s" xml:space="preserve">`, margin, margin+n*lead+13, l.at.Milliseconds(), l.color())
		_ = xml.EscapeText(&b, []byte(l.text)) // a buffer takes all
		b.WriteString("</text>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (l shownLine) color() string {
	switch f := strings.Fields(l.text); {
	case l.command:
		return " c"
	case len(f) > 0 && (f[0] == "503" || f[0] == "Not") || len(f) > 1 && f[1] == "fail":
		return " bad"
	case len(f) == 1 && f[0] == "200":
		return " good"
	}
	return ""
}

// textOf reads the lines of a drawing.
func textOf(t *testing.T, svg []byte) string {
	t.Helper()
	var b strings.Builder
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		} else if err != nil {
			t.Fatal(err)
		}
		if e, is := token.(xml.StartElement); is && e.Name.Local == "text" {
			var text string
			if err := decoder.DecodeElement(&text, &e); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&b, text)
		}
	}
}
