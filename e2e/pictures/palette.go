package main

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// palette chooses 256 colours by median cut: the box of colours with the largest spread, weighed by
// how often they occur, is halved again and again.
func palette(img image.Image) color.Palette {
	counts := map[color.RGBA]int{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			counts[color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)]++
		}
	}
	var all box
	for c, n := range counts {
		all = append(all, weighed{[3]int{int(c.R), int(c.G), int(c.B)}, n})
	}
	slices.SortFunc(all, func(a, b weighed) int { return slices.Compare(a.c[:], b.c[:]) })
	boxes := []box{all}
	for len(boxes) < 256 {
		widest := slices.IndexFunc(boxes, func(b box) bool { return len(b) > 1 })
		if widest < 0 {
			break
		}
		for n, b := range boxes {
			if len(b) > 1 && b.score() > boxes[widest].score() {
				widest = n
			}
		}
		left, right := boxes[widest].halves()
		boxes[widest] = left
		boxes = append(boxes, right)
	}
	var p color.Palette
	for _, b := range boxes {
		p = append(p, b.mean())
	}
	return p
}

type weighed struct {
	c [3]int
	n int
}

type box []weighed

// longest is the channel in which the box is longest, and how long.
func (b box) longest() (channel, length int) {
	for ch := range 3 {
		lo, hi := 255, 0
		for _, w := range b {
			lo, hi = min(lo, w.c[ch]), max(hi, w.c[ch])
		}
		if hi-lo > length {
			channel, length = ch, hi-lo
		}
	}
	return channel, length
}

// score prefers long boxes. Frequent colours count a little more.
func (b box) score() int {
	_, length := b.longest()
	total := 0
	for _, w := range b {
		total += w.n
	}
	bits := 0
	for ; total > 0; total /= 4 {
		bits++
	}
	return length * length * bits
}

func (b box) halves() (left, right box) {
	ch, _ := b.longest()
	slices.SortStableFunc(b, func(x, y weighed) int { return cmp.Compare(x.c[ch], y.c[ch]) })
	middle := (b[0].c[ch] + b[len(b)-1].c[ch]) / 2
	n := slices.IndexFunc(b, func(w weighed) bool { return w.c[ch] > middle })
	return b[:n:n], b[n:]
}

// mean is the most frequent colour of the box, because areas must keep theirs.
func (b box) mean() color.Color {
	most := slices.MaxFunc(b, func(x, y weighed) int { return cmp.Compare(x.n, y.n) })
	return color.RGBA{uint8(most.c[0]), uint8(most.c[1]), uint8(most.c[2]), 255}
}
