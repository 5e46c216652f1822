package guard

import "reflect"

// MaxText is the length of a foreign text in a log line, a body, a page or a stream, in bytes.
const MaxText = 1 << 10

// Cut shortens a text to MaxText, at a rune, and marks the cut.
func Cut(s string) string { return cut(s, MaxText) }

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n -= len("…"); n > 0 && s[n]&0xC0 == 0x80; n-- {
	}
	return s[:n] + "…" // a new string, so that the long one is free
}

// Text returns the text of an error, cut. Error is foreign code.
func (s *Site) Text(err error) string {
	if err == nil {
		return ""
	}
	text, fault := Ask(s, func() string { return Cut(err.Error()) })
	if fault != nil {
		return "the method Error of a " + typeText(reflect.TypeOf(err)) + ": " + fault.Error()
	}
	return text
}

// Text is Site.Text of a rare error.
func Text(err error) string { return new(Site).Text(err) }
