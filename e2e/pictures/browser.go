package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// bundle fetches the page's packages, unless they are there, and bundles it. No package runs a
// script at its installation.
func bundle(dir string) error {
	if _, err := os.Stat("page/node_modules"); errors.Is(err, os.ErrNotExist) {
		if err := command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
			return err
		}
	}
	if err := command("node_modules/.bin/esbuild", "main.jsx", "--bundle", "--minify", "--outfile="+filepath.Join(dir, "page.js"), "--loader:.svg=dataurl", "--loader:.woff2=dataurl",
		"--loader:.woff=dataurl", "--loader:.ttf=dataurl", `--define:process.env.NODE_ENV="production"`, "--jsx=transform", "--log-level=warning"); err != nil {
		return err
	}
	font, err := os.ReadFile("page/node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "inter.woff2"), font, 0o644)
}

func command(name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir, c.Stdout, c.Stderr = "page", os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// browser is Chromium with the page.
type browser struct {
	ctx   context.Context
	end   func()
	url   string
	mu    sync.Mutex
	sheet sheet
}

func startBrowser(ctx context.Context, dir string) (*browser, error) {
	b := &browser{}
	mux := http.NewServeMux()
	mux.Handle("/dist/", http.StripPrefix("/dist/", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("/public/fonts/inter/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(dir, "inter.woff2")) })
	mux.HandleFunc("/picture.json", func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		_ = json.NewEncoder(w).Encode(b.sheet) // the page says what it lacks
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/dist/page.css"><div id="root"></div><script src="/dist/page.js"></script>`)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: mux}
	go server.Serve(l) //nolint:errcheck // it ends with Close
	ctx, cancel := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("headless", "new"), chromedp.Flag("disable-gpu", true),
		chromedp.NoSandbox, chromedp.Flag("font-render-hinting", "none"))...)
	ctx, stop := chromedp.NewContext(ctx)
	b.ctx, b.url = ctx, "http://"+l.Addr().String()+"/"
	b.end = func() { stop(); cancel(); server.Close() }
	return b, chromedp.Do(ctx)
}

// take lets the page draw, and returns the picture and what the page lacked.
func (b *browser) take(s sheet) (picture []byte, problems []error, err error) {
	b.mu.Lock()
	b.sheet = s
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 4000, chromedp.EmulateScale(2)), chromedp.Navigate(b.url)); err != nil {
		return nil, nil, err
	}
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("window.done !== undefined")); err != nil {
		return nil, nil, err
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify(window.done)"))
	if err != nil {
		return nil, nil, err
	}
	var done struct {
		Width, Height float64
		Problems      []string
	}
	if err := json.Unmarshal([]byte(text), &done); err != nil {
		return nil, nil, err
	}
	for _, p := range done.Problems {
		problems = append(problems, errors.New(p))
	}
	err = chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: &page.Viewport{Width: max(done.Width, 1), Height: max(done.Height, 1), Scale: 1}})
		picture = r.Data
		return err
	}))
	return picture, problems, err
}

// fewer reduces a picture to 256 colours, because it is a third of the size and looks the same: the
// most frequent colours stay, and the others become the nearest of these.
func fewer(data []byte) ([]byte, error) {
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := image.NewPaletted(img.Bounds(), palette(img))
	nearest := map[color.RGBA]uint8{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			i, ok := nearest[c]
			if !ok {
				i = uint8(out.Palette.Index(c))
				nearest[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out)
	return b.Bytes(), err
}
