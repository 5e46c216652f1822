package browser

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/otelhealth/otelhealth/e2e/servers"
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
	dir, url := pictureDir(t), *of
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
		b.take(dir, name)
		b.clean()
	}
}

// TestStatePictures takes the pictures of operate.md: the page in each of four states. It puts the demo into
// them with the demo's own faults, so -of needs a demo that is well: go test -run TestStatePictures -update
// -of http://localhost:8001/status.
func TestStatePictures(t *testing.T) {
	t.Parallel()
	dir, url := pictureDir(t), *of
	if url == "" {
		d := startDemo(t, nil, "-load", "10", "-check-interval", "200ms")
		defer d.end()
		url = d.status()
	}
	admin := strings.TrimSuffix(url, "/status")
	turn := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, admin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := servers.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNoContent {
			t.Fatalf("%s %s: %s", method, path, res.Status)
		}
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Minute).Format(time.RFC3339)
	for _, s := range []struct{ name, path, body, title, sentence string }{
		{"pass", "", "", "Ready", "Every check passes."},
		{"maintenance", "/maintenance", fmt.Sprintf(`{"reason": "upgrade to PostgreSQL 18", "until": %q}`, until), "Not ready", "maintenance: upgrade"},
		{"warn", "/faults/cache-down", "", "Ready, with warnings", "cache: "},
		{"fail", "/faults/database-down", "", "Not ready", "database: "},
	} {
		if s.path != "" {
			turn(http.MethodPut, s.path, s.body)
		}
		b := open(t, url, look{})
		b.until("the page has shown "+s.name+" for 5 s", fmt.Sprintf(`document.getElementById("state").textContent === %q && document.getElementById("sentence").textContent.startsWith(%q) &&
			/^for /.test(document.getElementById("facts").textContent) && !/^for [0-4] s/.test(document.getElementById("facts").textContent) && document.querySelector(".bar:not([hidden])")`, s.title, s.sentence))
		b.take(dir, "status-"+s.name+"-light")
		if s.path != "" {
			turn(http.MethodDelete, s.path, "")
		}
		b.until("the page shows that it is over", `document.getElementById("state").textContent === "Ready"`)
		b.clean()
	}
}

// pictureDir is where a test writes its pictures.
func pictureDir(t *testing.T) string {
	if *update {
		return filepath.Join(root, "docs", "images")
	}
	return t.ArtifactDir()
}

// take writes a picture of the tab.
func (b *tab) take(dir, name string) {
	b.t.Helper()
	picture := get(b, chromedp.CaptureScreenshot())
	image, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		b.t.Fatal(err)
	}
	if len(picture) > 200<<10 {
		b.t.Errorf("%s has %d bytes", name, len(picture))
	}
	colours := map[any]bool{}
	size := image.Bounds()
	for x := range size.Dx() {
		for y := range size.Dy() {
			colours[image.At(x, y)] = true
		}
	}
	if len(colours) < 50 { // text alone has more
		b.t.Errorf("%s has %d colours", name, len(colours))
	}
	path := filepath.Join(dir, name+".png")
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("%s: %v, %d bytes", path, size.Max, len(picture))
}
