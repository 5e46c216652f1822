package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

//go:embed rules.js
var rules string

// inaccessible returns the page's problems for people with low vision, with a screen reader or
// without a mouse.
func (b *tab) inaccessible() []string {
	b.t.Helper()
	wrong := eval[[]string](b, rules)
	wrong = append(wrong, b.unnamed()...)
	return append(wrong, b.unreachable()...)
}

// unnamed checks the browser's accessibility tree.
func (b *tab) unnamed() (wrong []string) {
	b.t.Helper()
	var tree accessibility.GetFullAXTreeResult
	b.do(chromedp.Func(func(ctx context.Context, s *chromedp.Target) (err error) {
		tree, err = cdp.Call(ctx, s, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		return err
	}))
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s) // otherwise the value is not a string
		}
		return s
	}
	count := map[string]int{}
	names := map[string]bool{}
	for _, n := range tree.Nodes {
		role, name := text(n.Role), strings.TrimSpace(text(n.Name))
		if n.Ignored {
			continue
		}
		count[role]++
		switch role {
		case "textbox", "combobox", "button", "link", "meter", "heading", "region", "image", "img":
			if name == "" {
				wrong = append(wrong, "name: a "+role+" has no name")
			}
		}
		if role == "link" && names[name] {
			wrong = append(wrong, fmt.Sprintf("name: two links have the name %q", name))
		}
		names[name] = names[name] || role == "link"
	}
	for _, role := range []string{"main", "status", "list", "listitem", "heading", "region"} {
		if count[role] == 0 {
			wrong = append(wrong, "role: there is no "+role)
		}
	}
	return wrong
}

// unreachable presses Tab from the top of the page. The focus must follow the order of the document
// and stay visible. It begins again if a check has changed its state meanwhile, because rows move then.
func (b *tab) unreachable() (wrong []string) {
	b.t.Helper()
	const rows = `[...document.querySelectorAll("#checks > li")].map(e => e.className + e.querySelector("h3").textContent).join()`
	for range 10 {
		before := eval[string](b, rows)
		if wrong = b.walk(); len(wrong) == 0 || eval[string](b, rows) == before {
			break
		}
	}
	return wrong
}

func (b *tab) walk() (wrong []string) {
	b.t.Helper()
	type stop struct {
		At   int // position in the document, or -1 outside
		Name string
		Wide float64 // width of the outline
		Seen bool
		Box  string
	}
	b.run(`document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0);
		window.stops = () => [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")].filter(e => !e.disabled && e.checkVisibility({ checkVisibilityCSS: true }));
		const top = document.createElement("span"); top.tabIndex = -1; document.body.prepend(top); top.focus(); top.remove();`)
	want := eval[int](b, "stops().length")
	for n := range want {
		b.do(chromedp.KeyEvent("\t"))
		const measure = `(e => {
			const style = getComputedStyle(e), box = e.getBoundingClientRect();
			return { at: stops().indexOf(e), name: e.innerText || e.name || e.tagName, wide: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
				box: [box.left, box.top, box.right, box.bottom].map(Math.round).join(" "), // the browser scrolls by whole pixels, and boxes have fractions
				seen: box.top >= -1 && box.bottom <= innerHeight + 1 && box.left >= -1 && box.right <= innerWidth + 1 };
		})(document.activeElement)`
		s := eval[stop](b, measure)
		for deadline := time.Now().Add(10 * time.Second); !s.Seen && time.Now().Before(deadline); s = eval[stop](b, measure) {
			// A busy browser scrolls some frames after the key.
		}
		switch {
		case s.At != n:
			return append(wrong, fmt.Sprintf("focus: Tab %d of %d goes to number %d, %s", n+1, want, s.At+1, s.Name))
		case s.Wide < 2:
			wrong = append(wrong, "focus: no outline on "+s.Name)
		case !s.Seen:
			wrong = append(wrong, "focus: "+s.Name+" is out of sight, at "+s.Box)
		}
	}
	return wrong
}

// chatter counts the changes in live regions during three updates of the page.
func (b *tab) chatter() int {
	b.t.Helper()
	return eval[int](b, `new Promise((done) => {
		let changes = 0, updates = 0;
		const live = new MutationObserver((list) => changes += list.length);
		for (const e of document.querySelectorAll("[role=status], [role=alert], [aria-live], output")) live.observe(e, { subtree: true, childList: true, characterData: true, attributes: true });
		const facts = new MutationObserver(() => { if (++updates === 3) { live.disconnect(); facts.disconnect(); done(changes); } });
		facts.observe(document.getElementById("facts"), { subtree: true, childList: true, characterData: true });
	})`)
}

var looks = []look{{}, {dark: true}, {width: 360}, {width: 360, dark: true, still: true}}

// TestAccess checks the page against the rules in each of its states, light and dark, wide and
// narrow.
func TestAccess(t *testing.T) {
	t.Parallel()
	d := startDemo(t, []string{"ADMIN_TOKEN=s3cret"}, "-trace-url", "http://traces.invalid/{trace}", "-load", "40")
	var tabs []*tab
	for _, l := range looks {
		tabs = append(tabs, open(t, d.status(), l))
	}
	check := func(state, js string) {
		t.Helper()
		for n, b := range tabs {
			b.until(state, js)
			for _, p := range b.inaccessible() {
				t.Errorf("%s, %v: %s", state, looks[n], p)
			}
		}
	}
	title := func(s string) string {
		return fmt.Sprintf("document.getElementById('state').textContent === %q", s)
	}
	check("all checks pass", title("Ready")+" && document.querySelectorAll('.bar:not([hidden])').length >= 3 && document.querySelectorAll('svg.spark').length > 0")
	if n := tabs[0].chatter(); n != 0 {
		t.Errorf("the live regions change %d times while nothing happens", n)
	}
	d.fault("cache-down")
	check("a warning", title("Ready, with warnings"))
	d.fault("database-down")
	d.fault("paused-workers")
	check("failing", title("Not ready")+" && document.querySelectorAll('li.fail').length === 3")
	if n := tabs[0].chatter(); n != 0 {
		t.Errorf("the live regions change %d times while nothing new fails", n)
	}
	// A focused link keeps the focus while the page updates and moves rows.
	b := tabs[0]
	b.run(`document.querySelector("#checks li.fail a").focus(); window.held = document.activeElement`)
	d.fault("-off", "database-down")
	b.until("the rows have moved", `document.querySelectorAll("li.fail").length === 2`)
	if !eval[bool](b, "document.activeElement === held && held.isConnected") {
		t.Error("an update of the page loses the focus")
	}
	for _, fault := range []string{"cache-down", "paused-workers"} {
		d.fault("-off", fault)
	}
	eval[int](b, `fetch("/maintenance", { method: "PUT", headers: { Authorization: "Bearer s3cret" }, body: JSON.stringify({ reason: "upgrade", until: new Date(Date.now() + 600000).toISOString() }) }).then(r => r.status)`)
	// The checks have recovered, so no row moves between two presses of Tab.
	check("maintenance", "document.getElementById('window').textContent.startsWith('Open until') && !document.querySelector('#checks > li:not(.pass)')")
	for _, b := range tabs {
		b.clean()
	}
	d.Kill()
	check("contact lost", isLost)
}

// TestRulesFind breaks the page in one way at a time. The rule for it must find it.
func TestRulesFind(t *testing.T) {
	t.Parallel()
	d := startDemo(t, nil, "-trace-url", "http://traces.invalid/{trace}")
	d.fault("database-down")
	d.until("fail")
	narrow := look{width: 360, still: true}
	for _, c := range []struct {
		rule, spoil string
		look        look
	}{
		{"lang", `document.documentElement.removeAttribute("lang")`, look{}},
		{"title", `document.title = ""`, look{}},
		{"id", `document.querySelector("h2").id = "state"`, look{}},
		{"landmark", `document.querySelector("main").outerHTML = document.querySelector("main").innerHTML`, look{}},
		{"landmark", `document.querySelector("section").removeAttribute("aria-labelledby")`, look{}},
		{"heading", `document.querySelector("h2").outerHTML = "<h1>Checks</h1>"`, look{}},
		{"heading", `document.querySelector("h2").remove()`, look{}},
		{"heading", `document.querySelector("h1").hidden = true`, look{}},
		{"live", `document.getElementById("said").removeAttribute("role")`, look{}},
		{"live", `document.getElementById("said").textContent = ""`, look{}},
		{"state", `document.querySelector(".fail .badge").textContent = "✗"`, look{}},
		{"state", `document.querySelector("span.hour").hidden = true`, look{}},
		{"state", `document.getElementById("state").textContent = ""`, look{}},
		{"contrast", `document.getElementById("facts").style.color = "#999"`, look{}},
		{"contrast", `document.getElementById("facts").style.color = "#777"`, look{dark: true}},
		{"contrast", `document.getElementById("checks").style.opacity = ".5"`, look{}},
		{"contrast", `document.querySelector("h1").style.background = "linear-gradient(red, blue)"`, look{}},
		{"contrast", `document.documentElement.style.setProperty("--fail", "#ff8178")`, look{}},
		{"contrast", `document.querySelector("input").style.borderColor = "#ddd"`, look{}},
		{"contrast", `document.querySelector("rect").style.fill = "#ddd"`, look{}},
		{"width", `document.querySelector(".why").style.whiteSpace = "nowrap"; document.querySelector(".why").textContent = "word".repeat(40)`, narrow},
		{"width", `document.querySelector("form").style.width = "400px"`, narrow},
		{"target", `document.querySelector("button").style.cssText = "min-height: 0; height: 20px"`, look{}},
		{"motion", `document.querySelector(".bar i").style.transition = "width 1s"`, narrow},
		{"name", `document.querySelector("input[name=reason]").closest("label").firstChild.remove()`, look{}},
		{"name", `document.querySelector("button").textContent = ""`, look{}},
		{"name", `document.querySelector(".bar:not([hidden])").removeAttribute("aria-label")`, look{}},
		{"name", `document.querySelectorAll(".trace:not([hidden])").forEach(a => a.textContent = "Trace")`, look{}},
		{"role", `document.getElementById("checks").setAttribute("role", "presentation")`, look{}},
		{"focus", `document.querySelector("select").tabIndex = 5`, look{}},
		{"focus", `document.querySelector("form").style.cssText = "position: absolute; left: -5000px"`, look{}},
		{"focus", `document.querySelector("select").style.outline = "none"`, look{}},
	} {
		t.Run(c.rule, func(t *testing.T) { // t.Run closes the tab
			b := open(t, d.status(), c.look)
			b.until("the fault is shown", `document.querySelectorAll("li.fail a:not([hidden])").length === 1`)
			// Stop the page's updates, so it does not repair itself.
			b.run(`for (let n = setInterval(() => {}, 1e6); n > 0; n--) clearInterval(n); Date.parse = () => { throw new Error("still") };` + c.spoil)
			servers.Poll(t, c.spoil+" is found", func() error { // the accessibility tree follows a little later
				if wrong := b.inaccessible(); !slices.ContainsFunc(wrong, func(p string) bool { return strings.HasPrefix(p, c.rule+": ") }) {
					return fmt.Errorf("found only %q", wrong)
				}
				return nil
			})
		})
	}
	b := open(t, d.status(), look{})
	b.until("the fault is shown", `document.querySelectorAll("li.fail").length === 1`)
	b.run(`setInterval(() => document.getElementById("said").append("."), 100)`)
	if b.chatter() == 0 {
		t.Error("the test does not find a chattering live region")
	}
	b.clean()
	for _, c := range []struct {
		want, js string
		noPolicy bool
	}{
		{"security: ", `new Image().src = "/status"`, false},
		{"request to another origin: ", `new Image().src = "http://127.0.0.2:9/x"`, true},
		{"console: error", `console.error("so")`, false},
		{"exception: ", `setTimeout(() => { throw new Error("so") })`, false},
	} {
		b := open(t, d.status(), look{noPolicy: c.noPolicy})
		b.run(c.js)
		servers.Poll(t, c.js+" is noticed", func() error {
			if seen := b.seen(); !slices.ContainsFunc(seen, func(p string) bool { return strings.HasPrefix(p, c.want) }) {
				return fmt.Errorf("found only %q", seen)
			}
			return nil
		})
	}
	d.end()
}
