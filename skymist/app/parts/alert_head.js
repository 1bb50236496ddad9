// The head of the page of an alert. All texts come from outside: they are set as text, never as HTML.
const chip = (text, kind, title) => element("span", { class: `chip ${kind}`, title }, text);

function title(head) {
  const name = head.retraction ? element("s", { class: "name" }, head.name) : element("span", { class: "name" }, head.name);
  const parts = [element("h1", {}, name)];
  if (head.retraction) parts.push(chip("✕ retracted", "retracted", head.retraction));
  if (head.stream) parts.push(chip(head.stream, `stream ${head.stream}`, "stream"));
  parts.push(chip(head.tense, `role ${head.role}`, "tense of the notice: what it refers to"));
  if (head.aliases.length) parts.push(element("span", { class: "aliases" }, `also ${head.aliases.join(", ")}`));
  return parts;
}

function neighbour(found, words, key) {
  if (!found.name) return element("span", { class: "none" }, `no ${words} alert`);
  const arrow = key === "p" ? "‹ " : "";
  return element("a", { href: found.href, title: `${words} alert by time (${key})`, "aria-label": `${words} alert, ${found.name}` },
    `${arrow}${found.name}${key === "n" ? " ›" : ""}`);
}

function copier(address) {
  const button = element("button", { type: "button" }, "Copy permalink");
  button.addEventListener("click", async () => {
    const whole = new URL(address, location.origin).href;
    let words = "Copied";
    try {
      await navigator.clipboard.writeText(whole);
    } catch {
      words = whole;  // without a clipboard (no TLS) it can be copied from here
    }
    button.textContent = words;
    setTimeout(() => { button.textContent = "Copy permalink"; }, 3000);
  });
  return button;
}

function facts(head) {
  return element("dl", { class: "facts" }, ...head.facts.map(([label, value]) =>
    element("div", {}, element("dt", {}, label), element("dd", {}, value))));
}

function standing(name, rows, none) {
  const lines = rows.map((each) => element("li", {},
    element("a", { href: each.href }, each.label), ` ${each.words}`, each.by ? element("small", {}, ` (${each.by})`) : ""));
  const list = lines.length ? element("ul", {}, ...lines) : element("p", {}, none);
  return element("div", {}, element("h2", {}, name), list);
}

function draw(head) {
  if (!head.name) return [element("p", { class: "waiting", role: "status" }, "The alert is being loaded…")];
  const said = [];
  if (head.retraction) said.push(element("p", { class: "retraction", role: "note" }, head.retraction));
  if (head.doubts.length) said.push(element("div", { class: "doubts", role: "note" },
    element("strong", {}, "Doubts: "), element("ul", {}, ...head.doubts.map((each) => element("li", {}, each)))));
  const where = element("nav", { "aria-label": "neighbours" },
    neighbour(head.before, "previous", "p"), neighbour(head.after, "next", "n"), copier(head.address));
  const how = element("div", { class: "standing" },
    standing("Scans", head.scans, head.events ? "none yet" : "no event file came in: nothing to scan"),
    standing("Circulars", head.circulars, "none yet"),
    element("div", {}, element("h2", {}, "Archive"), element("p", {}, head.release)));
  return [element("div", { class: "top" }, ...title(head), where), ...said, element("div", { class: "body" }, facts(head), how)];
}

// Whether somebody is typing: inside of shadow roots the document sees only their hosts.
export function render({ model }) {
  const root = element("section", { class: `alert ${model.theme}`, "aria-label": "the alert" });
  let shown = "";
  const show = () => {
    const now = JSON.stringify(model.head);
    if (now === shown) return;  // what has the focus keeps it
    shown = now;
    root.replaceChildren(...draw(model.head));
  };
  let before = "";
  const press = (event) => {
    const first = before;
    before = event.key;
    if (isTyping() || event.ctrlKey || event.metaKey || event.altKey || first === "g" || !model.head.name) return;
    const aimed = { p: model.head.before, n: model.head.after }[event.key];
    if (aimed?.href) location.assign(aimed.href);
    if (event.key === "c") root.querySelector("nav button").click();
  };
  document.addEventListener("keydown", press);
  model.on("head", show);
  model.on("go", () => { if (model.go) location.assign(model.go); });
  model.on?.("remove", () => document.removeEventListener("keydown", press));
  show();
  return root;
}
