package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// TestPictures compares the sources that each picture in docs/images names with the ones of now. It
// needs no browser and no npm. The pictures are drawn by hand: go -C e2e/pictures run . -docs.
func TestPictures(t *testing.T) {
	if len(documented) == 0 || len(documented)*len(themes) > 12 {
		t.Fatalf("%d pictures in two themes", len(documented))
	}
	for _, p := range documented {
		want, err := source(p.board)
		if err != nil {
			t.Fatal(err)
		}
		for _, theme := range themes {
			picture, err := os.ReadFile(filepath.Join(images, p.file(theme)))
			if err != nil {
				t.Error(err)
				continue
			}
			if got, _ := told(picture); got != want {
				t.Errorf("%s is of %q, not of %q: draw it again", p.file(theme), got, want)
			}
			if c, err := png.DecodeConfig(bytes.NewReader(picture)); err != nil || c.Width != 2*width || len(picture) > 300<<10 {
				t.Errorf("%s: %v, %d wide, %d bytes", p.file(theme), err, c.Width, len(picture))
			}
		}
	}
}

// TestTold: what one picture tells is read back, and a picture without it tells nothing.
func TestTold(t *testing.T) {
	plain, err := os.ReadFile(filepath.Join(images, "status-dark.png"))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := told(plain); ok {
		t.Errorf("%q", got)
	}
	picture := tell(plain, "some source")
	if got, ok := told(picture); !ok || got != "some source" {
		t.Errorf("%q %v", got, ok)
	}
	if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
		t.Errorf("it is no picture any more: %v", err)
	}
}
