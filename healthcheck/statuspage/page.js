"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const marks = { pass: "✓", warn: "!", fail: "✗", stale: "?", unknown: "…" };
  const names = { p: "pass", w: "warn", u: "unknown", s: "stale", f: "fail", " ": "no record" };
  const steps = 360;
  const late = 5000; // ms without a word
  let past = {}, pastStep = 0, step = 10, heard = 0, shown = null, source = null, polling = 0;

  const el = (tag, cls, text) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const svg = (tag, attrs) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
    return e;
  };
  const number = (v, unit) => {
    if (v === null || v === undefined) return "no value";
    if (unit === "s" && v !== 0 && Math.abs(v) < 1) return Math.abs(v) < 1e-3 ? Number((v * 1e6).toPrecision(3)) + " µs" : Number((v * 1e3).toPrecision(3)) + " ms";
    const text = Number(v.toPrecision(4)).toString();
    return unit && unit !== "1" ? text + " " + unit.replace(/[{}]/g, "") : text;
  };
  const ago = (from, now) => {
    const s = Math.max(0, Math.round((now - from) / 1000));
    if (s < 90) return s + " s";
    if (s < 5400) return Math.round(s / 60) + " min";
    return (s / 3600).toFixed(1) + " h";
  };

  // The history grows by what is seen; the server sends it whole at first.
  const worse = "pwusf";
  function note(d) {
    const now = Math.floor(Date.parse(d.now) / 1000 / step);
    if (d.past) { past = d.past; pastStep = now; }
    for (const [name, list] of Object.entries(d.verdict ? d.verdict.checks || {} : {})) {
      const p = past[name] || (past[name] = { states: " ".repeat(steps), values: Array(steps).fill(0) });
      const move = Math.min(steps, now - pastStep);
      if (move > 0) {
        p.states = p.states.slice(move) + " ".repeat(move);
        p.values = p.values.slice(move).concat(Array(move).fill(0));
      }
      const letter = list[0].status[0], last = p.states[steps - 1];
      if (worse.indexOf(letter) >= worse.indexOf(last)) p.states = p.states.slice(0, -1) + letter;
      p.values[steps - 1] = list[0].observedValue || 0;
    }
    pastStep = Math.max(pastStep, now);
  }

  function strip(p) {
    const s = svg("svg", { viewBox: "0 0 " + steps + " 10", preserveAspectRatio: "none", role: "img" });
    const sum = {};
    for (let i = 0; i < steps;) {
      let j = i;
      while (j < steps && p.states[j] === p.states[i]) j++;
      const l = p.states[i];
      sum[l] = (sum[l] || 0) + j - i;
      // Height says it too: not everybody sees the colours.
      const h = { p: 4, w: 7, u: 6, s: 10, f: 10 }[l];
      if (h) s.append(svg("rect", { x: i, y: 10 - h, width: j - i, height: h, class: "s-" + l }));
      i = j;
    }
    const words = Object.entries(sum).map(([l, n]) => names[l] + " " + ago(0, n * step * 1000)).join(", ");
    s.setAttribute("aria-label", "Last hour: " + words);
    const t = svg("title", {}); t.textContent = "Last hour: " + words; s.prepend(t);
    return s;
  }

  function spark(p, name) {
    const seen = p.values.filter((_, i) => p.states[i] !== " ");
    if (seen.length < 2) return null;
    const top = Math.max(...seen), low = Math.min(0, ...seen), span = top - low || 1;
    let d = "", pen = false;
    p.values.forEach((v, i) => {
      if (p.states[i] === " ") { pen = false; return; }
      d += (pen ? "L" : "M") + i + " " + (10 - 10 * (v - low) / span).toFixed(2);
      pen = true;
    });
    const s = svg("svg", { viewBox: "0 -1 " + steps + " 12", preserveAspectRatio: "none", role: "img", class: "spark",
      "aria-label": "Value in the last hour: from " + number(Math.min(...seen)) + " to " + number(top) });
    s.append(svg("path", { d }));
    return s;
  }

  function check(name, e, d) {
    const li = el("li", e.status);
    const head = el("div", "head");
    head.append(el("h3", "", name), el("span", "badge", (marks[e.status] || "") + " " + e.status), el("span", "role", e.role || "auxiliary"));
    if (e.since) head.append(el("span", "since", "for " + ago(Date.parse(e.since), Date.parse(d.now))));
    if (e.override) head.append(el("span", "badge warn", "overridden: " + e.override));
    li.append(head);
    const limit = e.limit !== undefined ? e.limit : e.warnLimit;
    let text = "";
    if ("observedValue" in e) {
      text = (e.quantile ? "p" + +(e.quantile * 100).toFixed(3) + " " : "") + number(e.observedValue, e.observedUnit);
      if (limit !== undefined) text += " of at most " + number(limit, e.observedUnit);
      if (e.minLimit !== undefined) text += ", at least " + number(e.minLimit, e.observedUnit);
      if (e.window) text += " in " + e.window;
      li.append(el("p", "value", text));
    }
    if (limit > 0 && e.observedValue !== null && e.observedValue !== undefined) {
      const bar = el("div", "bar"), fill = el("i");
      const part = Math.max(0, Math.min(1, e.observedValue / limit));
      bar.setAttribute("role", "meter");
      bar.setAttribute("aria-label", name + " against its limit");
      bar.setAttribute("aria-valuemin", "0"); bar.setAttribute("aria-valuemax", String(limit));
      bar.setAttribute("aria-valuenow", String(Math.min(limit, e.observedValue))); bar.setAttribute("aria-valuetext", text);
      fill.style.width = 100 * part + "%"; // by the object model, which the policy allows
      bar.append(fill); li.append(bar);
    }
    if (e.output) li.append(el("p", "why", e.output));
    if (e.error) li.append(el("p", "why", "Last error: " + e.error));
    if (d.traces && d.traces[name]) {
      const a = el("a", "", "Trace of the last run");
      a.href = d.traces[name]; a.rel = "noreferrer";
      li.append(a);
    }
    if (past[name]) {
      const hour = el("p", "hour");
      hour.append(el("span", "", "an hour ago"), el("span", "", "now"));
      li.append(hour, strip(past[name]));
      const s = spark(past[name], name);
      if (s && "observedValue" in e) li.append(s);
    }
    return li;
  }

  function draw(d) {
    shown = d;
    const v = d.verdict || { checks: {} }, ready = d.probes.readiness;
    $("verdict").className = ready;
    $("mark").textContent = marks[ready];
    $("state").textContent = { pass: "Ready", warn: "Ready, with warnings", fail: "Not ready" }[ready];
    $("service").textContent = [v.serviceId, v.releaseId].filter(Boolean).join(" ");
    $("sentence").textContent = d.stale ? "Nothing has been judged for more than 15 s: what follows is old." : v.output || "Every check passes.";
    $("facts").textContent = "Lifecycle " + (v.lifecycle || "starting") + " · liveness " + d.probes.liveness + " · startup " + d.probes.startup + " · judged " + (v.time || "never");
    document.title = { pass: "✓ ready", warn: "! warnings", fail: "✗ not ready" }[ready] + (v.serviceId ? " · " + v.serviceId : "");
    const order = { fail: 0, stale: 1, unknown: 2, warn: 3, pass: 4 };
    const list = Object.entries(v.checks || {}).map(([name, l]) => [name, l[0]]);
    list.sort((a, b) => order[a[1].status] - order[b[1].status] || (a[0] < b[0] ? -1 : 1));
    $("checks").replaceChildren(...list.map(([name, e]) => check(name, e, d)));
    if ($("window")) $("window").textContent = v.until ? (v.output || "Open") + ", until " + v.until : "None.";
  }

  function take(d) {
    heard = Date.now();
    step = d.step;
    note(d);
    draw(d);
    contact();
  }

  function contact() {
    const silent = Date.now() - heard, lost = heard > 0 && silent > late;
    document.body.classList.toggle("lost", lost);
    $("contact").hidden = !lost;
    if (lost && !polling) polling = setInterval(poll, 2000); // the stream is silent: is anybody there?
    if (lost) $("contact").textContent = "Contact lost " + ago(heard, Date.now()) + " ago. What is below is as of " + shown.now.slice(11, 19) + " UTC.";
  }

  async function poll() {
    try {
      const res = await fetch("/status/data", { cache: "no-store" });
      if (res.ok) take(await res.json());
    } catch { /* contact() tells */ }
  }

  function listen() {
    source = new EventSource("/status/events");
    source.onmessage = (m) => { clearInterval(polling); polling = 0; take(JSON.parse(m.data)); };
    source.onerror = () => {
      if (!polling) polling = setInterval(poll, 2000);
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
  }

  const form = $("maintenance");
  if (form) {
    const path = document.body.dataset.maintenance;
    const send = async (method, body) => {
      const token = form.elements.token.value, headers = token ? { Authorization: "Bearer " + token } : {};
      try {
        const res = await fetch(path, { method, headers, body });
        $("done").textContent = res.ok ? "Done." : res.status + ": " + (await res.text()).slice(0, 200);
      } catch (e) { $("done").textContent = "Not done: " + e.message; }
    };
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      const until = new Date(Date.now() + 60000 * Number(form.elements.minutes.value) - 1000).toISOString();
      send("PUT", JSON.stringify({ reason: form.elements.reason.value, until }));
    });
    $("lift").addEventListener("click", () => send("DELETE"));
  }

  poll();
  listen();
  setInterval(contact, 500);
})();
