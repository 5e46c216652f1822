// Package text writes numbers and reasons for people, short and bounded. It holds no state.
package text

import (
	"fmt"
	"math"
	"strconv"
)

// Round keeps six significant digits: enough to compare, short enough to read.
func Round(v float64) float64 {
	if v == math.Trunc(v) {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// Number writes a value for people.
func Number(v float64) string { return strconv.FormatFloat(Round(v), 'f', -1, 64) }

// Shorten cuts text for people to a length in bytes, at a rune.
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n -= len("…"); n > 0 && s[n]&0xC0 == 0x80; n-- {
	}
	return s[:n] + "…"
}

// Count writes "1 failure", "2 failures".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
