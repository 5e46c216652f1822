// Package browser tests the status page of a running demo in Chromium.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// root is the root of the repository.
const root = "../.."

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.stop()
	servers.Clean()
	os.Exit(code)
}

// The first test that opens a page starts chromium. All tests share it.
var chromium browser

type browser struct {
	once sync.Once
	path string
	ctx  context.Context
	end  []context.CancelFunc
	err  error
}

func (b *browser) start(t *testing.T) context.Context {
	t.Helper()
	b.once.Do(func() {
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
			if path, err := exec.LookPath(name); err == nil {
				b.path = path
				break
			}
		}
		if b.path == "" {
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(b.path),
			chromedp.Flag("headless", "new"), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
		if os.Geteuid() == 0 {
			options = append(options, chromedp.NoSandbox) // root can't have a sandbox
		}
		alloc, end := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, close := chromedp.NewContext(alloc)
		b.ctx, b.end = ctx, []context.CancelFunc{close, end}
		b.err = chromedp.Do(ctx)
	})
	switch {
	case b.path == "" && os.Getenv("CI") == "true":
		t.Fatal("Chromium is missing: apt-get install chromium")
	case b.path == "":
		t.Skip("Chromium is missing: apt-get install chromium")
	case b.err != nil:
		t.Fatal(b.err)
	}
	return b.ctx
}

func (b *browser) stop() {
	for _, end := range b.end {
		end()
	}
}

// tab is a page in its own browser context, without cache, cookies or history.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	origin   string
	problems []string // console errors, violations of the content security policy, requests to other origins
}

// look is the window and its settings. The zero value is a light desktop.
type look struct {
	dark, still bool
	width       int64
	noPolicy    bool // without the content security policy
}

func (l look) String() string {
	switch {
	case l.width > 0:
		return fmt.Sprintf("%d pixels wide", l.width)
	case l.dark:
		return "dark"
	}
	return "light"
}

func open(t *testing.T, url string, l look) *tab {
	t.Helper()
	b := &tab{t: t, origin: strings.TrimSuffix(url, "/status")}
	ctx, cancel := chromedp.NewContext(chromium.start(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the first context
		t.Fatal(err)
	}
	scheme, motion := "light", "no-preference"
	if l.dark {
		scheme = "dark"
	}
	if l.still {
		motion = "reduce"
	}
	b.do(chromedp.Func(func(ctx context.Context, s *chromedp.Target) error {
		if _, err := cdp.Call(ctx, s, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, s, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, s, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: l.noPolicy}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, s, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
		}})
		return err
	}))
	if l.width > 0 {
		b.do(chromedp.EmulateViewport(l.width, 780, chromedp.EmulateMobile, chromedp.EmulateScale(2)))
	} else {
		b.do(chromedp.EmulateViewport(1000, 900))
	}
	b.do(chromedp.Navigate(url))
	return b
}

// listen gets every event of the tab.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, b.origin+"/") && !strings.HasPrefix(url, "about:") && !strings.HasPrefix(url, "data:") {
			b.problems = append(b.problems, "request to another origin: "+url)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			b.problems = append(b.problems, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.problems = append(b.problems, "console: "+string(e.Type))
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "exception: "+e.ExceptionDetails.Text)
	}
}

// clean checks that the page sent no request to another origin and logged no problem. Problems with
// one of these prefixes are allowed.
func (b *tab) clean(but ...string) {
	b.t.Helper()
	for _, p := range b.seen() {
		expected := false
		for _, prefix := range but {
			expected = expected || strings.HasPrefix(p, prefix)
		}
		if !expected {
			b.t.Error(p)
		}
	}
}

func (b *tab) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.problems...)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, servers.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// get runs an action with a result.
func get[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, servers.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// eval returns the value of an expression or of its promise.
func eval[T any](b *tab, js string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, servers.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v in %.200s", err, js)
	}
	return v
}

// run runs statements.
func (b *tab) run(js string) {
	b.t.Helper()
	eval[bool](b, "(() => {"+js+"; return true})()")
}

// until waits until an expression is true. A failure shows the page's text.
func (b *tab) until(what, js string) {
	b.t.Helper()
	servers.Poll(b.t, what, func() error {
		if !eval[bool](b, "!!("+js+")") {
			return fmt.Errorf("the page says:\n%s", eval[string](b, "document.body.innerText"))
		}
		return nil
	})
}

// text returns the visible text of an element.
func (b *tab) text(id string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("(e => e && e.checkVisibility() ? e.innerText : '')(document.getElementById(%q))", id))
}
