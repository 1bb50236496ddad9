// How far a scan is, what it is, and what it has found. All texts come from outside: they are set as text, never as HTML.
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
  const root = element("section", { class: `progress ${model.theme}`, "aria-label": model.label }, ...Object.values(parts));
  const draw = {
    trouble: (words) => parts.trouble.replaceChildren(...(words ? [element("p", { class: "trouble" }, `⚠ ${words}`)] : [])),
    bars: (bars) => parts.levels.replaceChildren(...bars.map(bar)),
    numbers: (numbers) => parts.numbers.replaceChildren(list(numbers, "numbers")),
    slow: (cells) => {
      const open = parts.slow.querySelector("details")?.open ?? false;
      parts.slow.replaceChildren(...(cells.length ? [slowest(cells)] : []));
      if (open && parts.slow.firstChild) parts.slow.firstChild.open = true;
    },
    found: ([result, files]) => parts.found.replaceChildren(...(result?.facts ? [found(result, files ?? [])] : [])),
    facts: (facts) => {
      const open = parts.facts.querySelector("details")?.open ?? true;
      const details = element("details", { class: "facts" }, element("summary", {}, "What was asked for"), list(facts, "asked"));
      details.open = open;
      parts.facts.replaceChildren(...(Object.keys(facts).length ? [details] : []));
    },
  };
  const shown = {}; // as JSON: what stays the same is not drawn again

  function show() {
    const said = JSON.parse(model.content);
    for (const [name, value] of Object.entries({ ...said, found: [said.result, said.files] })) {
      const text = JSON.stringify(value);
      if (!draw[name] || shown[name] === text) continue;
      shown[name] = text;
      draw[name](value);
    }
  }

  show();
  model.on("content", show);
  return root;
}
