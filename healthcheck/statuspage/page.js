"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const marks = { pass: "✓", warn: "!", fail: "✗", stale: "?", unknown: "…" };
  const names = { p: "pass", w: "warn", u: "unknown", s: "stale", f: "fail", " ": "no record" };
  const worse = "pwusf";
  const steps = 360;
  const every = 2000, late = 5000, silence = 10000; // ms
  const base = location.pathname.replace(/\/+$/, "");

  // Leave unchanged elements alone: screen readers, selections or the focus may be there.
  const put = (e, text) => { if (e.textContent !== text) e.textContent = text; };
  const show = (e, text) => { e.hidden = !text; put(e, text || ""); };
  const el = (tag, cls, ...children) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    e.append(...children);
    return e;
  };
  const svg = (tag, attrs) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
    return e;
  };

  const short = (v) => Number(v.toPrecision(4)).toString();
  const scaled = (v, unit, sizes) => {
    const [size, prefix] = sizes.find(([size]) => Math.abs(v) >= size) || sizes[sizes.length - 1];
    return Number((v / size).toPrecision(3)) + " " + prefix + unit;
  };
  const number = (v, unit, bare) => {
    if (v === null || v === undefined) return "no value yet";
    if (unit === "s" && v !== 0 && Math.abs(v) < 1) return scaled(v, "s", [[1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]]);
    if (unit === "By") return scaled(v, "B", [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]);
    const noun = /^{(.*)}$/.exec(unit || "");
    if (noun) return short(v) + (bare ? "" : " " + (v === 1 ? noun[1] : noun[1].replace(/([^aeiou])y$/, "$1ie") + "s"));
    return unit && unit !== "1" ? short(v) + " " + unit : short(v);
  };
  const span = (ms) => {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 90) return s + " s";
    if (s < 5400) return Math.round(s / 60) + " min";
    return s < 172800 ? (s / 3600).toFixed(1) + " h" : Math.round(s / 86400) + " days";
  };
  // Times are the service's, because the clock of this computer may be wrong.
  const clock = (time, now) => (time.slice(0, 10) === now.slice(0, 10) ? "" : time.slice(0, 10) + " ") + time.slice(11, 19) + " UTC";

  // The service sends the whole history at first. After that the page adds every verdict. A
  // check that is removed for a while keeps its history.
  let past = {}, pastStep = 0;
  function note(d) {
    const now = Math.floor(Date.parse(d.now) / 1000 / d.step);
    if (d.past) { past = d.past; pastStep = now; }
    const move = Math.min(steps, now - pastStep);
    if (move > 0) {
      for (const [name, p] of Object.entries(past)) {
        p.states = p.states.slice(move) + " ".repeat(move);
        p.values = p.values.slice(move).concat(Array(move).fill(null));
        if (!p.states.trim()) delete past[name];
      }
      pastStep = now;
    }
    for (const [name, [e]] of Object.entries(d.verdict.checks)) {
      const p = past[name] || (past[name] = { states: " ".repeat(steps), values: Array(steps).fill(null) });
      if (d.stale) continue; // nothing was judged
      const letter = e.status[0], last = p.states[steps - 1];
      if (worse.indexOf(letter) < worse.indexOf(last)) continue;
      p.states = p.states.slice(0, -1) + letter;
      p.values[steps - 1] = e.observedValue ?? null; // in the worst state
    }
  }

  // The strip also has heights, and its caption has words, because not everybody sees the
  // colours.
  function strip(row, p, step) {
    if (row.states === p.states) return;
    row.states = p.states;
    const s = svg("svg", { viewBox: "0 0 " + steps + " 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    const sum = {};
    for (let i = 0; i < steps;) {
      const l = p.states[i];
      let j = i;
      while (j < steps && p.states[j] === l) j++;
      sum[l] = (sum[l] || 0) + j - i;
      const h = { p: 4, w: 7, u: 6, s: 10, f: 10 }[l];
      if (h) s.append(svg("rect", { x: i, y: 10 - h, width: j - i, height: h, class: "s-" + l }));
      i = j;
    }
    const words = [...worse].reverse().concat(" ").filter((l) => sum[l]).map((l) => names[l] + " " + span(sum[l] * step * 1000));
    put(row.hour, "Last hour: " + words.join(", "));
    row.strip.replaceChildren(s);
  }

  function spark(row, p, e) {
    const seen = p.values.filter((v) => v !== null);
    const rule = [e.limit, e.minLimit, e.warnLimit, e.minWarnLimit].some((v) => v !== undefined);
    row.spark.hidden = row.range.hidden = seen.length < 2 || !rule && !e.time; // a heartbeat's silence comes and goes
    if (row.spark.hidden) return;
    const top = Math.max(...seen), low = Math.min(...seen), zero = Math.min(0, low), height = top - zero || 1;
    let d = "", pen = false;
    p.values.forEach((v, i) => {
      if (v !== null) d += (pen ? "L" : "M") + i + " " + (10 - 10 * (v - zero) / height).toFixed(2);
      pen = v !== null;
    });
    const s = svg("svg", { viewBox: "0 -1 " + steps + " 12", preserveAspectRatio: "none", "aria-hidden": "true", class: "spark" });
    s.append(svg("path", { d }));
    put(row.range, (e.time && !("took" in e) ? "Runs took " : "Value: ") + number(low, e.observedUnit, true) + " to " + number(top, e.observedUnit));
    row.spark.replaceChildren(s);
  }

  function value(e) {
    if (!("observedValue" in e)) return e.status === "pass" && !e.time ? "no work under way" : ""; // a heartbeat
    const limits = [[e.limit, "at most "], [e.minLimit, "at least "], [e.warnLimit, "warning above "], [e.minWarnLimit, "warning below "]];
    const group = Object.entries(e).filter(([k]) => k.includes(".")).map(([k, v]) => k.replace(/^attribute\./, "") + " " + v);
    const parts = limits.filter(([v]) => v !== undefined).map(([v, word]) => word + number(v, e.observedUnit, true));
    const quantile = e.observedValue !== null && e.quantile; // interpolated within a bucket, so two digits
    let text = number(quantile ? Number(e.observedValue.toPrecision(2)) : e.observedValue, e.observedUnit);
    if (quantile) text = "p" + short(e.quantile * 100) + " about " + text;
    if (!parts.length) text = (e.time ? ("took" in e ? "" : "last run took ") : "silent for ") + text; // an active check, or a heartbeat
    if (parts.length && e.observedValue !== null && parts[0].startsWith("at most")) text += " of " + parts.shift();
    text = [text, ...parts].join(", ");
    if (e.limit > 0 && e.observedValue > e.limit) text += ": " + (e.observedValue < 2 * e.limit ? Math.ceil(100 * (e.observedValue / e.limit - 1)) + " % over" : short(Math.round(e.observedValue / e.limit)) + " times the limit");
    if (e.window) text += ", in " + e.window;
    return text + (group.length ? " (" + group.join(", ") + ")" : "");
  }

  function bar(row, name, e, text) {
    const top = e.limit ?? e.warnLimit ?? 2 * (e.minLimit ?? e.minWarnLimit); // the right end
    row.bar.hidden = !(top > 0) || typeof e.observedValue !== "number";
    if (row.bar.hidden) return;
    const part = (v) => 100 * Math.max(0, Math.min(1, v / top)) + "%"; // the policy allows styles only by the object model
    const attrs = { "aria-label": name + " against its limit", "aria-valuemin": 0, "aria-valuemax": top, "aria-valuenow": Math.max(0, Math.min(top, e.observedValue)), "aria-valuetext": text };
    for (const [k, v] of Object.entries(attrs)) row.bar.setAttribute(k, v);
    row.bar.firstChild.style.width = part(e.observedValue);
    const ticks = [e.warnLimit, e.minLimit, e.minWarnLimit].filter((v) => v > 0 && v < top);
    while (row.bar.children.length < 1 + ticks.length) row.bar.append(el("b"));
    ticks.forEach((v, n) => { row.bar.children[n + 1].style.left = part(v); });
  }

  // The value's line says these numbers with their units.
  const onlyNumbers = /^[-.\d]+ of at (most|least) [-.\d]+$|^[-.\d]+, warns (above|below) [-.\d]+$/;

  const rows = new Map();
  function rowOf(name) {
    let r = rows.get(name);
    if (r) return r;
    r = { name: el("h3", "", name) };
    for (const [key, tag] of Object.entries({ badge: "span", role: "span", since: "span", override: "span", value: "p", bar: "div", why: "p", error: "p", trace: "a", hour: "span", end: "span", strip: "div", range: "span", spark: "div" })) r[key] = el(tag, key);
    r.override.className = "badge override"; r.error.className = "why";
    r.bar.setAttribute("role", "meter"); r.bar.append(el("i"));
    r.trace.rel = "noreferrer";
    r.li = el("li", "", el("div", "head", r.name, r.badge, r.role, r.since, r.override), r.why, r.error, r.value, r.bar, r.trace,
      el("p", "hour", r.hour, r.end), r.strip, el("p", "hour", r.range), r.spark);
    rows.set(name, r);
    return r;
  }

  function check(name, e, d, old) {
    const r = rowOf(name), text = value(e);
    if (r.li.className !== e.status) r.li.className = e.status;
    put(r.badge, (old ? "was " : marks[e.status] + " ") + e.status);
    put(r.role, e.role);
    show(r.since, e.since && !old ? "for " + span(Date.parse(d.now) - Date.parse(e.since)) : e.since && "since " + clock(e.since, d.now));
    show(r.override, [e.shadow && "in shadow: decides nothing", e.override && "overridden by an operator: " + e.override].filter(Boolean).join(", "));
    show(r.value, text);
    bar(r, name, e, text);
    put(r.end, old ? "then" : "now");
    show(r.why, e.output && !onlyNumbers.test(e.output) && e.output);
    show(r.error, e.error && "Last error: " + e.error);
    const trace = (d.traces || {})[name];
    show(r.trace, trace && (e.error ? "Trace of the failed run" : "Trace of the last run") + " of " + name);
    if (trace && r.trace.getAttribute("href") !== trace) r.trace.href = trace;
    if (past[name]) { strip(r, past[name], d.step); spark(r, past[name], e); }
    return r.li;
  }

  const states = ["fail", "stale", "unknown", "warn", "pass"], roles = ["vital", "core", "auxiliary", "informational"];
  function list(d, old) {
    const checks = d.verdict.checks;
    for (const name of rows.keys()) if (!checks[name]) rows.delete(name);
    const sorted = Object.entries(checks).map(([name, [e]]) => [name, e]).sort(([a, x], [b, y]) => !!(x.shadow && x.status !== "pass") - !!(y.shadow && y.status !== "pass") ||
      states.indexOf(x.status) - states.indexOf(y.status) || roles.indexOf(x.role) - roles.indexOf(y.role) || (a < b ? -1 : 1));
    const items = sorted.map(([name, e]) => check(name, e, d, old)), ul = $("checks");
    if (items.length === ul.children.length && items.every((li, n) => li === ul.children[n])) return;
    const focused = document.activeElement;
    ul.replaceChildren(...items);
    if (focused !== document.activeElement && ul.contains(focused)) focused.focus({ preventScroll: true });
  }

  let shown = null, lost = false;
  function draw() {
    const d = shown, v = d.verdict, ready = d.probes.readiness, old = lost || d.stale;
    document.body.classList.toggle("old", old);
    if ($("verdict").className !== ready) $("verdict").className = ready;
    const at = clock(lost || !v.time ? d.now : v.time, d.now);
    put($("mark"), lost ? "?" : marks[ready]);
    put($("state"), lost ? "Contact lost" : d.title);
    put($("service"), [v.serviceId, v.releaseId].filter(Boolean).join(" "));
    put($("sentence"), lost ? "At " + at + " it was: " + d.title + ". " + d.sentence : d.sentence);
    const facts = ["lifecycle " + v.lifecycle, "liveness " + d.probes.liveness, "startup " + d.probes.startup, v.time ? "judged at " + clock(v.time, d.now) : "not judged yet"];
    if (d.since && !old) facts.unshift("for " + span(Date.parse(d.now) - Date.parse(d.since)) + ", since " + clock(d.since, d.now));
    const would = v.shadow;
    show($("would"), would && !old && (would.status !== ready || would.output !== v.output) && "With the checks in shadow it would be " + marks[would.status] + " " + { pass: "ready", warn: "ready, with warnings", fail: "not ready" }[would.status] + (would.output ? ": " + would.output : "") + ".");
    put($("facts"), (lost ? "then: " : "") + facts.join(" · "));
    put($("checks-title"), old ? "Checks as of " + at : "Checks");
    const title = (lost ? "? contact lost" : marks[ready] + " " + d.title.toLowerCase()) + (v.serviceId ? " · " + v.serviceId : "");
    if (document.title !== title) document.title = title;
    list(d, old);
    if ($("window")) put($("window"), !v.until ? (lost ? "None then." : "None.") : (lost ? "Then open" : "Open") + " until " + clock(v.until, d.now) + ": " + (v.output || "").replace(/^maintenance: /, ""));
    // Screen readers announce a new verdict or a new failing check, and not every new number.
    const key = d.title + " " + d.sentence.split(":")[0];
    if (!lost && $("said").dataset.key !== key) { $("said").dataset.key = key; put($("said"), d.title + ". " + d.sentence); }
  }

  // now reads two clocks: one stops while the computer sleeps, the other may be set back.
  const now = () => [Date.now(), performance.now()];
  const since = (then) => Math.max(Date.now() - then[0], performance.now() - then[1]);
  let heard = now(), streamed = now(), asked = [-Infinity, -Infinity], asking = false, source = null;

  function take(d) {
    heard = now();
    shown = d;
    note(d);
    contact();
    draw();
  }

  async function ask() {
    if (asking || since(asked) < every) return;
    asking = true; asked = now();
    try {
      const res = await fetch(base + "/data", { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (res.ok) take(await res.json());
    } catch { /* contact shows it */ }
    asking = false;
  }

  function listen() {
    streamed = now();
    if (source) source.close();
    source = new EventSource(base + "/events");
    source.onmessage = (m) => { streamed = now(); take(JSON.parse(m.data)); };
  }

  // contact runs twice a second, because a stream may be refused, delayed or dead without an error.
  function contact() {
    const silent = since(heard), was = lost;
    lost = silent > late;
    if (silent > every) ask();
    if (since(streamed) > silence) listen();
    if (lost === was) return;
    $("contact").hidden = !lost;
    put($("contact"), !lost ? "" : "Contact lost" + (shown ? " at " + clock(shown.now, shown.now) + ". The page below shows the state at that time." : ". The page below shows the state when it was opened.") + " The page keeps trying.");
    if (shown) draw();
    else if (lost) { put($("state"), "Contact lost"); document.title = "? contact lost"; $("verdict").className = ""; }
  }

  const form = $("maintenance");
  if (form) {
    const send = async (method, body, done) => {
      const token = form.elements.token.value, headers = token ? { Authorization: "Bearer " + token } : {};
      let text;
      try {
        const res = await fetch(document.body.dataset.maintenance, { method, headers, body, signal: AbortSignal.timeout(10000) });
        const answer = res.ok ? "" : await res.text();
        let why = answer.slice(0, 200);
        try { why = JSON.parse(answer).error || why; } catch { /* plain text */ }
        text = res.ok ? done : "Refused (" + res.status + "): " + why;
      } catch (e) { text = "Not done: " + e.message; }
      put($("done"), text);
    };
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      const at = shown ? Date.parse(shown.now) + since(heard) : Date.now(); // by the service's clock
      const until = new Date(at + 60000 * Number(form.elements.minutes.value) - 1000).toISOString();
      send("PUT", JSON.stringify({ reason: form.elements.reason.value, until }), "Maintenance has begun.");
    });
    $("lift").addEventListener("click", () => send("DELETE", undefined, "Maintenance has ended."));
  }

  ask();
  listen();
  setInterval(contact, 500);
})();
