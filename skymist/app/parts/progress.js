// How far a scan is, what it is, and what it has found. All texts come from outside: they are set as text, never as HTML.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const count = (number) => number.toLocaleString("en-US");

function bar(level) {
  const share = level.total ? level.done / level.total : 0;
  const words = `${count(level.done)} of ${count(level.total)} cells${level.failed ? `, ${count(level.failed)} failed` : ""}`;
  const filled = element("span", { class: level.failed ? "filled some-failed" : "filled" });
  filled.style.width = `${100 * share}%`;
  const track = element("span", { class: "track", role: "progressbar", "aria-label": level.name, "aria-valuemin": 0,
    "aria-valuemax": level.total, "aria-valuenow": level.done, "aria-valuetext": words }, filled);
  return element("div", { class: "level" }, element("span", { class: "name" }, level.name), track,
    element("span", { class: "words" }, words, element("span", { class: "note" }, level.note ? ` · ${level.note}` : "")));
}

function list(entries, name) {
  const rows = Object.entries(entries).map(([key, value]) =>
    element("div", {}, element("dt", {}, key), element("dd", {}, value)));
  return element("dl", { class: name }, ...rows);
}

function slowest(cells) {
  const rows = cells.map((cell) => element("tr", {}, ...[cell.place, cell.nside, cell.seconds, cell.worker].map((text) => element("td", {}, text))));
  const head = element("tr", {}, ...["position", "nside", "time", "worker"].map((text) => element("th", { scope: "col" }, text)));
  return element("details", { class: "slow" }, element("summary", {}, `Slowest cells (${cells.length})`),
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

function found(result, files) {
  const links = files.map((file) => element("a", { href: file.url, download: "", title: file.about }, file.name));
  const download = element("p", { class: "files" }, element("span", { class: "label" }, "Download "), ...links.flatMap((each) => [each, " "]));
  const alert = result.alert ? [element("a", { class: "alert", href: result.href }, `Alert ${result.alert}`)] : [];
  return element("section", { class: "found", "aria-label": "result" }, element("h2", {}, "Result"), list(result.facts, "numbers"), ...alert, download);
}

export function render({ model }) {
  const parts = {
    trouble: element("div", { role: "alert" }), levels: element("div", { class: "levels" }), numbers: element("div", {}),
    slow: element("div", {}), found: element("div", {}), facts: element("div", {}),
  };
  const root = element("section", { class: `progress ${model.theme}`, "aria-label": "progress" }, ...Object.values(parts));
  const show = {
    trouble: () => parts.trouble.replaceChildren(...(model.trouble ? [element("p", { class: "trouble" }, `⚠ ${model.trouble}`)] : [])),
    bars: () => parts.levels.replaceChildren(...model.bars.map(bar)),
    numbers: () => parts.numbers.replaceChildren(list(model.numbers, "numbers")),
    slow: () => {
      const open = parts.slow.querySelector("details")?.open ?? false;
      parts.slow.replaceChildren(...(model.slow.length ? [slowest(model.slow)] : []));
      if (open && parts.slow.firstChild) parts.slow.firstChild.open = true;
    },
    result: () => parts.found.replaceChildren(...(model.result.facts ? [found(model.result, model.files)] : [])),
    facts: () => {
      const open = parts.facts.querySelector("details")?.open ?? true;
      const details = element("details", { class: "facts" }, element("summary", {}, "What was asked for"), list(model.facts, "asked"));
      details.open = open;
      parts.facts.replaceChildren(...(Object.keys(model.facts).length ? [details] : []));
    },
  };
  for (const [name, draw] of Object.entries(show)) { model.on(name, draw); draw(); }
  model.on("files", show.result);
  return root;
}
