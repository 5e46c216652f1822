package backtest

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A bar shows the progress on a terminal. If the output is no terminal, it shows nothing.
type bar struct {
	to    io.Writer // nil if it is no terminal
	began time.Time
	wide  int
}

func newBar(to io.Writer) *bar {
	b := &bar{began: time.Now()}
	if file, is := to.(*os.File); is {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			b.to = to
		}
	}
	return b
}

const barWidth = 30

func (b *bar) show(done, all int) {
	if b.to == nil || all == 0 {
		return
	}
	full := barWidth * done / all
	text := fmt.Sprintf("%s%s %d of %d instances", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, all)
	if passed := time.Since(b.began); done > 0 && done < all {
		left := passed * time.Duration(all-done) / time.Duration(done)
		text += fmt.Sprintf(", about %v left", left.Round(time.Second))
	}
	fmt.Fprintf(b.to, "\r%-*s", b.wide, text)
	b.wide = len(text)
}

// end clears the bar.
func (b *bar) end() {
	if b.to != nil && b.wide > 0 {
		fmt.Fprintf(b.to, "\r%*s\r", b.wide, "")
	}
}
