package browser

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestFaults turns faults on with the README's commands. An open page must show each one within
// three seconds after /ready, without a reload.
func TestFaults(t *testing.T) {
	t.Parallel()
	d := startDemo(t, nil, "-load", "40")
	b := open(t, d.status(), look{})
	b.until("the page is ready", "document.getElementById('state').textContent === 'Ready'")
	if got := b.text("sentence"); got != "Every check passes." {
		t.Errorf("the sentence is %q", got)
	}
	// Record what the page shows, and when, by this machine's clock.
	b.run(`window.loaded = true; window.told = [];
		const note = () => { const s = document.getElementById("state").textContent, why = document.getElementById("sentence").textContent;
			if (!told.length || told.at(-1).s !== s) told.push({ s, why, at: Date.now() }); };
		new MutationObserver(note).observe(document.getElementById("verdict"), { subtree: true, childList: true, characterData: true });`)
	type told struct {
		S, Why string
		At     int64
	}
	// tells waits until /ready and the page show the state, and returns both times since the
	// command. If the page was first, its time is that of /ready.
	tells := func(status, title string, since time.Time) (probe, page time.Duration) {
		t.Helper()
		d.until(status)
		probe = time.Since(since)
		b.until("the page shows "+title, fmt.Sprintf("told.length && told.at(-1).s === %q", title))
		last := eval[told](b, "told.at(-1)")
		return probe, max(0, time.UnixMilli(last.At).Sub(since))
	}
	for _, c := range []struct{ fault, status, title, check string }{
		{"database-down", "fail", "Not ready", "database"},
		{"panicking-check", "fail", "Not ready", "database"},
		{"hung-check", "fail", "Not ready", "database"},
		{"cache-down", "warn", "Ready, with warnings", "cache"},
		{"paused-workers", "fail", "Not ready", "queue"},
	} {
		put := time.Now()
		d.fault(c.fault)
		probe, page := tells(c.status, c.title, put)
		if page-probe > 3*time.Second {
			t.Errorf("%s: the page changed %v after /ready", c.fault, page-probe)
		}
		if why := b.text("sentence"); !strings.HasPrefix(why, c.check+": ") {
			t.Errorf("%s: the sentence is %q", c.fault, why)
		}
		if facts := b.text("facts"); !strings.HasPrefix(facts, "for ") || !strings.Contains(facts, "since ") {
			t.Errorf("%s: %q has no start time", c.fault, facts)
		}
		first := eval[string](b, "document.querySelector('#checks li').innerText")
		for _, want := range []string{c.check, "fail", "for ", "Last hour: fail "} {
			if !strings.Contains(first, want) {
				t.Errorf("%s: the first check has no %q in\n%s", c.fault, want, first)
			}
		}
		if said := eval[string](b, "document.querySelector('[role=status]').textContent"); !strings.HasPrefix(said, c.title+". "+c.check+": ") {
			t.Errorf("%s: the live region has %q", c.fault, said)
		}
		lifted := time.Now()
		d.fault("-off", c.fault)
		probeOff, pageOff := tells("pass", "Ready", lifted)
		if pageOff-probeOff > 3*time.Second {
			t.Errorf("%s: the page recovered %v after /ready", c.fault, pageOff-probeOff)
		}
		t.Logf("%s: /ready after %v, the page %v; without the fault: %v, %v", c.fault, ms(probe), ms(page), ms(probeOff), ms(pageOff))
	}
	if !eval[bool](b, "window.loaded === true") {
		t.Error("the page was reloaded")
	}
	b.clean()
	d.end()
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// noPresent is an expression: true if the page shows nothing as current while it has no contact.
const noPresent = `!["Ready", "Not ready", "Ready, with warnings"].includes(document.getElementById("state").textContent)
	&& [...document.querySelectorAll(".badge")].every(e => !e.checkVisibility() || /^(was |overridden)/.test(e.textContent))
	&& !/\bnow$/m.test(document.getElementById("checks").innerText)
	&& document.getElementById("checks-title").textContent.startsWith("Checks as of ")
	&& document.title.startsWith("? contact lost")`

const isLost = `document.getElementById("state").textContent === "Contact lost"`

func (b *tab) lost(when string) {
	b.t.Helper()
	b.until("the page has lost contact: "+when, isLost)
	if !eval[bool](b, noPresent) {
		b.t.Errorf("%s: the page shows old data as current:\n%s\n%s", when, eval[string](b, "document.title"), eval[string](b, "document.body.innerText"))
	}
	if text := b.text("contact"); !strings.HasPrefix(text, "Contact lost at ") {
		b.t.Errorf("%s: the page does not show the loss, but %q", when, text)
	}
}

func (b *tab) found(when string) {
	b.t.Helper()
	b.until("the page has contact: "+when, "!("+isLost+") && document.getElementById('contact').hidden && document.getElementById('checks-title').textContent === 'Checks' && document.querySelector('.badge')?.textContent.startsWith('✓')")
}

// TestContact freezes the demo, resumes it, kills it and starts another. The page must show the
// loss of contact, and must find the next demo without a reload.
func TestContact(t *testing.T) {
	t.Parallel()
	d := startDemo(t, nil)
	b := open(t, d.status(), look{})
	b.found("at first")
	b.run("window.loaded = true")

	frozen := time.Now()
	d.Signal(syscall.SIGSTOP)
	b.lost("frozen")
	t.Logf("frozen: the page shows it after %v", ms(time.Since(frozen)))
	thawed := time.Now()
	d.Signal(syscall.SIGCONT)
	b.found("thawed")
	t.Logf("resumed: the page continues after %v", ms(time.Since(thawed)))

	killed := time.Now()
	d.Kill()
	b.lost("killed")
	t.Logf("killed: the page shows it after %v", ms(time.Since(killed)))
	next := startDemoAt(t, d.app, d.admin, nil)
	next.until("pass")
	started := time.Now()
	b.found("another demo")
	t.Logf("another demo: the page continues %v after it was ready", ms(time.Since(started)))
	next.fault("database-down")
	b.until("the page shows the new demo's fault", "document.getElementById('sentence').textContent.startsWith('database: ')")
	if !eval[bool](b, "window.loaded === true") {
		t.Error("the page was reloaded")
	}
	b.clean("network: Failed to load resource")
	next.end()
}

// TestStreams uses a proxy that refuses or holds back the stream. The page must poll, and must use
// the stream when it comes.
func TestStreams(t *testing.T) {
	t.Parallel()
	d := startDemo(t, nil)
	for _, c := range []struct {
		name string
		mode mode
	}{{"answered with 404", refuse404}, {"answered with 503", refuse503}, {"held back", hold}} {
		t.Run(c.name, func(t *testing.T) {
			p := startProxy(t, d.admin)
			p.mode.Store(int32(c.mode))
			b := open(t, p.url+"/prefix/status", look{})
			b.origin = p.url
			b.found("at first")
			b.run("window.lost = 0; new MutationObserver(() => { if (" + isLost + ") lost++ }).observe(document.getElementById('verdict'), { subtree: true, childList: true, characterData: true })")
			for _, off := range []bool{false, true} {
				status, title := "fail", "Not ready"
				args := []string{"database-down"}
				if off {
					status, title, args = "pass", "Ready", []string{"-off", "database-down"}
				}
				d.fault(args...)
				d.until(status)
				at := time.Now()
				b.until("the page shows "+title, fmt.Sprintf("document.getElementById('state').textContent === %q", title))
				t.Logf("%s %v after /ready", title, ms(time.Since(at)))
			}
			if n := p.streamed.Load(); n != 0 {
				t.Fatalf("%d streams passed the proxy", n)
			}
			p.mode.Store(int32(pass))
			servers.Poll(t, "the page uses the stream", func() error {
				if p.streamed.Load() == 0 {
					return errors.New("none")
				}
				return nil
			})
			before := p.polled.Load()
			b.run("window.seen = 0; new MutationObserver(() => seen++).observe(document.getElementById('facts'), { childList: true })")
			b.until("the stream continues", "seen >= 5")
			if n := p.polled.Load() - before; n > 2 { // on a busy machine one poll may be late
				t.Errorf("%d polls during the stream", n)
			}
			if n := eval[int](b, "lost"); n > 0 {
				t.Errorf("the page showed lost contact %d times", n)
			}
			b.clean("network: Failed to load resource")
		})
	}
	d.end()
}

// TestStale: the server answers, but the Monitor no longer judges. The page must show no state as
// current.
func TestStale(t *testing.T) {
	t.Parallel()
	d := startDemo(t, nil)
	p := startProxy(t, d.admin)
	p.mode.Store(int32(stale))
	b := open(t, p.url+"/prefix/status", look{})
	b.until("the page shows old checks", `document.getElementById("checks-title").textContent.startsWith("Checks as of ") && document.querySelectorAll(".badge").length > 0
		&& [...document.querySelectorAll(".badge")].every(e => !e.checkVisibility() || e.textContent.startsWith("was "))`)
	if text := b.text("facts"); strings.HasPrefix(text, "for ") {
		t.Errorf("the facts are %q", text)
	}
	p.mode.Store(int32(pass))
	b.found("the Monitor judges again")
	d.end()
}

// TestMaintenance begins and ends maintenance with the form. Without the token the server refuses.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	d := startDemo(t, []string{"ADMIN_TOKEN=s3cret"})
	b := open(t, d.status(), look{})
	b.found("at first")
	fill := func(name, text string) {
		b.run(fmt.Sprintf("document.forms[0].elements[%q].value = ''; document.forms[0].elements[%[1]q].focus()", name))
		b.do(chromedp.KeyEvent(text))
	}
	click := func(button string) {
		b.run("document.getElementById('done').textContent = ''")
		b.run(fmt.Sprintf("[...document.querySelectorAll('button')].find(e => e.innerText === %q).click()", button))
	}
	answer := func(want string) {
		b.until("the page shows the answer "+want, fmt.Sprintf("document.getElementById('done').textContent.startsWith(%q)", want))
	}
	click("Begin maintenance") // the browser does not send a form without a reason
	if !eval[bool](b, "document.querySelector('input[name=reason]').matches(':invalid') && document.getElementById('done').textContent === ''") {
		t.Error("the browser sent the form without a reason")
	}
	fill("reason", "upgrade to 17")
	for _, token := range []string{"", "wrong"} {
		fill("token", token)
		click("Begin maintenance")
		answer("Refused (401): the bearer token is missing or wrong")
		d.until("pass")
	}
	fill("token", "s3cret")
	b.run("document.querySelector('select').value = '60'")
	began := time.Now()
	click("Begin maintenance")
	answer("Maintenance has begun.")
	d.until("fail")
	b.until("the page shows the window", "/^Open until .*UTC: upgrade to 17$/.test(document.getElementById('window').textContent)")
	b.until("the sentence shows the maintenance", "document.getElementById('sentence').textContent === 'maintenance: upgrade to 17'")
	until := eval[string](b, "fetch('/status/data').then(r => r.json()).then(d => d.verdict.until)")
	at, err := time.Parse(time.RFC3339, until)
	if err != nil || at.Sub(began) < 59*time.Minute || at.Sub(began) > 62*time.Minute {
		t.Errorf("the maintenance began at %v and ends at %v, %v", began, at, err)
	}
	if text := b.text("window"); !strings.Contains(text, at.UTC().Format("15:04:05")) {
		t.Errorf("the window %q does not show its end, %v", text, at)
	}
	fill("token", "")
	click("End it now")
	answer("Refused (401)")
	fill("token", "s3cret")
	click("End it now")
	answer("Maintenance has ended.")
	d.until("pass")
	b.until("the page shows no maintenance", "document.getElementById('window').textContent === 'None.' && document.getElementById('state').textContent === 'Ready'")
	b.clean("network: Failed to load resource: the server responded with a status of 401")
	d.end()
}
