package browser

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var (
	update = flag.Bool("update", false, "write the pictures to docs/images")
	of     = flag.String("of", "", "`URL` of the status page to take pictures of; empty for a new demo")
)

// TestPictures takes the README's pictures: a failing check, light and dark, desktop and phone. A
// demo that has run for an hour gives better pictures: go test -run TestPictures -update -of
// http://localhost:8001/status.
func TestPictures(t *testing.T) {
	t.Parallel()
	dir, url := t.ArtifactDir(), *of
	if *update {
		dir = filepath.Join(root, "docs", "images")
	}
	if url == "" {
		d := startDemo(t, nil, "-load", "40", "-trace-url", "http://localhost:3200/trace/{trace}")
		defer d.end()
		d.fault("database-down")
		d.until("fail")
		url = d.status()
	}
	for name, l := range map[string]look{"status-light": {}, "status-dark": {dark: true}, "status-phone": {width: 360}} {
		b := open(t, url, l)
		b.until("a check fails", `document.querySelector("#checks li.fail") && document.querySelector(".bar:not([hidden])")`)
		picture := get(b, chromedp.CaptureScreenshot())
		image, err := png.Decode(bytes.NewReader(picture))
		if err != nil {
			t.Fatal(err)
		}
		if len(picture) > 200<<10 {
			t.Errorf("%s has %d bytes", name, len(picture))
		}
		colours := map[any]bool{}
		size := image.Bounds()
		for x := range size.Dx() {
			for y := range size.Dy() {
				colours[image.At(x, y)] = true
			}
		}
		if len(colours) < 50 { // text alone has more
			t.Errorf("%s has %d colours", name, len(colours))
		}
		path := filepath.Join(dir, name+".png")
		if err := os.WriteFile(path, picture, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v, %d bytes", path, size.Max, len(picture))
		b.clean()
	}
}
