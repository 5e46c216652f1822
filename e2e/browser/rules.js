// Accessibility rules for the page. The value is a list of problems. Each begins with the name of its
// rule.
(() => {
  const wrong = [], say = (rule, what) => wrong.push(rule + ": " + what);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const seen = (e) => e.checkVisibility({ checkVisibilityCSS: true }) && e.getBoundingClientRect().width > 1;
  const name = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (typeof e.className === "string" && e.className ? "." + e.className.replace(/ /g, ".") : "");

  // The document
  if (!/^[a-z]{2}/.test(document.documentElement.lang)) say("lang", "the page has no language");
  if (!document.title.trim()) say("title", "the page has no title");
  const ids = all("[id]").map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) say("id", id + " appears twice");
  if (all("main").length !== 1) say("landmark", all("main").length + " main");
  for (const e of all("section")) {
    const title = document.getElementById(e.getAttribute("aria-labelledby"));
    if (!title || !title.innerText.trim()) say("landmark", name(e) + " has no name");
  }
  const headings = all("h1, h2, h3, h4, h5, h6").filter(seen).map((e) => ({ level: Number(e.tagName[1]), text: e.innerText.trim() }));
  if (headings.filter((h) => h.level === 1).length !== 1) say("heading", headings.filter((h) => h.level === 1).length + " h1");
  headings.forEach((h, i) => {
    if (!h.text) say("heading", "h" + h.level + " is empty");
    if (h.level > (i ? headings[i - 1].level : 0) + 1) say("heading", "h" + h.level + " " + h.text + " comes after h" + (i ? headings[i - 1].level : 0));
  });
  const alarm = all("[role=alert]").some((e) => seen(e) && e.textContent.trim());
  if (!alarm && !all("[role=status], [aria-live=polite]").some((e) => e.textContent.includes(document.getElementById("sentence").textContent.split(":")[0]))) say("live", "no live region has the verdict");

  // Every state has a text, not only a colour.
  const words = { "s-p": "pass", "s-w": "warn", "s-u": "unknown", "s-s": "stale", "s-f": "fail" };
  for (const li of all("#checks > li")) {
    const state = li.className, badge = li.querySelector(".badge");
    if (!state || !badge || !seen(badge) || !badge.innerText.includes(state)) say("state", "no text says that " + li.innerText.split("\n")[0] + " is " + state);
    for (const r of li.querySelectorAll("rect")) {
      const hour = [...li.querySelectorAll(".hour")].filter(seen).map((e) => e.innerText).join(" ");
      if (!hour.includes("Last hour:") || !hour.includes(words[r.getAttribute("class")])) say("state", "no text says what " + r.getAttribute("class") + " of " + li.innerText.split("\n")[0] + " is");
    }
  }
  if (document.getElementById("state").innerText.trim().length < 5) say("state", "no text says what the verdict is");

  // Contrast, from the browser's computed styles
  const parse = (c) => { const m = /^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/.exec(c); return m && [+m[1], +m[2], +m[3], m[4] === undefined ? 1 : +m[4]]; };
  const over = (top, under, a) => [0, 1, 2].map((i) => a * top[i] + (1 - a) * under[i]);
  const luminance = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const canvas = () => parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  const chain = (e) => { const list = []; for (; e; e = e.parentElement) list.push(e); return list; };
  // behind is the colour under an element's text, or null if it is unknown.
  const behind = (e) => {
    let colour = canvas();
    for (const p of chain(e).reverse()) {
      const style = getComputedStyle(p), back = parse(style.backgroundColor);
      if (!back || style.backgroundImage !== "none" || style.filter !== "none" || style.mixBlendMode !== "normal") return null;
      colour = over(back, colour, back[3]);
    }
    return colour;
  };
  const opacity = (e) => chain(e).reduce((o, p) => o * getComputedStyle(p).opacity, 1);
  const contrast = (e, colour, least, what) => {
    const front = parse(colour), back = behind(e);
    if (!front || !back) return say("contrast", "unknown for " + what + " in " + name(e));
    const r = ratio(over(front, back, front[3] * opacity(e)), back);
    if (r < least) say("contrast", r.toFixed(2) + " instead of " + least + ": " + what + " in " + name(e));
  };
  const written = new Set(all("input, select").filter(seen));
  for (const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walk.nextNode();) {
    const e = walk.currentNode.parentElement;
    if (walk.currentNode.data.trim() && seen(e) && !["SCRIPT", "STYLE", "NOSCRIPT", "OPTION", "title"].includes(e.tagName)) written.add(e);
  }
  for (const e of written) {
    const style = getComputedStyle(e), size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    contrast(e, style.color, large ? 3 : 4.5, JSON.stringify((e.innerText || e.tagName).slice(0, 40)));
  }
  for (const e of all("input, select, button").filter(seen)) contrast(e.parentElement, getComputedStyle(e).borderTopColor, 3, "the border of " + name(e));
  for (const e of all("#checks rect")) contrast(e.closest("li"), getComputedStyle(e).fill, 3, "the strip " + e.getAttribute("class"));
  for (const e of all("#checks path")) contrast(e.closest("li"), getComputedStyle(e).stroke, 3, "the line");
  for (const e of all(".bar > i").filter(seen)) contrast(e.parentElement, getComputedStyle(e).backgroundColor, 3, "the bar");

  // Room, size and motion
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) say("width", document.documentElement.scrollWidth + " of " + wide + " pixels");
  for (const e of all("main *")) if (e.checkVisibility() && e.getBoundingClientRect().right > wide + 1) say("width", name(e) + " ends at " + Math.round(e.getBoundingClientRect().right) + " of " + wide);
  for (const e of all("button, input, select").filter(seen)) {
    const box = e.getBoundingClientRect();
    if (box.height < 24 || box.width < 24) say("target", name(e) + " is " + Math.round(box.width) + " by " + Math.round(box.height));
  }
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    for (const e of all("*")) {
      const style = getComputedStyle(e);
      if (style.animationName !== "none" || style.transitionDuration.split(", ").some((d) => parseFloat(d) > 0)) say("motion", name(e) + " moves");
    }
    if (document.getAnimations().length) say("motion", "an animation runs");
  }
  return [...new Set(wrong)];
})()
